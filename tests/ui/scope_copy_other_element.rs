//! A copy between elements of different types in a scope.

use ze_area::{Device, Queue, ZeBuffer};

fn run(queue: &Queue, x: &ZeBuffer<f32, Device>, y: &mut ZeBuffer<u32, Device>) {
    let _ = queue.scope(|q| q.copy(&q.lend(x), &mut q.lend_mut(y)));
}

fn main() {}
