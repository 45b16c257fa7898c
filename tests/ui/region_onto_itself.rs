//! A region of a buffer onto the same buffer.

use ze_area::{Device, Layout, Queue, ZeBuffer};

fn shift(queue: &Queue, x: &mut ZeBuffer<f32, Device>) {
    let _ = queue.copy_region(x, Layout::rows(8), x, Layout::rows(8).at([1, 1]), [4, 4]);
}

fn main() {}
