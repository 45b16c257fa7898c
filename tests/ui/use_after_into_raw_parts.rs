//! The use of a buffer after it was taken apart.

use ze_area::{Device, ZeBuffer};

fn take_apart(x: ZeBuffer<f32, Device>) -> usize {
    let parts = x.into_raw_parts();
    x.len() + parts.len
}

fn main() {}
