//! A buffer sent to another thread whose elements must stay on theirs.

use bytemuck::{AnyBitPattern, Zeroable};
use ze_area::{Device, ZeBuffer};

#[derive(Clone, Copy)]
struct Local(*const f32);

unsafe impl Zeroable for Local {}
unsafe impl AnyBitPattern for Local {}

fn spawn(_: impl FnOnce() + Send) {}

fn send(x: ZeBuffer<Local, Device>) {
    spawn(move || drop(x));
}

fn main() {}
