//! An area whose alignment is below that of the element type.

use ze_area::{Align, DeviceArea};

fn allocate(area: &DeviceArea<Align<4>>) {
    let _ = area.mmap::<f64>(1);
}

fn main() {
    let _: fn(&DeviceArea<Align<4>>) = allocate;
}
