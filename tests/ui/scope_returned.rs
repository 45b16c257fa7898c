//! A scope that its closure returns.

use ze_area::Queue;

fn run(queue: &Queue) {
    let _ = queue.scope(|q| Ok(q));
}

fn main() {}
