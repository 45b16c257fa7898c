//! A lent handle that the closure returns.

use ze_area::{Device, Queue, ZeBuffer};

fn run(queue: &Queue, x: &ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| Ok(q.lend(x)));
}

fn main() {}
