//! A structure as element that cannot be copied.

use bytemuck::{Pod, Zeroable};

#[derive(Zeroable)]
#[repr(C)]
struct Particle {
    mass: f32,
}

unsafe impl Pod for Particle {}

fn main() {}
