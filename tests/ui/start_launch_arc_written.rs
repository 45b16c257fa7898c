//! A launch that is started to write to what others have too.

use std::sync::Arc;
use ze_area::{Device, InOut, Kernel, Queue, ZeBuffer};

fn launch(queue: &Queue, kernel: &Kernel<(InOut<f32>,)>, x: Arc<ZeBuffer<f32, Device>>) {
    let _ = queue.start_launch(kernel, 4, (x,));
}

fn main() {}
