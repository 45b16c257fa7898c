//! What fresh and freed memory is filled with, and where.
#![allow(unsafe_code, reason = "writes and compares memory")]

use std::io;

use crate::system::File;
use crate::{FREED_BYTE, FRESH_BYTE};

/// What holds the pattern at each end of an allocation that is too large to be filled.
const ENDS: usize = 4 << 10;
const BLOCK: usize = 4 << 10;
static FREED: [u8; BLOCK] = [FREED_BYTE; BLOCK];

/// Fills whole allocations up to a limit, and larger ones at both ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pattern {
    limit: usize,
}

impl Pattern {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { limit }
    }

    /// Start and length of what holds the pattern in `len` bytes; they do not overlap.
    fn parts(self, len: usize) -> [(usize, usize); 2] {
        if len <= self.limit {
            return [(0, len), (len, 0)];
        }
        let end = (self.limit / 2).min(ENDS);
        [(0, end), (len - end, end)]
    }

    /// Writes the pattern.
    ///
    /// # Safety
    ///
    /// `start` is valid for writes of `len` bytes, and the caller alone uses them.
    pub(crate) unsafe fn write(self, start: *mut u8, len: usize, byte: u8) {
        for (offset, len) in self.parts(len) {
            // SAFETY: a part lies in the range.
            let part = unsafe { start.add(offset) };
            // SAFETY: as above; no reference to it exists, for the caller alone uses it.
            unsafe { part.write_bytes(byte, len) };
        }
    }

    /// Writes the pattern of fresh memory into a file of `len` bytes.
    pub(crate) fn write_file(self, file: &File, len: usize) -> io::Result<()> {
        let block = [FRESH_BYTE; BLOCK];
        for (offset, len) in self.parts(len) {
            for at in (offset..offset + len).step_by(BLOCK) {
                let size = (offset + len - at).min(BLOCK);
                file.write_at(&block[..size], at as u64)?;
            }
        }
        Ok(())
    }

    /// Whether the pattern of freed memory, written before, is still whole.
    ///
    /// # Safety
    ///
    /// `start` is valid for reads of `len` bytes. What a program in error still writes there is
    /// looked at through a call to C only, without a reference.
    pub(crate) unsafe fn is_freed(self, start: *const u8, len: usize) -> bool {
        self.parts(len).into_iter().all(|(offset, len)| {
            (offset..offset + len).step_by(BLOCK).all(|at| {
                let size = (offset + len - at).min(BLOCK);
                // SAFETY: a part lies in the range.
                let block = unsafe { start.add(at) };
                // SAFETY: `size` is at most what is left of the part, and the length of `FREED`.
                let order = unsafe { libc::memcmp(block.cast(), FREED.as_ptr().cast(), size) };
                order == 0
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_range_is_filled_at_both_ends() {
        let pattern = Pattern::new(16 << 10);
        for len in [0, 1, 64, 16 << 10, (16 << 10) + 1, 100_000] {
            let mut bytes = vec![0_u8; len];
            // SAFETY: the vector's own bytes.
            unsafe { pattern.write(bytes.as_mut_ptr(), len, FREED_BYTE) };
            let filled = bytes.iter().filter(|byte| **byte == FREED_BYTE).count();
            assert_eq!(filled, if len <= 16 << 10 { len } else { 8 << 10 });
            // SAFETY: as above.
            assert!(unsafe { pattern.is_freed(bytes.as_ptr(), len) });
            for at in [0, len / 3, len.saturating_sub(1)] {
                let Some(byte) = bytes.get_mut(at) else {
                    continue;
                };
                let seen = std::mem::replace(byte, 1) == FREED_BYTE;
                // SAFETY: as above.
                assert_eq!(unsafe { pattern.is_freed(bytes.as_ptr(), len) }, !seen);
                bytes[at] = if seen { FREED_BYTE } else { 0 };
            }
        }
    }

    #[test]
    fn without_a_limit_nothing_is_filled() {
        let mut bytes = [0_u8; 100];
        // SAFETY: the array's own bytes.
        unsafe { Pattern::new(0).write(bytes.as_mut_ptr(), 100, FREED_BYTE) };
        assert_eq!(bytes, [0; 100]);
    }
}
