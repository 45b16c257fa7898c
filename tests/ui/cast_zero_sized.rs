//! A cast to elements that take no memory.

use ze_area::{Device, ZeBuffer};

fn cast(x: &ZeBuffer<f32, Device>) {
    let _ = x.cast::<[f32; 0]>();
}

fn main() {
    let _: fn(&ZeBuffer<f32, Device>) = cast;
}
