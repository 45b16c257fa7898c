//! A launch in a scope on a slice of the host.

use ze_area::{InOut, Kernel, Queue};

fn launch(queue: &Queue, kernel: &Kernel<(InOut<f32>,)>, x: &mut [f32]) {
    let _ = queue.scope(|q| q.launch(kernel, 4, (&mut q.lend_mut(x),)));
}

fn main() {}
