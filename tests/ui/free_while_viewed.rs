//! A buffer freed while there is a view of it.

use ze_area::{Device, ZeBuffer};

fn free(x: ZeBuffer<f32, Device>) -> usize {
    let view = x.as_view();
    let _ = x.free();
    view.len()
}

fn main() {}
