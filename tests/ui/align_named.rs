//! The type of an area with an alignment that is no power of two.

use ze_area::{Align, DeviceArea};

fn take(area: &DeviceArea<Align<100>>) {
    let _ = area;
}

fn main() {}
