//! Elements that own memory of the host: `String`.

use ze_area::DeviceArea;

fn allocate(area: &DeviceArea) {
    let _ = area.mmap::<String>(1);
}

fn main() {}
