//! Memory of an instance that lies in none of its heaps.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};

use crate::file_memory::FileMemory;
use crate::pin::Pin;
use crate::registry::{read, write};
use crate::virtual_memory::VirtualMemory;

/// A range of addresses beside the heaps.
#[derive(Clone)]
pub(crate) enum Region {
    File(Arc<FileMemory>),
    Virtual(Arc<VirtualMemory>),
}

impl Region {
    fn span(&self) -> (usize, usize) {
        match self {
            Self::File(memory) => memory.span(),
            Self::Virtual(memory) => (memory.start(), memory.start() + memory.size()),
        }
    }

    /// Keeps a range as it is that is wholly in there and belongs to a context.
    pub(crate) fn pin(&self, address: usize, len: usize, context: usize) -> Option<Pin> {
        match self {
            Self::File(memory) if memory.context == context => memory.pin(address, len),
            Self::Virtual(memory) if memory.context == context => memory.pin(address, len),
            _ => None,
        }
    }
}

/// Regions by their first address.
#[derive(Default)]
pub(crate) struct Regions {
    /// So that programs without regions take no lock.
    count: AtomicUsize,
    table: RwLock<BTreeMap<usize, (usize, Region)>>,
}

impl Regions {
    pub(crate) fn add(&self, region: Region) {
        let (start, end) = region.span();
        let mut table = write(&self.table);
        table.insert(start, (end, region));
        self.count.store(table.len(), Ordering::Release);
    }

    /// Takes a region out, if it is that one which is there.
    pub(crate) fn remove(&self, region: &Region) {
        let (start, _) = region.span();
        let mut table = write(&self.table);
        let same = match (table.get(&start), region) {
            (Some((_, Region::File(one))), Region::File(other)) => Arc::ptr_eq(one, other),
            (Some((_, Region::Virtual(one))), Region::Virtual(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        let removed = if same { table.remove(&start) } else { None };
        self.count.store(table.len(), Ordering::Release);
        drop(table);
        // Unmapped after the lock.
        drop(removed);
    }

    /// The region that an address lies in.
    pub(crate) fn find(&self, address: usize) -> Option<Region> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let table = read(&self.table);
        let (_, (end, region)) = table.range(..=address).next_back()?;
        (address < *end).then(|| region.clone())
    }

    pub(crate) fn all(&self) -> Vec<Region> {
        let table = read(&self.table);
        table.values().map(|(_, region)| region.clone()).collect()
    }
}
