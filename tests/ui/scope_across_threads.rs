//! A scope used by another thread.

use ze_area::Queue;

fn run(queue: &Queue, threads: &std::thread::Scope<'_, '_>) {
    let _ = queue.scope(|q| {
        threads.spawn(|| q.wait());
        Ok(())
    });
}

fn main() {}
