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

impl ImmediateList {
    /// Makes a list on a device of the context, in the queue group of that ordinal.
    pub(crate) fn new(
        context: &Arc<ContextInner>,
        device: DeviceHandle,
        group: u32,
    ) -> Result<Self> {
        let desc = sys::ze_command_queue_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_COMMAND_QUEUE_DESC,
            ordinal: group,
            mode: sys::ZE_COMMAND_QUEUE_MODE_SYNCHRONOUS,
            priority: sys::ZE_COMMAND_QUEUE_PRIORITY_NORMAL,
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
    pub(crate) fn append(
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
