//! The handle of a device taken for a placement.

use ze_area::{ZeBuffer, ZeDevice};

fn len(x: &ZeBuffer<f32, ZeDevice>) {
    let _ = x;
}

fn main() {}
