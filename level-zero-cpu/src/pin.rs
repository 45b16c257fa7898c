//! Memory that is kept as it is while a command uses it.

use std::sync::Arc;

use crate::arguments::Outcome;
use crate::doors::Opened;
use crate::file_memory::FileMemory;
use crate::heap::Heap;
use crate::system::Access;
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

    /// Gives kernels access to the addresses of users until the guard drops: to all of the
    /// allocation, or the mappings, that the range lies in, in whole pages. Of virtual memory,
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
