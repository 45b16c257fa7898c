//! A copy that is started to what others have too.

use std::sync::Arc;
use ze_area::{Device, Queue, ZeBuffer};

fn copy(queue: &Queue, x: Vec<f32>, y: Arc<ZeBuffer<f32, Device>>) {
    let _ = queue.start_copy(x, y);
}

fn main() {}
