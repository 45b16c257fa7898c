//! A copy between two views of one buffer, which may overlap.

use ze_area::{Device, Queue, ZeBuffer};

fn shift(queue: &Queue, x: &mut ZeBuffer<f32, Device>) {
    let source = x.slice(0..2).unwrap();
    let mut target = x.slice_mut(1..3).unwrap();
    let _ = queue.copy(&source, &mut target);
}

fn main() {}
