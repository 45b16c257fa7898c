//! Elements for which not every pattern of bytes is a value: `char`.

use ze_area::DeviceArea;

fn allocate(area: &DeviceArea) {
    let _ = area.mmap::<char>(1);
}

fn main() {}
