//! What the driver's compiler said.

use crate::error::{Error, Result};
use crate::raw::context::ContextInner;
use crate::raw::handle::BuildLogHandle;
use level_zero_sys as sys;

/// More of a log than that is cut off.
const MOST_TEXT: usize = 64 << 10;
/// A log longer than that is not asked for: a driver that reports it is not believed.
const ABSURD_LEN: usize = 1 << 28;

/// A log of the driver, destroyed when dropped.
pub(super) struct BuildLog<'a> {
    pub(super) context: &'a ContextInner,
    /// Live, and nobody else's.
    pub(super) handle: BuildLogHandle,
}

impl BuildLog<'_> {
    /// The text; where the driver does not give it, why.
    pub(super) fn text(&self) -> String {
        self.read()
            .unwrap_or_else(|error| format!("the driver's log cannot be read: {error}"))
    }

    fn read(&self) -> Result<String> {
        let mut size = 0;
        self.get(&mut size, core::ptr::null_mut())?;
        if size > ABSURD_LEN {
            return Err(Error::DriverFault {
                call: "zeModuleBuildLogGetString",
                what: format!("reported a log of {size} bytes"),
            });
        }
        if size == 0 {
            return Ok(String::new());
        }
        // Some drivers write all of it, whatever room there is said to be: all of it has room.
        let mut bytes = vec![0_u8; size];
        let mut filled = size;
        self.get(&mut filled, bytes.as_mut_ptr())?;
        bytes.truncate(filled.min(MOST_TEXT));
        let end = bytes.iter().position(|&byte| byte == 0);
        bytes.truncate(end.unwrap_or(bytes.len()));
        Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    }

    /// `room` is null, or has as many bytes as `size` says and the driver said before.
    fn get(&self, size: &mut usize, room: *mut u8) -> Result<()> {
        self.context
            .driver()
            .call("zeModuleBuildLogGetString", |api| {
                // SAFETY: the log is live; there is no room asked to be filled, or as much as the
                // driver said that it fills.
                unsafe {
                    (api.zeModuleBuildLogGetString)(
                        self.handle.as_raw(),
                        core::ptr::from_mut::<usize>(size),
                        room.cast(),
                    )
                }
            })
    }
}

impl Drop for BuildLog<'_> {
    fn drop(&mut self) {
        let destroyed = self
            .context
            .driver()
            .call("zeModuleBuildLogDestroy", |api: &sys::Api| {
                // SAFETY: the log is live, and this value owns it.
                unsafe { (api.zeModuleBuildLogDestroy)(self.handle.as_raw()) }
            });
        if let Err(error) = destroyed
            && !matches!(error, Error::Exiting { .. })
        {
            tracing::error!(%error, "a build log could not be destroyed");
        }
    }
}
