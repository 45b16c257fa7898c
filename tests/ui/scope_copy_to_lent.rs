//! A copy to what was lent to be read only.

use ze_area::{Device, Queue, ZeBuffer};

fn run(queue: &Queue, x: &ZeBuffer<f32, Device>, y: &ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| q.copy(&q.lend(x), &mut q.lend(y)));
}

fn main() {}
