//! The host writing an element of device memory.

use ze_area::{Device, ZeBuffer};

fn set(x: &mut ZeBuffer<f32, Device>) {
    x[0] = 1.0;
}

fn main() {}
