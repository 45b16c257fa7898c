//! Two parts of a handle to be written to, which may overlap.

use ze_area::{Device, Queue, ZeBuffer};

fn run(queue: &Queue, x: &mut ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| {
        let mut x = q.lend_mut(x);
        let low = x.slice_mut(..6)?;
        let mut high = x.slice_mut(4..)?;
        q.copy(&low, &mut high)
    });
}

fn main() {}
