//! Device memory written by the host in a scope.

use ze_area::{Device, Queue, ZeBuffer};

fn run(queue: &Queue, x: &mut ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| {
        let mut x = q.lend_mut(x);
        x.write()?[0] = 1.0;
        Ok(())
    });
}

fn main() {}
