//! A lent buffer that a kernel reads and writes by two arguments.

use ze_area::{Device, In, InOut, Kernel, Queue, ZeBuffer};

fn launch(queue: &Queue, kernel: &Kernel<(In<f32>, InOut<f32>)>, x: &mut ZeBuffer<f32, Device>) {
    let _ = queue.scope(|q| {
        let mut x = q.lend_mut(x);
        q.launch(kernel, 4, (&x, &mut x))
    });
}

fn main() {}
