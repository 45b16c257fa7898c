//! A buffer that is moved while it is lent.

use ze_area::{Device, Queue, ZeBuffer};

fn run(queue: &Queue, x: ZeBuffer<f32, Device>, y: &mut ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| {
        let lent = q.lend(&x);
        let moved = x;
        q.copy(&lent, &mut q.lend_mut(y))?;
        drop(moved);
        Ok(())
    });
}

fn main() {}
