//! Two owners of the same memory.

use ze_area::{Device, ZeBuffer};

fn twice(x: &ZeBuffer<f32, Device>) -> ZeBuffer<f32, Device> {
    x.clone()
}

fn main() {}
