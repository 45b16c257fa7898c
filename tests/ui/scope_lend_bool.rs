//! Elements of the host that are no plain data, lent.

use ze_area::Queue;

fn run(queue: &Queue, flags: &[bool]) {
    let _ = queue.scope(|q| {
        let _ = q.lend(flags);
        Ok(())
    });
}

fn main() {}
