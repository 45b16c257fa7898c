//! A pool over a pool.

use ze_area::{Pool, Result};

fn twice(pool: &Pool) -> Result<Pool> {
    Pool::builder(pool).build()
}

fn main() {}
