//! A region of `f32` into a lent buffer of `u32`.

use ze_area::{Device, Layout, Queue, ZeBuffer};

fn copy(queue: &Queue, x: &ZeBuffer<f32, Device>, y: &mut ZeBuffer<u32, Device>) {
    let _ = queue.scope(|q| {
        let (x, mut y) = (q.lend(x), q.lend_mut(y));
        q.copy_region(&x, Layout::rows(8), &mut y, Layout::rows(4), [4, 4])
    });
}

fn main() {}
