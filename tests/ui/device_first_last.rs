//! The host asking for the ends of device memory.

use ze_area::{Device, ZeBuffer};

fn first(x: &ZeBuffer<f32, Device>) -> Option<&f32> {
    x.first()
}

fn last(x: &ZeBuffer<f32, Device>) -> Option<&f32> {
    x.last()
}

fn main() {}
