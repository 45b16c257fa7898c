//! The shared area of a shared area.

use ze_area::{Align, DeviceArea, Shared};

fn shared(area: &DeviceArea<Align<64>, Shared>) {
    let _ = area.shared();
}

fn main() {}
