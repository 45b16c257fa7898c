//! An alignment above 2^40.

use ze_area::HostArea;

fn aligned(area: &HostArea) {
    let _ = area.align::<{ 1 << 41 }>();
}

fn main() {}
