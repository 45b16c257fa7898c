//! A handle that was lent to an outer scope, used by a queue of an inner one.

use ze_area::{Device, Queue, ZeBuffer};

fn run(queue: &Queue, other: &Queue, x: &mut ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| {
        let mut x = q.lend_mut(x);
        other.scope(|inner| inner.fill(&mut x, 1.0))
    });
}

fn main() {}
