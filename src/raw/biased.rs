//! A lock that costs its owner, a thread, two stores and a load.

// The model checker of the tests compiles this file with atomics of its own.
use crate::raw::atomics::{AtomicBool, AtomicU8, Shared, fence, yield_now};
use crate::raw::barrier;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::sync::atomic::{Ordering, compiler_fence};

/// The owner has to take its own barrier, since nobody can make it take one.
const FENCED: u8 = 1;
/// Somebody else has the value, or is about to.
const SEIZED: u8 = 2;

/// A value of one thread, the owner, that others can seize now and then.
///
/// The owner says that it is inside, and then looks whether the value is seized. Others say that they
/// seize it, make every thread take a barrier, and then look whether the owner is inside. So at least one
/// of them sees the other: the owner turns away, and others wait until it has left.
///
/// Invariants:
/// - the owner's references to the value live while `inside` is set, and only where `SEIZED` was not set
///   after that;
/// - the references of others live while `SEIZED` is set, after `inside` was seen not to be.
// Two lines of the processor's cache, which it fetches together: owners must not disturb each other.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Biased<T> {
    inside: AtomicBool,
    state: AtomicU8,
    value: Shared<T>,
}

// SAFETY: the value is reached by one thread at a time, by the invariants, and each sees what the others did:
// the owner leaves with a release that others acquire, and they end their seizure likewise.
unsafe impl<T: Send> Sync for Biased<T> {}

impl<T> Biased<T> {
    pub(crate) fn new(value: T) -> Self {
        let fenced = !barrier::is_available();
        Self {
            inside: AtomicBool::new(false),
            state: AtomicU8::new(if fenced { FENCED } else { 0 }),
            value: Shared::new(value),
        }
    }

    /// The value for its owner, `None` where it is seized.
    ///
    /// # Safety
    ///
    /// The caller must be the owner's thread, and not be inside already.
    #[inline]
    pub(crate) unsafe fn enter(&self) -> Option<Inside<'_, T>> {
        self.announce();
        // The barrier between is the other's to make.
        compiler_fence(Ordering::SeqCst);
        // Before anything else is done with it, so that it is left in any case.
        let inside = Inside {
            biased: NonNull::from(self),
            lifetime: PhantomData,
        };
        (self.state.load(Ordering::Acquire) == 0 || self.is_free_after_barrier()).then_some(inside)
    }

    #[inline]
    #[cfg(not(tsan))]
    fn announce(&self) {
        self.inside.store(true, Ordering::Relaxed);
    }

    /// The sanitizer takes no notice of barriers: under it others set the flag too while they have the
    /// value, and who finds it set waits.
    #[cfg(tsan)]
    fn announce(&self) {
        while self.inside.swap(true, Ordering::Acquire) {
            yield_now();
        }
    }

    #[cold]
    fn is_free_after_barrier(&self) -> bool {
        fence(Ordering::SeqCst);
        self.state.load(Ordering::Acquire) & SEIZED == 0
    }

    /// Seizes all of `these`, which must not be seized: from here on no owner gets in, and when this
    /// returns none is inside. Whether it worked; where it did not, nothing is seized.
    ///
    /// Callers keep others from doing the same at the same time.
    #[must_use]
    pub(crate) fn seize<'a>(these: impl Iterator<Item = &'a Self> + Clone) -> bool
    where
        T: 'a,
    {
        let mut fenced = true;
        for this in these.clone() {
            fenced &= this.state.fetch_or(SEIZED, Ordering::SeqCst) & FENCED != 0;
        }
        if !fenced && !barrier::on_all_threads() {
            Self::release(these);
            return false;
        }
        fence(Ordering::SeqCst);
        for this in these {
            this.wait_outside();
        }
        true
    }

    /// Waits until the owner is not inside. It does not stay there for long: it takes no lock and makes no
    /// call in there.
    fn wait_outside(&self) {
        #[cfg(tsan)]
        self.announce();
        #[cfg(not(tsan))]
        while self.inside.load(Ordering::Acquire) {
            yield_now();
        }
    }

    /// Ends the seizure of all of `these`.
    pub(crate) fn release<'a>(these: impl Iterator<Item = &'a Self>)
    where
        T: 'a,
    {
        for this in these {
            this.state.fetch_and(!SEIZED, Ordering::Release);
            #[cfg(tsan)]
            this.inside.store(false, Ordering::Release);
        }
    }

    /// The value, for who has it otherwise.
    ///
    /// # Safety
    ///
    /// The caller must have seized it, or be the owner's thread, outside, in a place where nobody can seize
    /// it; and have no other reference to the value.
    #[expect(
        clippy::mut_from_ref,
        reason = "the caller vouches that there is no other"
    )]
    pub(crate) unsafe fn by_force(&self) -> &mut T {
        // SAFETY: passed on to the caller.
        unsafe { &mut *self.value.get() }
    }
}

/// The owner is inside.
// A pointer: when the owner has left, the value may be gone before the function that leaves returns.
#[derive(Debug)]
pub(crate) struct Inside<'a, T> {
    biased: NonNull<Biased<T>>,
    lifetime: PhantomData<&'a Biased<T>>,
}

impl<T> Deref for Inside<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock lives as long as the lifetime says.
        let value = unsafe { self.biased.as_ref() }.value.get();
        // SAFETY: the owner is inside, so nobody else has the value, and this value is the only way to it.
        unsafe { &*value }
    }
}

impl<T> DerefMut for Inside<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        let value = unsafe { self.biased.as_ref() }.value.get();
        // SAFETY: as above.
        unsafe { &mut *value }
    }
}

impl<T> Drop for Inside<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the lock lives as long as the lifetime says, until the owner has left.
        let inside = unsafe { &raw const (*self.biased.as_ptr()).inside };
        // SAFETY: as above; an atomic may be gone as soon as it is written.
        unsafe { &*inside }.store(false, Ordering::Release);
    }
}
