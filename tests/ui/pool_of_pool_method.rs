//! The pool of a pool.

use ze_area::Pool;

fn twice(pool: &Pool) {
    let _ = pool.pool();
}

fn main() {}
