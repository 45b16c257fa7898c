//! A copy from what is no memory of elements.

use ze_area::{Device, Queue, ZeBuffer};

fn copy(queue: &Queue, text: &String, y: &mut ZeBuffer<u8, Device>) {
    let _ = queue.copy(text, y);
}

fn main() {}
