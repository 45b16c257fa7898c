//! A view that leaves the block of its buffer.

use ze_area::DeviceArea;

fn len(area: &DeviceArea) -> usize {
    let view = {
        let x = area.mmap::<f32>(2).unwrap();
        x.as_view()
    };
    view.len()
}

fn main() {}
