//! An operation on its way: what is known of its end.

use crate::error::Result;
use crate::queue::Queue;
use crate::raw::event::{Event, EventKind};
use crate::raw::lock::lock;
use crate::raw::quiet::{Exiting, signalled};
use core::any::Any;
use core::mem::{self, ManuallyDrop};
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Poll, Waker};
use std::sync::{Arc, Mutex};

/// An operation that was enqueued, with the event that it signals.
///
/// Shared with the thread that waits for it, which drops it first. It is dropped only when the
/// operation is done, or leaked.
#[derive(Debug)]
pub(super) struct Flight {
    queue: Queue,
    event: ManuallyDrop<Event>,
    /// What the operation uses beside what its `Pending` owns.
    kept: Option<Arc<dyn Any + Send + Sync>>,
    done: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The error of the wait, until somebody takes it.
    failed: Option<crate::Error>,
    /// The wait has failed: the event may be in use although all is said to be done.
    doubtful: bool,
    waker: Option<Waker>,
    /// Whether the queue's thread was told to wait.
    awaited: bool,
}

impl Flight {
    /// An operation of `queue` that signals `event` when it is done.
    pub(super) fn new(
        queue: &Queue,
        event: Event,
        kept: Option<Arc<dyn Any + Send + Sync>>,
    ) -> Self {
        Self {
            queue: queue.clone(),
            event: ManuallyDrop::new(event),
            kept,
            done: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// Waits until the operation is done. It is, whatever the result says.
    pub(super) fn wait(&self) -> Result<Result<()>, Exiting> {
        if !self.done.load(Ordering::Acquire) {
            // Who waits here needs no waking.
            drop(self.finish(signalled(&self.event)?));
        }
        Ok(lock(&self.state).failed.take().map_or(Ok(()), Err))
    }

    /// Notes that the operation is done; the waker of who awaits it.
    fn finish(&self, waited: Result<()>) -> Option<Waker> {
        let mut state = lock(&self.state);
        if !self.done.load(Ordering::Acquire) {
            state.doubtful = waited.is_err();
            state.failed = waited.err();
            self.done.store(true, Ordering::Release);
        }
        state.waker.take()
    }

    /// Whether the operation is known to be done.
    pub(super) fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire) || !matches!(self.event.is_signalled(), Ok(false))
    }

    /// Whether the operation is done; the waker is woken when it is.
    pub(super) fn poll(this: &Arc<Self>, waker: &Waker) -> Poll<Result<Result<()>, Exiting>> {
        // Wakers are made and dropped by code of others, which may come here again: not under the
        // lock.
        let fresh = waker.clone();
        let mut state = lock(&this.state);
        if !this.done.load(Ordering::Acquire) {
            let stale = state.waker.replace(fresh);
            let awaited = mem::replace(&mut state.awaited, true);
            drop(state);
            drop(stale);
            if awaited || this.queue.waiter().wait_for(this) {
                return Poll::Pending;
            }
        } else {
            drop(state);
        }
        Poll::Ready(this.wait())
    }

    /// Waits on the queue's thread; the waker of who awaits the operation.
    pub(super) fn wait_on_thread(&self) -> Option<Waker> {
        if self.done.load(Ordering::Acquire) {
            return None;
        }
        self.finish(signalled(&self.event).ok()?)
    }

    /// Drops a flight that is done and that nobody but the queue's thread has.
    pub(super) fn release(this: Arc<Self>) {
        if lock(&this.state).awaited {
            let queue = this.queue.clone();
            queue.waiter().drop_last(this);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.done.load(Ordering::Acquire) {
            // The process is ending: the driver may still signal the event, and use what is kept.
            mem::forget(self.kept.take());
            return;
        }
        // SAFETY: the event is taken once, here.
        let event = unsafe { ManuallyDrop::take(&mut self.event) };
        let idle = !lock(&self.state).doubtful;
        let events = self.queue.context().events();
        events.take_back(event, EventKind::Plain, idle);
    }
}
