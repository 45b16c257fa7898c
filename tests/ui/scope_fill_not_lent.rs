//! A buffer filled in a scope without being lent.

use ze_area::{Device, Queue, ZeBuffer};

fn run(queue: &Queue, x: &mut ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| q.fill(x, 1.0));
}

fn main() {}
