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

struct State {
    /// Shows only while nothing is pending.
    signalled: bool,
    /// Executions that will signal it.
    pending: usize,
}

impl State {
    fn is_signalled(&self) -> bool {
        self.signalled && self.pending == 0
    }
}

impl Fence {
    /// Waits until it is signalled: `NOT_READY` if the time is over first; the error of the queue
    /// if that has failed.
    fn wait(&self, timeout: u64) -> Outcome {
        let signalled = self
            .state
            .wait(timeout, |state| state.is_signalled().then_some(()));
        self.queue.strand.check()?;
        signalled.ok_or(sys::ZE_RESULT_NOT_READY)
    }
}

/// An execution's claim on a fence, which cannot be destroyed meanwhile. Dropped without
/// [`signal`](Self::signal), it leaves the fence as it was before.
pub(crate) struct FenceUse {
    fence: Arc<Fence>,
    signals: bool,
}

impl FenceUse {
    /// The fence does not show as signalled from now on, whatever it was.
    pub(crate) fn new(fence: &Arc<Fence>) -> Self {
        fence.state.lock().pending += 1;
        Self {
            fence: Arc::clone(fence),
            signals: false,
        }
    }

    pub(crate) fn signal(mut self) {
        self.signals = true;
    }
}

impl Drop for FenceUse {
    fn drop(&mut self) {
        let mut state = self.fence.state.lock();
        state.pending -= 1;
        state.signalled |= self.signals;
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
    on_found(call, || find(fence), |fence: &Arc<Fence>| work(fence))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strand::Command;
    use crate::{Config, Instance, api};
    use std::ptr::{null, null_mut};

    #[test]
    fn an_execution_that_is_refused_leaves_its_fence_as_it_was() {
        let instance = Instance::new(Config::new()).unwrap();
        let desc = sys::ze_context_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_CONTEXT_DESC,
            pNext: null(),
            flags: 0,
        };
        let (driver, mut context) = (instance.driver_handle(), null_mut());
        // SAFETY: the descriptor and the place for the handle outlive the call, here and below.
        let made = unsafe { (api().zeContextCreate)(driver, &raw const desc, &raw mut context) };
        assert_eq!(made, sys::ZE_RESULT_SUCCESS);
        let (mut count, mut device) = (1, null_mut());
        // SAFETY: room for one handle, as counted.
        let found = unsafe { (api().zeDeviceGet)(driver, &raw mut count, &raw mut device) };
        assert_eq!(found, sys::ZE_RESULT_SUCCESS);
        let desc = sys::ze_command_queue_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_COMMAND_QUEUE_DESC,
            pNext: null(),
            ordinal: 0,
            index: 0,
            flags: 0,
            mode: sys::ZE_COMMAND_QUEUE_MODE_DEFAULT,
            priority: sys::ZE_COMMAND_QUEUE_PRIORITY_NORMAL,
        };
        let create = api().zeCommandQueueCreate;
        let mut queue = null_mut();
        // SAFETY: as above.
        let made = unsafe { create(context, device, &raw const desc, &raw mut queue) };
        assert_eq!(made, sys::ZE_RESULT_SUCCESS);
        for flags in [0, sys::ZE_FENCE_FLAG_SIGNALED] {
            let desc = ze_fence_desc_t {
                stype: sys::ZE_STRUCTURE_TYPE_FENCE_DESC,
                pNext: null(),
                flags,
            };
            let mut fence = null_mut();
            // SAFETY: as above.
            let made = unsafe { (api().zeFenceCreate)(queue, &raw const desc, &raw mut fence) };
            assert_eq!(made, sys::ZE_RESULT_SUCCESS);
            let fence = find(fence).unwrap();
            let before = fence.wait(0);
            let command = Command {
                fence: Some(FenceUse::new(&fence)),
                ..Command::default()
            };
            assert_eq!(fence.wait(0), Err(sys::ZE_RESULT_NOT_READY));
            drop(command);
            assert_eq!(fence.wait(0), before);
        }
    }
}
