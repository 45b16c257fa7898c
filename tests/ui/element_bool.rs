//! Elements for which not every byte is a value: `bool`.

use ze_area::DeviceArea;

fn allocate(area: &DeviceArea) {
    let _ = area.mmap::<bool>(1);
}

fn main() {}
