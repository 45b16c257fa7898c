//! A local of the closure lent: it is gone before the work is done.

use ze_area::{Device, Queue, ZeBuffer};

fn run(queue: &Queue, x: &mut ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| {
        let values = vec![1.0; 10];
        let values = q.lend(&values);
        q.copy(&values, &mut q.lend_mut(x))
    });
}

fn main() {}
