//! What a buffer lies in.

use crate::pool::Pooled;
use crate::raw::allocation::Allocation;
use crate::raw::home::Home;

/// The memory of a buffer, given back when this is dropped.
#[derive(Debug)]
pub enum BufferMemory {
    /// An allocation of its own.
    Own(Allocation),
    /// A slot of a pool.
    Pooled(Pooled),
}

impl BufferMemory {
    #[inline]
    pub(crate) fn home(&self) -> &Home {
        match self {
            Self::Own(allocation) => allocation.home(),
            Self::Pooled(pooled) => pooled.home(),
        }
    }
}
