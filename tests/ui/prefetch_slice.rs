//! A hint to move a slice of the host, of which the driver knows nothing.

use ze_area::Queue;

fn prefetch(queue: &Queue, x: &Vec<f32>) {
    let _ = queue.prefetch(x);
}

fn main() {}
