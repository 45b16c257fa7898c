//! Two copies of a view that can be written through.

use ze_area::{Device, ZeSliceMut};

fn twice(view: ZeSliceMut<'_, f32, Device>) -> usize {
    let (first, second) = (view, view);
    first.len() + second.len()
}

fn main() {}
