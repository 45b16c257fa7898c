//! A region into a buffer that is only borrowed for reading.

use ze_area::{Device, Layout, Queue, ZeBuffer};

fn copy(queue: &Queue, x: &ZeBuffer<f32, Device>, y: &ZeBuffer<f32, Device>) {
    let _ = queue.copy_region(x, Layout::rows(8), y, Layout::rows(4), [4, 4]);
}

fn main() {}
