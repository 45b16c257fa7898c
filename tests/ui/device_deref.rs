//! Device memory dereferenced on the host.

use ze_area::{Device, ZeBuffer};

fn elements(x: &ZeBuffer<f32, Device>) -> &[f32] {
    &**x
}

fn main() {}
