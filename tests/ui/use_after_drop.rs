//! The use of a buffer after it was dropped.

use ze_area::{Device, ZeBuffer};

fn release(x: ZeBuffer<f32, Device>) -> usize {
    drop(x);
    x.len()
}

fn main() {}
