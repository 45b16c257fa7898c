//! A copy that is started from what can be changed meanwhile through another `Arc`.

use std::cell::Cell;
use std::sync::Arc;
use ze_area::{Host, Queue, ZeBuffer};

fn copy(queue: &Queue, x: Arc<ZeBuffer<Cell<u32>, Host>>, y: ZeBuffer<Cell<u32>, Host>) {
    let _ = queue.start_copy(x, y);
}

fn main() {}
