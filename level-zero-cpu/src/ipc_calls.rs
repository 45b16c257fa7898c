//! The calls on IPC handles of memory, and on attributes of ranges.
#![allow(unsafe_code, reason = "calls of the C interface")]

use level_zero_sys::{
    self as sys, ze_context_handle_t, ze_device_handle_t, ze_ipc_mem_handle_t,
    ze_memory_atomic_attr_exp_flags_t, ze_result_t,
};
use std::ffi::c_void;
use std::ptr::with_exposed_provenance_mut;
use std::sync::Arc;

use crate::arguments::{Outcome, flags, not_null, write};
use crate::context::Context;
use crate::entry::on_context;
use crate::faults::Call;
use crate::file_memory::{FileMemory, Origin, Wish};
use crate::heap::{FreePolicy, NotFreed};
use crate::ipc::Ticket;
use crate::regions::Region;

const REFUSED: ze_result_t = sys::ZE_RESULT_ERROR_INVALID_ARGUMENT;

/// Flags of the atomic access attributes: the eight of version 1.7.
const ATOMIC_FLAGS: u32 = 0xff;

impl Context {
    /// Whether a handle is one that this instance gave out and that still holds.
    fn exports(&self, ticket: &Ticket) -> bool {
        let exported = |region| match region {
            Region::File(memory) => memory.is_exported(ticket),
            Region::Virtual(_) => false,
        };
        self.inner.heaps().any(|heap| heap.is_exported(ticket))
            || self.inner.regions.all().into_iter().any(exported)
    }
}

/// `zeMemGetIpcHandle`: of device memory, by the address that the allocation gave, else
/// `INVALID_ARGUMENT`; of shared and host memory and of what was imported `UNSUPPORTED_FEATURE`.
///
/// The handle starts with the number of a descriptor of this process. The same memory has the same
/// handle until it was put back as often as it was asked for, or freed; that closes the descriptor.
pub(crate) unsafe extern "C" fn get(
    context: ze_context_handle_t,
    pointer: *const c_void,
    handle: *mut ze_ipc_mem_handle_t,
) -> ze_result_t {
    let call = const { Call::named("zeMemGetIpcHandle") };
    on_context(call, context, |context| {
        not_null(pointer)?;
        not_null(handle)?;
        let address = pointer.addr();
        let ticket = if let Some(heap) = context.inner.heap_of(address) {
            heap.export(address, context.handle)?
        } else {
            match context.inner.regions.find(address) {
                Some(Region::File(memory))
                    if memory.context == context.handle
                        && memory.address == address
                        && memory.origin != Origin::Ipc =>
                {
                    memory.export()?
                }
                _ => return Err(REFUSED),
            }
        };
        // SAFETY: the caller keeps the contract of the C call.
        unsafe { write(handle, ticket.encode()) }
    })
}

/// `zeMemOpenIpcHandle`: `INVALID_ARGUMENT` for what is no handle of this driver or holds no more.
///
/// The descriptor is looked for under the number in the handle in this process, then in the one
/// that made the handle. It stays the caller's.
pub(crate) unsafe extern "C" fn open(
    context: ze_context_handle_t,
    device: ze_device_handle_t,
    handle: ze_ipc_mem_handle_t,
    open_flags: sys::ze_ipc_memory_flags_t,
    pointer: *mut *mut c_void,
) -> ze_result_t {
    let call = const { Call::named("zeMemOpenIpcHandle") };
    on_context(call, context, |context| {
        let device = context.device(device)?;
        let known = sys::ZE_IPC_MEMORY_FLAG_BIAS_CACHED | sys::ZE_IPC_MEMORY_FLAG_BIAS_UNCACHED;
        flags(open_flags, known)?;
        not_null(pointer)?;
        let ticket = Ticket::decode(&handle)?;
        let file = ticket.open()?;
        let narrow = |value| usize::try_from(value).map_err(|_| REFUSED);
        let wish = Wish {
            origin: Origin::Ipc,
            offset: narrow(ticket.offset)?,
            size: narrow(ticket.size)?,
            alignment: 1,
            context: context.handle,
            device,
            serial: context.inner.next_serial(),
        };
        let memory = FileMemory::new(file, &wish)?;
        let address = memory.address;
        context.inner.regions.add(Region::File(Arc::new(memory)));
        // SAFETY: the caller keeps the contract of the C call.
        unsafe { write(pointer, with_exposed_provenance_mut(address)) }
    })
}

/// `zeMemCloseIpcHandle`: of the address that was opened, else `INVALID_ARGUMENT`; while a command
/// uses it, `HANDLE_OBJECT_IN_USE`.
pub(crate) unsafe extern "C" fn close(
    context: ze_context_handle_t,
    pointer: *const c_void,
) -> ze_result_t {
    let call = const { Call::named("zeMemCloseIpcHandle") };
    on_context(call, context, |context| {
        not_null(pointer)?;
        let region = context.inner.regions.find(pointer.addr());
        match region {
            Some(Region::File(memory))
                if memory.origin == Origin::Ipc
                    && memory.context == context.handle
                    && memory.address == pointer.addr() =>
            {
                end(context, memory, FreePolicy::Refuse)
            }
            _ => Err(REFUSED),
        }
    })
}

/// Ends memory with a file of its own.
pub(crate) fn end(context: &Context, memory: Arc<FileMemory>, policy: FreePolicy) -> Outcome {
    memory.end(policy).map_err(|reason| match reason {
        NotFreed::Unknown => REFUSED,
        NotFreed::Busy => sys::ZE_RESULT_ERROR_HANDLE_OBJECT_IN_USE,
    })?;
    context.inner.regions.remove(&Region::File(memory));
    Ok(())
}

/// `zeMemPutIpcHandle`: a handle that this driver did not give out for memory of the context, or
/// that was put back as often as it was asked for, is `INVALID_ARGUMENT`.
pub(crate) unsafe extern "C" fn put(
    context: ze_context_handle_t,
    handle: ze_ipc_mem_handle_t,
) -> ze_result_t {
    let call = const { Call::named("zeMemPutIpcHandle") };
    on_context(call, context, |context| {
        let ticket = Ticket::decode(&handle)?;
        let put = |region| match region {
            Region::File(memory) => memory.put(&ticket, context.handle),
            Region::Virtual(_) => false,
        };
        if context
            .inner
            .heaps()
            .any(|heap| heap.put(&ticket, context.handle))
            || context.inner.regions.all().into_iter().any(put)
        {
            Ok(())
        } else {
            Err(REFUSED)
        }
    })
}

/// `zeMemGetFileDescriptorFromIpcHandleExp`: the number in a handle of this process. It stays the
/// driver's, to be sent to another process and not to be closed.
pub(crate) unsafe extern "C" fn get_file_descriptor(
    context: ze_context_handle_t,
    handle: ze_ipc_mem_handle_t,
    descriptor: *mut u64,
) -> ze_result_t {
    let call = const { Call::named("zeMemGetFileDescriptorFromIpcHandleExp") };
    on_context(call, context, |context| {
        not_null(descriptor)?;
        let ticket = Ticket::decode(&handle)?;
        let number = u64::try_from(ticket.fd).map_err(|_| REFUSED)?;
        if !context.exports(&ticket) {
            return Err(REFUSED);
        }
        // SAFETY: the caller keeps the contract of the C call.
        unsafe { write(descriptor, number) }
    })
}

/// `zeMemGetIpcHandleFromFileDescriptorExp`: the handle of a descriptor that came from one, in this
/// process or another.
pub(crate) unsafe extern "C" fn from_file_descriptor(
    context: ze_context_handle_t,
    descriptor: u64,
    handle: *mut ze_ipc_mem_handle_t,
) -> ze_result_t {
    let call = const { Call::named("zeMemGetIpcHandleFromFileDescriptorExp") };
    on_context(call, context, |_| {
        not_null(handle)?;
        let number = i32::try_from(descriptor).map_err(|_| REFUSED)?;
        let ticket = Ticket::of_descriptor(number)?;
        // SAFETY: the caller keeps the contract of the C call.
        unsafe { write(handle, ticket.encode()) }
    })
}

/// `zeMemSetAtomicAccessAttributeExp`: kept and given back for the allocation, for all atomics work
/// on all memory here. A range that is not in an allocation of the context is `INVALID_ARGUMENT`.
pub(crate) unsafe extern "C" fn set_atomic_access(
    context: ze_context_handle_t,
    device: ze_device_handle_t,
    pointer: *const c_void,
    size: usize,
    attributes: ze_memory_atomic_attr_exp_flags_t,
) -> ze_result_t {
    let call = const { Call::named("zeMemSetAtomicAccessAttributeExp") };
    on_context(call, context, |context| {
        let device = context.device(device)?;
        not_null(pointer)?;
        flags(attributes, ATOMIC_FLAGS)?;
        let serial = context.serial_of(pointer, size)?;
        context.inner.atomics.set(serial, device, attributes);
        Ok(())
    })
}

/// `zeMemGetAtomicAccessAttributeExp`: what was set for the allocation and device, else 0.
pub(crate) unsafe extern "C" fn get_atomic_access(
    context: ze_context_handle_t,
    device: ze_device_handle_t,
    pointer: *const c_void,
    size: usize,
    attributes: *mut ze_memory_atomic_attr_exp_flags_t,
) -> ze_result_t {
    let call = const { Call::named("zeMemGetAtomicAccessAttributeExp") };
    on_context(call, context, |context| {
        let device = context.device(device)?;
        not_null(pointer)?;
        not_null(attributes)?;
        let serial = context.serial_of(pointer, size)?;
        let found = context.inner.atomics.get(serial, device);
        // SAFETY: the caller keeps the contract of the C call.
        unsafe { write(attributes, found) }
    })
}
