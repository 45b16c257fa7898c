//! Atomics of a type that has none.

use ze_area::{Shared, ZeBuffer};

fn add(x: &mut ZeBuffer<f32, Shared>) {
    let _ = x.as_atomics();
}

fn main() {}
