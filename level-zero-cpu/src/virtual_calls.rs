//! The calls on virtual and physical memory.
#![allow(unsafe_code, reason = "calls of the C interface")]

use level_zero_sys::{
    self as sys, ze_context_handle_t, ze_device_handle_t, ze_memory_access_attribute_t,
    ze_physical_mem_desc_t, ze_physical_mem_handle_t, ze_result_t,
};
use std::ffi::c_void;
use std::ptr::with_exposed_provenance_mut;
use std::sync::Arc;

use crate::arguments::{Outcome, descriptor, flags, no_extensions, not_null, write};
use crate::context::Context;
use crate::entry::on_context;
use crate::faults::Call;
use crate::ledger::Kind;
use crate::regions::Region;
use crate::registry;
use crate::virtual_memory::{PAGE, PhysicalMemory, VirtualMemory, access_of, attribute_of};

/// A size of whole pages, not 0: `UNSUPPORTED_SIZE`.
fn whole(size: usize) -> Outcome {
    if size > 0 && size.is_multiple_of(PAGE) {
        Ok(())
    } else {
        Err(sys::ZE_RESULT_ERROR_UNSUPPORTED_SIZE)
    }
}

/// The start of a page: `UNSUPPORTED_ALIGNMENT`.
fn aligned(address: usize) -> Outcome {
    if address.is_multiple_of(PAGE) {
        Ok(())
    } else {
        Err(sys::ZE_RESULT_ERROR_UNSUPPORTED_ALIGNMENT)
    }
}

fn pages(pointer: *const c_void, size: usize) -> Outcome {
    not_null(pointer)?;
    whole(size)?;
    aligned(pointer.addr())
}

impl Context {
    /// The reservation of this context that an address lies in, or `INVALID_ARGUMENT`.
    fn reservation(&self, pointer: *const c_void) -> Outcome<Arc<VirtualMemory>> {
        match self.inner.regions.find(pointer.addr()) {
            Some(Region::Virtual(memory)) if memory.context == self.handle => Ok(memory),
            _ => Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT),
        }
    }

    fn physical(&self, handle: ze_physical_mem_handle_t) -> Outcome<Arc<PhysicalMemory>> {
        let physical = registry::find::<PhysicalMemory>(handle)?;
        if physical.context.handle == self.handle {
            Ok(physical)
        } else {
            Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)
        }
    }
}

/// `zeVirtualMemReserve`: a start that is no page's is `UNSUPPORTED_ALIGNMENT`, a size that is not
/// of whole pages `UNSUPPORTED_SIZE`.
pub(crate) unsafe extern "C" fn reserve(
    context: ze_context_handle_t,
    start: *const c_void,
    size: usize,
    pointer: *mut *mut c_void,
) -> ze_result_t {
    let call = const { Call::named("zeVirtualMemReserve") };
    on_context(call, context, |context| {
        not_null(pointer)?;
        whole(size)?;
        aligned(start.addr())?;
        let serial = context.inner.next_serial();
        let memory = VirtualMemory::new(start.addr(), size, context.handle, serial)?;
        let reserved = memory.start();
        context.inner.regions.add(Region::Virtual(Arc::new(memory)));
        // SAFETY: the caller keeps the contract of the C call.
        unsafe { write(pointer, with_exposed_provenance_mut(reserved)) }
    })
}

/// `zeVirtualMemFree`: of a whole reservation, as it was reserved, else `INVALID_ARGUMENT`. What is
/// mapped there is unmapped; while a command uses it, `HANDLE_OBJECT_IN_USE`.
pub(crate) unsafe extern "C" fn free(
    context: ze_context_handle_t,
    pointer: *const c_void,
    size: usize,
) -> ze_result_t {
    let call = const { Call::named("zeVirtualMemFree") };
    on_context(call, context, |context| {
        pages(pointer, size)?;
        let memory = context.reservation(pointer)?;
        if memory.start() != pointer.addr() || memory.size() != size {
            return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
        }
        memory.end()?;
        context.inner.regions.remove(&Region::Virtual(memory));
        Ok(())
    })
}

/// `zeVirtualMemQueryPageSize`: 64 KiB for all sizes.
pub(crate) unsafe extern "C" fn query_page_size(
    context: ze_context_handle_t,
    device: ze_device_handle_t,
    size: usize,
    page: *mut usize,
) -> ze_result_t {
    let call = const { Call::named("zeVirtualMemQueryPageSize") };
    on_context(call, context, |context| {
        context.device(device)?;
        not_null(page)?;
        if size == 0 {
            return Err(sys::ZE_RESULT_ERROR_UNSUPPORTED_SIZE);
        }
        // SAFETY: the caller keeps the contract of the C call.
        unsafe { write(page, PAGE) }
    })
}

/// `zePhysicalMemCreate`: it counts as memory of the device. A size that is not of whole pages is
/// `UNSUPPORTED_ALIGNMENT`, one above `maxMemAllocSize` `UNSUPPORTED_SIZE`.
pub(crate) unsafe extern "C" fn create(
    context: ze_context_handle_t,
    device: ze_device_handle_t,
    desc: *mut ze_physical_mem_desc_t,
    memory: *mut ze_physical_mem_handle_t,
) -> ze_result_t {
    let call = const { Call::named("zePhysicalMemCreate") };
    on_context(call, context, |context| {
        let device = context.device(device)?;
        let stype = sys::ZE_STRUCTURE_TYPE_PHYSICAL_MEM_DESC;
        // SAFETY: the caller keeps the contract of the C call.
        let desc = unsafe { descriptor(desc.cast_const(), stype) }?;
        not_null(memory)?;
        flags(desc.flags, sys::ZE_PHYSICAL_MEM_FLAG_TBD)?;
        no_extensions(desc.pNext)?;
        if desc.size == 0 || desc.size as u64 > context.inner.config.max_allocation {
            return Err(sys::ZE_RESULT_ERROR_UNSUPPORTED_SIZE);
        }
        aligned(desc.size)?;
        let heap = context.inner.heap(Kind::Device, Some(device))?;
        let made = PhysicalMemory::new(context, heap, device, desc.size)?;
        let handle = registry::add(|_| made);
        // SAFETY: as above.
        unsafe { write(memory, handle) }
    })
}

/// `zePhysicalMemDestroy`: `HANDLE_OBJECT_IN_USE` while it is mapped somewhere.
pub(crate) unsafe extern "C" fn destroy(
    context: ze_context_handle_t,
    memory: ze_physical_mem_handle_t,
) -> ze_result_t {
    let call = const { Call::named("zePhysicalMemDestroy") };
    on_context(call, context, |context| {
        context.physical(memory)?;
        let destroy = |physical: &PhysicalMemory| physical.destroy();
        registry::remove::<PhysicalMemory>(memory.addr(), destroy).map(drop)
    })
}

/// `zeVirtualMemMap`: `INVALID_ARGUMENT` where the range is not in one reservation, something is
/// mapped in it already, or the physical memory ends before.
pub(crate) unsafe extern "C" fn map(
    context: ze_context_handle_t,
    pointer: *const c_void,
    size: usize,
    physical: ze_physical_mem_handle_t,
    offset: usize,
    access: ze_memory_access_attribute_t,
) -> ze_result_t {
    let call = const { Call::named("zeVirtualMemMap") };
    on_context(call, context, |context| {
        let physical = context.physical(physical)?;
        not_null(pointer)?;
        let access = access_of(access)?;
        pages(pointer, size)?;
        aligned(offset)?;
        let memory = context.reservation(pointer)?;
        memory.map((pointer.addr(), size), &physical, offset, access)
    })
}

/// `zeVirtualMemUnmap`: any whole pages of one reservation that are mapped, else
/// `INVALID_ARGUMENT`; while a command uses them, `HANDLE_OBJECT_IN_USE`.
pub(crate) unsafe extern "C" fn unmap(
    context: ze_context_handle_t,
    pointer: *const c_void,
    size: usize,
) -> ze_result_t {
    let call = const { Call::named("zeVirtualMemUnmap") };
    on_context(call, context, |context| {
        pages(pointer, size)?;
        context.reservation(pointer)?.unmap(pointer.addr(), size)
    })
}

/// `zeVirtualMemSetAccessAttribute`: of reserved pages, mapped or not; a mapping sets it anew.
/// While a command uses them, `HANDLE_OBJECT_IN_USE`.
pub(crate) unsafe extern "C" fn set_access_attribute(
    context: ze_context_handle_t,
    pointer: *const c_void,
    size: usize,
    access: ze_memory_access_attribute_t,
) -> ze_result_t {
    let call = const { Call::named("zeVirtualMemSetAccessAttribute") };
    on_context(call, context, |context| {
        not_null(pointer)?;
        let access = access_of(access)?;
        pages(pointer, size)?;
        let memory = context.reservation(pointer)?;
        memory.set_access(pointer.addr(), size, access)
    })
}

/// `zeVirtualMemGetAccessAttribute`
pub(crate) unsafe extern "C" fn get_access_attribute(
    context: ze_context_handle_t,
    pointer: *const c_void,
    size: usize,
    access: *mut ze_memory_access_attribute_t,
    out_size: *mut usize,
) -> ze_result_t {
    let call = const { Call::named("zeVirtualMemGetAccessAttribute") };
    on_context(call, context, |context| {
        not_null(access)?;
        not_null(out_size)?;
        pages(pointer, size)?;
        let memory = context.reservation(pointer)?;
        let (found, len) = memory.access(pointer.addr(), size)?;
        // SAFETY: the caller keeps the contract of the C call.
        unsafe { write(access, attribute_of(found)) }?;
        // SAFETY: as above.
        unsafe { write(out_size, len) }
    })
}
