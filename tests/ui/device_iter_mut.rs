//! An iterator of the host that changes device memory.

use ze_area::{Device, ZeBuffer};

fn double(x: &mut ZeBuffer<f32, Device>) {
    x.iter_mut().for_each(|element| *element *= 2.0);
}

fn main() {}
