//! A copy whose source and target are the same buffer.

use ze_area::{Device, Queue, ZeBuffer};

fn copy(queue: &Queue, x: &mut ZeBuffer<f32, Device>) {
    let _ = queue.copy(x, x);
}

fn main() {}
