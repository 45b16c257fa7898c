//! Atomics of device memory, which the host cannot touch.

use ze_area::{Device, ZeBuffer};

fn count(x: &mut ZeBuffer<u32, Device>) {
    let _ = x.as_atomics();
}

fn main() {}
