//! A clone of a slice of the host, which has no placement to be cloned in.

use ze_area::Queue;

fn twin(queue: &Queue, x: &Vec<f32>) {
    let _ = queue.try_clone(x);
}

fn main() {}
