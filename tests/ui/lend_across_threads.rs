//! A view sent to a thread that may outlive the buffer.

use ze_area::{Device, ZeBuffer};

fn spawn(_: impl FnOnce() + Send + 'static) {}

fn send(x: &ZeBuffer<f32, Device>) {
    let view = x.as_view();
    spawn(move || drop(view));
}

fn main() {}
