//! A fill with an element of another type in a scope.

use ze_area::{Device, Queue, ZeBuffer};

fn run(queue: &Queue, x: &mut ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| q.fill(&mut q.lend_mut(x), 1_u32));
}

fn main() {}
