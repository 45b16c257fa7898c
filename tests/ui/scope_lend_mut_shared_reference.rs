//! A buffer lent to be written to through a shared reference.

use ze_area::{Device, Queue, ZeBuffer};

fn run(queue: &Queue, x: &ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| q.fill(&mut q.lend_mut(x), 1.0));
}

fn main() {}
