//! A copy that is started to an array, which moves with the operation.

use ze_area::{Device, Queue, ZeBuffer};

fn copy(queue: &Queue, x: ZeBuffer<f32, Device>) {
    let _ = queue.start_copy(x, [0.0_f32; 4]);
}

fn main() {}
