//! One argument that is no tuple.

use ze_area::{Device, InOut, Kernel, Queue, ZeBuffer};

fn launch(queue: &Queue, kernel: &Kernel<(InOut<f32>,)>, y: &mut ZeBuffer<f32, Device>) {
    let _ = queue.launch(kernel, 4, y);
}

fn main() {}
