//! Device memory as a slice of the host.

use ze_area::{Device, ZeBuffer};

fn elements(x: &ZeBuffer<f32, Device>) -> &[f32] {
    x.as_slice()
}

fn main() {}
