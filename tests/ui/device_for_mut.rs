//! A loop of the host that changes device memory.

use ze_area::{Device, ZeBuffer};

fn double(x: &mut ZeBuffer<f32, Device>) {
    for element in &mut *x {
        *element *= 2.0;
    }
}

fn main() {}
