//! The host asking for an element of device memory.

use ze_area::{Device, ZeBuffer};

fn first(x: &ZeBuffer<f32, Device>) -> Option<&f32> {
    x.get(0)
}

fn main() {}
