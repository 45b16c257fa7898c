//! An alignment of host memory that is no power of two.

use ze_area::HostArea;

fn aligned(area: &HostArea) {
    let _ = area.align::<3>();
}

fn main() {}
