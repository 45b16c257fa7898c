//! A copy into host memory while the host reads it.

use ze_area::{Device, Host, Queue, ZeBuffer};

fn copy(queue: &Queue, x: &ZeBuffer<f32, Device>, y: &mut ZeBuffer<f32, Host>) -> f32 {
    let elements = y.as_slice();
    let _ = queue.copy(x, y);
    elements[0]
}

fn main() {}
