//! Waiting for what another thread changes: a short spin, then sleep.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::registry::lock;

/// How often a waiting thread looks before it sleeps: about what it costs to fall asleep.
const SPINS: u32 = 40;
/// How long a thread sleeps between two looks where condition variables cannot be used.
const POLL: Duration = Duration::from_micros(20);

/// A value behind a lock whose changes can be waited for.
#[derive(Default)]
pub(crate) struct Watched<T> {
    value: Mutex<T>,
    changed: Condvar,
    /// Threads that sleep, so that a change nobody waits for costs no system call. Counted up
    /// under the lock.
    sleepers: AtomicUsize,
}

impl<T> Watched<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: Mutex::new(value),
            changed: Condvar::new(),
            sleepers: AtomicUsize::new(0),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        lock(&self.value)
    }

    /// Tells those who wait. To be called after a change, without the lock.
    pub(crate) fn wake(&self) {
        // Who counts itself after the change was made has seen it, for both are under the lock.
        if self.sleepers.load(Ordering::Relaxed) > 0 {
            self.changed.notify_all();
        }
    }

    /// As [`wake`](Self::wake), for one thread.
    pub(crate) fn wake_one(&self) {
        if self.sleepers.load(Ordering::Relaxed) > 0 {
            self.changed.notify_one();
        }
    }

    /// Waits until `check` gives something, at most `timeout` nanoseconds: 0 looks once,
    /// `u64::MAX` waits for ever.
    pub(crate) fn wait<R>(
        &self,
        timeout: u64,
        mut check: impl FnMut(&mut T) -> Option<R>,
    ) -> Option<R> {
        let mut value = self.lock();
        let found = check(&mut value);
        if found.is_some() || timeout == 0 {
            return found;
        }
        let deadline = match timeout {
            u64::MAX => None,
            // What overflows is for ever, too.
            _ => Instant::now().checked_add(Duration::from_nanos(timeout)),
        };
        for _ in 0..SPINS {
            drop(value);
            (0..SPINS).for_each(|_| spin_loop());
            value = self.lock();
            let found = check(&mut value);
            if found.is_some() {
                return found;
            }
        }
        loop {
            let left = match deadline {
                None => None,
                Some(deadline) => match deadline.checked_duration_since(Instant::now()) {
                    Some(left) if !left.is_zero() => Some(left),
                    _ => return None,
                },
            };
            value = self.sleep(value, left);
            let found = check(&mut value);
            if found.is_some() {
                return found;
            }
        }
    }

    /// Gives the lock away until a change, or for a time.
    fn sleep<'a>(&'a self, value: MutexGuard<'a, T>, time: Option<Duration>) -> MutexGuard<'a, T> {
        // The sanitizer does not see that a condition variable orders threads.
        if cfg!(tsan) {
            drop(value);
            std::thread::sleep(time.map_or(POLL, |time| time.min(POLL)));
            return self.lock();
        }
        self.sleepers.fetch_add(1, Ordering::Relaxed);
        let value = match time {
            None => self
                .changed
                .wait(value)
                .unwrap_or_else(PoisonError::into_inner),
            Some(time) => {
                let (value, _) = self
                    .changed
                    .wait_timeout(value, time)
                    .unwrap_or_else(PoisonError::into_inner);
                value
            }
        };
        self.sleepers.fetch_sub(1, Ordering::Relaxed);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_change_ends_the_wait_of_all() {
        let watched = Arc::new(Watched::new(0));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let watched = Arc::clone(&watched);
                std::thread::spawn(move || {
                    watched.wait(u64::MAX, |value| (*value == 3).then_some(*value))
                })
            })
            .collect();
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(1));
            *watched.lock() += 1;
            watched.wake();
        }
        for thread in threads {
            assert_eq!(thread.join().unwrap(), Some(3));
        }
        assert_eq!(watched.sleepers.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_time_that_is_over_ends_the_wait_and_not_before() {
        let watched = Watched::new(());
        let start = Instant::now();
        assert_eq!(watched.wait(3_000_000, |()| None::<()>), None);
        assert!(start.elapsed() >= Duration::from_millis(3));
        let mut looks = 0;
        assert_eq!(
            watched.wait(0, |()| {
                looks += 1;
                None::<()>
            }),
            None
        );
        assert_eq!(looks, 1);
        // Too far away for the clock.
        assert_eq!(watched.wait(u64::MAX - 1, |()| Some(5)), Some(5));
    }
}
