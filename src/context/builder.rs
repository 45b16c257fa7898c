//! The settings of a context.

use super::Context;
use crate::device::ZeDevice;
use crate::driver::Driver;
use crate::error::{Error, Result};
use crate::raw::context::create;

/// Settings of a [`Context`].
///
/// ```
/// # #[cfg(feature = "cpu")] {
/// use ze_area::{Context, Driver};
///
/// let driver = Driver::cpu()?;
/// let first = driver.devices()[0].clone();
/// let context = Context::builder().driver(&driver).devices([first]).build()?;
/// # }
/// # Ok::<(), ze_area::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ContextBuilder {
    driver: Option<Driver>,
    devices: Option<Vec<ZeDevice>>,
    pub(super) memory_limit: Option<u64>,
}

impl ContextBuilder {
    /// The driver; [`Driver::find`] where none is given.
    #[must_use]
    pub fn driver(mut self, driver: &Driver) -> Self {
        self.driver = Some(driver.clone());
        self
    }

    /// The devices of the context; all of the driver where none are given.
    ///
    /// The parts of a device are in the context with it.
    #[must_use]
    #[doc(alias = "zeContextCreateEx")]
    pub fn devices(mut self, devices: impl IntoIterator<Item = ZeDevice>) -> Self {
        self.devices = Some(devices.into_iter().collect());
        self
    }

    /// The most bytes of all placements together that are allocated at once; none where no limit is
    /// given.
    ///
    /// What counts is what [`MemoryReport::live_bytes`](super::MemoryReport::live_bytes) counts, and what drops could not free. A
    /// request beyond the limit is [`Error::LimitReached`], after the pools of the context have
    /// given back what they keep for reuse. Memory that other code allocated in the context does
    /// not count; buffers made of raw parts do, and may pass the limit.
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// use ze_area::{Context, Error};
    ///
    /// let context = Context::builder().memory_limit(1 << 20).build()?;
    /// let area = context.host_area();
    /// let first = area.mmap::<u8>(1 << 20)?;
    /// let error = area.mmap::<u8>(1).unwrap_err();
    /// assert!(matches!(error, Error::LimitReached { limit: 0x10_0000, requested: 1, .. }));
    /// println!("{error}"); // who holds how much, and what to do
    /// drop(first);
    /// area.mmap::<u8>(1)?;
    /// # }
    /// # Ok::<(), ze_area::Error>(())
    /// ```
    #[must_use]
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory_limit = Some(bytes);
        self
    }

    /// Makes the context.
    ///
    /// # Errors
    ///
    /// Those of [`Driver::find`]; [`Error::DeviceNotInContext`] for a device of another driver;
    /// [`Error::NoDevice`] for an empty list; [`Error::Call`].
    pub fn build(self) -> Result<Context> {
        let limit = self.memory_limit;
        let (driver, devices) = self.checked()?;
        let handles: Option<Vec<_>> = devices
            .as_ref()
            .map(|devices| devices.iter().map(ZeDevice::as_raw).collect());
        let inner = create(driver.inner(), handles.as_deref())?.with_limit(limit);
        Ok(Context::over(inner, driver, devices))
    }

    /// The driver, and the devices where some were given, which are of that driver.
    pub(super) fn checked(self) -> Result<(Driver, Option<Vec<ZeDevice>>)> {
        let driver = match self.driver {
            Some(driver) => driver,
            None => Driver::find()?,
        };
        if let Some(devices) = &self.devices {
            if devices.is_empty() {
                let origin = "the list given to ContextBuilder::devices".to_owned();
                return Err(Error::NoDevice { origin });
            }
            if let Some(alien) = devices.iter().find(|d| !d.driver().is(driver.inner())) {
                return Err(Error::DeviceNotInContext {
                    device: alien.name().to_owned(),
                });
            }
        }
        Ok((driver, self.devices))
    }
}
