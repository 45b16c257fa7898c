//! A fill with a value of another type.

use ze_area::{Device, Queue, ZeBuffer};

fn fill(queue: &Queue, x: &mut ZeBuffer<f32, Device>) {
    let _ = queue.fill(x, 1_u8);
}

fn main() {}
