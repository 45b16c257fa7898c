//! Device memory copied by the host itself.

use ze_area::{Device, ZeBuffer};

fn elements(x: &ZeBuffer<f32, Device>) -> Vec<f32> {
    x.to_vec()
}

fn main() {}
