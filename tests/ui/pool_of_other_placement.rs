//! A pool's buffer taken for one of another placement.

use ze_area::{Pool, Result, Shared, ZeBuffer};

fn shared(pool: &Pool) -> Result<ZeBuffer<f32, Shared>> {
    pool.mmap(100)
}

fn main() {}
