//! A buffer given away while its halves are in use.

use ze_area::{Device, ZeBuffer};

fn give_away(mut x: ZeBuffer<f32, Device>) -> usize {
    let (left, right) = x.split_at_mut(1).unwrap();
    drop(x);
    left.len() + right.len()
}

fn main() {}
