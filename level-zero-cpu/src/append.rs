//! The calls that append to command lists: copies, fills, hints, barriers, events.
//!
//! Ranges are checked when a command is appended and, where the list is a regular one, again when a
//! queue is given the list. The memory is read and written when the command is executed; patterns,
//! regions and lists of ranges are read when it is appended.
#![allow(unsafe_code, reason = "calls of the C interface")]

use level_zero_sys::{
    self as sys, ze_command_list_handle_t, ze_context_handle_t, ze_copy_region_t,
    ze_device_handle_t, ze_event_handle_t, ze_memory_advice_t, ze_result_t,
};
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Arc;

use crate::arguments::{not_null, read};
use crate::context::Context;
use crate::engine::{Nothing, append, events};
use crate::entry::on_list;
use crate::faults::Call;
use crate::registry;
use crate::timestamps::{QueryTimestamps, ResetEvent, WriteTimestamp};
use crate::transfer::{Copy, CopyRegion, Fill, Keep, Side};

/// `zeCommandListAppendMemoryCopy`: a size of 0 is nothing to do; overlap is
/// `OVERLAPPING_REGIONS`.
pub(crate) unsafe extern "C" fn memory_copy(
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
            let context = &list.context;
            // SAFETY: the caller keeps the contract of the C call.
            let work = unsafe { Copy::new((context, target), (context, source), size) }?;
            // SAFETY: as above.
            unsafe { append(list, work, signal, wait_count, wait) }
        },
    )
}

/// `zeCommandListAppendMemoryCopyFromContext`: as `zeCommandListAppendMemoryCopy`, with the source
/// in another context. A context of another driver is `INVALID_ARGUMENT`.
pub(crate) unsafe extern "C" fn memory_copy_from_context(
    list: ze_command_list_handle_t,
    target: *mut c_void,
    context: ze_context_handle_t,
    source: *const c_void,
    size: usize,
    signal: ze_event_handle_t,
    wait_count: u32,
    wait: *mut ze_event_handle_t,
) -> ze_result_t {
    on_list(
        const { Call::named("zeCommandListAppendMemoryCopyFromContext") },
        list,
        |list| {
            let from = registry::find::<Context>(context)?;
            not_null(target)?;
            not_null(source)?;
            if !Arc::ptr_eq(&from.inner, &list.context.inner) {
                return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
            }
            // SAFETY: the caller keeps the contract of the C call.
            let work = unsafe { Copy::new((&list.context, target), (&from, source), size) }?;
            // SAFETY: as above.
            unsafe { append(list, work, signal, wait_count, wait) }
        },
    )
}

/// `zeCommandListAppendMemoryFill`: a pattern that is no power of two, larger than the limit or no
/// divisor of the size is `INVALID_SIZE`.
pub(crate) unsafe extern "C" fn memory_fill(
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
            // SAFETY: the caller keeps the contract of the C call.
            let work = unsafe { Fill::new(&list.context, target, pattern, pattern_size, size) }?;
            // SAFETY: as above.
            unsafe { append(list, work, signal, wait_count, wait) }
        },
    )
}

/// `zeCommandListAppendMemoryCopyRegion`: regions of different shapes, and pitches at which rows
/// or slices would collide, are `INVALID_ARGUMENT`. A region without area is nothing to do.
pub(crate) unsafe extern "C" fn memory_copy_region(
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
            // SAFETY: as above.
            let work = unsafe { CopyRegion::new(&list.context, &target, &source) }?;
            // SAFETY: as above.
            unsafe { append(list, work, signal, wait_count, wait) }
        },
    )
}

/// `zeCommandListAppendBarrier`: commands of a list run in order, so all it does is to wait and to
/// signal.
pub(crate) unsafe extern "C" fn barrier(
    list: ze_command_list_handle_t,
    signal: ze_event_handle_t,
    wait_count: u32,
    wait: *mut ze_event_handle_t,
) -> ze_result_t {
    on_list(
        const { Call::named("zeCommandListAppendBarrier") },
        list,
        |list| {
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { append(list, Nothing, signal, wait_count, wait) }
        },
    )
}

/// `zeCommandListAppendMemoryRangesBarrier`: ranges are checked as the ends of copies are.
pub(crate) unsafe extern "C" fn memory_ranges_barrier(
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
            let mut all = Vec::new();
            for index in 0..count as usize {
                // SAFETY: the caller has as many of both as the count says.
                let slot = unsafe { sizes.add(index) };
                // SAFETY: as above.
                let size = unsafe { read(slot) }?;
                // SAFETY: as above.
                let slot = unsafe { ranges.add(index) };
                // SAFETY: as above.
                all.push((unsafe { read(slot) }?, size));
            }
            let work = Keep::ends(&list.context, &all)?;
            // SAFETY: as above.
            unsafe { append(list, work, signal, wait_count, wait) }
        },
    )
}

/// `zeCommandListAppendMemoryPrefetch`: a hint, for a range in an allocation of the context, which
/// is in use until its turn in the order of commands is over.
pub(crate) unsafe extern "C" fn memory_prefetch(
    list: ze_command_list_handle_t,
    pointer: *const c_void,
    size: usize,
) -> ze_result_t {
    on_list(
        const { Call::named("zeCommandListAppendMemoryPrefetch") },
        list,
        |list| {
            let work = Keep::allocated(&list.context, pointer, size)?;
            // SAFETY: no events.
            unsafe { append(list, work, null_mut(), 0, null_mut()) }
        },
    )
}

/// `zeCommandListAppendMemAdvise`: a hint, as `zeCommandListAppendMemoryPrefetch`.
pub(crate) unsafe extern "C" fn mem_advise(
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
            let work = Keep::allocated(&list.context, pointer, size)?;
            // SAFETY: no events.
            unsafe { append(list, work, null_mut(), 0, null_mut()) }
        },
    )
}

/// `zeCommandListAppendSignalEvent`
pub(crate) unsafe extern "C" fn signal_event(
    list: ze_command_list_handle_t,
    event: ze_event_handle_t,
) -> ze_result_t {
    on_list(
        const { Call::named("zeCommandListAppendSignalEvent") },
        list,
        |list| {
            if event.is_null() {
                return Err(sys::ZE_RESULT_ERROR_INVALID_NULL_HANDLE);
            }
            // SAFETY: no events to wait for.
            unsafe { append(list, Nothing, event, 0, null_mut()) }
        },
    )
}

/// `zeCommandListAppendWaitOnEvents`
pub(crate) unsafe extern "C" fn wait_on_events(
    list: ze_command_list_handle_t,
    count: u32,
    events: *mut ze_event_handle_t,
) -> ze_result_t {
    on_list(
        const { Call::named("zeCommandListAppendWaitOnEvents") },
        list,
        |list| {
            not_null(events)?;
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { append(list, Nothing, null_mut(), count, events) }
        },
    )
}

/// `zeCommandListAppendEventReset`
pub(crate) unsafe extern "C" fn event_reset(
    list: ze_command_list_handle_t,
    event: ze_event_handle_t,
) -> ze_result_t {
    on_list(
        const { Call::named("zeCommandListAppendEventReset") },
        list,
        |list| {
            let work = ResetEvent(list.event(event)?);
            // SAFETY: no events to wait for.
            unsafe { append(list, work, null_mut(), 0, null_mut()) }
        },
    )
}

/// `zeCommandListAppendWriteGlobalTimestamp`: the clock of `zeDeviceGetGlobalTimestamps`. An
/// address that is no multiple of 8 is `INVALID_ARGUMENT`.
pub(crate) unsafe extern "C" fn write_global_timestamp(
    list: ze_command_list_handle_t,
    target: *mut u64,
    signal: ze_event_handle_t,
    wait_count: u32,
    wait: *mut ze_event_handle_t,
) -> ze_result_t {
    on_list(
        const { Call::named("zeCommandListAppendWriteGlobalTimestamp") },
        list,
        |list| {
            // SAFETY: the caller keeps the contract of the C call.
            let work = unsafe { WriteTimestamp::new(&list.context, target) }?;
            // SAFETY: as above.
            unsafe { append(list, work, signal, wait_count, wait) }
        },
    )
}

/// `zeCommandListAppendQueryKernelTimestamps`: an event of a pool without timestamps is
/// `INVALID_SYNCHRONIZATION_OBJECT`. Times of events that are not signalled are zeros.
///
/// Offsets are read when the command is executed; one that leads out of the memory is an error of
/// the queue then, `INVALID_ARGUMENT`.
pub(crate) unsafe extern "C" fn query_kernel_timestamps(
    list: ze_command_list_handle_t,
    count: u32,
    timed: *mut ze_event_handle_t,
    target: *mut c_void,
    offsets: *const usize,
    signal: ze_event_handle_t,
    wait_count: u32,
    wait: *mut ze_event_handle_t,
) -> ze_result_t {
    on_list(
        const { Call::named("zeCommandListAppendQueryKernelTimestamps") },
        list,
        |list| {
            not_null(timed)?;
            not_null(target)?;
            // SAFETY: the caller keeps the contract of the C call.
            let timed = unsafe { events(list, count, timed) }?;
            // SAFETY: as above.
            let work = unsafe { QueryTimestamps::new(&list.context, timed, target, offsets) }?;
            // SAFETY: as above.
            unsafe { append(list, work, signal, wait_count, wait) }
        },
    )
}
