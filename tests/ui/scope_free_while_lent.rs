//! A buffer that is freed while it is lent.

use ze_area::{Device, Queue, ZeBuffer};

fn run(queue: &Queue, mut x: ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| {
        let mut lent = q.lend_mut(&mut x);
        let _ = x.free();
        q.fill(&mut lent, 1.0)
    });
}

fn main() {}
