//! A view of device memory passed where a slice of the host is expected.

use ze_area::{Device, ZeSlice};

fn sum(elements: impl IntoIterator<Item = &'static f32>) -> f32 {
    elements.into_iter().sum()
}

fn sum_of_view(view: &'static ZeSlice<'static, f32, Device>) -> f32 {
    sum(view)
}

fn main() {}
