//! An atomic element of one's own.

use std::sync::atomic::AtomicU32;
use ze_area::AtomicElement;

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Own(u32);

impl AtomicElement for Own {
    type Atomic = AtomicU32;
}

fn main() {}
