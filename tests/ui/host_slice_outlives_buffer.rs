//! A slice of the host that outlives its buffer.

use ze_area::{Host, ZeBuffer};

fn sum(x: ZeBuffer<f32, Host>) -> f32 {
    let elements = x.as_slice();
    drop(x);
    elements.iter().sum()
}

fn main() {}
