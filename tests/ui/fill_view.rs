//! A fill through a view that can only be read.

use ze_area::{Device, Queue, ZeSlice};

fn fill(queue: &Queue, mut view: ZeSlice<'_, f32, Device>) {
    let _ = queue.fill(&mut view, 1.0);
}

fn main() {}
