//! A queue of a scope stored outside of it.

use ze_area::{Queue, ScopeQueue};

fn run<'a>(queue: &Queue, out: &mut Option<ScopeQueue<'a>>) {
    let _ = queue.scope(|q| {
        *out = Some(q.on(queue)?);
        Ok(())
    });
}

fn main() {}
