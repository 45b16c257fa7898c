//! The thread that waits for what is awaited on a queue.

use super::flight::Flight;
use crate::raw::lock::lock;
use core::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, Weak};
use std::thread;

/// The way to a queue's thread. It is started when something is first awaited, and ends with the
/// queue.
#[derive(Debug, Default)]
pub(crate) struct Waiter {
    sender: Mutex<Option<Sender<Weak<Flight>>>>,
    turn: Arc<Turn>,
}

/// The flight that the thread has, by its address. It takes one with the lock held, and at no other
/// time.
#[derive(Debug, Default)]
struct Turn(Mutex<Option<usize>>);

impl Waiter {
    /// Has the thread wait for an operation; whether there is a thread.
    pub(super) fn wait_for(&self, flight: &Arc<Flight>) -> bool {
        let mut sender = lock(&self.sender);
        if sender.is_none() {
            let (to, from) = channel();
            let turn = Arc::clone(&self.turn);
            let started = thread::Builder::new()
                .name("ze-area waits".into())
                .spawn(move || turn.wait(&from));
            if started.is_err() {
                return false;
            }
            *sender = Some(to);
        }
        sender
            .as_ref()
            .is_some_and(|sender| sender.send(Arc::downgrade(flight)).is_ok())
    }

    /// Drops a flight that is done, after the thread has: so what it uses, queue and context with it, is
    /// not used any more when this returns, unless by others.
    pub(super) fn drop_last(&self, flight: Arc<Flight>) {
        loop {
            let has = lock(&self.turn.0);
            if *has != Some(address(&flight)) {
                let last = Arc::into_inner(flight);
                drop(has);
                drop(last);
                return;
            }
            drop(has);
            // It is about to return from waiting for what is done.
            thread::yield_now();
        }
    }
}

fn address(flight: &Arc<Flight>) -> usize {
    Arc::as_ptr(flight).addr()
}

impl Turn {
    /// Waits for one flight after the other, until the queue is dropped.
    fn wait(&self, flights: &Receiver<Weak<Flight>>) {
        for flight in flights {
            let mut has = lock(&self.0);
            let Some(flight) = flight.upgrade() else {
                continue;
            };
            *has = Some(address(&flight));
            drop(has);
            let waker = flight.wait_on_thread();
            // Before the task is woken, which may have been the last to use the queue. It is not the
            // last owner: whoever is calls `drop_last`.
            drop(flight);
            *lock(&self.0) = None;
            if let Some(waker) = waker {
                // One that panics must not keep other tasks from being woken.
                if let Err(thrown) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                    // The drop of what was thrown might throw again.
                    mem::forget(catch_unwind(AssertUnwindSafe(|| drop(thrown))));
                }
            }
        }
    }
}
