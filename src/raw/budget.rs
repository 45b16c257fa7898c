//! The limit of a context, and what is taken of it.

use crate::placement::PlacementKind;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many bytes a context may have allocated at once, and how many it has.
///
/// Bytes are taken before the driver is asked for them and returned after it has freed them, so
/// that what the driver has given out is never above the limit. Raw parts are the exception: their
/// memory is there already when it is taken.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    /// Bytes in all placements together that are live, being asked for, or lost.
    taken: AtomicU64,
    /// What they are, for messages.
    shares: [Counts; 3],
}

#[derive(Debug, Default)]
struct Counts {
    bytes: AtomicU64,
    buffers: AtomicU64,
    lost_bytes: AtomicU64,
    lost_buffers: AtomicU64,
}

/// What is taken in one placement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    pub(crate) placement: PlacementKind,
    pub(crate) bytes: u64,
    pub(crate) buffers: u64,
    pub(crate) lost_bytes: u64,
    pub(crate) lost_buffers: u64,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            taken: AtomicU64::new(0),
            shares: Default::default(),
        }
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    fn counts(&self, kind: PlacementKind) -> &Counts {
        let [device, shared, host] = &self.shares;
        match kind {
            PlacementKind::Device => device,
            PlacementKind::Shared => shared,
            PlacementKind::Host => host,
        }
    }

    /// Takes what the driver is then asked for. The error is what was taken already, with which it
    /// would be above the limit.
    pub(crate) fn reserve(
        &self,
        kind: PlacementKind,
        bytes: usize,
    ) -> Result<Reservation<'_>, u64> {
        let asked = bytes as u64;
        let fits = |taken: u64| {
            taken
                .checked_add(asked)
                .filter(|&taken| taken <= self.limit)
        };
        // Acquires what was counted as gone before bytes were returned: with them taken again, no
        // peak of the context is above the limit.
        self.taken
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, fits)?;
        self.counts(kind).add(asked);
        Ok(Reservation(Some((self, kind, bytes))))
    }

    /// Takes for memory that is there already.
    pub(crate) fn take(&self, kind: PlacementKind, bytes: usize) {
        self.taken.fetch_add(bytes as u64, Ordering::Relaxed);
        self.counts(kind).add(bytes as u64);
    }

    /// The memory is freed, or was not to be had.
    pub(crate) fn put_back(&self, kind: PlacementKind, bytes: usize) {
        self.counts(kind).subtract(bytes as u64);
        self.taken.fetch_sub(bytes as u64, Ordering::Release);
    }

    /// The memory could not be freed, and is nobody's: it stays taken.
    pub(crate) fn lose(&self, kind: PlacementKind, bytes: usize) {
        let counts = self.counts(kind);
        counts.subtract(bytes as u64);
        counts.lost_buffers.fetch_add(1, Ordering::Relaxed);
        counts.lost_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn shares(&self) -> [Share; 3] {
        [
            PlacementKind::Device,
            PlacementKind::Shared,
            PlacementKind::Host,
        ]
        .map(|kind| self.counts(kind).read(kind))
    }
}

impl Counts {
    fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.buffers.fetch_add(1, Ordering::Relaxed);
    }

    fn subtract(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.buffers.fetch_sub(1, Ordering::Relaxed);
    }

    fn read(&self, placement: PlacementKind) -> Share {
        Share {
            placement,
            bytes: self.bytes.load(Ordering::Relaxed),
            buffers: self.buffers.load(Ordering::Relaxed),
            lost_bytes: self.lost_bytes.load(Ordering::Relaxed),
            lost_buffers: self.lost_buffers.load(Ordering::Relaxed),
        }
    }
}

/// Bytes that are taken for an allocation to come; they are put back unless it does.
#[derive(Debug)]
#[must_use]
pub(crate) struct Reservation<'a>(Option<(&'a Budget, PlacementKind, usize)>);

impl Reservation<'_> {
    /// Of a context without a limit.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// The allocation is there: from now on the bytes are its to put back.
    pub(crate) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if let Some((budget, kind, bytes)) = self.0 {
            budget.put_back(kind, bytes);
        }
    }
}
