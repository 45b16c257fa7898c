//! A buffer lent twice to be written to.

use ze_area::{Device, Queue, ZeBuffer};

fn run(queue: &Queue, x: &mut ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| {
        let mut one = q.lend_mut(&mut *x);
        let mut two = q.lend_mut(&mut *x);
        q.fill(&mut one, 1.0)?;
        q.fill(&mut two, 2.0)
    });
}

fn main() {}
