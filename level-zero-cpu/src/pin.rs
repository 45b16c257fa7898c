//! Memory that is kept as it is while a command uses it.

use std::sync::Arc;

use crate::arguments::Outcome;
use crate::doors::Opened;
use crate::file_memory::FileMemory;
use crate::heap::Heap;
use crate::system::{Access, Piece};
use crate::virtual_memory::VirtualMemory;

/// What is kept.
pub(crate) enum Hold {
    /// The allocation at that offset.
    Heap(Arc<Heap>, usize),
    File(Arc<FileMemory>),
    /// The range of that pin.
    Virtual(Arc<VirtualMemory>, u64),
}

/// A range of memory of the driver that is neither freed nor unmapped as long as this lives.
pub(crate) struct Pin {
    address: usize,
    access: Access,
    hold: Hold,
}

impl Pin {
    /// `pointer` is valid for the range as long as `hold` is kept.
    pub(crate) fn new(pointer: *mut u8, access: Access, hold: Hold) -> Self {
        Self {
            address: pointer.expose_provenance(),
            access,
            hold,
        }
    }

    /// Valid for reads and writes of the range that was pinned, as long as `self` lives.
    pub(crate) fn pointer(&self) -> *mut u8 {
        std::ptr::with_exposed_provenance_mut(self.address)
    }

    /// What commands may do with it: less than all in virtual memory only.
    pub(crate) fn access(&self) -> Access {
        self.access
    }

    /// Whether the host has access to it.
    pub(crate) fn is_host_accessible(&self) -> bool {
        match &self.hold {
            Hold::Heap(heap, _) => heap.is_host_accessible(),
            Hold::File(_) | Hold::Virtual(..) => false,
        }
    }

    fn is_of_a_heap(&self) -> bool {
        matches!(self.hold, Hold::Heap(..))
    }

    /// Where in which files the first `len` bytes lie.
    fn pieces(&self, len: usize) -> Vec<Piece> {
        match &self.hold {
            Hold::Heap(heap, _) => heap.piece(self.address, len).into_iter().collect(),
            Hold::File(memory) => memory.piece(self.address, len).into_iter().collect(),
            Hold::Virtual(memory, _) => memory.pieces(self.address, len),
        }
    }

    /// The pieces of two ranges that are the same memory at different addresses.
    pub(crate) fn aliases(&self, len: usize, other: &Self, other_len: usize) -> Vec<[Piece; 2]> {
        // In a heap different addresses are different memory.
        if self.is_of_a_heap() && other.is_of_a_heap() {
            return Vec::new();
        }
        let others = other.pieces(other_len);
        let mut pairs = Vec::new();
        for one in self.pieces(len) {
            let same = others.iter().filter(|other| one.meets(other));
            pairs.extend(same.map(|other| [one, *other]));
        }
        pairs
    }

    /// Keeps all that kernels get access to by it as it is, not the range alone.
    pub(crate) fn widen(&self) {
        if let Hold::Virtual(memory, id) = &self.hold {
            memory.widen(*id);
        }
    }

    /// Gives kernels access to the addresses of users until the guard drops: to all of the
    /// allocation that the range lies in, in whole pages, or to all mappings around it up to a
    /// gap. Of virtual memory,
    /// pages get the access that their attributes say. The guard may outlive the pin; the memory
    /// is pinned no longer then.
    pub(crate) fn open_for_kernels(&self) -> Outcome<Opened> {
        match &self.hold {
            Hold::Heap(heap, key) => heap.open_allocation(*key),
            Hold::File(memory) => memory.open(),
            Hold::Virtual(memory, id) => memory.open_pinned(*id),
        }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        match &self.hold {
            Hold::Heap(heap, key) => heap.unpin(*key),
            Hold::File(memory) => memory.unpin(),
            Hold::Virtual(memory, id) => memory.unpin(*id),
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
