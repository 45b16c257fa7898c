//! A kernel that writes numbers of another type than the buffer has.

use ze_area::{Device, Kernel, Out, Queue, ZeBuffer};

fn launch(queue: &Queue, kernel: &Kernel<(Out<f32>,)>, y: &mut ZeBuffer<f64, Device>) {
    let _ = queue.launch(kernel, 4, (y,));
}

fn main() {}
