//! Device memory read by the host in a scope.

use ze_area::{Device, Queue, ZeBuffer};

fn run(queue: &Queue, x: &mut ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| {
        let x = q.lend_mut(x);
        assert_eq!(x.read()?[0], 1.0);
        Ok(())
    });
}

fn main() {}
