//! The thread that waits for what is awaited on a queue.

use super::flight::Flight;
use crate::raw::lock::lock;
use core::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

/// The way to a queue's thread. It is started when something is first awaited, and ends with the
/// queue.
#[derive(Debug, Default)]
pub(crate) struct Waiter {
    sender: Mutex<Option<Sender<Arc<Flight>>>>,
}

impl Waiter {
    /// Has the thread wait for an operation; whether there is a thread.
    pub(super) fn wait_for(&self, flight: &Arc<Flight>) -> bool {
        let mut sender = lock(&self.sender);
        if sender.is_none() {
            let (to, from) = channel::<Arc<Flight>>();
            let started = thread::Builder::new()
                .name("ze-area waits".into())
                .spawn(move || {
                    for flight in from {
                        // A waker that panics must not keep the others from being woken.
                        let wait = AssertUnwindSafe(|| Flight::wait_on_thread(flight));
                        let woken = catch_unwind(wait);
                        // The drop of what was thrown might throw again.
                        mem::forget(woken);
                    }
                });
            if started.is_err() {
                return false;
            }
            *sender = Some(to);
        }
        sender
            .as_ref()
            .is_some_and(|sender| sender.send(Arc::clone(flight)).is_ok())
    }
}
