//! A copy into a buffer that is only borrowed for reading.

use ze_area::{Device, Queue, ZeBuffer};

fn copy(queue: &Queue, x: &ZeBuffer<f32, Device>, y: &ZeBuffer<f32, Device>) {
    let _ = queue.copy(x, y);
}

fn main() {}
