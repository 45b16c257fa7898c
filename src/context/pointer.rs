//! What the driver knows of addresses.

use super::Context;
use crate::device::ZeDevice;
use crate::error::Result;
use crate::placement::PlacementKind;
use core::ffi::c_void;
use level_zero_sys as sys;

/// What the driver knows of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PointerInfo {
    /// Where the memory lives.
    pub placement: PlacementKind,
    /// Where its allocation begins. Inside a [`ZeBuffer`](crate::ZeBuffer)'s allocation there may
    /// be padding before its first element.
    pub base: usize,
    /// How many bytes its allocation has, as the driver rounded them.
    pub size: usize,
    /// The size of its pages in bytes.
    pub page_size: u64,
    /// A number that the driver gives every allocation.
    pub id: u64,
    /// The device that it was allocated on, where it has one and the driver says which.
    pub device: Option<ZeDevice>,
}

impl Context {
    /// What the driver knows of an address: `None` where it is not memory of this context.
    ///
    /// The address may lie anywhere inside an allocation. Nothing is read through it.
    ///
    /// # Errors
    ///
    /// [`Error::Call`](crate::Error::Call).
    #[doc(alias = "zeMemGetAllocProperties")]
    #[doc(alias = "zeMemGetAddressRange")]
    pub fn describe<T: ?Sized>(&self, pointer: *const T) -> Result<Option<PointerInfo>> {
        let inner = &self.shared.inner;
        let pointer = pointer.cast::<c_void>();
        if pointer.is_null() {
            return Ok(None);
        }
        let (properties, device) = self.properties_of(pointer)?;
        let placement = match properties.type_ {
            sys::ZE_MEMORY_TYPE_DEVICE => PlacementKind::Device,
            sys::ZE_MEMORY_TYPE_SHARED => PlacementKind::Shared,
            sys::ZE_MEMORY_TYPE_HOST => PlacementKind::Host,
            _ => return Ok(None),
        };
        let mut base = core::ptr::null_mut();
        let mut size = 0;
        inner.driver().call("zeMemGetAddressRange", |api| {
            // SAFETY: the context is live; the driver looks the address up and reads nothing
            // through it; the targets outlive the call.
            unsafe {
                (api.zeMemGetAddressRange)(
                    inner.handle().as_raw(),
                    pointer,
                    &raw mut base,
                    &raw mut size,
                )
            }
        })?;
        Ok(Some(PointerInfo {
            placement,
            base: base.addr(),
            size,
            page_size: properties.pageSize,
            id: properties.id,
            device: self.device_of(device),
        }))
    }

    fn properties_of(
        &self,
        pointer: *const c_void,
    ) -> Result<(
        sys::ze_memory_allocation_properties_t,
        sys::ze_device_handle_t,
    )> {
        let inner = &self.shared.inner;
        let mut properties = sys::ze_memory_allocation_properties_t {
            stype: sys::ZE_STRUCTURE_TYPE_MEMORY_ALLOCATION_PROPERTIES,
            ..Default::default()
        };
        let mut device = core::ptr::null_mut();
        inner.driver().call("zeMemGetAllocProperties", |api| {
            // SAFETY: the context is live; the driver looks the address up and reads nothing
            // through it; the targets outlive the call.
            unsafe {
                (api.zeMemGetAllocProperties)(
                    inner.handle().as_raw(),
                    pointer,
                    &raw mut properties,
                    &raw mut device,
                )
            }
        })?;
        Ok((properties, device))
    }

    /// Whether elements of the host lie in memory of the driver, as a slice of a Shared or Host
    /// buffer does, while there are several devices: which one may touch it is then unknown, since
    /// the buffer may be of another context or on another device.
    pub(crate) fn is_of_driver<T>(&self, elements: *const T) -> Result<bool> {
        if self.driver().devices().len() < 2 {
            return Ok(false);
        }
        let (properties, _) = self.properties_of(elements.cast())?;
        Ok(properties.type_ != sys::ZE_MEMORY_TYPE_UNKNOWN)
    }
}
