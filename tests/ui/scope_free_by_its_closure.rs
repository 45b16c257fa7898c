//! A buffer that the closure owns: it is dropped while the device may still use it.

use ze_area::{Device, Queue, ZeBuffer};

fn run(queue: &Queue, mut x: ZeBuffer<f32, Device>) {
    let _ = queue.scope(move |q| q.fill(&mut q.lend_mut(&mut x), 1.0));
}

fn main() {}
