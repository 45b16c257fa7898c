//! A slice of the host filled in a scope.

use ze_area::Queue;

fn run(queue: &Queue, x: &mut [f32]) {
    let _ = queue.scope(|q| {
        let mut x = q.lend_mut(x);
        q.fill(&mut x, 1.0)
    });
}

fn main() {}
