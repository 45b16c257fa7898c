//! A copy to a slice of `bool` on the host.

use ze_area::{Device, Queue, ZeBuffer};

fn copy(queue: &Queue, x: &ZeBuffer<bool, Device>, y: &mut [bool]) {
    let _ = queue.copy(x, y);
}

fn main() {}
