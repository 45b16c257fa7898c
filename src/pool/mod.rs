//! Memory served from slabs.

#[cfg_attr(not(test), expect(dead_code, reason = "made by the pool"))]
mod map;

pub use map::{KeptMap, PoolMap, SlabMap, SlotState};
