//! A hint on a buffer that is gone.

use ze_area::{Error, Queue, Shared, ZeBuffer};

fn hint(queue: &Queue, x: ZeBuffer<f32, Shared>) -> Result<(), Error> {
    drop(x);
    queue.prefetch(&x)
}

fn main() {}
