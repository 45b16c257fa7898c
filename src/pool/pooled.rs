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
    // What is read here is in registers where the buffer was made in the same function.
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the slot is taken once, here.
        let slot = unsafe { ManuallyDrop::take(&mut self.slot) };
        // SAFETY: by the invariant.
        unsafe { give::<()>(self.inner, slot, self.class) };
    }
}

/// Gives a slot back to its pool.
///
/// The parameter means nothing. It has this compiled with the program, which reaches its threads' own
/// memory by fewer instructions than a library, and for which they leave the registers alone.
///
/// # Safety
///
/// The slot must be of that pool and class, and the pool live until the slot is given back.
#[inline(never)]
#[expect(clippy::extra_unused_type_parameters, reason = "as said")]
unsafe fn give<Here>(inner: NonNull<PoolInner>, slot: Slot, class: Class) {
    // SAFETY: the pool lives until the slot is given back.
    let Err(slot) = (unsafe { PoolInner::put(inner, slot, class) }) else {
        return;
    };
    // SAFETY: passed on to the caller.
    unsafe { give_slowly(inner, slot, class) }
}

/// As [`give`], where the thread has no room for it.
///
/// # Safety
///
/// As of [`give`].
#[cold]
#[inline(never)]
unsafe fn give_slowly(inner: NonNull<PoolInner>, slot: Slot, class: Class) {
    // SAFETY: the pool lives until the slot is given back, and beyond that what is returned keeps it.
    let last = unsafe { inner.as_ref() }.give(slot, class);
    drop(last);
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
