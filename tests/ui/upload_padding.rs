//! The upload of a structure with padding, whose bytes nobody has written.

use bytemuck::AnyBitPattern;
use ze_area::DeviceArea;

#[derive(Clone, Copy, AnyBitPattern)]
#[repr(C)]
struct Padded {
    tag: u8,
    value: f32,
}

fn allocate(area: &DeviceArea, elements: &[Padded]) {
    let _ = area.mmap_from_slice(elements);
}

fn main() {}
