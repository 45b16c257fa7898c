//! A buffer shared with another thread whose elements must stay on theirs.

use bytemuck::{AnyBitPattern, Zeroable};
use ze_area::{Device, ZeBuffer};

#[derive(Clone, Copy)]
struct Local(*const f32);

unsafe impl Zeroable for Local {}
unsafe impl AnyBitPattern for Local {}

fn is_sync<T: Sync>(_: &T) {}

fn share(x: &ZeBuffer<Local, Device>) {
    is_sync(x);
}

fn main() {}
