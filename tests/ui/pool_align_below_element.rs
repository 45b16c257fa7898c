//! A pool whose alignment is below that of the element type.

use ze_area::{Align, Pool};

fn allocate(pool: &Pool<Align<4>>) {
    let _ = pool.mmap::<f64>(1);
}

fn main() {
    let _: fn(&Pool<Align<4>>) = allocate;
}
