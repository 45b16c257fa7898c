//! Elements that nobody wrote yet filled as if they were values.

use core::mem::MaybeUninit;
use ze_area::{Device, Queue, ZeBuffer};

fn fill(queue: &Queue, x: &mut ZeBuffer<MaybeUninit<f32>, Device>) {
    let _ = queue.fill(x, MaybeUninit::new(1.0));
}

fn main() {}
