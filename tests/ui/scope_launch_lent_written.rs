//! A launch in a scope that writes to what is lent to be read.

use ze_area::{Device, InOut, Kernel, Queue, ZeBuffer};

fn launch(queue: &Queue, kernel: &Kernel<(InOut<f32>,)>, x: &ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| q.launch(kernel, 4, (&mut q.lend(x),)));
}

fn main() {}
