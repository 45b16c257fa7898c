//! The host writing an element through a view of device memory.

use ze_area::{Device, ZeSliceMut};

fn set(view: ZeSliceMut<'_, f32, Device>) {
    view[0] = 1.0;
}

fn main() {}
