//! A `Vec` as an argument.

use ze_area::{Kernel, Out, Queue};

fn launch(queue: &Queue, kernel: &Kernel<(Out<f32>,)>, x: &mut Vec<f32>) {
    let _ = queue.launch(kernel, 4, (x,));
}

fn main() {}
