//! Elements that take no memory.

use ze_area::DeviceArea;

fn allocate(area: &DeviceArea) {
    let _ = area.mmap::<()>(1);
}

fn main() {
    let _: fn(&DeviceArea) = allocate;
}
