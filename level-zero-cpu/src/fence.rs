//! Fences: by which a queue tells the host that it has executed lists.
#![allow(unsafe_code, reason = "calls of the C interface")]

use level_zero_sys::{
    self as sys, ze_command_queue_handle_t, ze_fence_desc_t, ze_fence_handle_t, ze_result_t,
};
use std::sync::Arc;

use crate::arguments::{Outcome, descriptor, flags, no_extensions, not_null, write};
use crate::command_queue::CommandQueue;
use crate::entry::{on, on_found};
use crate::faults::Call;
use crate::registry;
use crate::wait::Watched;

/// One fence.
pub(crate) struct Fence {
    pub(crate) queue: Arc<CommandQueue>,
    handle: usize,
    state: Watched<State>,
}

#[derive(Default)]
struct State {
    signalled: bool,
    /// Counts signals, so that a thread which waits does not miss one that is reset at once.
    signals: u64,
    destroyed: bool,
    /// Executions that will signal it.
    pending: usize,
    /// Whether one of them has ended while others were pending.
    done: bool,
}

impl State {
    /// For an execution that will signal it; whether it was signalled before.
    fn claim(&mut self) -> bool {
        self.done &= self.pending > 0;
        self.pending += 1;
        std::mem::replace(&mut self.signalled, false)
    }

    /// For an execution that has ended (`done`), or that is not to be after all; then with what it
    /// was before.
    fn release(&mut self, done: bool) {
        self.pending -= 1;
        self.done |= done;
        if self.done && self.pending == 0 {
            self.signalled = true;
            self.signals += 1;
        }
    }
}

impl Fence {
    /// Waits until it is signalled: `NOT_READY` if the time is over first; the error of the queue
    /// if that has failed.
    fn wait(&self, timeout: u64) -> Outcome {
        let mut first = None;
        let signalled = self.state.wait(timeout, |state| {
            let first = *first.get_or_insert(state.signals);
            if state.signalled || state.signals != first {
                Some(Ok(()))
            } else if state.destroyed {
                Some(Err(sys::ZE_RESULT_ERROR_INVALID_SYNCHRONIZATION_OBJECT))
            } else {
                None
            }
        });
        self.queue.strand.check()?;
        signalled.unwrap_or(Err(sys::ZE_RESULT_NOT_READY))
    }

    /// Ends it, unless an execution is to signal it.
    fn end(&self) -> Outcome {
        let mut state = self.state.lock();
        if state.pending > 0 {
            return Err(sys::ZE_RESULT_ERROR_HANDLE_OBJECT_IN_USE);
        }
        state.destroyed = true;
        drop(state);
        self.state.wake();
        Ok(())
    }
}

/// An execution's claim on a fence, which cannot be destroyed meanwhile.
pub(crate) struct FenceUse {
    fence: Arc<Fence>,
    /// Whether the fence was signalled before: what it is again if nothing is executed.
    before: bool,
}

impl FenceUse {
    /// The fence is not signalled from now on, whatever it was.
    /// `INVALID_SYNCHRONIZATION_OBJECT` if it was destroyed.
    pub(crate) fn new(fence: &Arc<Fence>) -> Outcome<Self> {
        let mut state = fence.state.lock();
        if state.destroyed {
            return Err(sys::ZE_RESULT_ERROR_INVALID_SYNCHRONIZATION_OBJECT);
        }
        let before = state.claim();
        drop(state);
        Ok(Self {
            fence: Arc::clone(fence),
            before,
        })
    }

    /// Signals, unless other executions are to do so later.
    pub(crate) fn signal(mut self) {
        self.before = true;
    }
}

impl Drop for FenceUse {
    fn drop(&mut self) {
        let mut state = self.fence.state.lock();
        state.release(self.before);
        drop(state);
        self.fence.state.wake();
    }
}

/// The fence of a handle, for calls that document `INVALID_SYNCHRONIZATION_OBJECT`.
pub(crate) fn find(handle: ze_fence_handle_t) -> Outcome<Arc<Fence>> {
    registry::find::<Fence>(handle).map_err(|code| match code {
        sys::ZE_RESULT_ERROR_INVALID_ARGUMENT => {
            sys::ZE_RESULT_ERROR_INVALID_SYNCHRONIZATION_OBJECT
        }
        code => code,
    })
}

fn on_fence(
    call: Call,
    fence: ze_fence_handle_t,
    work: impl FnOnce(&Fence) -> Outcome,
) -> ze_result_t {
    on_found(call, || find(fence), |fence| work(fence))
}

/// `zeFenceCreate`
pub(crate) unsafe extern "C" fn create(
    queue: ze_command_queue_handle_t,
    desc: *const ze_fence_desc_t,
    fence: *mut ze_fence_handle_t,
) -> ze_result_t {
    on(
        const { Call::named("zeFenceCreate") },
        queue,
        |queue: &Arc<CommandQueue>| {
            // SAFETY: the caller keeps the contract of the C call.
            let desc = unsafe { descriptor(desc, sys::ZE_STRUCTURE_TYPE_FENCE_DESC) }?;
            not_null(fence)?;
            flags(desc.flags, sys::ZE_FENCE_FLAG_SIGNALED)?;
            no_extensions(desc.pNext)?;
            let handle = registry::add(|handle| Fence {
                queue: Arc::clone(queue),
                handle,
                state: Watched::new(State {
                    signalled: desc.flags & sys::ZE_FENCE_FLAG_SIGNALED != 0,
                    ..State::default()
                }),
            });
            // SAFETY: as above.
            unsafe { write(fence, handle) }
        },
    )
}

/// `zeFenceDestroy`: `HANDLE_OBJECT_IN_USE` while an execution is to signal it.
pub(crate) unsafe extern "C" fn destroy(fence: ze_fence_handle_t) -> ze_result_t {
    on(
        const { Call::named("zeFenceDestroy") },
        fence,
        |fence: &Arc<Fence>| registry::remove::<Fence>(fence.handle, Fence::end).map(drop),
    )
}

/// `zeFenceHostSynchronize`: `INVALID_SYNCHRONIZATION_OBJECT` for what is no live fence; the error
/// of the queue if that has failed.
pub(crate) unsafe extern "C" fn host_synchronize(
    fence: ze_fence_handle_t,
    timeout: u64,
) -> ze_result_t {
    on_fence(
        const { Call::named("zeFenceHostSynchronize") },
        fence,
        |fence| fence.wait(timeout),
    )
}

/// `zeFenceQueryStatus`: as `zeFenceHostSynchronize` without time.
pub(crate) unsafe extern "C" fn query_status(fence: ze_fence_handle_t) -> ze_result_t {
    on_fence(
        const { Call::named("zeFenceQueryStatus") },
        fence,
        |fence| fence.wait(0),
    )
}

/// `zeFenceReset`
pub(crate) unsafe extern "C" fn reset(fence: ze_fence_handle_t) -> ze_result_t {
    on(
        const { Call::named("zeFenceReset") },
        fence,
        |fence: &Arc<Fence>| {
            fence.state.lock().signalled = false;
            Ok(())
        },
    )
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn the_last_of_several_executions_signals_whatever_became_of_the_others() {
        for last_is_done in [true, false] {
            let mut fence = State::default();
            let first = fence.claim();
            let second = fence.claim();
            assert!(!first && !second);
            fence.release(true);
            assert!(!fence.signalled);
            fence.release(last_is_done || second);
            assert!(fence.signalled && fence.signals == 1);
        }
    }

    #[test]
    fn an_execution_that_is_refused_leaves_the_fence_as_it_was() {
        for before in [true, false] {
            let mut fence = State {
                signalled: before,
                ..State::default()
            };
            let claim = fence.claim();
            assert!(!fence.signalled);
            fence.release(claim);
            assert_eq!(fence.signalled, before);
        }
    }
}
