//! A slice of the host that is kept while the buffer is filled.

use ze_area::{Host, Queue, ZeBuffer};

fn fill(queue: &Queue, x: &mut ZeBuffer<f32, Host>) -> f32 {
    let first = &x[0];
    let _ = queue.fill(x, 1.0);
    *first
}

fn main() {}
