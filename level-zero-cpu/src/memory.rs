//! The calls that allocate, free and look up memory.
#![allow(unsafe_code, reason = "calls of the C interface")]

use level_zero_sys::{
    self as sys, ze_context_handle_t, ze_device_handle_t, ze_device_mem_alloc_desc_t,
    ze_external_memory_export_desc_t, ze_external_memory_export_fd_t,
    ze_external_memory_import_fd_t, ze_host_mem_alloc_desc_t, ze_memory_allocation_properties_t,
    ze_memory_free_ext_desc_t, ze_relaxed_allocation_limits_exp_desc_t, ze_result_t,
};
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use crate::arena::page;
use crate::arguments::{
    Outcome, descriptor, flags, header, no_extensions, not_null, read, walk, write, write_optional,
};
use crate::context::Context;
use crate::device::DeviceId;
use crate::entry::on_context;
use crate::faults::Call;
use crate::file_memory::{FileMemory, Origin, Wish};
use crate::heap::{FreePolicy, NotFreed, Refusal, Request};
use crate::ipc_calls;
use crate::ledger::Kind;
use crate::pattern::Pattern;
use crate::regions::Region;
use crate::system::{File, is_exhaustion};
use crate::virtual_memory::PAGE;

const DEVICE_FLAGS: u32 = sys::ZE_DEVICE_MEM_ALLOC_FLAG_BIAS_CACHED
    | sys::ZE_DEVICE_MEM_ALLOC_FLAG_BIAS_UNCACHED
    | sys::ZE_DEVICE_MEM_ALLOC_FLAG_BIAS_INITIAL_PLACEMENT;
const HOST_FLAGS: u32 = sys::ZE_HOST_MEM_ALLOC_FLAG_BIAS_CACHED
    | sys::ZE_HOST_MEM_ALLOC_FLAG_BIAS_UNCACHED
    | sys::ZE_HOST_MEM_ALLOC_FLAG_BIAS_WRITE_COMBINED
    | sys::ZE_HOST_MEM_ALLOC_FLAG_BIAS_INITIAL_PLACEMENT;

const EXTERNAL_TYPES: u32 = 2 * sys::ZE_EXTERNAL_MEMORY_TYPE_FLAG_D3D12_RESOURCE - 1;

/// What the descriptors of an allocation say.
#[derive(Default)]
struct Descriptors {
    ordinal: u32,
    relaxed: bool,
    /// Whether a descriptor of a file is to be had.
    export: bool,
    /// The descriptor of the file that is to be the memory.
    import: Option<i32>,
}

/// The one type of external memory that there is: `UNSUPPORTED_ENUMERATION` for others that the
/// API knows.
fn only_descriptors(types: u32) -> Outcome {
    flags(types, EXTERNAL_TYPES)?;
    if types & !sys::ZE_EXTERNAL_MEMORY_TYPE_FLAG_OPAQUE_FD == 0 {
        Ok(())
    } else {
        Err(sys::ZE_RESULT_ERROR_UNSUPPORTED_ENUMERATION)
    }
}

impl Descriptors {
    /// # Safety
    ///
    /// `desc` is null or a descriptor as the C calls take it.
    unsafe fn device(
        mut self,
        context: &Context,
        desc: *const ze_device_mem_alloc_desc_t,
        external: bool,
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
        unsafe { self.extensions(context, desc.pNext, external) }?;
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
        unsafe { self.extensions(context, desc.pNext, false) }?;
        Ok(self)
    }

    /// # Safety
    ///
    /// `next` is null or a chain of structures of the API.
    unsafe fn extensions(
        &mut self,
        context: &Context,
        next: *const c_void,
        external: bool,
    ) -> Outcome {
        let relaxed_limits = context.inner.config.relaxed_limits;
        let visit = |stype, structure: *const c_void| {
            match stype {
                sys::ZE_STRUCTURE_TYPE_RELAXED_ALLOCATION_LIMITS_EXP_DESC if relaxed_limits => {
                    let structure = structure.cast::<ze_relaxed_allocation_limits_exp_desc_t>();
                    // SAFETY: a structure has the type that its `stype` says.
                    let desc = unsafe { read(structure) }?;
                    flags(
                        desc.flags,
                        sys::ZE_RELAXED_ALLOCATION_LIMITS_EXP_FLAG_MAX_SIZE,
                    )?;
                    self.relaxed |= desc.flags != 0;
                }
                sys::ZE_STRUCTURE_TYPE_EXTERNAL_MEMORY_EXPORT_DESC if external => {
                    let structure = structure.cast::<ze_external_memory_export_desc_t>();
                    // SAFETY: as above.
                    let desc = unsafe { read(structure) }?;
                    only_descriptors(desc.flags)?;
                    self.export |= desc.flags != 0;
                }
                sys::ZE_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMPORT_FD if external => {
                    let structure = structure.cast::<ze_external_memory_import_fd_t>();
                    // SAFETY: as above.
                    let desc = unsafe { read(structure) }?;
                    only_descriptors(desc.flags)?;
                    if desc.flags == 0 || self.import.replace(desc.fd).is_some() {
                        return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
                    }
                }
                sys::ZE_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMPORT_WIN32 if external => {
                    return Err(sys::ZE_RESULT_ERROR_UNSUPPORTED_ENUMERATION);
                }
                // A hint that changes nothing here: there is no compression.
                sys::ZE_STRUCTURE_TYPE_MEMORY_COMPRESSION_HINTS_EXT_DESC => {
                    let structure = structure.cast::<sys::ze_memory_compression_hints_ext_desc_t>();
                    // SAFETY: as above.
                    let desc = unsafe { read(structure) }?;
                    flags(
                        desc.flags,
                        sys::ZE_MEMORY_COMPRESSION_HINTS_EXT_FLAG_COMPRESSED
                            | sys::ZE_MEMORY_COMPRESSION_HINTS_EXT_FLAG_UNCOMPRESSED,
                    )?;
                }
                // What is not known may ask for anything: to ignore it would be to do something
                // else.
                _ => return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT),
            }
            Ok(())
        };
        // SAFETY: as the caller says.
        unsafe { walk(next, visit) }
    }
}

/// Device memory that is imported, or is to be exported.
fn external(context: &Context, descriptors: &Descriptors, mut wish: Wish) -> Outcome<FileMemory> {
    let refused = sys::ZE_RESULT_ERROR_INVALID_ARGUMENT;
    let Some(fd) = descriptors.import else {
        let heap = context.inner.heap(Kind::Device, Some(wish.device))?;
        let pattern = Pattern::new(context.inner.config.fill_limit);
        return FileMemory::allocate(heap, &wish, pattern);
    };
    if descriptors.export {
        return Err(refused);
    }
    wish.origin = Origin::Import;
    let file = File::duplicate(fd).map_err(|error| {
        if is_exhaustion(&error) {
            sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY
        } else {
            refused
        }
    })?;
    // A file that gets shorter would take the pages away under a copy. In the memory of a device
    // lies more than one allocation.
    if !file.is_fixed() || file.is_arena() {
        return Err(refused);
    }
    let identity = file.identity().map_err(|_| refused)?;
    if wish.size as u64 > identity.len {
        return Err(sys::ZE_RESULT_ERROR_UNSUPPORTED_SIZE);
    }
    FileMemory::new(file, &wish)
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
    if let Some(device) = device.filter(|_| descriptors.export || descriptors.import.is_some()) {
        let wish = Wish {
            origin: Origin::Export,
            offset: 0,
            size,
            alignment: alignment.max(1),
            context: context.handle,
            device,
            serial: inner.next_serial(),
        };
        let memory = external(context, descriptors, wish)?;
        let address = memory.address;
        inner.regions.add(Region::File(Arc::new(memory)));
        // SAFETY: as the caller says.
        return unsafe { write(pointer, ptr::with_exposed_provenance_mut(address)) };
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

/// `zeMemAllocDevice`, also of memory to be exported as a file descriptor, or imported from one: a
/// file in memory that is sealed against shrinking and was opened for writing, else
/// `INVALID_ARGUMENT`. The descriptor stays the caller's. A size above that of the file is
/// `UNSUPPORTED_SIZE`.
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
            let descriptors = unsafe { Descriptors::default().device(context, desc, true) }?;
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
            let descriptors =
                unsafe { Descriptors::default().device(context, device_desc, false) }?;
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
    let address = pointer.addr();
    let Some(heap) = context.inner.heap_of(address) else {
        return match context.inner.regions.find(address) {
            Some(Region::File(memory))
                if memory.context == context.handle
                    && memory.address == address
                    && memory.origin != Origin::Ipc =>
            {
                ipc_calls::end(context, memory, policy)
            }
            _ => Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT),
        };
    };
    heap.free(address, context.handle, policy)
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

/// What queries say of memory.
#[derive(Clone)]
struct Found {
    kind: Kind,
    address: usize,
    size: usize,
    serial: u64,
    device: Option<DeviceId>,
    page: usize,
    /// Of memory with a file.
    file: Option<Arc<FileMemory>>,
}

/// The memory of a context that holds an address: a live allocation, opened memory, or a
/// reservation where something is mapped.
fn find(context: &Context, pointer: *const c_void) -> Option<Found> {
    let address = pointer.addr();
    if let Some(heap) = context.inner.heap_of(address) {
        let allocation = heap.find(address)?;
        return (allocation.context == context.handle).then_some(Found {
            kind: heap.kind,
            address: allocation.address,
            size: allocation.size,
            serial: allocation.serial,
            device: allocation.device,
            page: page(),
            file: None,
        });
    }
    match context.inner.regions.find(address)? {
        Region::File(memory) => {
            (memory.context == context.handle && memory.holds(address)).then(|| Found {
                kind: Kind::Device,
                address: memory.address,
                size: memory.size,
                serial: memory.serial,
                device: Some(memory.device),
                page: page(),
                file: Some(memory),
            })
        }
        Region::Virtual(memory) if memory.context == context.handle => {
            let device = memory.device_at(address)?;
            Some(Found {
                kind: Kind::Device,
                address: memory.start(),
                size: memory.size(),
                serial: memory.serial,
                device: Some(device),
                page: PAGE,
                file: None,
            })
        }
        Region::Virtual(_) => None,
    }
}

impl Context {
    /// The number of the memory that a range lies in, or `INVALID_ARGUMENT`.
    pub(crate) fn serial_of(&self, pointer: *const c_void, size: usize) -> Outcome<u64> {
        let found = find(self, pointer);
        let found = found.filter(|it| size <= it.size - (pointer.addr() - it.address));
        found
            .map(|it| it.serial)
            .ok_or(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)
    }
}

/// Fills the structures below the properties of an allocation: a descriptor of its file, for the
/// caller to close, in `ze_external_memory_export_fd_t`; `INVALID_ARGUMENT` unless it was allocated
/// to be exported so. Other structures stay as they are.
///
/// # Safety
///
/// `next` is null or a chain of structures of the API.
unsafe fn fill_extensions(found: Option<&Found>, next: *const c_void) -> Outcome {
    let refused = sys::ZE_RESULT_ERROR_INVALID_ARGUMENT;
    let mut wanted = None;
    let find = |stype, structure: *const c_void| match stype {
        sys::ZE_STRUCTURE_TYPE_EXTERNAL_MEMORY_EXPORT_FD => {
            let structure = structure.cast::<ze_external_memory_export_fd_t>();
            match wanted.replace(structure.cast_mut()) {
                None => Ok(()),
                Some(_) => Err(refused),
            }
        }
        sys::ZE_STRUCTURE_TYPE_EXTERNAL_MEMORY_EXPORT_WIN32 => {
            Err(sys::ZE_RESULT_ERROR_UNSUPPORTED_ENUMERATION)
        }
        _ => Ok(()),
    };
    // SAFETY: as the caller says.
    unsafe { walk(next, find) }?;
    // All is checked before the descriptor is made, which a caller of a failed call knows not of.
    let Some(structure) = wanted else {
        return Ok(());
    };
    // SAFETY: a structure has the type that its `stype` says.
    let asked = unsafe { read(structure) }?;
    only_descriptors(asked.flags)?;
    let file = found.and_then(|found| found.file.as_ref());
    let file = file.filter(|file| asked.flags != 0 && file.origin == Origin::Export);
    let fd = file.ok_or(refused)?.descriptor()?;
    // SAFETY: as above; a chain of properties is in and out.
    unsafe { write(structure, ze_external_memory_export_fd_t { fd, ..asked }) }
}

/// `zeMemGetAllocProperties`: what is not in memory of this context is of unknown type, without an
/// identifier or device.
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
            let found = find(context, pointer);
            // SAFETY: as above.
            unsafe { fill_extensions(found.as_ref(), header.pNext) }?;
            let (type_, id, page) = match &found {
                Some(found) => {
                    let type_ = match found.kind {
                        Kind::Host => sys::ZE_MEMORY_TYPE_HOST,
                        Kind::Device => sys::ZE_MEMORY_TYPE_DEVICE,
                        Kind::Shared => sys::ZE_MEMORY_TYPE_SHARED,
                    };
                    (type_, found.serial, found.page as u64)
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
            let owner = found.and_then(|found| found.device);
            let owner = owner.map_or(0, |owner| context.inner.device_handle(owner));
            // SAFETY: as above.
            unsafe { write_optional(device, ptr::without_provenance_mut(owner)) };
            Ok(())
        },
    )
}

/// `zeMemGetAddressRange`: `INVALID_ARGUMENT` outside of the memory of this context. Where memory is
/// mapped in a reservation, the range is that of the reservation.
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
            let found = find(context, pointer).ok_or(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)?;
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { write_optional(base, ptr::with_exposed_provenance_mut(found.address)) };
            // SAFETY: as above.
            unsafe { write_optional(size, found.size) };
            Ok(())
        },
    )
}
