//! An immediate command list: work that is done when the call returns.

use crate::error::{Error, Result};
use crate::raw::context::ContextInner;
use crate::raw::exit;
use crate::raw::handle::{DeviceHandle, Handle, ListHandle};
use crate::raw::lock::lock;
use core::ffi::c_void;
use level_zero_sys as sys;
use std::sync::{Arc, Mutex, PoisonError};

/// An in-order, synchronous immediate command list behind a lock.
///
/// Synchronous mode is what every driver has: `zeCommandListHostSynchronize` is missing in older
/// ones.
#[derive(Debug)]
pub struct ImmediateList {
    context: Arc<ContextInner>,
    /// One thread at a time uses the list, as the specification asks.
    list: Mutex<ListHandle>,
}

/// Which queue of a device a list is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Engine {
    pub(crate) ordinal: u32,
    /// `None` where the driver may choose.
    pub(crate) index: Option<u32>,
    pub(crate) priority: sys::ze_command_queue_priority_t,
}

/// The pitches of one end of a region, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pitches {
    pub(crate) row: u32,
    pub(crate) slice: u32,
}

impl ImmediateList {
    /// Makes a list on a device of the context, in the queue group of that ordinal.
    pub(crate) fn new(
        context: &Arc<ContextInner>,
        device: DeviceHandle,
        group: u32,
    ) -> Result<Self> {
        let engine = Engine {
            ordinal: group,
            index: None,
            priority: sys::ZE_COMMAND_QUEUE_PRIORITY_NORMAL,
        };
        Self::on_engine(context, device, engine)
    }

    /// Makes a list on a device of the context, for a queue that the device has.
    pub(crate) fn on_engine(
        context: &Arc<ContextInner>,
        device: DeviceHandle,
        engine: Engine,
    ) -> Result<Self> {
        let desc = sys::ze_command_queue_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_COMMAND_QUEUE_DESC,
            ordinal: engine.ordinal,
            index: engine.index.unwrap_or(0),
            // Without it the driver may spread the work over the group's queues.
            flags: engine
                .index
                .map_or(0, |_| sys::ZE_COMMAND_QUEUE_FLAG_EXPLICIT_ONLY),
            mode: sys::ZE_COMMAND_QUEUE_MODE_SYNCHRONOUS,
            priority: engine.priority,
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
        let list = Handle::new(raw).ok_or_else(|| Error::DriverFault {
            call: "zeCommandListCreateImmediate",
            what: "gave a null list".into(),
        })?;
        Ok(Self {
            context: Arc::clone(context),
            list: Mutex::new(list),
        })
    }

    /// Runs an append call with the list locked.
    fn append(
        &self,
        call: &'static str,
        append: impl FnOnce(&sys::Api, sys::ze_command_list_handle_t) -> sys::ze_result_t,
    ) -> Result<()> {
        // A panic while the lock is held cannot leave the handle in disorder.
        let list = lock(&self.list);
        self.context
            .driver()
            .call(call, |api| append(api, list.as_raw()))
    }

    /// Copies `bytes` bytes and waits.
    ///
    /// # Safety
    ///
    /// Both ranges must be live memory of the context or of the host, not overlapping, the target
    /// exclusively the caller's and nobody writing the source.
    pub(crate) unsafe fn copy(
        &self,
        target: *mut c_void,
        source: *const c_void,
        bytes: usize,
    ) -> Result<()> {
        self.append("zeCommandListAppendMemoryCopy", |api, list| {
            // SAFETY: the list is live and locked; the ranges are the caller's to vouch for; no
            // events are named.
            unsafe {
                (api.zeCommandListAppendMemoryCopy)(
                    list,
                    target,
                    source,
                    bytes,
                    core::ptr::null_mut(),
                    0,
                    core::ptr::null_mut(),
                )
            }
        })
    }

    /// Fills `bytes` bytes with a repeated pattern and waits.
    ///
    /// The pattern's length is a power of two, not above the queue group's limit, and divides
    /// `bytes`.
    ///
    /// # Safety
    ///
    /// The range must be live memory of the context that is exclusively the caller's.
    pub(crate) unsafe fn fill(
        &self,
        target: *mut c_void,
        pattern: &[u8],
        bytes: usize,
    ) -> Result<()> {
        self.append("zeCommandListAppendMemoryFill", |api, list| {
            // SAFETY: the list is live and locked; the pattern outlives the call, which has done
            // the work when it returns; the range is the caller's to vouch for; no events.
            unsafe {
                (api.zeCommandListAppendMemoryFill)(
                    list,
                    target,
                    pattern.as_ptr().cast(),
                    pattern.len(),
                    bytes,
                    core::ptr::null_mut(),
                    0,
                    core::ptr::null_mut(),
                )
            }
        })
    }

    /// Copies `width` bytes of each of `height` rows of `depth` slices and waits: of two ends that
    /// begin at the pointers and have rows and slices at the pitches. None of the three is 0.
    ///
    /// # Safety
    ///
    /// As of [`copy`](ImmediateList::copy), for all the rows of both ends. Rows of the target must
    /// not overlap each other.
    pub(crate) unsafe fn copy_region(
        &self,
        (target, to): (*mut c_void, Pitches),
        (source, from): (*const c_void, Pitches),
        [width, height, depth]: [u32; 3],
    ) -> Result<()> {
        let region = sys::ze_copy_region_t {
            width,
            height,
            depth,
            ..Default::default()
        };
        self.append("zeCommandListAppendMemoryCopyRegion", |api, list| {
            // SAFETY: the list is live and locked; the region outlives the call, and is the same
            // for both ends; the rows are the caller's to vouch for; no events are named.
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
                    core::ptr::null_mut(),
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
    /// The range must lie in live shared memory of the context that the list's device reaches.
    pub(crate) unsafe fn prefetch(&self, range: *const c_void, bytes: usize) -> Result<()> {
        self.append("zeCommandListAppendMemoryPrefetch", |api, list| {
            // SAFETY: the list is live and locked; the range is the caller's to vouch for.
            unsafe { (api.zeCommandListAppendMemoryPrefetch)(list, range, bytes) }
        })
    }

    /// Hints how a device will use `bytes` bytes.
    ///
    /// # Safety
    ///
    /// As of [`prefetch`](ImmediateList::prefetch); `device` must be the list's.
    pub(crate) unsafe fn advise(
        &self,
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

    /// Waits for everything enqueued before, and makes its writes visible.
    pub(crate) fn barrier(&self) -> Result<()> {
        self.append("zeCommandListAppendBarrier", |api, list| {
            // SAFETY: the list is live and locked; no events are named.
            unsafe {
                (api.zeCommandListAppendBarrier)(
                    list,
                    core::ptr::null_mut(),
                    0,
                    core::ptr::null_mut(),
                )
            }
        })
    }
}

impl Drop for ImmediateList {
    fn drop(&mut self) {
        let list = *self.list.get_mut().unwrap_or_else(PoisonError::into_inner);
        let destroyed = self.context.driver().call("zeCommandListDestroy", |api| {
            // SAFETY: the list is live, this value owns it, and all work on it is done: every
            // append has waited.
            unsafe { (api.zeCommandListDestroy)(list.as_raw()) }
        });
        if let Err(error) = destroyed
            && !matches!(error, Error::Exiting { .. })
        {
            tracing::error!(%error, "a command list could not be destroyed");
        }
    }
}
