//! The host reading an element of device memory.

use ze_area::{Device, ZeBuffer};

fn first(x: &ZeBuffer<f32, Device>) -> f32 {
    x[0]
}

fn main() {}
