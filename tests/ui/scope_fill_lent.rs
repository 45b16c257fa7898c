//! A fill of what was lent to be read only.

use ze_area::{Device, Queue, ZeBuffer};

fn run(queue: &Queue, x: &ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| q.fill(&mut q.lend(x), 1.0));
}

fn main() {}
