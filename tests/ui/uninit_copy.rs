//! Elements that nobody wrote yet copied to where values are expected.

use core::mem::MaybeUninit;
use ze_area::{Device, Queue, ZeBuffer};

fn copy(queue: &Queue, x: &ZeBuffer<MaybeUninit<f32>, Device>, y: &mut [f32]) {
    let _ = queue.copy(x, y);
}

fn main() {}
