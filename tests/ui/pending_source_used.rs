//! A buffer that is used while a copy of it is pending.

use ze_area::{Device, Host, Queue, ZeBuffer};

fn copy(queue: &Queue, x: ZeBuffer<f32, Host>, y: ZeBuffer<f32, Device>) -> f32 {
    let _pending = queue.start_copy(x, y);
    x[0]
}

fn main() {}
