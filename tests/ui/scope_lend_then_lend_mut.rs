//! A buffer lent to be read and to be written to.

use ze_area::{Device, Queue, ZeBuffer};

fn run(queue: &Queue, x: &mut ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| {
        let one = q.lend(&*x);
        let mut two = q.lend_mut(&mut *x);
        q.copy(&one, &mut two)
    });
}

fn main() {}
