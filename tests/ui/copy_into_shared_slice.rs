//! A copy into a slice of the host that is only borrowed for reading.

use ze_area::{Device, Queue, ZeBuffer};

fn copy(queue: &Queue, x: &ZeBuffer<f32, Device>, mut y: &[f32]) {
    let _ = queue.copy(x, &mut y);
}

fn main() {}
