//! Elements taken as written without vouching for it.

use core::mem::MaybeUninit;
use ze_area::{Device, ZeBuffer};

fn assume(x: ZeBuffer<MaybeUninit<f32>, Device>) -> ZeBuffer<f32, Device> {
    x.assume_init()
}

fn main() {}
