//! Whose memory it is.

use crate::raw::context::{ContextInner, Ledger};
use crate::raw::handle::DeviceHandle;
use std::sync::Arc;

/// The context that memory belongs to and the device that it is on: what operations check before
/// they hand it to a driver.
///
/// Views borrow it from the buffer that owns the memory, or, where somebody else does, from the
/// context.
#[derive(Debug)]
pub(crate) struct Home {
    ledger: Arc<Ledger>,
    device: Option<DeviceHandle>,
}

impl Home {
    #[inline]
    pub(crate) fn new(ledger: Arc<Ledger>, device: Option<DeviceHandle>) -> Self {
        Self { ledger, device }
    }

    #[inline]
    pub(crate) fn context(&self) -> &Arc<ContextInner> {
        self.ledger.context()
    }

    /// The device that the memory was allocated on, `None` for host memory.
    pub(crate) fn device(&self) -> Option<DeviceHandle> {
        self.device
    }

    #[inline]
    pub(super) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }
}
