//! Contexts and memory that other code made with raw handles.

use super::{Context, ContextBuilder};
use crate::driver::Driver;
use crate::error::Result;
use crate::placement::PlacementKind;
use crate::raw::context::{Ledger, adopt};
use crate::raw::handle::DeviceHandle;
use crate::raw::home::Home;
use level_zero_sys as sys;
use std::sync::Arc;

/// Who destroys a context that was made outside of this library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ownership {
    /// This library: it calls `zeContextDestroy` when the [`Context`] and everything made from it
    /// is gone.
    Owned,
    /// Whoever made it, after the [`Context`] and everything made from it is gone.
    Borrowed,
}

impl Context {
    /// A context that other code made, with all devices of its driver.
    ///
    /// [`ContextBuilder::build_from_raw`] does so for a context of some devices.
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// use ze_area::{Context, Driver, Ownership, sys};
    ///
    /// let driver = Driver::find()?;
    /// let api = driver.api();
    /// let desc = sys::ze_context_desc_t {
    ///     stype: sys::ZE_STRUCTURE_TYPE_CONTEXT_DESC,
    ///     ..Default::default()
    /// };
    /// let mut handle = core::ptr::null_mut();
    /// unsafe { (api.zeContextCreate)(driver.as_raw(), &desc, &mut handle) };
    ///
    /// // SAFETY: the driver has just made the context, and it is destroyed below.
    /// let context = unsafe { Context::from_raw(&driver, handle, Ownership::Borrowed) }?;
    /// assert_eq!(context.as_raw(), handle);
    /// let buffer = context.host_area().mmap::<f32>(16)?;
    ///
    /// drop((buffer, context));
    /// let destroyed = unsafe { (api.zeContextDestroy)(handle) };
    /// assert_eq!(destroyed, sys::ZE_RESULT_SUCCESS);
    /// # }
    /// # Ok::<(), ze_area::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NullHandle`](crate::Error::NullHandle); [`Error::Call`](crate::Error::Call) where
    /// the driver says that the context is not usable. The context is then still the caller's.
    ///
    /// # Safety
    ///
    /// - `handle` is null, or a live context of `driver` that has all its devices.
    /// - With [`Ownership::Owned`] nobody else destroys it, and memory and objects that other code
    ///   makes in it are gone before everything that this library makes from it is.
    /// - With [`Ownership::Borrowed`] nobody destroys it before everything that this library makes
    ///   from it is gone: clones, areas, buffers, queues.
    #[doc(alias = "ze_context_handle_t")]
    pub unsafe fn from_raw(
        driver: &Driver,
        handle: sys::ze_context_handle_t,
        ownership: Ownership,
    ) -> Result<Self> {
        // SAFETY: passed on to the caller.
        unsafe {
            Self::builder()
                .driver(driver)
                .build_from_raw(handle, ownership)
        }
    }

    /// The home of memory that this library did not allocate, `None` for a device that the driver
    /// has not.
    pub(crate) fn foreign_home(&self, device: Option<DeviceHandle>) -> Option<&Home> {
        let homes = self.shared.foreign.get_or_init(|| {
            // One of its own, so that such memory is not counted.
            let ledger = Arc::new(Ledger::new(Arc::clone(self.inner()), PlacementKind::Host));
            let devices = self.driver().devices().iter();
            devices
                .flat_map(|device| core::iter::once(device).chain(device.sub_devices()))
                .map(|device| Some(device.handle()))
                .chain([None])
                .map(|device| Home::new(Arc::clone(&ledger), device))
                .collect()
        });
        homes.iter().find(|home| home.device() == device)
    }
}

impl ContextBuilder {
    /// Takes a context that other code made, instead of making one.
    ///
    /// # Errors
    ///
    /// Those of [`ContextBuilder::build`] and [`Context::from_raw`].
    ///
    /// # Safety
    ///
    /// As of [`Context::from_raw`], for the driver of this builder and, where devices were given,
    /// for those and their sub-devices.
    pub unsafe fn build_from_raw(
        self,
        handle: sys::ze_context_handle_t,
        ownership: Ownership,
    ) -> Result<Context> {
        let limit = self.memory_limit;
        let (driver, devices) = self.checked()?;
        // SAFETY: passed on to the caller.
        let inner = unsafe { adopt(driver.inner(), handle, ownership) }?;
        Ok(Context::over(inner.with_limit(limit), driver, devices))
    }
}
