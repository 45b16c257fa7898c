//! A copy that is started from a view.

use ze_area::{Device, Queue, ZeBuffer};

fn copy(queue: &Queue, x: &ZeBuffer<f32, Device>) {
    let _ = queue.start_copy(x.as_view(), vec![0.0; 4]);
}

fn main() {}
