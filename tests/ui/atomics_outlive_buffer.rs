//! Atomics that outlive their buffer.

use ze_area::{AtomicSlice, Host, ZeBuffer};

fn dangling<'a>(mut x: ZeBuffer<u32, Host>) -> AtomicSlice<'a, u32, Host> {
    x.as_atomics()
}

fn main() {}
