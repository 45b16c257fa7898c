//! Elements that nobody wrote yet cast to values.

use core::mem::MaybeUninit;
use ze_area::{Device, ZeBuffer};

fn cast(x: &ZeBuffer<MaybeUninit<f32>, Device>) {
    let _ = x.cast::<f32>();
}

fn main() {}
