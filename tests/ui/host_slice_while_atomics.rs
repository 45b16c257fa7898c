//! A slice of the host while the atomics of the same elements are used.

use std::sync::atomic::Ordering;
use ze_area::{Shared, ZeBuffer};

fn count(x: &mut ZeBuffer<u32, Shared>) -> u32 {
    let atomics = x.as_atomics();
    let first = &x[0];
    atomics[0].store(1, Ordering::Relaxed);
    *first
}

fn main() {}
