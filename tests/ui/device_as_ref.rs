//! Device memory passed where a generic function borrows a slice of the host.

use ze_area::{Device, ZeBuffer};

fn sum(elements: impl AsRef<[f32]>) -> f32 {
    elements.as_ref().iter().sum()
}

fn sum_of_buffer(x: ZeBuffer<f32, Device>) -> f32 {
    sum(x)
}

fn main() {}
