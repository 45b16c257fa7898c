//! A buffer that the host reads while it is lent to be written to.

use ze_area::{Host, Queue, ZeBuffer};

fn run(queue: &Queue, x: &mut ZeBuffer<f32, Host>) {
    let _ = queue.scope(|q| {
        let mut lent = q.lend_mut(&mut *x);
        let first = x[0];
        q.fill(&mut lent, first)
    });
}

fn main() {}
