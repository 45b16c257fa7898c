//! A hint to move host memory, which stays where it is.

use ze_area::{Host, Queue, ZeBuffer};

fn prefetch(queue: &Queue, x: &ZeBuffer<f32, Host>) {
    let _ = queue.prefetch(x);
}

fn main() {}
