//! A slice of the host as an argument.

use ze_area::{In, Kernel, Queue};

fn launch(queue: &Queue, kernel: &Kernel<(In<f32>,)>, x: &[f32]) {
    let _ = queue.launch(kernel, 4, (x,));
}

fn main() {}
