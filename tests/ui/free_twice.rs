//! A buffer freed twice.

use ze_area::{Device, ZeBuffer};

fn free(x: ZeBuffer<f32, Device>) {
    let _ = x.free();
    let _ = x.free();
}

fn main() {}
