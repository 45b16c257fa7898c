//! A copy into a view that can only be read.

use ze_area::{Device, Queue, ZeBuffer, ZeSlice};

fn copy(queue: &Queue, x: &ZeBuffer<f32, Device>, mut y: ZeSlice<'_, f32, Device>) {
    let _ = queue.copy(x, &mut y);
}

fn main() {}
