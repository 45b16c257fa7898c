//! A region into a view that can only be read.

use ze_area::{Device, Layout, Queue, ZeBuffer, ZeSlice};

fn copy(queue: &Queue, x: &ZeBuffer<f32, Device>, mut y: ZeSlice<'_, f32, Device>) {
    let _ = queue.copy_region(x, Layout::rows(8), &mut y, Layout::rows(4), [4, 4]);
}

fn main() {}
