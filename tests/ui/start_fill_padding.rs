//! A fill is started with an element that has padding, whose bytes nobody wrote.

use bytemuck::AnyBitPattern;
use ze_area::{Device, Queue, ZeBuffer};

#[derive(Clone, Copy, AnyBitPattern)]
#[repr(C)]
struct Padded {
    byte: u8,
    word: u32,
}

fn fill(queue: &Queue, x: ZeBuffer<Padded, Device>, value: Padded) {
    let _ = queue.start_fill(x, value);
}

fn main() {}
