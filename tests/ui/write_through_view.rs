//! An element written through a view that can only be read.

use ze_area::{Host, ZeSlice};

fn set(view: ZeSlice<'_, f32, Host>) {
    view[0] = 1.0;
}

fn main() {}
