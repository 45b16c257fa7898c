//! Which memory a queue's device may touch by itself.

use super::Queue;
use super::sealed::End;
use crate::device::ZeDevice;
use crate::error::{Error, Result};
use crate::raw::home::Home;

impl Queue {
    /// Checks that the queue's device may touch an end by itself: memory of the context on the device,
    /// or on the host.
    #[inline]
    pub(crate) fn check_reach<T>(
        &self,
        operation: &'static str,
        what: &'static str,
        end: &End<'_, T>,
    ) -> Result<()> {
        match end.home {
            Some(home) => self.check_home(operation, what, home),
            None if end.len > 0 && self.context.is_of_driver(end.pointer)? => {
                Err(Error::SliceOfBuffer { operation, what })
            }
            None => Ok(()),
        }
    }

    /// Checks that the queue's device may copy one end to the other; how many bytes that is.
    #[inline]
    pub(crate) fn check_copy<T>(&self, source: &End<'_, T>, target: &End<'_, T>) -> Result<usize> {
        if source.len != target.len {
            return Err(Error::LengthMismatch {
                source_len: source.len,
                target_len: target.len,
            });
        }
        self.check_reach("copy", "source", source)?;
        self.check_reach("copy", "target", target)?;
        Ok(source.len * size_of::<T>())
    }

    /// Checks that memory is of the queue's context, and on its device or on the host.
    #[inline]
    pub(crate) fn check_home(
        &self,
        operation: &'static str,
        what: &'static str,
        home: &Home,
    ) -> Result<()> {
        if self.is_near(home.device()) && self.context.is(home.context()) {
            return Ok(());
        }
        self.check_far(operation, what, home)
    }

    /// Checks memory of another device or context.
    #[cold]
    fn check_far(&self, operation: &'static str, what: &'static str, home: &Home) -> Result<()> {
        self.check_context(operation, what, Some(home))?;
        let Some(handle) = home.device() else {
            return Ok(());
        };
        if handle == self.device.root() {
            return Ok(());
        }
        match self.context.device_of(handle.as_raw()) {
            Some(device) if device.root() != self.device.root() => {
                Err(self.wrong_device(operation, what, &device))
            }
            _ => Ok(()),
        }
    }

    #[cold]
    pub(super) fn wrong_device(
        &self,
        operation: &'static str,
        what: &'static str,
        device: &ZeDevice,
    ) -> Error {
        Error::WrongDevice {
            operation,
            what,
            devices: Box::new([self.context.label(device), self.context.label(&self.device)]),
        }
    }
}
