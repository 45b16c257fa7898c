//! What the driver asks of the operating system: addresses, files in memory, locks on their ranges.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod unsupported;

#[cfg(target_os = "linux")]
pub(crate) use linux::*;
#[cfg(not(target_os = "linux"))]
pub(crate) use unsupported::*;

/// What the host may do with pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    None,
    Read,
    Write,
}

/// What file it is, and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) len: u64,
}

/// A part of a range of addresses, and where in which file it lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) at: usize,
    /// Where it is in the range.
    pub(crate) inside: usize,
    pub(crate) len: usize,
}

impl Piece {
    pub(crate) fn new(file: Identity, at: usize, inside: usize, len: usize) -> Self {
        Self {
            device: file.device,
            inode: file.inode,
            at,
            inside,
            len,
        }
    }

    /// Whether the two share a byte.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
            && self.at < other.at + other.len
            && other.at < self.at + self.len
    }
}

/// A range of a file to be locked, which needs not be inside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: u64,
    pub(crate) len: u64,
}
