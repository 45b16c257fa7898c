//! Atomics of a buffer that others may read as plain elements.

use ze_area::{Shared, ZeBuffer};

fn count(x: &ZeBuffer<u32, Shared>) {
    let _ = x.as_atomics();
}

fn main() {}
