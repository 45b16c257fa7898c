//! A view as atomics, which others have too, for a kernel that writes without atomic operations.

use ze_area::{AtomicSlice, Host, InOut, Kernel, Queue};

fn launch(queue: &Queue, kernel: &Kernel<(InOut<u32>,)>, counters: AtomicSlice<'_, u32, Host>) {
    let _ = queue.scope(|q| q.launch(kernel, 4, (counters,)));
}

fn main() {}
