//! The shared area of a host area.

use ze_area::HostArea;

fn shared(area: &HostArea) {
    let _ = area.shared();
}

fn main() {}
