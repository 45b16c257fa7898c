//! A buffer put together with a part of a pool that was made up, and one used twice.

use ze_area::{PoolSlot, RawParts};

fn forge(parts: RawParts<f32>) -> [Option<PoolSlot>; 2] {
    [parts.slot, parts.slot]
}

fn new() -> PoolSlot {
    PoolSlot(())
}

fn main() {}
