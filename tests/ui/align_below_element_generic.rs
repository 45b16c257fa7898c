//! An area whose alignment is below that of the element type, in generic code.

use ze_area::{Align, Area, HostArea};

fn allocate<A: Area>(area: &A) {
    let _ = area.mmap_from_slice(&[1_u64, 2]);
}

fn main() {
    let _: fn(&HostArea<Align<2>>) = allocate;
}
