//! A copy from a slice of a structure with padding, whose bytes nobody has written.

use bytemuck::AnyBitPattern;
use ze_area::{Device, Queue, ZeBuffer};

#[derive(Clone, Copy, AnyBitPattern)]
#[repr(C)]
struct Padded {
    tag: u8,
    value: f32,
}

fn copy(queue: &Queue, elements: &[Padded], target: &mut ZeBuffer<Padded, Device>) {
    let _ = queue.copy(elements, target);
}

fn main() {}
