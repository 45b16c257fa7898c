//! Contexts: who sees which devices and whose memory.
#![allow(unsafe_code, reason = "calls of the C interface")]

use level_zero_sys::{
    self as sys, ze_context_desc_t, ze_context_handle_t, ze_device_handle_t, ze_driver_handle_t,
    ze_result_t,
};
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use crate::arguments::{Outcome, descriptor, flags, no_extensions, not_null, read, write};
use crate::device::{Device, DeviceId};
use crate::entry::{on_context, on_driver};
use crate::faults::Call;
use crate::instance::Inner;
use crate::registry::{self, Children};

pub(crate) struct Context {
    pub(crate) inner: Arc<Inner>,
    pub(crate) handle: usize,
    /// The devices that were listed, or all.
    devices: Option<Vec<DeviceId>>,
    /// What was made in it.
    pub(crate) children: Children,
}

impl Context {
    /// The device of a handle, if this context sees it: it was listed, or the root of which it is
    /// a part.
    pub(crate) fn device(&self, handle: ze_device_handle_t) -> Outcome<DeviceId> {
        let device = registry::device(handle)?;
        if self.sees(&device) {
            Ok(device.id)
        } else {
            Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)
        }
    }

    fn sees(&self, device: &Device) -> bool {
        let root = DeviceId {
            root: device.id.root,
            sub: None,
        };
        let listed = |devices: &Vec<_>| devices.contains(&device.id) || devices.contains(&root);
        Arc::ptr_eq(&self.inner, &device.inner) && self.devices.as_ref().is_none_or(listed)
    }
}

/// `zeContextCreate`: a context that sees all devices.
pub(crate) unsafe extern "C" fn create(
    driver: ze_driver_handle_t,
    desc: *const ze_context_desc_t,
    context: *mut ze_context_handle_t,
) -> ze_result_t {
    on_driver(const { Call::named("zeContextCreate") }, driver, |inner| {
        // SAFETY: the caller keeps the contract of the C call.
        unsafe { make(inner, desc, None, context) }
    })
}

/// `zeContextCreateEx`: a context that sees the devices listed and their sub-devices. A device of
/// another driver is `INVALID_ARGUMENT`.
pub(crate) unsafe extern "C" fn create_ex(
    driver: ze_driver_handle_t,
    desc: *const ze_context_desc_t,
    count: u32,
    devices: *mut ze_device_handle_t,
    context: *mut ze_context_handle_t,
) -> ze_result_t {
    on_driver(
        const { Call::named("zeContextCreateEx") },
        driver,
        |inner| {
            if devices.is_null() && count > 0 {
                return Err(sys::ZE_RESULT_ERROR_INVALID_SIZE);
            }
            let listed = || -> Outcome<Vec<DeviceId>> {
                let mut listed = Vec::new();
                for index in 0..count as usize {
                    // SAFETY: the caller has as many handles as the count says.
                    let slot = unsafe { devices.add(index) };
                    // SAFETY: as above.
                    let device = registry::device(unsafe { read(slot) }?)?;
                    if !Arc::ptr_eq(inner, &device.inner) {
                        return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
                    }
                    listed.push(device.id);
                }
                Ok(listed)
            };
            let listed = if devices.is_null() {
                None
            } else {
                Some(listed()?)
            };
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { make(inner, desc, listed, context) }
        },
    )
}

/// # Safety
///
/// The pointers are null or what the C call takes.
unsafe fn make(
    inner: &Arc<Inner>,
    desc: *const ze_context_desc_t,
    devices: Option<Vec<DeviceId>>,
    context: *mut ze_context_handle_t,
) -> Outcome {
    // SAFETY: as the caller says.
    let desc = unsafe { descriptor(desc, sys::ZE_STRUCTURE_TYPE_CONTEXT_DESC) }?;
    not_null(context)?;
    flags(desc.flags, sys::ZE_CONTEXT_FLAG_TBD)?;
    no_extensions(desc.pNext)?;
    let inner = Arc::clone(inner);
    let handle = registry::add(|handle| Context {
        inner,
        handle,
        devices,
        children: Children::default(),
    });
    // SAFETY: as the caller says.
    unsafe { write(context, handle) }
}

/// `zeContextDestroy`: `HANDLE_OBJECT_IN_USE` while objects that were made in it are
/// alive. Its
/// memory is not freed, and stays in the ledger.
pub(crate) unsafe extern "C" fn destroy(context: ze_context_handle_t) -> ze_result_t {
    on_context(
        const { Call::named("zeContextDestroy") },
        context,
        |context| registry::remove::<Context>(context.handle, |_| Ok(())).map(drop),
    )
}

/// `zeContextGetStatus`
pub(crate) unsafe extern "C" fn get_status(context: ze_context_handle_t) -> ze_result_t {
    on_context(const { Call::named("zeContextGetStatus") }, context, |_| {
        Ok(())
    })
}

/// `zeContextSystemBarrier`
pub(crate) unsafe extern "C" fn system_barrier(
    context: ze_context_handle_t,
    device: ze_device_handle_t,
) -> ze_result_t {
    on_context(
        const { Call::named("zeContextSystemBarrier") },
        context,
        |context| {
            context.device(device)?;
            fence(Ordering::SeqCst);
            Ok(())
        },
    )
}

/// `zeContextMakeMemoryResident`: nothing to do for a range that lies in an allocation of the
/// context.
pub(crate) unsafe extern "C" fn make_memory_resident(
    context: ze_context_handle_t,
    device: ze_device_handle_t,
    pointer: *mut c_void,
    size: usize,
) -> ze_result_t {
    on_context(
        const { Call::named("zeContextMakeMemoryResident") },
        context,
        |context| {
            context.device(device)?;
            context.pin(pointer, size).map(drop)
        },
    )
}

/// `zeContextEvictMemory`: as `zeContextMakeMemoryResident`.
pub(crate) unsafe extern "C" fn evict_memory(
    context: ze_context_handle_t,
    device: ze_device_handle_t,
    pointer: *mut c_void,
    size: usize,
) -> ze_result_t {
    on_context(
        const { Call::named("zeContextEvictMemory") },
        context,
        |context| {
            context.device(device)?;
            context.pin(pointer, size).map(drop)
        },
    )
}
