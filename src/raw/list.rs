//! Immediate command lists.

use crate::context::Ownership;
use crate::error::{Error, Result};
use crate::kernel::Armed;
use crate::raw::call::check;
use crate::raw::context::ContextInner;
use crate::raw::exit::{self, Calls, barred};
use crate::raw::handle::{DeviceHandle, EventHandle, Handle, ListHandle};
use crate::raw::lock::lock;
use core::ffi::c_void;
use level_zero_sys as sys;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An immediate command list behind a lock.
///
/// The specification promises no order between the operations of a list: what needs another one done
/// has a barrier before it.
#[derive(Debug)]
pub(crate) struct CommandList {
    context: Arc<ContextInner>,
    ownership: Ownership,
    /// One thread at a time uses the list, as the specification asks.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    handle: ListHandle,
    /// How many operations were appended.
    appended: u64,
    /// How many had been when the last barrier was.
    fenced: u64,
}

/// How a list is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListDesc {
    /// The queue group.
    pub(crate) ordinal: u32,
    /// Which queue of the group; `None` where the driver may choose.
    pub(crate) index: Option<u32>,
    pub(crate) mode: sys::ze_command_queue_mode_t,
    pub(crate) priority: sys::ze_command_queue_priority_t,
}

/// The pitches of one end of a region, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pitches {
    pub(crate) row: u32,
    pub(crate) slice: u32,
}

/// A list that its caller alone uses for as long as this lives.
pub(crate) struct Locked<'a> {
    /// `None` where the process is ending.
    calls: Option<Calls>,
    state: MutexGuard<'a, State>,
}

impl CommandList {
    /// Makes a list on a device of the context.
    pub(crate) fn new(
        context: &Arc<ContextInner>,
        device: DeviceHandle,
        desc: ListDesc,
    ) -> Result<Self> {
        let desc = sys::ze_command_queue_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_COMMAND_QUEUE_DESC,
            ordinal: desc.ordinal,
            index: desc.index.unwrap_or(0),
            // Without it the driver may spread the work over the group's queues.
            flags: desc
                .index
                .map_or(0, |_| sys::ZE_COMMAND_QUEUE_FLAG_EXPLICIT_ONLY),
            mode: desc.mode,
            priority: desc.priority,
            ..Default::default()
        };
        let mut raw = core::ptr::null_mut();
        context
            .driver()
            .call("zeCommandListCreateImmediate", |api| {
                // SAFETY: context and device are live handles of one driver and the device is in the
                // context, as the caller has checked; descriptor and target outlive the call.
                unsafe {
                    (api.zeCommandListCreateImmediate)(
                        context.handle().as_raw(),
                        device.as_raw(),
                        &raw const desc,
                        &raw mut raw,
                    )
                }
            })?;
        exit::watch();
        let handle = Handle::new(raw).ok_or_else(|| Error::DriverFault {
            call: "zeCommandListCreateImmediate",
            what: "gave a null list".into(),
        })?;
        // SAFETY: the driver has just made the list in the context, for nobody else.
        Ok(unsafe { Self::from_raw(context, handle, Ownership::Owned) })
    }

    /// Takes a list that other code made.
    ///
    /// # Safety
    ///
    /// `handle` must be a live immediate command list of the context, which nobody destroys before
    /// this value is dropped, nor afterwards where it is owned.
    pub(crate) unsafe fn from_raw(
        context: &Arc<ContextInner>,
        handle: ListHandle,
        ownership: Ownership,
    ) -> Self {
        Self {
            context: Arc::clone(context),
            ownership,
            state: Mutex::new(State {
                handle,
                appended: 0,
                fenced: 0,
            }),
        }
    }

    /// Waits for the list's turn.
    #[inline]
    pub(crate) fn lock(&self) -> Locked<'_> {
        // A panic while the lock is held cannot leave the handle in disorder.
        let state = lock(&self.state);
        Locked {
            calls: self.context.enter(),
            state,
        }
    }

    /// Hands the list to calls that this library does not make, which nobody else uses meanwhile.
    pub(crate) fn with_raw<R>(&self, body: impl FnOnce(sys::ze_command_list_handle_t) -> R) -> R {
        let state = lock(&self.state);
        body(state.handle.as_raw())
    }

    /// Waits for everything on the list, where the driver has a call for that.
    pub(crate) fn synchronize(&self) -> Result<()> {
        const CALL: &str = "zeCommandListHostSynchronize";
        let driver = self.context.driver();
        let api = driver.enter(CALL)?;
        let synchronize = driver.optional(CALL, api.zeCommandListHostSynchronize)?;
        drop(api);
        let list = lock(&self.state).handle;
        driver.call(CALL, |_| {
            // SAFETY: the list is live.
            unsafe { synchronize(list.as_raw(), u64::MAX) }
        })
    }
}

impl Drop for CommandList {
    fn drop(&mut self) {
        if self.ownership == Ownership::Borrowed {
            return;
        }
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let list = state.handle;
        let destroyed = self.context.driver().call("zeCommandListDestroy", |api| {
            // SAFETY: the list is live, this value owns it, and all work on it is done: whoever
            // appends to it keeps it until that is so.
            unsafe { (api.zeCommandListDestroy)(list.as_raw()) }
        });
        if let Err(error) = destroyed
            && !matches!(error, Error::Exiting { .. })
        {
            tracing::error!(%error, "a command list could not be destroyed");
        }
    }
}

/// An event to signal after an operation, as the driver takes it.
fn raw(signal: Option<EventHandle>) -> sys::ze_event_handle_t {
    signal.map_or(core::ptr::null_mut(), Handle::as_raw)
}

impl Locked<'_> {
    /// How many operations were appended up to now: the number of the last one.
    #[inline]
    pub(crate) fn position(&self) -> u64 {
        self.state.appended
    }

    /// Runs an append call.
    #[inline]
    pub(crate) fn append(
        &mut self,
        call: &'static str,
        append: impl FnOnce(&sys::Api, sys::ze_command_list_handle_t) -> sys::ze_result_t,
    ) -> Result<()> {
        // Also where it fails: what a failed call has left behind is not known.
        self.state.appended += 1;
        let list = self.state.handle.as_raw();
        match &self.calls {
            Some(calls) => check(call, append(calls, list)),
            None => Err(barred(call)),
        }
    }

    /// Copies `bytes` bytes.
    ///
    /// # Safety
    ///
    /// Until the operation is done, both ranges must be live memory of the context or of the host,
    /// not overlapping, the target exclusively the caller's and nobody writing the source; and
    /// the event must live.
    #[inline]
    pub(crate) unsafe fn copy(
        &mut self,
        target: *mut c_void,
        source: *const c_void,
        bytes: usize,
        signal: Option<EventHandle>,
    ) -> Result<()> {
        self.append("zeCommandListAppendMemoryCopy", |api, list| {
            // SAFETY: the list is live and locked; the ranges and the event are the caller's to
            // vouch for.
            unsafe {
                (api.zeCommandListAppendMemoryCopy)(
                    list,
                    target,
                    source,
                    bytes,
                    raw(signal),
                    0,
                    core::ptr::null_mut(),
                )
            }
        })
    }

    /// Fills `bytes` bytes with a repeated pattern.
    ///
    /// The pattern's length is a power of two, not above the queue group's limit, and divides
    /// `bytes`.
    ///
    /// # Safety
    ///
    /// Until the operation is done, the range must be live memory of the context that is exclusively
    /// the caller's, and the pattern and the event must live.
    #[inline]
    pub(crate) unsafe fn fill(
        &mut self,
        target: *mut c_void,
        pattern: &[u8],
        bytes: usize,
        signal: Option<EventHandle>,
    ) -> Result<()> {
        self.append("zeCommandListAppendMemoryFill", |api, list| {
            // SAFETY: the list is live and locked; range, pattern and event are the caller's to
            // vouch for.
            unsafe {
                (api.zeCommandListAppendMemoryFill)(
                    list,
                    target,
                    pattern.as_ptr().cast(),
                    pattern.len(),
                    bytes,
                    raw(signal),
                    0,
                    core::ptr::null_mut(),
                )
            }
        })
    }

    /// Copies `width` bytes of each of `height` rows of `depth` slices: of two ends that begin at the
    /// pointers and have rows and slices at the pitches. None of the three is 0.
    ///
    /// # Safety
    ///
    /// As of [`copy`](Locked::copy), for all the rows of both ends. Rows of the target must not
    /// overlap each other.
    pub(crate) unsafe fn copy_region(
        &mut self,
        (target, to): (*mut c_void, Pitches),
        (source, from): (*const c_void, Pitches),
        [width, height, depth]: [u32; 3],
        signal: Option<EventHandle>,
    ) -> Result<()> {
        let region = sys::ze_copy_region_t {
            width,
            height,
            depth,
            ..Default::default()
        };
        self.append("zeCommandListAppendMemoryCopyRegion", |api, list| {
            // SAFETY: the list is live and locked; the region outlives the call, which reads it,
            // and is the same for both ends; the rows and the event are the caller's to vouch for.
            unsafe {
                (api.zeCommandListAppendMemoryCopyRegion)(
                    list,
                    target,
                    &raw const region,
                    to.row,
                    to.slice,
                    source,
                    &raw const region,
                    from.row,
                    from.slice,
                    raw(signal),
                    0,
                    core::ptr::null_mut(),
                )
            }
        })
    }

    /// Hints that the device will use `bytes` bytes soon.
    ///
    /// # Safety
    ///
    /// Until the operation is done, the range must lie in live shared memory of the context that the
    /// list's device reaches.
    pub(crate) unsafe fn prefetch(&mut self, range: *const c_void, bytes: usize) -> Result<()> {
        self.append("zeCommandListAppendMemoryPrefetch", |api, list| {
            // SAFETY: the list is live and locked; the range is the caller's to vouch for.
            unsafe { (api.zeCommandListAppendMemoryPrefetch)(list, range, bytes) }
        })
    }

    /// Hints how a device will use `bytes` bytes.
    ///
    /// # Safety
    ///
    /// As of [`prefetch`](Locked::prefetch); `device` must be the list's.
    pub(crate) unsafe fn advise(
        &mut self,
        device: DeviceHandle,
        range: *const c_void,
        bytes: usize,
        advice: sys::ze_memory_advice_t,
    ) -> Result<()> {
        self.append("zeCommandListAppendMemAdvise", |api, list| {
            // SAFETY: the list is live and locked; the range and the device are the caller's to
            // vouch for.
            unsafe {
                (api.zeCommandListAppendMemAdvise)(list, device.as_raw(), range, bytes, advice)
            }
        })
    }

    /// Launches a kernel.
    ///
    /// # Safety
    ///
    /// As of [`Armed::append`], for this list.
    #[inline]
    pub(crate) unsafe fn launch(
        &mut self,
        armed: &Armed<'_>,
        signal: Option<EventHandle>,
    ) -> Result<()> {
        self.append("zeCommandListAppendLaunchKernel", |api, list| {
            // SAFETY: the list is live and locked; the rest is the caller's to vouch for.
            unsafe { armed.append(api, list, raw(signal)) }
        })
    }

    /// Makes what follows wait for everything before, or for the events where there are some; then
    /// signals.
    ///
    /// With events to wait for, the specification promises nothing of what came before.
    pub(crate) fn barrier(
        &mut self,
        signal: Option<EventHandle>,
        waits: &[sys::ze_event_handle_t],
    ) -> Result<()> {
        let before = self.state.appended;
        let count = u32::try_from(waits.len()).unwrap_or(u32::MAX);
        let list = if waits.is_empty() {
            core::ptr::null_mut()
        } else {
            waits.as_ptr().cast_mut()
        };
        let waits = list;
        self.append("zeCommandListAppendBarrier", |api, list| {
            // SAFETY: the list is live and locked; events are live until what waits for them is
            // done, since their owners wait for the list; there are as many as is said.
            unsafe { (api.zeCommandListAppendBarrier)(list, raw(signal), count, waits) }
        })?;
        if count == 0 {
            self.state.fenced = before;
        }
        Ok(())
    }

    /// Signals when everything before is done, if there is what to signal.
    pub(crate) fn signal(&mut self, signal: Option<EventHandle>) -> Result<()> {
        match signal {
            Some(_) => self.barrier(signal, &[]),
            None => Ok(()),
        }
    }

    /// Makes what follows wait for the operation of that number, unless a barrier did already.
    #[inline]
    pub(crate) fn after(&mut self, position: u64) -> Result<()> {
        if position <= self.state.fenced {
            return Ok(());
        }
        self.barrier(None, &[])
    }
}
