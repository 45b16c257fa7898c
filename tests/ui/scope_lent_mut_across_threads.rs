//! A handle to be written to, used by another thread.

use ze_area::{Device, Queue, ZeBuffer};

fn send(_: impl Send) {}

fn run(queue: &Queue, x: &mut ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| {
        send(q.lend_mut(x));
        Ok(())
    });
}

fn main() {}
