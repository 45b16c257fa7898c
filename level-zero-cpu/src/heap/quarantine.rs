//! Freed memory that stays open, kept back for a while to see whether somebody still writes there.

use std::collections::VecDeque;

use super::Taken;
use crate::ledger::WriteAfterFree;

/// So many freed ranges are kept back. More find later writes, and cost the memory that they keep
/// out of the caches.
const RANGES: usize = 64;
/// So many bytes are kept back, unless one range alone is more.
const BYTES: usize = 64 << 20;
/// So many violations are kept whole.
const KEPT: usize = 16;

/// A freed allocation.
#[derive(Clone, Copy)]
pub(super) struct Held {
    pub(super) taken: Taken,
    pub(super) offset: usize,
    pub(super) size: usize,
}

/// Freed allocations, the oldest first.
///
/// Invariant: `bytes` is the sum of what they take.
#[derive(Default)]
pub(super) struct Quarantine {
    held: VecDeque<Held>,
    bytes: usize,
}

impl Quarantine {
    pub(super) fn push(&mut self, held: Held) {
        self.bytes += held.taken.end - held.taken.start;
        self.held.push_back(held);
    }

    /// Takes the oldest.
    pub(super) fn pop(&mut self) -> Option<Held> {
        let held = self.held.pop_front()?;
        self.bytes -= held.taken.end - held.taken.start;
        Some(held)
    }

    /// Takes the oldest if there is too much.
    pub(super) fn pop_surplus(&mut self) -> Option<Held> {
        if self.held.len() > RANGES || self.bytes > BYTES {
            self.pop()
        } else {
            None
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Held> {
        self.held.iter()
    }
}

/// What was written after it was freed.
#[derive(Default)]
pub(super) struct Violations {
    pub(super) count: u64,
    pub(super) first: Vec<WriteAfterFree>,
}

impl Violations {
    pub(super) fn add(&mut self, address: usize, size: usize) {
        if self.count == 0 {
            report(address, size);
        }
        self.count += 1;
        if self.first.len() < KEPT {
            self.first.push(WriteAfterFree { address, size });
        }
    }
}

/// The first is said at once: the program may end without asking for the ledger.
#[allow(clippy::print_stderr, reason = "a program in error is told so")]
fn report(address: usize, size: usize) {
    eprintln!(
        "level-zero-cpu: memory at {address:#x} ({size} bytes) was written after it was freed; \
         LEVEL_ZERO_CPU_TRAP_FREED=1 stops the program at such a write"
    );
}
