//! A buffer copied from in a scope without being lent.

use ze_area::{Device, Queue, ZeBuffer};

fn run(queue: &Queue, x: &ZeBuffer<f32, Device>, y: &mut ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| q.copy(x, &mut q.lend_mut(y)));
}

fn main() {}
