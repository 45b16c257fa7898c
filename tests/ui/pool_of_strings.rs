//! A pool of what no device can have.

use ze_area::{Align, Host, Pool};

fn strings(pool: &Pool<Align<64>, Host>) {
    let _ = pool.mmap::<String>(3);
}

fn main() {}
