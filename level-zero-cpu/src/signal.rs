//! Waiting until something changes behind a lock.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::registry::lock;

/// What threads wait for that need a change of what a mutex guards.
#[derive(Default)]
pub(crate) struct Signal(Condvar);

impl Signal {
    /// Gives the lock up until [`notify`](Self::notify) or earlier, and takes it again.
    ///
    /// Under `ThreadSanitizer` it looks again every so often instead, for the reason given at
    /// `registry::acquire`.
    pub(crate) fn wait<'a, T>(
        &self,
        mutex: &'a Mutex<T>,
        guard: MutexGuard<'a, T>,
    ) -> MutexGuard<'a, T> {
        if cfg!(tsan) {
            drop(guard);
            std::thread::sleep(Duration::from_micros(100));
            return lock(mutex);
        }
        self.0.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes all that wait.
    pub(crate) fn notify(&self) {
        self.0.notify_all();
    }
}
