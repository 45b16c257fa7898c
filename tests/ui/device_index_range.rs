//! A part of device memory as a slice of the host.

use ze_area::{Device, ZeBuffer};

fn middle(x: &ZeBuffer<f32, Device>) -> &[f32] {
    &x[1..3]
}

fn main() {}
