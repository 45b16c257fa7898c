//! Device memory that nobody wrote yet written by the host itself.

use core::mem::MaybeUninit;
use ze_area::{Device, ZeBuffer};

fn write(x: ZeBuffer<MaybeUninit<f32>, Device>) -> ZeBuffer<f32, Device> {
    x.write_from_slice(&[1.0, 2.0]).unwrap()
}

fn main() {}
