//! The elements of device memory printed by the host.

use ze_area::{Device, ZeBuffer};

fn show(x: &ZeBuffer<f32, Device>) {
    println!("{:?}", &x[..]);
}

fn main() {}
