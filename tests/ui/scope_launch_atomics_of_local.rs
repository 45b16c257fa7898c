//! A launch in a scope on a view as atomics of what the scope's end does not wait for.

use ze_area::{Atomic, HostArea, Kernel, Queue};

fn launch(queue: &Queue, kernel: &Kernel<(Atomic<u32>,)>, area: &HostArea) {
    let _ = queue.scope(|q| {
        let mut counters = area.mmap::<u32>(4)?;
        q.launch(kernel, 4, (counters.as_atomics(),))
    });
}

fn main() {}
