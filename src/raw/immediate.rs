//! Lists whose work is done when the call returns.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::raw::context::ContextInner;
use crate::raw::event::EventKind;
use crate::raw::handle::DeviceHandle;
use crate::raw::list::{CommandList, ListDesc, Locked};
use crate::raw::quiet::{Exiting, halt, quiesce};
use core::ffi::c_void;
use level_zero_sys as sys;
use std::sync::Arc;

/// An immediate command list whose work is done when the call returns.
#[derive(Debug)]
pub struct ImmediateList {
    list: Arc<CommandList>,
    /// The context whose events are waited for; `None` where the list itself is synchronous.
    ///
    /// Synchronous mode is what every driver has: `zeCommandListHostSynchronize` is missing in older
    /// ones.
    waits: Option<Context>,
}

impl ImmediateList {
    /// Makes a list on a device of the context, in the queue group of that ordinal.
    pub(crate) fn new(
        context: &Arc<ContextInner>,
        device: DeviceHandle,
        group: u32,
    ) -> Result<Self> {
        let desc = ListDesc {
            ordinal: group,
            index: None,
            mode: sys::ZE_COMMAND_QUEUE_MODE_SYNCHRONOUS,
            priority: sys::ZE_COMMAND_QUEUE_PRIORITY_NORMAL,
        };
        Self::with(context, device, desc)
    }

    /// Makes a list on a device of the context, in a queue that the device has; the mode is
    /// synchronous whatever is said.
    pub(crate) fn with(
        context: &Arc<ContextInner>,
        device: DeviceHandle,
        desc: ListDesc,
    ) -> Result<Self> {
        let desc = ListDesc {
            mode: sys::ZE_COMMAND_QUEUE_MODE_SYNCHRONOUS,
            ..desc
        };
        Ok(Self {
            list: Arc::new(CommandList::new(context, device, desc)?),
            waits: None,
        })
    }

    /// A list of any mode, with whose work is waited for.
    pub(crate) fn waiting(list: Arc<CommandList>, context: &Context) -> Self {
        Self {
            list,
            waits: Some(context.clone()),
        }
    }

    /// Appends, and waits until that is done: it is, whatever is returned.
    #[inline]
    pub(crate) fn run(&self, append: impl FnOnce(&mut Locked<'_>) -> Result<()>) -> Result<()> {
        match &self.waits {
            None => append(&mut self.list.lock()),
            Some(context) => self.run_and_wait(context, append),
        }
    }

    fn run_and_wait(
        &self,
        context: &Context,
        append: impl FnOnce(&mut Locked<'_>) -> Result<()>,
    ) -> Result<()> {
        let event = context.events().take(EventKind::Plain)?;
        let appended = append(&mut self.list.lock());
        if let Err(error @ Error::Exiting { .. }) = appended {
            // The list was locked when the driver's end had begun: no call was made, and nothing could
            // be waited for.
            context.events().put_back(event, EventKind::Plain);
            return Err(error);
        }
        match quiesce(&self.list, &event) {
            Ok(settled) => {
                let idle = settled.is_ok();
                context.events().take_back(event, EventKind::Plain, idle);
                appended.and(settled)
            }
            Err(Exiting) => halt(),
        }
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
        // SAFETY: as the caller vouches; the operation is done when the call returns.
        self.run(|list| unsafe { list.copy(target, source, bytes, None) })
    }

    /// Fills `bytes` bytes with a repeated pattern and waits.
    ///
    /// # Safety
    ///
    /// As of [`Locked::fill`]; the operation is done when the call returns.
    pub(crate) unsafe fn fill(
        &self,
        target: *mut c_void,
        pattern: &[u8],
        bytes: usize,
    ) -> Result<()> {
        // SAFETY: as the caller vouches; the operation is done when the call returns.
        self.run(|list| unsafe { list.fill(target, pattern, bytes, None) })
    }

    /// Waits for everything enqueued before, and makes its writes visible.
    pub(crate) fn barrier(&self) -> Result<()> {
        self.run(|list| list.barrier(None, &[]))
    }
}
