//! A view sent to another thread whose elements must stay on theirs.

use bytemuck::{AnyBitPattern, Zeroable};
use ze_area::{Device, ZeSlice};

#[derive(Clone, Copy)]
struct Local(*const f32);

unsafe impl Zeroable for Local {}
unsafe impl AnyBitPattern for Local {}

fn is_send<T: Send>(_: T) {}

fn send(view: ZeSlice<'_, Local, Device>) {
    is_send(view);
}

fn main() {}
