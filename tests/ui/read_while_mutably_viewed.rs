//! A buffer read while there is a view that can be written through.

use ze_area::{Host, ZeBuffer};

fn read(x: &mut ZeBuffer<f32, Host>) -> f32 {
    let mut view = x.slice_mut(..).unwrap();
    let first = x[0];
    view[0] = 1.0;
    first
}

fn main() {}
