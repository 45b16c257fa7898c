//! A region of `f32` into a buffer of `u32`.

use ze_area::{Device, Layout, Queue, ZeBuffer};

fn copy(queue: &Queue, x: &ZeBuffer<f32, Device>, y: &mut ZeBuffer<u32, Device>) {
    let _ = queue.copy_region(x, Layout::rows(8), y, Layout::rows(4), [4, 4]);
}

fn main() {}
