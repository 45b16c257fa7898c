//! Two buffers in device memory compared by the host.

use ze_area::{Device, ZeBuffer};

fn same(x: &ZeBuffer<f32, Device>, y: &ZeBuffer<f32, Device>) -> bool {
    x == y
}

fn main() {}
