//! A buffer lent anew after the last use of its handle: work on it may still run.

use ze_area::{Device, Queue, ZeBuffer};

fn run(queue: &Queue, x: &mut ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| {
        q.fill(&mut q.lend_mut(&mut *x), 1.0)?;
        q.fill(&mut q.lend_mut(&mut *x), 2.0)
    });
}

fn main() {}
