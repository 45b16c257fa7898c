//! An operation that is waited for twice.

use ze_area::{Device, Pending, ZeBuffer};

fn twice(pending: Pending<(ZeBuffer<f32, Device>, Vec<f32>)>) {
    let _ = pending.wait();
    let _ = pending.wait();
}

fn main() {}
