//! What the lock of [`biased`](super::biased) is made of.

use core::cell::UnsafeCell;

pub(crate) use core::sync::atomic::{AtomicBool, AtomicU8, fence};
pub(crate) use std::thread::yield_now;

/// A value that a lock hands out.
#[derive(Debug)]
pub(crate) struct Shared<T>(UnsafeCell<T>);

impl<T> Shared<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    #[inline]
    pub(crate) fn get(&self) -> *mut T {
        self.0.get()
    }
}
