//! A buffer that the host writes while it is lent to be read.

use ze_area::{Host, Queue, ZeBuffer};

fn run(queue: &Queue, x: &mut ZeBuffer<f32, Host>, y: &mut ZeBuffer<f32, Host>) {
    let _ = queue.scope(|q| {
        let lent = q.lend(&*x);
        x[0] = 1.0;
        q.copy(&lent, &mut q.lend_mut(y))
    });
}

fn main() {}
