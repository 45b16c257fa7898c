//! The host reading device memory of a pool.

use ze_area::{Pool, Result};

fn first(pool: &Pool) -> Result<f32> {
    let x = pool.mmap::<f32>(100)?;
    Ok(x[0])
}

fn main() {}
