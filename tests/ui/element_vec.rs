//! Elements that own memory of the host: `Vec`.

use ze_area::DeviceArea;

fn allocate(area: &DeviceArea) {
    let _ = area.mmap::<Vec<f32>>(1);
}

fn main() {}
