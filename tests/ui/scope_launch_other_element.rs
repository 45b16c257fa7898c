//! A launch in a scope on elements of another type.

use ze_area::{Device, InOut, Kernel, Queue, ZeBuffer};

fn launch(queue: &Queue, kernel: &Kernel<(InOut<f32>,)>, x: &mut ZeBuffer<u32, Device>) {
    let _ = queue.scope(|q| q.launch(kernel, 4, (&mut q.lend_mut(x),)));
}

fn main() {}
