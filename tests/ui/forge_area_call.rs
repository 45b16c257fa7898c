//! What an area does underneath is not for generic code to call.

use ze_area::Area;

fn allocate<A: Area>(area: &A) {
    let _ = area.allocate(Inside(()), 0, 3);
}

fn main() {}
