//! A bounded queue from one thread to another, fast enough to say little in what goes through it.

use crate::processors;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How many items it holds; a power of two.
const CAPACITY: usize = 256;

/// One side's position, on cache lines of its own.
#[repr(align(128))]
struct Side(AtomicUsize);

/// The queue. Positions count up and wrap; the slots from `taken` to `put` hold items.
///
/// Invariant: `put` is changed by the one [`Producer`] only, `taken` by the one [`Consumer`] only,
/// each after it is done with the slot.
pub(crate) struct Ring<T> {
    slots: Box<[UnsafeCell<MaybeUninit<T>>]>,
    put: Side,
    taken: Side,
    closed: AtomicBool,
}

// SAFETY: a slot is used by one side at a time, by the invariant; items go from thread to thread.
unsafe impl<T: Send> Sync for Ring<T> {}

/// The side that puts items in. Dropping it closes the queue.
pub(crate) struct Producer<'r, T> {
    ring: &'r Ring<T>,
    put: usize,
    taken: usize,
}

/// The side that takes them out.
pub(crate) struct Consumer<'r, T> {
    ring: &'r Ring<T>,
    put: usize,
    taken: usize,
}

impl<T> Ring<T> {
    pub(crate) fn new() -> Self {
        Self {
            slots: (0..CAPACITY)
                .map(|_| UnsafeCell::new(MaybeUninit::uninit()))
                .collect(),
            put: Side(AtomicUsize::new(0)),
            taken: Side(AtomicUsize::new(0)),
            closed: AtomicBool::new(false),
        }
    }

    /// Both sides: the borrow sees to it that there is one of each.
    pub(crate) fn sides(&mut self) -> (Producer<'_, T>, Consumer<'_, T>) {
        let ring: &Self = self;
        let put = ring.put.0.load(Ordering::Relaxed);
        let taken = ring.taken.0.load(Ordering::Relaxed);
        (Producer { ring, put, taken }, Consumer { ring, put, taken })
    }
}

impl<T> Producer<'_, T> {
    /// Puts an item in, when there is room.
    #[inline]
    pub(crate) fn put(&mut self, item: T) {
        let mut spins = 0;
        while self.put.wrapping_sub(self.taken) == CAPACITY {
            self.taken = self.ring.taken.0.load(Ordering::Acquire);
            processors::pause(&mut spins);
        }
        let slot = self.ring.slots[self.put % CAPACITY].get();
        // SAFETY: the consumer has taken what was in the slot, and does not look before `put` says so.
        unsafe { slot.write(MaybeUninit::new(item)) };
        self.put = self.put.wrapping_add(1);
        self.ring.put.0.store(self.put, Ordering::Release);
    }
}

impl<T> Drop for Producer<'_, T> {
    fn drop(&mut self) {
        self.ring.closed.store(true, Ordering::Release);
    }
}

impl<T> Consumer<'_, T> {
    /// Takes the next item out, when there is one; `None` where the producer has gone.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<T> {
        let mut spins = 0;
        while self.put == self.taken {
            // In this order: what was put in before the queue was closed is seen.
            let closed = self.ring.closed.load(Ordering::Acquire);
            self.put = self.ring.put.0.load(Ordering::Acquire);
            if closed && self.put == self.taken {
                return None;
            }
            processors::pause(&mut spins);
        }
        let slot = self.ring.slots[self.taken % CAPACITY].get();
        // SAFETY: the producer has written the slot, and does not touch it before `taken` says so.
        let item = unsafe { slot.read() };
        // SAFETY: the producer has written it, and it is read once.
        let item = unsafe { item.assume_init() };
        self.taken = self.taken.wrapping_add(1);
        self.ring.taken.0.store(self.taken, Ordering::Release);
        Some(item)
    }
}
