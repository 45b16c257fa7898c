//! Advice in code for any placement: only shared memory takes it.

use ze_area::{Advice, Placement, Queue, ZeBuffer};

fn advise<P: Placement>(queue: &Queue, x: &ZeBuffer<f32, P>) {
    let _ = queue.advise(x, Advice::SetReadMostly);
}

fn main() {}
