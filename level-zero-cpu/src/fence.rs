//! Fences: by which a queue tells the host that it has executed lists.
#![allow(unsafe_code, reason = "calls of the C interface")]

use level_zero_sys::{
    self as sys, ze_command_queue_handle_t, ze_fence_desc_t, ze_fence_handle_t, ze_result_t,
};
use std::sync::Arc;

use crate::arguments::{Outcome, descriptor, flags, no_extensions, not_null, write};
use crate::command_queue::CommandQueue;
use crate::entry::{on, on_instance};
use crate::faults::Call;
use crate::registry;
use crate::wait::Watched;

/// One fence.
pub(crate) struct Fence {
    pub(crate) queue: Arc<CommandQueue>,
    handle: usize,
    state: Watched<State>,
}

struct State {
    signalled: bool,
    /// Executions that will signal it.
    pending: usize,
}

impl Fence {
    /// Waits until it is signalled: `NOT_READY` if the time is over first; the error of the queue
    /// if that has failed.
    fn wait(&self, timeout: u64) -> Outcome {
        let signalled = self
            .state
            .wait(timeout, |state| state.signalled.then_some(()));
        self.queue.strand.check()?;
        signalled.ok_or(sys::ZE_RESULT_NOT_READY)
    }
}

/// An execution's claim on a fence, which is signalled when this is dropped.
pub(crate) struct FenceUse(Arc<Fence>);

impl FenceUse {
    /// The fence is not signalled from now on, whatever it was.
    pub(crate) fn new(fence: &Arc<Fence>) -> Self {
        let mut state = fence.state.lock();
        state.signalled = false;
        state.pending += 1;
        drop(state);
        Self(Arc::clone(fence))
    }
}

impl Drop for FenceUse {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.pending -= 1;
        state.signalled |= state.pending == 0;
        drop(state);
        self.0.state.wake();
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
    match find(fence) {
        Ok(fence) => on_instance(call, &fence.queue.context.inner, || work(&fence)),
        Err(code) => code,
    }
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
                    pending: 0,
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
        |fence: &Arc<Fence>| {
            let idle = |fence: &Fence| {
                if fence.state.lock().pending > 0 {
                    Err(sys::ZE_RESULT_ERROR_HANDLE_OBJECT_IN_USE)
                } else {
                    Ok(())
                }
            };
            registry::remove::<Fence>(fence.handle, idle).map(drop)
        },
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
