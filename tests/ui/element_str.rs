//! Elements that refer to memory of the host: `&str`.

use ze_area::DeviceArea;

fn allocate(area: &DeviceArea) {
    let _ = area.mmap::<&'static str>(1);
}

fn main() {}
