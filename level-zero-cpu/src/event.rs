//! Events: signalled by commands or the host, waited for by both.
#![allow(unsafe_code, reason = "calls of the C interface")]

use level_zero_sys::{
    self as sys, ze_device_handle_t, ze_event_desc_t, ze_event_handle_t, ze_event_pool_handle_t,
    ze_kernel_timestamp_data_t, ze_kernel_timestamp_result_t, ze_result_t,
};
use std::sync::Arc;

use crate::arguments::{Outcome, counted, descriptor, flags, no_extensions, not_null, write};
use crate::clock::now;
use crate::entry::{on, on_found};
use crate::event_pool::EventPool;
use crate::faults::Call;
use crate::registry;
use crate::strand::Strand;
use crate::threads;
use crate::wait::Watched;

/// One event.
pub(crate) struct Event {
    pub(crate) pool: Arc<EventPool>,
    handle: usize,
    index: u32,
    state: Watched<State>,
}

#[derive(Default)]
struct State {
    signalled: bool,
    /// Counts signals, so that a thread which waits does not miss one that is reset at once.
    signals: u64,
    /// What goes on when it is signalled.
    strands: Vec<Arc<Strand>>,
    /// Commands that will wait for it, signal it, reset it or read it.
    uses: usize,
    destroyed: bool,
    start: u64,
    end: u64,
}

impl Event {
    /// Keeps a strand until the signal, unless that was.
    pub(crate) fn keep(&self, strand: &Arc<Strand>) -> bool {
        let mut state = self.state.lock();
        if state.signalled {
            return false;
        }
        state.strands.push(Arc::clone(strand));
        true
    }

    /// Signals; the times are those of the command that does.
    pub(crate) fn signal(&self, start: u64, end: u64) {
        let mut state = self.state.lock();
        state.signalled = true;
        state.signals += 1;
        (state.start, state.end) = (start, end);
        let strands = std::mem::take(&mut state.strands);
        drop(state);
        self.state.wake();
        for strand in strands {
            threads::schedule(strand);
        }
    }

    pub(crate) fn reset(&self) {
        let mut state = self.state.lock();
        state.signalled = false;
        (state.start, state.end) = (0, 0);
    }

    /// When the command that signalled it ran; zeros if none did since the last reset.
    pub(crate) fn timestamps(&self) -> ze_kernel_timestamp_result_t {
        self.state.lock().timestamps()
    }

    /// Waits for the signal: `NOT_READY` if the time is over first.
    fn wait(&self, timeout: u64) -> Outcome {
        let mut first = None;
        let outcome = self.state.wait(timeout, |state| {
            let first = *first.get_or_insert(state.signals);
            if state.signalled || state.signals != first {
                Some(Ok(()))
            } else if state.destroyed {
                Some(Err(sys::ZE_RESULT_ERROR_INVALID_SYNCHRONIZATION_OBJECT))
            } else {
                None
            }
        });
        outcome.unwrap_or(Err(sys::ZE_RESULT_NOT_READY))
    }

    /// Ends it, unless commands are to use it.
    fn end(&self) -> Outcome {
        let mut state = self.state.lock();
        if state.uses > 0 {
            return Err(sys::ZE_RESULT_ERROR_HANDLE_OBJECT_IN_USE);
        }
        state.destroyed = true;
        drop(state);
        self.state.wake();
        Ok(())
    }
}

impl State {
    fn timestamps(&self) -> ze_kernel_timestamp_result_t {
        let data = ze_kernel_timestamp_data_t {
            kernelStart: self.start,
            kernelEnd: self.end,
        };
        ze_kernel_timestamp_result_t {
            global: data,
            context: data,
        }
    }
}

/// A command's claim on an event, which cannot be destroyed meanwhile.
pub(crate) struct EventUse(Arc<Event>);

impl EventUse {
    /// `INVALID_SYNCHRONIZATION_OBJECT` if the event was destroyed after the command was recorded.
    pub(crate) fn new(event: &Arc<Event>) -> Outcome<Self> {
        let mut state = event.state.lock();
        if state.destroyed {
            return Err(sys::ZE_RESULT_ERROR_INVALID_SYNCHRONIZATION_OBJECT);
        }
        state.uses += 1;
        drop(state);
        Ok(Self(Arc::clone(event)))
    }

    pub(crate) fn event(&self) -> &Arc<Event> {
        &self.0
    }

    pub(crate) fn is_timed(&self) -> bool {
        self.0.pool.is_timed()
    }

    /// Signals, and ends the use before anybody sees that.
    pub(crate) fn signal(self, start: u64, end: u64) {
        let event = Arc::clone(&self.0);
        drop(self);
        event.signal(start, end);
    }
}

impl Drop for EventUse {
    fn drop(&mut self) {
        self.0.state.lock().uses -= 1;
    }
}

/// The event of a handle, for calls that document `INVALID_SYNCHRONIZATION_OBJECT`.
pub(crate) fn find(handle: ze_event_handle_t) -> Outcome<Arc<Event>> {
    registry::find::<Event>(handle).map_err(|code| match code {
        sys::ZE_RESULT_ERROR_INVALID_ARGUMENT => {
            sys::ZE_RESULT_ERROR_INVALID_SYNCHRONIZATION_OBJECT
        }
        code => code,
    })
}

fn on_event(
    call: Call,
    event: ze_event_handle_t,
    work: impl FnOnce(&Event) -> Outcome,
) -> ze_result_t {
    on_found(call, || find(event), |event| work(event))
}

/// As [`on_event`], for what the host does with the signal.
fn on_visible(
    call: Call,
    event: ze_event_handle_t,
    work: impl FnOnce(&Event) -> Outcome,
) -> ze_result_t {
    on_event(call, event, |event| {
        event.pool.check_host_visible()?;
        work(event)
    })
}

/// `zeEventCreate`: `INVALID_ARGUMENT` for an index that is not below the count of the pool, and
/// for one where an event lives.
pub(crate) unsafe extern "C" fn create(
    pool: ze_event_pool_handle_t,
    desc: *const ze_event_desc_t,
    event: *mut ze_event_handle_t,
) -> ze_result_t {
    on(
        const { Call::named("zeEventCreate") },
        pool,
        |pool: &Arc<EventPool>| {
            // SAFETY: the caller keeps the contract of the C call.
            let desc = unsafe { descriptor(desc, sys::ZE_STRUCTURE_TYPE_EVENT_DESC) }?;
            not_null(event)?;
            let scopes = sys::ZE_EVENT_SCOPE_FLAG_SUBDEVICE
                | sys::ZE_EVENT_SCOPE_FLAG_DEVICE
                | sys::ZE_EVENT_SCOPE_FLAG_HOST;
            flags(desc.signal, scopes)?;
            flags(desc.wait, scopes)?;
            no_extensions(desc.pNext)?;
            pool.take(desc.index)?;
            let handle = registry::add(|handle| Event {
                pool: Arc::clone(pool),
                handle,
                index: desc.index,
                state: Watched::default(),
            });
            // SAFETY: as above.
            unsafe { write(event, handle) }
        },
    )
}

/// `zeEventDestroy`: `HANDLE_OBJECT_IN_USE` while a command that was given to a queue is to wait
/// for it, or to do something with it.
pub(crate) unsafe extern "C" fn destroy(event: ze_event_handle_t) -> ze_result_t {
    on(
        const { Call::named("zeEventDestroy") },
        event,
        |event: &Arc<Event>| {
            let event = registry::remove::<Event>(event.handle, Event::end)?;
            event.pool.give(event.index);
            Ok(())
        },
    )
}

/// `zeEventHostSignal`: `INVALID_SYNCHRONIZATION_OBJECT` for what is no live event, or one of a
/// pool that is not visible to the host.
pub(crate) unsafe extern "C" fn host_signal(event: ze_event_handle_t) -> ze_result_t {
    on_visible(const { Call::named("zeEventHostSignal") }, event, |event| {
        let time = now();
        event.signal(time, time);
        Ok(())
    })
}

/// `zeEventHostSynchronize`: errors as for `zeEventHostSignal`.
pub(crate) unsafe extern "C" fn host_synchronize(
    event: ze_event_handle_t,
    timeout: u64,
) -> ze_result_t {
    on_visible(
        const { Call::named("zeEventHostSynchronize") },
        event,
        |event| event.wait(timeout),
    )
}

/// `zeEventQueryStatus`: as `zeEventHostSynchronize` without time.
pub(crate) unsafe extern "C" fn query_status(event: ze_event_handle_t) -> ze_result_t {
    on_visible(
        const { Call::named("zeEventQueryStatus") },
        event,
        |event| event.wait(0),
    )
}

/// `zeEventHostReset`: also for events that are not visible to the host, whose state it does not
/// tell.
pub(crate) unsafe extern "C" fn host_reset(event: ze_event_handle_t) -> ze_result_t {
    on_event(const { Call::named("zeEventHostReset") }, event, |event| {
        event.reset();
        Ok(())
    })
}

/// `zeEventQueryKernelTimestamp`: nanoseconds of the clock of `zeDeviceGetGlobalTimestamps`, of any
/// command that signalled the event; `INVALID_SYNCHRONIZATION_OBJECT` if its pool has no
/// timestamps.
pub(crate) unsafe extern "C" fn query_kernel_timestamp(
    event: ze_event_handle_t,
    result: *mut ze_kernel_timestamp_result_t,
) -> ze_result_t {
    on_event(
        const { Call::named("zeEventQueryKernelTimestamp") },
        event,
        |event| {
            not_null(result)?;
            event.pool.check_timed()?;
            let state = event.state.lock();
            if !state.signalled {
                return Err(sys::ZE_RESULT_NOT_READY);
            }
            let times = state.timestamps();
            drop(state);
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { write(result, times) }
        },
    )
}

/// `zeEventQueryTimestampsExp`: one, of an event that is signalled; none before. The device must be
/// one that the context sees, else it is `INVALID_ARGUMENT`.
pub(crate) unsafe extern "C" fn query_timestamps(
    event: ze_event_handle_t,
    device: ze_device_handle_t,
    count: *mut u32,
    results: *mut ze_kernel_timestamp_result_t,
) -> ze_result_t {
    on_event(
        const { Call::named("zeEventQueryTimestampsExp") },
        event,
        |event| {
            event.pool.context.device(device)?;
            not_null(count)?;
            event.pool.check_timed()?;
            let state = event.state.lock();
            let available = usize::from(state.signalled);
            let times = state.timestamps();
            drop(state);
            // SAFETY: room for at least one, as the count said that it read.
            let put = |_| unsafe { write(results, times) };
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { counted(count, available, !results.is_null(), put) }
        },
    )
}

#[cfg(test)]
mod tests;
