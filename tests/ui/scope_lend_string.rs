//! A string lent.

use ze_area::Queue;

fn run(queue: &Queue, text: &String) {
    let _ = queue.scope(|q| {
        let _ = q.lend(text);
        Ok(())
    });
}

fn main() {}
