//! A buffer's part of a pool.

use super::class::Class;
use super::inner::PoolInner;
use super::span::Slot;
use crate::raw::home::Home;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

/// A slot that is a buffer's, and goes back to its pool when this is dropped.
///
/// Invariant: `inner` is the pool of the slot, which lives for as long as this does: a pool waits for its
/// last slot.
#[derive(Debug)]
pub struct Pooled {
    slot: ManuallyDrop<Slot>,
    inner: NonNull<PoolInner>,
    class: Class,
}

// SAFETY: a slot may be given back by any thread, and a pool is used by all.
unsafe impl Send for Pooled {}
// SAFETY: a shared reference gives out what a slot does, and a reference to what all threads share.
unsafe impl Sync for Pooled {}

impl Pooled {
    /// A slot of that class that `inner` has just handed out.
    #[inline]
    pub(super) fn new(slot: Slot, inner: &PoolInner, class: Class) -> Self {
        Self {
            slot: ManuallyDrop::new(slot),
            inner: NonNull::from(inner),
            class,
        }
    }

    #[inline]
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.slot.start()
    }

    #[inline]
    pub(crate) fn home(&self) -> &Home {
        self.slot.span().memory().home()
    }
}

impl Drop for Pooled {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the slot is taken once, here.
        let slot = unsafe { ManuallyDrop::take(&mut self.slot) };
        // SAFETY: by the invariant the pool lives until the slot is given back, and beyond that what is
        // returned keeps it.
        let last = unsafe { self.inner.as_ref() }.give(slot, self.class);
        drop(last);
    }
}

/// The part of a pool that a buffer is, in [`RawParts`](crate::RawParts).
///
/// Where it is dropped, it is lost to the pool, which keeps the slab that it is of for ever.
#[derive(Debug)]
pub struct PoolSlot(ManuallyDrop<Pooled>);

impl PoolSlot {
    pub(crate) fn new(pooled: Pooled) -> Self {
        Self(ManuallyDrop::new(pooled))
    }

    pub(crate) fn into_inner(self) -> Pooled {
        ManuallyDrop::into_inner(self.0)
    }
}
