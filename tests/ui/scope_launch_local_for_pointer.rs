//! A launch in a scope with local memory for a pointer to a buffer.

use ze_area::{In, Kernel, Queue, local};

fn launch(queue: &Queue, kernel: &Kernel<(In<f32>,)>) {
    let _ = queue.scope(|q| q.launch(kernel, 4, (local::<f32>(4),)));
}

fn main() {}
