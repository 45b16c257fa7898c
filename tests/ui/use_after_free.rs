//! The use of a buffer after it was freed.

use ze_area::{Device, ZeBuffer};

fn free(x: ZeBuffer<f32, Device>) -> usize {
    let _ = x.free();
    x.len()
}

fn main() {}
