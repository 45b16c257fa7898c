//! A view that outlives its buffer.

use ze_area::{Device, ZeBuffer, ZeSlice};

fn head<'a>(x: ZeBuffer<f32, Device>) -> ZeSlice<'a, f32, Device> {
    x.as_view()
}

fn main() {}
