//! Event pools: where events come from.
#![allow(unsafe_code, reason = "calls of the C interface")]

use level_zero_sys::{
    self as sys, ze_context_handle_t, ze_device_handle_t, ze_event_pool_desc_t,
    ze_event_pool_handle_t, ze_ipc_event_pool_handle_t, ze_result_t,
};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::arguments::{Outcome, descriptor, flags, no_extensions, not_null, read, write};
use crate::context::Context;
use crate::device::DeviceId;
use crate::entry::{on, on_context};
use crate::faults::Call;
use crate::registry::{self, Children, lock};

/// A pool of events.
pub(crate) struct EventPool {
    pub(crate) context: Arc<Context>,
    handle: usize,
    count: u32,
    flags: u32,
    /// Those that may use its events, or all of the context.
    devices: Option<Vec<DeviceId>>,
    /// The indices of live events.
    taken: Mutex<BTreeSet<u32>>,
    pub(crate) children: Children,
}

impl EventPool {
    /// Takes a place for an event.
    pub(crate) fn take(&self, index: u32) -> Outcome {
        if index < self.count && lock(&self.taken).insert(index) {
            Ok(())
        } else {
            Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)
        }
    }

    pub(crate) fn give(&self, index: u32) {
        lock(&self.taken).remove(&index);
    }

    /// Whether its events keep times.
    pub(crate) fn is_timed(&self) -> bool {
        self.flags & sys::ZE_EVENT_POOL_FLAG_KERNEL_TIMESTAMP != 0
    }

    pub(crate) fn check_timed(&self) -> Outcome {
        valid(self.is_timed())
    }

    pub(crate) fn check_host_visible(&self) -> Outcome {
        valid(self.flags & sys::ZE_EVENT_POOL_FLAG_HOST_VISIBLE != 0)
    }

    /// Refuses commands of another context, or on a device that may not use the events.
    pub(crate) fn check_used_by(&self, context: &Arc<Context>, device: DeviceId) -> Outcome {
        let root = DeviceId {
            root: device.root,
            sub: None,
        };
        let listed = |devices: &Vec<_>| devices.contains(&device) || devices.contains(&root);
        let may = self.devices.as_ref().is_none_or(listed);
        valid(may && Arc::ptr_eq(&self.context, context))
    }
}

fn valid(valid: bool) -> Outcome {
    if valid {
        Ok(())
    } else {
        Err(sys::ZE_RESULT_ERROR_INVALID_SYNCHRONIZATION_OBJECT)
    }
}

/// `zeEventPoolCreate`: a device that the context does not see is `INVALID_ARGUMENT`; timestamps
/// together with IPC, which the header rules out, are `INVALID_ENUMERATION`.
pub(crate) unsafe extern "C" fn create(
    context: ze_context_handle_t,
    desc: *const ze_event_pool_desc_t,
    count: u32,
    devices: *mut ze_device_handle_t,
    pool: *mut ze_event_pool_handle_t,
) -> ze_result_t {
    on_context(
        const { Call::named("zeEventPoolCreate") },
        context,
        |context| {
            // SAFETY: the caller keeps the contract of the C call.
            let desc = unsafe { descriptor(desc, sys::ZE_STRUCTURE_TYPE_EVENT_POOL_DESC) }?;
            not_null(pool)?;
            let ipc = sys::ZE_EVENT_POOL_FLAG_IPC;
            let timed = sys::ZE_EVENT_POOL_FLAG_KERNEL_TIMESTAMP;
            flags(
                desc.flags,
                sys::ZE_EVENT_POOL_FLAG_HOST_VISIBLE | ipc | timed,
            )?;
            if desc.flags & ipc != 0 && desc.flags & timed != 0 {
                return Err(sys::ZE_RESULT_ERROR_INVALID_ENUMERATION);
            }
            if desc.count == 0 || (devices.is_null() && count > 0) {
                return Err(sys::ZE_RESULT_ERROR_INVALID_SIZE);
            }
            no_extensions(desc.pNext)?;
            let mut listed = Vec::new();
            for index in 0..count as usize {
                // SAFETY: the caller has as many handles as the count says.
                let slot = unsafe { devices.add(index) };
                // SAFETY: as above.
                listed.push(context.device(unsafe { read(slot) }?)?);
            }
            let handle = registry::add(|handle| EventPool {
                context: Arc::clone(context),
                handle,
                count: desc.count,
                flags: desc.flags,
                devices: (count > 0).then_some(listed),
                taken: Mutex::default(),
                children: Children::default(),
            });
            // SAFETY: as above.
            unsafe { write(pool, handle) }
        },
    )
}

/// `zeEventPoolDestroy`: `HANDLE_OBJECT_IN_USE` while events of it are alive.
pub(crate) unsafe extern "C" fn destroy(pool: ze_event_pool_handle_t) -> ze_result_t {
    on(
        const { Call::named("zeEventPoolDestroy") },
        pool,
        |pool: &Arc<EventPool>| registry::remove::<EventPool>(pool.handle, |_| Ok(())).map(drop),
    )
}

/// `zeEventPoolGetIpcHandle`: events are not shared between processes. A pool that was not made for
/// it is `INVALID_SYNCHRONIZATION_OBJECT`, one that was is `UNSUPPORTED_FEATURE`.
pub(crate) unsafe extern "C" fn get_ipc_handle(
    pool: ze_event_pool_handle_t,
    ipc: *mut ze_ipc_event_pool_handle_t,
) -> ze_result_t {
    on(
        const { Call::named("zeEventPoolGetIpcHandle") },
        pool,
        |pool: &Arc<EventPool>| {
            not_null(ipc)?;
            valid(pool.flags & sys::ZE_EVENT_POOL_FLAG_IPC != 0)?;
            Err(sys::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE)
        },
    )
}

/// `zeEventPoolOpenIpcHandle`: `UNSUPPORTED_FEATURE`.
pub(crate) unsafe extern "C" fn open_ipc_handle(
    context: ze_context_handle_t,
    _ipc: ze_ipc_event_pool_handle_t,
    pool: *mut ze_event_pool_handle_t,
) -> ze_result_t {
    on_context(
        const { Call::named("zeEventPoolOpenIpcHandle") },
        context,
        |_| {
            not_null(pool)?;
            Err(sys::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE)
        },
    )
}

/// `zeEventPoolCloseIpcHandle`: `INVALID_ARGUMENT`, for none was opened.
pub(crate) unsafe extern "C" fn close_ipc_handle(pool: ze_event_pool_handle_t) -> ze_result_t {
    on(
        const { Call::named("zeEventPoolCloseIpcHandle") },
        pool,
        |_: &Arc<EventPool>| Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT),
    )
}
