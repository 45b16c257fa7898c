//! A part of a handle that is kept longer than the handle.

use ze_area::{Device, Queue, ZeBuffer};

fn run(queue: &Queue, x: &mut ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| {
        let mut part = {
            let mut x = q.lend_mut(x);
            x.slice_mut(..5)?
        };
        q.fill(&mut part, 1.0)
    });
}

fn main() {}
