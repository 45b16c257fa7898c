//! The calls that allocate, free and look up memory.
#![allow(unsafe_code, reason = "calls of the C interface")]

use level_zero_sys::{
    self as sys, ze_context_handle_t, ze_device_handle_t, ze_device_mem_alloc_desc_t,
    ze_host_mem_alloc_desc_t, ze_memory_allocation_properties_t, ze_memory_free_ext_desc_t,
    ze_relaxed_allocation_limits_exp_desc_t, ze_result_t,
};
use std::ffi::c_void;
use std::ptr;

use crate::arena::page;
use crate::arguments::{
    Outcome, descriptor, flags, header, ignore_extensions, no_extensions, not_null, read, walk,
    write, write_optional,
};
use crate::context::Context;
use crate::device::DeviceId;
use crate::entry::on_context;
use crate::faults::Call;
use crate::heap::{Allocation, FreePolicy, NotFreed, Refusal, Request};
use crate::ledger::Kind;

const DEVICE_FLAGS: u32 = sys::ZE_DEVICE_MEM_ALLOC_FLAG_BIAS_CACHED
    | sys::ZE_DEVICE_MEM_ALLOC_FLAG_BIAS_UNCACHED
    | sys::ZE_DEVICE_MEM_ALLOC_FLAG_BIAS_INITIAL_PLACEMENT;
const HOST_FLAGS: u32 = sys::ZE_HOST_MEM_ALLOC_FLAG_BIAS_CACHED
    | sys::ZE_HOST_MEM_ALLOC_FLAG_BIAS_UNCACHED
    | sys::ZE_HOST_MEM_ALLOC_FLAG_BIAS_WRITE_COMBINED
    | sys::ZE_HOST_MEM_ALLOC_FLAG_BIAS_INITIAL_PLACEMENT;

/// What the descriptors of an allocation say.
#[derive(Default)]
struct Descriptors {
    ordinal: u32,
    relaxed: bool,
}

impl Descriptors {
    /// # Safety
    ///
    /// `desc` is null or a descriptor as the C calls take it.
    unsafe fn device(
        mut self,
        context: &Context,
        desc: *const ze_device_mem_alloc_desc_t,
    ) -> Outcome<Self> {
        // SAFETY: as the caller says.
        let desc = unsafe { descriptor(desc, sys::ZE_STRUCTURE_TYPE_DEVICE_MEM_ALLOC_DESC) }?;
        flags(desc.flags, DEVICE_FLAGS)?;
        // Devices have one memory. The header lists no code for an ordinal that is not there.
        if desc.ordinal != 0 {
            return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
        }
        self.ordinal = desc.ordinal;
        // SAFETY: as the caller says.
        unsafe { self.extensions(context, desc.pNext) }?;
        Ok(self)
    }

    /// # Safety
    ///
    /// As for [`device`](Self::device).
    unsafe fn host(
        mut self,
        context: &Context,
        desc: *const ze_host_mem_alloc_desc_t,
    ) -> Outcome<Self> {
        // SAFETY: as the caller says.
        let desc = unsafe { descriptor(desc, sys::ZE_STRUCTURE_TYPE_HOST_MEM_ALLOC_DESC) }?;
        flags(desc.flags, HOST_FLAGS)?;
        // SAFETY: as the caller says.
        unsafe { self.extensions(context, desc.pNext) }?;
        Ok(self)
    }

    /// # Safety
    ///
    /// `next` is null or a chain of structures of the API.
    unsafe fn extensions(&mut self, context: &Context, next: *const c_void) -> Outcome {
        let visit = |stype, structure: *const c_void| {
            let relaxed = sys::ZE_STRUCTURE_TYPE_RELAXED_ALLOCATION_LIMITS_EXP_DESC;
            // What is not known may ask for anything, memory of another process say: to ignore
            // it would be to do something else.
            if stype != relaxed || !context.inner.config.relaxed_limits {
                return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
            }
            let structure = structure.cast::<ze_relaxed_allocation_limits_exp_desc_t>();
            // SAFETY: a structure has the type that its `stype` says.
            let desc = unsafe { read(structure) }?;
            flags(
                desc.flags,
                sys::ZE_RELAXED_ALLOCATION_LIMITS_EXP_FLAG_MAX_SIZE,
            )?;
            self.relaxed |= desc.flags != 0;
            Ok(())
        };
        // SAFETY: as the caller says.
        unsafe { walk(next, visit) }
    }
}

/// The part that the three kinds have in common.
///
/// # Safety
///
/// `pointer` is not null and has room for a pointer.
unsafe fn allocate(
    context: &Context,
    kind: Kind,
    device: Option<DeviceId>,
    descriptors: &Descriptors,
    (size, alignment): (usize, usize),
    pointer: *mut *mut c_void,
) -> Outcome {
    let inner = &context.inner;
    let too_large = size as u64 > inner.config.max_allocation && !descriptors.relaxed;
    if size == 0 || too_large {
        return Err(sys::ZE_RESULT_ERROR_UNSUPPORTED_SIZE);
    }
    if alignment != 0 && !alignment.is_power_of_two() {
        return Err(sys::ZE_RESULT_ERROR_UNSUPPORTED_ALIGNMENT);
    }
    let request = Request {
        size,
        // What `pageSize` says: programs take that for the alignment that they get unasked.
        alignment: if alignment == 0 { page() } else { alignment },
        context: context.handle,
        device,
        ordinal: descriptors.ordinal,
        serial: inner.next_serial(),
    };
    let address =
        inner
            .heap(kind, device)?
            .allocate(&request)
            .map_err(|refusal| match refusal {
                Refusal::Alignment => sys::ZE_RESULT_ERROR_UNSUPPORTED_ALIGNMENT,
                Refusal::Exhausted if kind == Kind::Device => {
                    sys::ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY
                }
                Refusal::Exhausted => sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY,
            })?;
    // SAFETY: as the caller says.
    unsafe { write(pointer, ptr::with_exposed_provenance_mut(address)) }
}

/// `zeMemAllocDevice`
pub(crate) unsafe extern "C" fn alloc_device(
    context: ze_context_handle_t,
    desc: *const ze_device_mem_alloc_desc_t,
    size: usize,
    alignment: usize,
    device: ze_device_handle_t,
    pointer: *mut *mut c_void,
) -> ze_result_t {
    on_context(
        const { Call::named("zeMemAllocDevice") },
        context,
        |context| {
            let device = Some(context.device(device)?);
            not_null(pointer)?;
            // SAFETY: the caller keeps the contract of the C call.
            let descriptors = unsafe { Descriptors::default().device(context, desc) }?;
            let layout = (size, alignment);
            // SAFETY: as above; not null.
            unsafe { allocate(context, Kind::Device, device, &descriptors, layout, pointer) }
        },
    )
}

/// `zeMemAllocShared`
pub(crate) unsafe extern "C" fn alloc_shared(
    context: ze_context_handle_t,
    device_desc: *const ze_device_mem_alloc_desc_t,
    host_desc: *const ze_host_mem_alloc_desc_t,
    size: usize,
    alignment: usize,
    device: ze_device_handle_t,
    pointer: *mut *mut c_void,
) -> ze_result_t {
    on_context(
        const { Call::named("zeMemAllocShared") },
        context,
        |context| {
            let device = if device.is_null() {
                None
            } else {
                Some(context.device(device)?)
            };
            not_null(pointer)?;
            // SAFETY: the caller keeps the contract of the C call.
            let descriptors = unsafe { Descriptors::default().device(context, device_desc) }?;
            // SAFETY: as above.
            let descriptors = unsafe { descriptors.host(context, host_desc) }?;
            let layout = (size, alignment);
            // SAFETY: as above; not null.
            unsafe { allocate(context, Kind::Shared, device, &descriptors, layout, pointer) }
        },
    )
}

/// `zeMemAllocHost`
pub(crate) unsafe extern "C" fn alloc_host(
    context: ze_context_handle_t,
    desc: *const ze_host_mem_alloc_desc_t,
    size: usize,
    alignment: usize,
    pointer: *mut *mut c_void,
) -> ze_result_t {
    on_context(
        const { Call::named("zeMemAllocHost") },
        context,
        |context| {
            not_null(pointer)?;
            // SAFETY: the caller keeps the contract of the C call.
            let descriptors = unsafe { Descriptors::default().host(context, desc) }?;
            let layout = (size, alignment);
            // SAFETY: as above; not null.
            unsafe { allocate(context, Kind::Host, None, &descriptors, layout, pointer) }
        },
    )
}

fn release(context: &Context, pointer: *const c_void, policy: FreePolicy) -> Outcome {
    not_null(pointer)?;
    let heap = context.inner.heap_of(pointer.addr());
    let heap = heap.ok_or(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)?;
    heap.free(pointer.addr(), context.handle, policy)
        .map_err(|reason| match reason {
            NotFreed::Unknown => sys::ZE_RESULT_ERROR_INVALID_ARGUMENT,
            NotFreed::Busy => sys::ZE_RESULT_ERROR_HANDLE_OBJECT_IN_USE,
        })
}

/// `zeMemFree`: what no allocation of this context starts at is `INVALID_ARGUMENT`; memory that a
/// copy still runs on is `HANDLE_OBJECT_IN_USE`. Nothing is changed then.
pub(crate) unsafe extern "C" fn free(
    context: ze_context_handle_t,
    pointer: *mut c_void,
) -> ze_result_t {
    on_context(const { Call::named("zeMemFree") }, context, |context| {
        release(context, pointer, FreePolicy::Refuse)
    })
}

/// `zeMemFreeExt`: a policy that the driver does not offer is `UNSUPPORTED_FEATURE`, two at once
/// are `INVALID_ARGUMENT`.
pub(crate) unsafe extern "C" fn free_ext(
    context: ze_context_handle_t,
    desc: *const ze_memory_free_ext_desc_t,
    pointer: *mut c_void,
) -> ze_result_t {
    on_context(const { Call::named("zeMemFreeExt") }, context, |context| {
        let stype = sys::ZE_STRUCTURE_TYPE_MEMORY_FREE_EXT_DESC;
        // SAFETY: the caller keeps the contract of the C call.
        let desc = unsafe { descriptor(desc, stype) }?;
        not_null(pointer)?;
        let blocking = sys::ZE_DRIVER_MEMORY_FREE_POLICY_EXT_FLAG_BLOCKING_FREE;
        let defer = sys::ZE_DRIVER_MEMORY_FREE_POLICY_EXT_FLAG_DEFER_FREE;
        flags(desc.freePolicy, blocking | defer)?;
        no_extensions(desc.pNext)?;
        if desc.freePolicy == blocking | defer {
            return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
        }
        if desc.freePolicy & !context.inner.config.free_policies != 0 {
            return Err(sys::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE);
        }
        let policy = match desc.freePolicy {
            policy if policy == blocking => FreePolicy::Wait,
            policy if policy == defer => FreePolicy::Defer,
            _ => FreePolicy::Refuse,
        };
        release(context, pointer, policy)
    })
}

/// The live allocation of a context that holds an address.
fn find(context: &Context, pointer: *const c_void) -> Option<(Kind, Allocation)> {
    let heap = context.inner.heap_of(pointer.addr())?;
    let allocation = heap.find(pointer.addr())?;
    (allocation.context == context.handle).then_some((heap.kind, allocation))
}

/// `zeMemGetAllocProperties`: what is not in a live allocation of this context is of unknown type,
/// without an identifier or device.
pub(crate) unsafe extern "C" fn get_alloc_properties(
    context: ze_context_handle_t,
    pointer: *const c_void,
    properties: *mut ze_memory_allocation_properties_t,
    device: *mut ze_device_handle_t,
) -> ze_result_t {
    on_context(
        const { Call::named("zeMemGetAllocProperties") },
        context,
        |context| {
            not_null(pointer)?;
            let stype = sys::ZE_STRUCTURE_TYPE_MEMORY_ALLOCATION_PROPERTIES;
            // SAFETY: the caller keeps the contract of the C call.
            let header = unsafe { header(properties, &[stype]) }?;
            // SAFETY: as above.
            unsafe { ignore_extensions(header.pNext) }?;
            let found = find(context, pointer);
            let (type_, id, page) = match &found {
                Some((kind, allocation)) => {
                    let type_ = match kind {
                        Kind::Host => sys::ZE_MEMORY_TYPE_HOST,
                        Kind::Device => sys::ZE_MEMORY_TYPE_DEVICE,
                        Kind::Shared => sys::ZE_MEMORY_TYPE_SHARED,
                    };
                    (type_, allocation.serial, page() as u64)
                }
                None => (sys::ZE_MEMORY_TYPE_UNKNOWN, 0, 0),
            };
            let next = header.pNext.cast_mut();
            let filled = ze_memory_allocation_properties_t {
                stype,
                pNext: next,
                type_,
                id,
                pageSize: page,
            };
            // SAFETY: as above.
            unsafe { write(properties, filled) }?;
            let owner = found.and_then(|(_, allocation)| allocation.device);
            let owner = owner.map_or(0, |owner| context.inner.device_handle(owner));
            // SAFETY: as above.
            unsafe { write_optional(device, ptr::without_provenance_mut(owner)) };
            Ok(())
        },
    )
}

/// `zeMemGetAddressRange`: `INVALID_ARGUMENT` outside of the live allocations of this context.
pub(crate) unsafe extern "C" fn get_address_range(
    context: ze_context_handle_t,
    pointer: *const c_void,
    base: *mut *mut c_void,
    size: *mut usize,
) -> ze_result_t {
    on_context(
        const { Call::named("zeMemGetAddressRange") },
        context,
        |context| {
            not_null(pointer)?;
            let (_, allocation) =
                find(context, pointer).ok_or(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)?;
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { write_optional(base, ptr::with_exposed_provenance_mut(allocation.address)) };
            // SAFETY: as above.
            unsafe { write_optional(size, allocation.size) };
            Ok(())
        },
    )
}
