//! Elements that refer to memory of the host: `&u8`.

use ze_area::DeviceArea;

fn allocate(area: &DeviceArea) {
    let _ = area.mmap::<&'static u8>(1);
}

fn main() {}
