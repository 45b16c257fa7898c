//! The host reading an element through a view of device memory.

use ze_area::{Device, ZeSlice};

fn first(view: ZeSlice<'_, f32, Device>) -> f32 {
    view[0]
}

fn main() {}
