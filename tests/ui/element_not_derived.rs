//! A structure as element that does not say that it is plain data.

use ze_area::DeviceArea;

#[derive(Clone, Copy)]
#[repr(C)]
struct Particle {
    position: [f32; 3],
    mass: f32,
}

fn allocate(area: &DeviceArea) {
    let _ = area.mmap::<Particle>(1);
}

fn main() {}
