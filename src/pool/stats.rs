//! What a pool has and did.

use super::inner::PoolInner;
use crate::placement::PlacementKind;
use core::fmt;

/// What a [`Pool`](crate::Pool) has and did, from [`Pool::stats`](crate::Pool::stats).
///
/// Bytes of buffers are those of their class, which is what they take.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Where the memory lives.
    pub placement: PlacementKind,
    /// Buffers that live now.
    pub live_buffers: u64,
    /// Bytes of the buffers that live now.
    pub live_bytes: u64,
    /// Bytes that the pool holds of the driver's memory.
    pub held_bytes: u64,
    /// The most bytes that it held at once.
    pub peak_held_bytes: u64,
    /// Buffers that were allocated.
    pub allocations: u64,
    /// How often memory was taken from the driver. All other allocations were served by the pool.
    pub driver_allocations: u64,
    /// How often memory was given back to the driver.
    pub driver_frees: u64,
}

impl PoolStats {
    /// Bytes that the pool holds and no buffer uses.
    #[must_use]
    pub fn idle_bytes(&self) -> u64 {
        self.held_bytes.saturating_sub(self.live_bytes)
    }

    /// Allocations that took no call of the driver.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.allocations.saturating_sub(self.driver_allocations)
    }

    /// The part of the held memory that no buffer uses, from 0 to 1: kept for reuse, or lost between buffers;
    /// 0 where nothing is held. After [`trim`](crate::Pool::trim) it is what is lost between buffers.
    #[must_use]
    pub fn fragmentation(&self) -> f64 {
        if self.held_bytes == 0 {
            return 0.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "a part of a whole")]
        let part = self.idle_bytes() as f64 / self.held_bytes as f64;
        part
    }
}

/// One line.
impl fmt::Display for PoolStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} memory: {} bytes live in {} buffers, {} bytes held (peak {}); {} of {} allocations \
             without a call of the driver",
            self.placement,
            self.live_bytes,
            self.live_buffers,
            self.held_bytes,
            self.peak_held_bytes,
            self.hits(),
            self.allocations,
        )
    }
}

impl PoolInner {
    pub(super) fn stats(&self) -> PoolStats {
        let mut stats = PoolStats {
            placement: self.kind(),
            live_buffers: 0,
            live_bytes: 0,
            held_bytes: 0,
            peak_held_bytes: 0,
            allocations: 0,
            driver_allocations: 0,
            driver_frees: 0,
        };
        let mut central = self.lock();
        for count in central.counts() {
            stats.allocations += count.taken;
            stats.live_buffers += count.live();
            stats.live_bytes += count.live() * count.bytes as u64;
        }
        stats.allocations += central.singles_taken;
        stats.live_buffers += central.singles;
        stats.live_bytes += central.single_bytes as u64;
        self.driver_counts(&mut stats);
        drop(central);
        stats
    }
}
