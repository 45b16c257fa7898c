//! A view that outlives its buffer, whose memory the pool hands out again.

use ze_area::{Align, Host, Pool, Result};

fn dangling(pool: &Pool<Align<64>, Host>) -> Result<u8> {
    let buffer = pool.mmap::<u8>(100)?;
    let view = buffer.as_slice();
    drop(buffer);
    Ok(view[0])
}

fn main() {}
