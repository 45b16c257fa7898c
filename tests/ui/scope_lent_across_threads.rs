//! A lent handle used by another thread.

use ze_area::{Device, Lent, Queue, ZeBuffer};

fn send(_: impl Send) {}

fn run(queue: &Queue, x: &ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| {
        let x: Lent<f32, Device> = q.lend(x);
        send(x);
        Ok(())
    });
}

fn main() {}
