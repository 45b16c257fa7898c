//! A copy to a slice that somebody else owns, which forgetting the operation would leave behind.

use ze_area::{Device, Queue, ZeBuffer};

fn copy(queue: &Queue, x: ZeBuffer<f32, Device>, output: &mut [f32]) {
    let _ = queue.start_copy(x, output);
}

fn main() {}
