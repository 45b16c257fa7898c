//! The host asking for an element of device memory, to change it.

use ze_area::{Device, ZeBuffer};

fn set(x: &mut ZeBuffer<f32, Device>) {
    if let Some(element) = x.get_mut(0) {
        *element = 1.0;
    }
}

fn main() {}
