//! An iterator of the host over device memory.

use ze_area::{Device, ZeBuffer};

fn sum(x: &ZeBuffer<f32, Device>) -> f32 {
    x.iter().sum()
}

fn main() {}
