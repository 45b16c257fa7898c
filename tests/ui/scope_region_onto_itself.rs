//! A region whose source and target are one handle.

use ze_area::{Device, Layout, Queue, ZeBuffer};

fn copy(queue: &Queue, x: &mut ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| {
        let mut x = q.lend_mut(x);
        q.copy_region(&x, Layout::rows(8), &mut x, Layout::rows(4), [4, 4])
    });
}

fn main() {}
