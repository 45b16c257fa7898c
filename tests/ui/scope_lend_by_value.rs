//! A buffer that is given to `lend` and not lent.

use ze_area::{Device, Queue, ZeBuffer};

fn run(queue: &Queue, x: ZeBuffer<f32, Device>, y: &mut ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| q.copy(&q.lend(x), &mut q.lend_mut(y)));
}

fn main() {}
