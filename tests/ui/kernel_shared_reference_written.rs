//! A shared reference where the kernel writes.

use ze_area::{Device, InOut, Kernel, Queue, ZeBuffer};

fn launch(queue: &Queue, kernel: &Kernel<(InOut<f32>,)>, y: &ZeBuffer<f32, Device>) {
    let _ = queue.launch(kernel, 4, (y,));
}

fn main() {}
