//! A copy between buffers of different elements.

use ze_area::{Device, Queue, ZeBuffer};

fn copy(queue: &Queue, x: &ZeBuffer<f32, Device>, y: &mut ZeBuffer<i32, Device>) {
    let _ = queue.copy(x, y);
}

fn main() {}
