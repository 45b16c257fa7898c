//! An alignment that is no power of two.

use ze_area::DeviceArea;

fn aligned(area: &DeviceArea) {
    let _ = area.align::<100>();
}

fn main() {}
