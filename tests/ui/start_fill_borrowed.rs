//! A fill is started of a buffer that is borrowed only.

use ze_area::{Device, Queue, ZeBuffer};

fn fill(queue: &Queue, x: &mut ZeBuffer<f32, Device>) {
    let _ = queue.start_fill(x, 1.0);
}

fn main() {}
