//! Elements that nobody wrote yet taken for values.

use core::mem::MaybeUninit;
use ze_area::{Device, Queue, ZeBuffer};

fn elements(queue: &Queue, x: &ZeBuffer<MaybeUninit<f32>, Device>) -> Vec<f32> {
    queue.to_vec(x).unwrap()
}

fn main() {}
