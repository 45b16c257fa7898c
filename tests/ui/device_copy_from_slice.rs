//! A slice of the host written into device memory by the host itself.

use ze_area::{Device, ZeBuffer};

fn write(x: &mut ZeBuffer<f32, Device>) {
    x.copy_from_slice(&[1.0, 2.0]);
}

fn main() {}
