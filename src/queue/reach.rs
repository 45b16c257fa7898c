//! Which memory asynchronous work of a queue may touch.

use super::Queue;
use super::sealed::End;
use crate::error::{Error, Result};

impl Queue {
    /// Checks that the queue's device may touch an end by itself: memory of the context on the device,
    /// or on the host.
    pub(crate) fn check_reach<T>(
        &self,
        operation: &'static str,
        what: &'static str,
        end: &End<'_, T>,
    ) -> Result<()> {
        let Some(home) = end.home else {
            if end.len > 0 && self.context.is_of_driver(end.pointer)? {
                return Err(Error::SliceOfBuffer { operation, what });
            }
            return Ok(());
        };
        if !self.context.is(home.context()) {
            return Err(Error::WrongContext { operation, what });
        }
        match home.device() {
            Some(device) if device != self.device.handle() => {
                match self.context.device_of(device.as_raw()) {
                    Some(device) if device.root() != self.device.root() => {
                        Err(Error::WrongDevice {
                            operation,
                            what,
                            device: device.name().to_owned(),
                        })
                    }
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}
