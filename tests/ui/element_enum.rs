//! An enum as element: not every number is one of its values.

use ze_area::DeviceArea;

#[derive(Clone, Copy)]
#[repr(u8)]
enum State {
    Free,
    Taken,
}

fn allocate(area: &DeviceArea) {
    let _ = area.mmap::<State>(1);
}

fn main() {}
