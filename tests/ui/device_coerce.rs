//! Device memory passed where a slice of the host is expected.

use ze_area::{Device, ZeBuffer};

fn sum(elements: &[f32]) -> f32 {
    elements.iter().sum()
}

fn sum_of_buffer(x: &ZeBuffer<f32, Device>) -> f32 {
    sum(x)
}

fn main() {}
