//! A launch that is started on a buffer that it does not own.

use ze_area::{Device, InOut, Kernel, Queue, ZeBuffer};

fn launch(queue: &Queue, kernel: &Kernel<(InOut<f32>,)>, x: &mut ZeBuffer<f32, Device>) {
    let _ = queue.start_launch(kernel, 4, (x,));
}

fn main() {}
