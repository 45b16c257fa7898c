//! An element read that nobody wrote yet.

use core::mem::MaybeUninit;
use ze_area::{Host, ZeBuffer};

fn first(x: &ZeBuffer<MaybeUninit<f32>, Host>) -> f32 {
    x[0]
}

fn main() {}
