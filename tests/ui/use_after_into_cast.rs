//! The use of a buffer after it was cast.

use ze_area::{Device, ZeBuffer};

fn cast(x: ZeBuffer<f32, Device>) -> usize {
    let y = x.into_cast::<u32>().unwrap();
    x.len() + y.len()
}

fn main() {}
