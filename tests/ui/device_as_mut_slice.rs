//! Device memory as a slice of the host that can be changed.

use ze_area::{Device, ZeBuffer};

fn elements(x: &mut ZeBuffer<f32, Device>) -> &mut [f32] {
    x.as_mut_slice()
}

fn main() {}
