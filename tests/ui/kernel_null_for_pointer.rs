//! No buffer where the kernel takes one.

use ze_area::{Device, In, Kernel, Queue, ZeBuffer};

fn launch(queue: &Queue, kernel: &Kernel<(In<f32>,)>, x: Option<&ZeBuffer<f32, Device>>) {
    let _ = queue.launch(kernel, 4, (x,));
}

fn main() {}
