//! An operation on its way: what is known of its end.

use crate::error::Result;
use crate::queue::Queue;
use crate::raw::event::{Event, EventKind};
use crate::raw::lock::lock;
use crate::raw::quiet::{Exiting, signalled};
use core::any::Any;
use core::mem::ManuallyDrop;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Poll, Waker};
use std::sync::{Arc, Mutex};

/// An operation that was enqueued, with the event that it signals.
///
/// Shared with the thread that waits for it; who of both is last gives the event back. It is dropped
/// only when the operation is done, or leaked.
#[derive(Debug)]
pub(super) struct Flight {
    queue: Queue,
    event: ManuallyDrop<Event>,
    /// What the operation uses beside what its `Pending` owns.
    _kept: Option<Arc<dyn Any + Send + Sync>>,
    done: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The error of the wait, until somebody takes it.
    failed: Option<crate::Error>,
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
            _kept: kept,
            done: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// Waits until the operation is done. It is, whatever the result says.
    pub(super) fn wait(&self) -> Result<Result<()>, Exiting> {
        if !self.done.load(Ordering::Acquire) {
            self.finish(signalled(&self.event)?);
        }
        Ok(lock(&self.state).failed.take().map_or(Ok(()), Err))
    }

    /// Notes that the operation is done, and wakes who awaits it.
    fn finish(&self, waited: Result<()>) {
        let mut state = lock(&self.state);
        if !self.done.swap(true, Ordering::AcqRel) {
            state.failed = waited.err();
        }
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether the operation is known to be done.
    pub(super) fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire) || !matches!(self.event.is_signalled(), Ok(false))
    }

    /// Whether the operation is done; the waker is woken when it is.
    pub(super) fn poll(this: &Arc<Self>, waker: &Waker) -> Poll<Result<Result<()>, Exiting>> {
        let mut state = lock(&this.state);
        if !this.done.load(Ordering::Acquire) {
            match &mut state.waker {
                Some(known) => known.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
            if state.awaited {
                return Poll::Pending;
            }
            state.awaited = true;
            drop(state);
            if this.queue.waiter().wait_for(this) {
                return Poll::Pending;
            }
        } else {
            drop(state);
        }
        Poll::Ready(this.wait())
    }

    /// Waits on the queue's thread.
    pub(super) fn wait_on_thread(&self) {
        if !self.done.load(Ordering::Acquire)
            && let Ok(waited) = signalled(&self.event)
        {
            self.finish(waited);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.done.load(Ordering::Acquire) {
            // The process is ending: the driver may still signal the event.
            return;
        }
        // SAFETY: the event is taken once, here.
        let event = unsafe { ManuallyDrop::take(&mut self.event) };
        self.queue
            .context()
            .events()
            .give_back(event, EventKind::Plain);
    }
}
