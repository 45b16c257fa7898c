//! An operation that is waited for once it was awaited.

use ze_area::{Device, Pending, ZeBuffer};

async fn both(pending: Pending<(ZeBuffer<f32, Device>, Vec<f32>)>) {
    let _ = pending.await;
    let _ = pending.wait();
}

fn main() {}
