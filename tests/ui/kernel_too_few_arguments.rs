//! Fewer arguments than parameters.

use ze_area::{Device, In, InOut, Kernel, Queue, ZeBuffer};

fn launch(
    queue: &Queue,
    kernel: &Kernel<(In<f32>, InOut<f32>, f32)>,
    x: &ZeBuffer<f32, Device>,
    y: &mut ZeBuffer<f32, Device>,
) {
    let _ = queue.launch(kernel, 4, (x, y));
}

fn main() {}
