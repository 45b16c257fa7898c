//! A copy that is started to elements of another type.

use ze_area::{Device, Queue, ZeBuffer};

fn copy(queue: &Queue, x: ZeBuffer<f32, Device>) {
    let _ = queue.start_copy(x, vec![0_u32; 4]);
}

fn main() {}
