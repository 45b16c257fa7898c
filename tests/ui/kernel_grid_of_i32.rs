//! A grid of signed numbers.

use ze_area::{Kernel, Queue};

fn launch(queue: &Queue, kernel: &Kernel<()>, n: i32) {
    let _ = queue.launch(kernel, n, ());
}

fn main() {}
