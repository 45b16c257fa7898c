//! A lent handle stored outside of its scope.

use ze_area::{Device, Lent, Queue, ZeBuffer};

fn run<'a>(queue: &Queue, x: &'a ZeBuffer<f32, Device>, out: &mut Option<Lent<'a, f32, Device>>) {
    let _ = queue.scope(|q| {
        *out = Some(q.lend(x));
        Ok(())
    });
}

fn main() {}
