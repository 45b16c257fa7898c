//! A loop of the host over device memory.

use ze_area::{Device, ZeBuffer};

fn sum(x: &ZeBuffer<f32, Device>) -> f32 {
    let mut sum = 0.0;
    for element in x {
        sum += element;
    }
    sum
}

fn main() {}
