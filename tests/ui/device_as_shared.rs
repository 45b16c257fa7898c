//! Device memory passed where shared memory is expected.

use ze_area::{Device, Shared, ZeBuffer};

fn sum(x: &ZeBuffer<f32, Shared>) -> f32 {
    x.iter().sum()
}

fn sum_of_buffer(x: &ZeBuffer<f32, Device>) -> f32 {
    sum(x)
}

fn main() {}
