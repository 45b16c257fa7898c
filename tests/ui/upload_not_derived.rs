//! The upload of a structure that does not say that it is plain data.

use ze_area::DeviceArea;

#[derive(Clone, Copy)]
#[repr(C)]
struct Particle {
    position: [f32; 3],
    mass: f32,
}

fn allocate(area: &DeviceArea, particles: &[Particle]) {
    let _ = area.mmap_from_slice(particles);
}

fn main() {}
