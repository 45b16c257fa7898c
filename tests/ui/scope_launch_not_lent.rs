//! A launch in a scope on a buffer that is not lent to it.

use ze_area::{Device, InOut, Kernel, Queue, ZeBuffer};

fn launch(queue: &Queue, kernel: &Kernel<(InOut<f32>,)>, x: &mut ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| q.launch(kernel, 4, (&mut *x,)));
}

fn main() {}
