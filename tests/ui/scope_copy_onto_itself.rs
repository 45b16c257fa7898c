//! A copy whose source and target are one handle.

use ze_area::{Device, Queue, ZeBuffer};

fn run(queue: &Queue, x: &mut ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| {
        let mut x = q.lend_mut(x);
        q.copy(&x, &mut x)
    });
}

fn main() {}
