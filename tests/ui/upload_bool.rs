//! The upload of `bool`: a device may write other bytes than 0 and 1.

use ze_area::DeviceArea;

fn allocate(area: &DeviceArea) {
    let _ = area.mmap_from_slice(&[true, false]);
}

fn main() {}
