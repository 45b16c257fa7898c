//! Advice on a part of device memory, which does not move.

use ze_area::{Advice, Device, Queue, ZeSlice};

fn advise(queue: &Queue, x: ZeSlice<'_, f32, Device>) {
    let _ = queue.advise(&x, Advice::SetReadMostly);
}

fn main() {}
