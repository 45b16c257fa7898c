//! A launch in a scope that is given an exclusive reference to what it reads.

use ze_area::{Device, In, Kernel, Queue, ZeBuffer};

fn launch(queue: &Queue, kernel: &Kernel<(In<f32>,)>, x: &mut ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| q.launch(kernel, 4, (&mut q.lend_mut(x),)));
}

fn main() {}
