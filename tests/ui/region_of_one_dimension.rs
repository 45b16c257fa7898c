//! An extent of one dimension: that is a copy of a slice.

use ze_area::{Device, Layout, Queue, ZeBuffer};

fn copy(queue: &Queue, x: &ZeBuffer<f32, Device>, y: &mut ZeBuffer<f32, Device>) {
    let _ = queue.copy_region(x, Layout::rows(8), y, Layout::rows(4), [4]);
}

fn main() {}
