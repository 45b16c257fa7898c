//! Device memory that is open to kernels for a time.

use std::io;
use std::sync::{Arc, Mutex};

use crate::arena::page;
use crate::pin::Pin;
use crate::registry::lock;
use crate::system::Access;
use crate::twin::Twin;

/// The ranges of a [`Twin`] that are open to kernels, as often as they were opened.
#[derive(Default)]
pub(crate) struct Doors(Mutex<Vec<(usize, usize)>>);

impl Doors {
    /// Gives kernels access to a range, in whole pages.
    pub(crate) fn open(
        &self,
        twin: &Twin,
        (start, end): (usize, usize),
        access: Access,
    ) -> io::Result<(usize, usize)> {
        let start = start / page() * page();
        let end = end.next_multiple_of(page()).min(twin.len());
        let mut open = lock(&self.0);
        // A range that is open already stays so: pages of one access are opened with it only.
        if let Err(error) = twin.protect(start, end - start, access) {
            // Some of the pages may have been opened before it failed.
            Self::shut(twin, (start, end), &open);
            return Err(error);
        }
        open.push((start, end));
        Ok((start, end))
    }

    /// Takes the access away again where nothing else wants it.
    pub(crate) fn close(&self, twin: &Twin, range: (usize, usize)) {
        let mut open = lock(&self.0);
        let Some(index) = open.iter().position(|other| *other == range) else {
            return;
        };
        open.swap_remove(index);
        Self::shut(twin, range, &open);
    }

    fn shut(twin: &Twin, range: (usize, usize), open: &[(usize, usize)]) {
        for (start, end) in uncovered(range, open) {
            // The system may have too many mappings to split one more: it stays open then.
            let _: io::Result<()> = twin.protect(start, end - start, Access::None);
        }
    }
}

/// The parts of a range that no other covers.
fn uncovered((start, end): (usize, usize), others: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut covers: Vec<_> = others
        .iter()
        .filter(|other| other.0 < end && other.1 > start)
        .copied()
        .collect();
    covers.sort_unstable();
    let (mut parts, mut at) = (Vec::new(), start);
    for (from, to) in covers {
        if from > at {
            parts.push((at, from));
        }
        at = at.max(to);
    }
    if at < end {
        parts.push((at, end));
    }
    parts
}

/// Memory with doors.
pub(crate) trait Building: Send + Sync {
    fn close(&self, range: (usize, usize));
}

/// Pages that kernels may read and write at the addresses of users, as long as this lives.
#[derive(Default)]
#[must_use = "closed when dropped"]
pub(crate) struct Opened {
    parts: Vec<Part>,
    /// Dropped after the parts are closed.
    pins: Vec<Pin>,
}

/// A range that was opened.
struct Part {
    building: Arc<dyn Building>,
    range: (usize, usize),
}

impl Opened {
    /// Adds a range that was just opened.
    pub(crate) fn add(&mut self, building: Arc<dyn Building>, range: (usize, usize)) {
        self.parts.push(Part { building, range });
    }

    pub(crate) fn join(&mut self, mut other: Self) {
        self.parts.append(&mut other.parts);
        self.pins.append(&mut other.pins);
    }

    /// Keeps what is open pinned as long.
    pub(crate) fn keep(&mut self, pin: Pin) {
        self.pins.push(pin);
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        for part in &self.parts {
            part.building.close(part.range);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_range_covers_stays_open() {
        assert_eq!(uncovered((0, 10), &[]), [(0, 10)]);
        assert_eq!(uncovered((0, 10), &[(0, 10)]), []);
        assert_eq!(uncovered((0, 10), &[(20, 30), (10, 11)]), [(0, 10)]);
        assert_eq!(uncovered((2, 10), &[(4, 6), (0, 3)]), [(3, 4), (6, 10)]);
        assert_eq!(
            uncovered((0, 10), &[(1, 8), (2, 4), (9, 12)]),
            [(0, 1), (8, 9)]
        );
    }
}
