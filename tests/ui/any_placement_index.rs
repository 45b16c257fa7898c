//! Host access in code that is generic over every placement, device memory too.

use ze_area::{Placement, ZeBuffer};

fn first<P: Placement>(x: &ZeBuffer<f32, P>) -> f32 {
    x[0]
}

fn main() {}
