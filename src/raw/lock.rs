//! Taking locks.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// Locks; what a panicking thread left behind is whole, since nothing here panics half-way.
///
/// Under `ThreadSanitizer` it tries until the lock is free: the standard library waits in code that
/// is not instrumented, where the sanitizer misses who came after whom.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    if !cfg!(tsan) {
        return mutex.lock().unwrap_or_else(PoisonError::into_inner);
    }
    loop {
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => std::thread::yield_now(),
        }
    }
}

/// How often a lock that is held for a moment only is tried before the thread sleeps.
const TRIES: u32 = 300;

/// Locks what is never held for long: sleeping and being woken would take longer than it is held.
pub(crate) fn lock_briefly<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    for _ in 0..TRIES {
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => core::hint::spin_loop(),
        }
    }
    lock(mutex)
}
