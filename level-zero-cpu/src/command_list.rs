//! Immediate command lists: the work of a command is done when its append returns.
#![allow(unsafe_code, reason = "calls of the C interface")]

use level_zero_sys::{
    self as sys, ze_command_list_handle_t, ze_command_queue_desc_t, ze_context_handle_t,
    ze_copy_region_t, ze_device_handle_t, ze_event_handle_t, ze_memory_advice_t, ze_result_t,
};
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use crate::arguments::{Outcome, descriptor, flags, no_extensions, not_null, read, write};
use crate::context::Context;
use crate::entry::{on_context, on_list};
use crate::faults::Call;
use crate::registry;
use crate::transfer::{self, Side};

pub(crate) struct CommandList {
    pub(crate) context: Arc<Context>,
    pub(crate) handle: usize,
}

/// The one group of queues of a device has one queue.
pub(crate) const QUEUES: u32 = 1;

/// `zeCommandListCreateImmediate`: an ordinal or index that the device does not have is
/// `INVALID_ARGUMENT`.
pub(crate) unsafe extern "C" fn create_immediate(
    context: ze_context_handle_t,
    device: ze_device_handle_t,
    desc: *const ze_command_queue_desc_t,
    list: *mut ze_command_list_handle_t,
) -> ze_result_t {
    on_context(
        const { Call::named("zeCommandListCreateImmediate") },
        context,
        |context| {
            context.device(device)?;
            // SAFETY: the caller keeps the contract of the C call.
            let desc = unsafe { descriptor(desc, sys::ZE_STRUCTURE_TYPE_COMMAND_QUEUE_DESC) }?;
            not_null(list)?;
            flags(desc.flags, sys::ZE_COMMAND_QUEUE_FLAG_EXPLICIT_ONLY)?;
            if desc.mode.0 > sys::ZE_COMMAND_QUEUE_MODE_ASYNCHRONOUS.0
                || desc.priority.0 > sys::ZE_COMMAND_QUEUE_PRIORITY_PRIORITY_HIGH.0
            {
                return Err(sys::ZE_RESULT_ERROR_INVALID_ENUMERATION);
            }
            no_extensions(desc.pNext)?;
            if desc.ordinal != 0 || desc.index >= QUEUES {
                return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
            }
            let context = Arc::clone(context);
            let handle = registry::add(|handle| CommandList { context, handle });
            // SAFETY: as above.
            unsafe { write(list, handle) }
        },
    )
}

/// `zeCommandListDestroy`
pub(crate) unsafe extern "C" fn destroy(list: ze_command_list_handle_t) -> ze_result_t {
    on_list(
        const { Call::named("zeCommandListDestroy") },
        list,
        |list| registry::remove::<CommandList>(list.handle, |_| Ok(())).map(drop),
    )
}

/// There are no events yet, so that no handle of one can be right.
fn no_events(signal: ze_event_handle_t, count: u32, wait: *mut ze_event_handle_t) -> Outcome {
    if wait.is_null() && count > 0 {
        Err(sys::ZE_RESULT_ERROR_INVALID_SIZE)
    } else if !signal.is_null() || count > 0 {
        Err(sys::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE)
    } else {
        Ok(())
    }
}

/// `zeCommandListAppendMemoryCopy`: a size of 0 is nothing to do; overlap is
/// `OVERLAPPING_REGIONS`.
pub(crate) unsafe extern "C" fn append_memory_copy(
    list: ze_command_list_handle_t,
    target: *mut c_void,
    source: *const c_void,
    size: usize,
    signal: ze_event_handle_t,
    wait_count: u32,
    wait: *mut ze_event_handle_t,
) -> ze_result_t {
    on_list(
        const { Call::named("zeCommandListAppendMemoryCopy") },
        list,
        |list| {
            not_null(target)?;
            not_null(source)?;
            no_events(signal, wait_count, wait)?;
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { transfer::copy(&list.context, target, source, size) }
        },
    )
}

/// `zeCommandListAppendMemoryFill`: a pattern that is no power of two, larger than the limit or no
/// divisor of the size is `INVALID_SIZE`.
pub(crate) unsafe extern "C" fn append_memory_fill(
    list: ze_command_list_handle_t,
    target: *mut c_void,
    pattern: *const c_void,
    pattern_size: usize,
    size: usize,
    signal: ze_event_handle_t,
    wait_count: u32,
    wait: *mut ze_event_handle_t,
) -> ze_result_t {
    on_list(
        const { Call::named("zeCommandListAppendMemoryFill") },
        list,
        |list| {
            not_null(target)?;
            not_null(pattern)?;
            no_events(signal, wait_count, wait)?;
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { transfer::fill(&list.context, target, pattern, pattern_size, size) }
        },
    )
}

/// `zeCommandListAppendMemoryCopyRegion`: regions of different shapes, and pitches at which rows
/// or slices would collide, are `INVALID_ARGUMENT`. A region without area is nothing to do.
pub(crate) unsafe extern "C" fn append_memory_copy_region(
    list: ze_command_list_handle_t,
    target: *mut c_void,
    target_region: *const ze_copy_region_t,
    target_pitch: u32,
    target_slice_pitch: u32,
    source: *const c_void,
    source_region: *const ze_copy_region_t,
    source_pitch: u32,
    source_slice_pitch: u32,
    signal: ze_event_handle_t,
    wait_count: u32,
    wait: *mut ze_event_handle_t,
) -> ze_result_t {
    on_list(
        const { Call::named("zeCommandListAppendMemoryCopyRegion") },
        list,
        |list| {
            not_null(target)?;
            not_null(source)?;
            let target = Side {
                pointer: target,
                // SAFETY: the caller keeps the contract of the C call.
                region: unsafe { read(target_region) }?,
                pitch: target_pitch,
                slice_pitch: target_slice_pitch,
            };
            let source = Side {
                pointer: source,
                // SAFETY: as above.
                region: unsafe { read(source_region) }?,
                pitch: source_pitch,
                slice_pitch: source_slice_pitch,
            };
            no_events(signal, wait_count, wait)?;
            // SAFETY: as above.
            unsafe { transfer::copy_region(&list.context, &target, &source) }
        },
    )
}

/// `zeCommandListAppendBarrier`
pub(crate) unsafe extern "C" fn append_barrier(
    list: ze_command_list_handle_t,
    signal: ze_event_handle_t,
    wait_count: u32,
    wait: *mut ze_event_handle_t,
) -> ze_result_t {
    on_list(
        const { Call::named("zeCommandListAppendBarrier") },
        list,
        |_| {
            no_events(signal, wait_count, wait)?;
            fence(Ordering::SeqCst);
            Ok(())
        },
    )
}

/// `zeCommandListAppendMemoryRangesBarrier`: ranges are checked as the ends of copies are.
pub(crate) unsafe extern "C" fn append_memory_ranges_barrier(
    list: ze_command_list_handle_t,
    count: u32,
    sizes: *const usize,
    ranges: *mut *const c_void,
    signal: ze_event_handle_t,
    wait_count: u32,
    wait: *mut ze_event_handle_t,
) -> ze_result_t {
    on_list(
        const { Call::named("zeCommandListAppendMemoryRangesBarrier") },
        list,
        |list| {
            not_null(sizes)?;
            not_null(ranges)?;
            no_events(signal, wait_count, wait)?;
            for index in 0..count as usize {
                // SAFETY: the caller has as many of both as the count says.
                let slot = unsafe { sizes.add(index) };
                // SAFETY: as above.
                let size = unsafe { read(slot) }?;
                // SAFETY: as above.
                let slot = unsafe { ranges.add(index) };
                // SAFETY: as above.
                let range = unsafe { read(slot) }?;
                list.context.end(range, size)?;
            }
            fence(Ordering::SeqCst);
            Ok(())
        },
    )
}

/// `zeCommandListAppendMemoryPrefetch`: a hint, for a range in an allocation of the context.
pub(crate) unsafe extern "C" fn append_memory_prefetch(
    list: ze_command_list_handle_t,
    pointer: *const c_void,
    size: usize,
) -> ze_result_t {
    on_list(
        const { Call::named("zeCommandListAppendMemoryPrefetch") },
        list,
        |list| list.context.pin(pointer, size).map(drop),
    )
}

/// `zeCommandListAppendMemAdvise`: a hint, for a range in an allocation of the context.
pub(crate) unsafe extern "C" fn append_mem_advise(
    list: ze_command_list_handle_t,
    device: ze_device_handle_t,
    pointer: *const c_void,
    size: usize,
    advice: ze_memory_advice_t,
) -> ze_result_t {
    on_list(
        const { Call::named("zeCommandListAppendMemAdvise") },
        list,
        |list| {
            list.context.device(device)?;
            not_null(pointer)?;
            if advice.0 > sys::ZE_MEMORY_ADVICE_BIAS_UNCACHED.0 {
                return Err(sys::ZE_RESULT_ERROR_INVALID_ENUMERATION);
            }
            list.context.pin(pointer, size).map(drop)
        },
    )
}

/// `zeCommandListHostSynchronize`: all is done already.
pub(crate) unsafe extern "C" fn host_synchronize(
    list: ze_command_list_handle_t,
    _timeout: u64,
) -> ze_result_t {
    on_list(
        const { Call::named("zeCommandListHostSynchronize") },
        list,
        |_| Ok(()),
    )
}
