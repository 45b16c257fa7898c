//! Who used a lent buffer last, so that the next one waits.

use core::cell::Cell;

/// How many lists may read a buffer at once, before reads wait for each other.
const READERS: usize = 4;

/// An operation: the line it is on, and its number there. Number 0 is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(super) line: u32,
    pub(super) position: u64,
}

impl Stamp {
    fn is_some(self) -> bool {
        self.position > 0
    }
}

/// The last operations that used a buffer which was lent to be written to.
///
/// A buffer that is lent to be read only needs none: nothing in the scope writes it.
#[derive(Debug, Default)]
pub(crate) struct Track {
    written: Cell<Stamp>,
    /// The last read of each list since the last write: as many as `readers` says.
    reads: Cell<[Stamp; READERS]>,
    readers: Cell<usize>,
}

/// How an operation uses a lent buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Access<'a> {
    pub(crate) track: Option<&'a Track>,
    pub(crate) writes: bool,
}

impl Track {
    /// The last write.
    pub(super) fn written(&self) -> Stamp {
        self.written.get()
    }

    /// The last write, and the reads since.
    pub(super) fn all(&self) -> impl Iterator<Item = Stamp> {
        core::iter::once(self.written.get())
            .filter(|stamp| stamp.is_some())
            .chain(self.reads())
    }

    fn reads(&self) -> impl Iterator<Item = Stamp> {
        self.reads.get().into_iter().take(self.readers.get())
    }
}

impl Access<'_> {
    /// Calls back with the operations that have to be done before this one.
    #[inline]
    pub(super) fn conflicts(&self, mut with: impl FnMut(Stamp)) {
        let Some(track) = self.track else {
            return;
        };
        let written = track.written.get();
        if written.is_some() {
            with(written);
        }
        let readers = track.readers.get();
        // A read waits for reads only where there is no room to note it beside them.
        if readers > 0 && (self.writes || readers == READERS) {
            track.reads().for_each(with);
        }
    }

    /// Notes the operation.
    #[inline]
    pub(super) fn stamp(&self, stamp: Stamp) {
        let Some(track) = self.track else {
            return;
        };
        if self.writes {
            track.written.set(stamp);
            track.readers.set(0);
            return;
        }
        let mut reads = track.reads.get();
        let readers = track.readers.get();
        match reads[..readers]
            .iter_mut()
            .find(|read| read.line == stamp.line)
        {
            Some(read) => *read = stamp,
            // It waits for all of them, so it stands for them.
            None if readers == READERS => {
                reads[0] = stamp;
                track.readers.set(1);
            }
            None => {
                reads[readers] = stamp;
                track.readers.set(readers + 1);
            }
        }
        track.reads.set(reads);
    }
}
