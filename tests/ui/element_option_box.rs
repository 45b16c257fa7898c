//! Elements that own memory of the host: `Option<Box>`.

use ze_area::DeviceArea;

fn allocate(area: &DeviceArea) {
    let _ = area.mmap::<Option<Box<f32>>>(1);
}

fn main() {}
