//! Two views of one buffer that can both be written through.

use ze_area::{Device, ZeBuffer};

fn overlap(x: &mut ZeBuffer<f32, Device>) -> usize {
    let first = x.slice_mut(0..2).unwrap();
    let second = x.slice_mut(1..3).unwrap();
    first.len() + second.len()
}

fn main() {}
