//! An alignment of 0.

use ze_area::DeviceArea;

fn aligned(area: &DeviceArea) {
    let _ = area.align::<0>();
}

fn main() {}
