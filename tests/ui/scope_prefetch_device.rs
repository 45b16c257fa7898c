//! A hint in a scope to move device memory, which stays where it is.

use ze_area::{Device, Queue, ZeBuffer};

fn prefetch(queue: &Queue, x: &ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| q.prefetch(&q.lend(x)));
}

fn main() {}
