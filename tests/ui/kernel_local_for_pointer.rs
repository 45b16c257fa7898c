//! Local memory where the kernel takes a buffer.

use ze_area::{In, Kernel, Queue, local};

fn launch(queue: &Queue, kernel: &Kernel<(In<f32>,)>) {
    let _ = queue.launch(kernel, 4, (local::<f32>(4),));
}

fn main() {}
