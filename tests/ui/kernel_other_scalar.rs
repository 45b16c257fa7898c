//! A scalar of another type than the parameter.

use ze_area::{Device, InOut, Kernel, Queue, ZeBuffer};

fn launch(queue: &Queue, kernel: &Kernel<(InOut<f32>, f32)>, y: &mut ZeBuffer<f32, Device>) {
    let _ = queue.launch(kernel, 4, (y, 2.0_f64));
}

fn main() {}
