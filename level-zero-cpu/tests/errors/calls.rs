//! Transfers and calls on lists, queues, fences and events by their names.

use crate::commands::*;
use crate::setup::*;
use level_zero_cpu::api;
use level_zero_sys::{self as sys, ze_result_t};
use std::ffi::c_void;
use std::ptr::null_mut;

pub(crate) type Context = sys::ze_context_handle_t;
pub(crate) type Device = sys::ze_device_handle_t;

/// What all calls take: of each kind one.
#[derive(Clone, Copy)]
pub(crate) struct Arguments {
    pub(crate) context: Context,
    pub(crate) device: Device,
    pub(crate) list: List,
    pub(crate) queue: Queue,
    pub(crate) fence: Fence,
    pub(crate) pool: Pool,
    pub(crate) event: Event,
    pub(crate) target: *mut c_void,
    pub(crate) source: *const c_void,
    pub(crate) size: usize,
    pub(crate) pattern_size: usize,
    pub(crate) to_region: Option<sys::ze_copy_region_t>,
    pub(crate) from_region: Option<sys::ze_copy_region_t>,
    pub(crate) offsets: *const usize,
    /// Whether there is an array of sizes, and one of ranges.
    pub(crate) sizes: bool,
    pub(crate) ranges: bool,
    pub(crate) advice: u32,
    pub(crate) signal: Event,
    pub(crate) waits: Option<Event>,
    pub(crate) events: Option<Event>,
    pub(crate) lists: Option<[List; 2]>,
    pub(crate) list_count: u32,
    pub(crate) devices: Option<Device>,
    /// Whether there is a descriptor, and a place for the result.
    pub(crate) desc: bool,
    pub(crate) out: bool,
    pub(crate) list_desc: sys::ze_command_list_desc_t,
    pub(crate) queue_desc: sys::ze_command_queue_desc_t,
    pub(crate) fence_desc: sys::ze_fence_desc_t,
    pub(crate) pool_desc: sys::ze_event_pool_desc_t,
    pub(crate) event_desc: sys::ze_event_desc_t,
}

impl Arguments {
    pub(crate) fn each_desc(
        &mut self,
        change: impl Fn(&mut sys::ze_structure_type_t, &mut *const c_void),
    ) {
        change(&mut self.list_desc.stype, &mut self.list_desc.pNext);
        change(&mut self.queue_desc.stype, &mut self.queue_desc.pNext);
        change(&mut self.fence_desc.stype, &mut self.fence_desc.pNext);
        change(&mut self.pool_desc.stype, &mut self.pool_desc.pNext);
        change(&mut self.event_desc.stype, &mut self.event_desc.pNext);
    }
}

/// A pointer to what may not be there.
fn pointer<T>(value: Option<&mut T>) -> *mut T {
    value.map_or(null_mut(), |value| &raw mut *value)
}

/// Makes a call. One that fails writes no result.
#[allow(
    clippy::multiple_unsafe_ops_per_block,
    clippy::too_many_lines,
    reason = "one of them is done, and all for one reason"
)]
pub(crate) fn call(name: &str, mut arguments: Arguments) -> ze_result_t {
    let api = api();
    let a = &mut arguments;
    let (list, queue, fence, pool, event) = (a.list, a.queue, a.fence, a.pool, a.event);
    let (context, device) = (a.context, a.device);
    let (target, source, size) = (a.target, a.source, a.size);
    let (signal, waits, events) = (
        a.signal,
        pointer(a.waits.as_mut()),
        pointer(a.events.as_mut()),
    );
    let (mut sizes, mut ranges) = ([size], [target.cast_const()]);
    let sizes = pointer(a.sizes.then_some(&mut sizes)).cast();
    let ranges = pointer(a.ranges.then_some(&mut ranges)).cast();
    let (to, from) = (
        pointer(a.to_region.as_mut()),
        pointer(a.from_region.as_mut()),
    );
    let advice = sys::_ze_memory_advice_t(a.advice);
    let list_desc = pointer(a.desc.then_some(&mut a.list_desc));
    let queue_desc = pointer(a.desc.then_some(&mut a.queue_desc));
    let fence_desc = pointer(a.desc.then_some(&mut a.fence_desc));
    let pool_desc = pointer(a.desc.then_some(&mut a.pool_desc));
    let event_desc = pointer(a.desc.then_some(&mut a.event_desc));
    let ipc = sys::ze_ipc_event_pool_handle_t { data: [0; 64] };
    let untouched = [7_u64; 16];
    let mut room = untouched;
    let out: *mut c_void = pointer(a.out.then_some(&mut room)).cast();
    // SAFETY: descriptors, arrays and places for results are null or as long as they are said to be
    // and outlive the call; handles and memory are checked, and memory outlives all commands.
    let result = unsafe {
        match name {
            "zeCommandListAppendMemoryCopy" => {
                (api.zeCommandListAppendMemoryCopy)(list, target, source, size, signal, 1, waits)
            }
            "zeCommandListAppendMemoryFill" => (api.zeCommandListAppendMemoryFill)(
                list,
                target,
                source,
                a.pattern_size,
                size,
                signal,
                1,
                waits,
            ),
            "zeCommandListAppendMemoryCopyRegion" => (api.zeCommandListAppendMemoryCopyRegion)(
                list, target, to, 8, 0, source, from, 8, 0, signal, 1, waits,
            ),
            "zeCommandListAppendMemoryCopyFromContext" => (api
                .zeCommandListAppendMemoryCopyFromContext)(
                list, target, context, source, size, signal, 1, waits,
            ),
            "zeCommandListAppendMemoryPrefetch" => {
                (api.zeCommandListAppendMemoryPrefetch)(list, target, size)
            }
            "zeCommandListAppendMemAdvise" => {
                (api.zeCommandListAppendMemAdvise)(list, device, target, size, advice)
            }
            "zeCommandListAppendBarrier" => {
                (api.zeCommandListAppendBarrier)(list, signal, 1, waits)
            }
            "zeCommandListAppendMemoryRangesBarrier" => (api
                .zeCommandListAppendMemoryRangesBarrier)(
                list, 1, sizes, ranges, signal, 1, waits
            ),
            "zeCommandListAppendSignalEvent" => (api.zeCommandListAppendSignalEvent)(list, event),
            "zeCommandListAppendWaitOnEvents" => {
                (api.zeCommandListAppendWaitOnEvents)(list, 1, events)
            }
            "zeCommandListAppendEventReset" => (api.zeCommandListAppendEventReset)(list, event),
            "zeCommandListAppendWriteGlobalTimestamp" => {
                (api.zeCommandListAppendWriteGlobalTimestamp)(list, target.cast(), signal, 1, waits)
            }
            "zeCommandListAppendQueryKernelTimestamps" => (api
                .zeCommandListAppendQueryKernelTimestamps)(
                list, 1, events, target, a.offsets, signal, 1, waits,
            ),
            "zeCommandListCreate" => {
                (api.zeCommandListCreate)(context, device, list_desc, out.cast())
            }
            "zeCommandListCreateImmediate" => {
                (api.zeCommandListCreateImmediate)(context, device, queue_desc, out.cast())
            }
            "zeCommandListClose" => (api.zeCommandListClose)(list),
            "zeCommandListReset" => (api.zeCommandListReset)(list),
            "zeCommandListDestroy" => (api.zeCommandListDestroy)(list),
            "zeCommandQueueCreate" => {
                (api.zeCommandQueueCreate)(context, device, queue_desc, out.cast())
            }
            "zeCommandQueueDestroy" => (api.zeCommandQueueDestroy)(queue),
            "zeCommandQueueExecuteCommandLists" => (api.zeCommandQueueExecuteCommandLists)(
                queue,
                a.list_count,
                pointer(a.lists.as_mut()).cast(),
                fence,
            ),
            "zeCommandQueueSynchronize" => (api.zeCommandQueueSynchronize)(queue, 1),
            "zeFenceCreate" => (api.zeFenceCreate)(queue, fence_desc, out.cast()),
            "zeFenceDestroy" => (api.zeFenceDestroy)(fence),
            "zeFenceHostSynchronize" => (api.zeFenceHostSynchronize)(fence, 1),
            "zeFenceQueryStatus" => (api.zeFenceQueryStatus)(fence),
            "zeFenceReset" => (api.zeFenceReset)(fence),
            "zeEventPoolCreate" => (api.zeEventPoolCreate)(
                context,
                pool_desc,
                1,
                pointer(a.devices.as_mut()),
                out.cast(),
            ),
            "zeEventPoolDestroy" => (api.zeEventPoolDestroy)(pool),
            "zeEventPoolGetIpcHandle" => (api.zeEventPoolGetIpcHandle)(pool, out.cast()),
            "zeEventPoolOpenIpcHandle" => (api.zeEventPoolOpenIpcHandle)(context, ipc, out.cast()),
            "zeEventPoolCloseIpcHandle" => (api.zeEventPoolCloseIpcHandle)(pool),
            "zeEventCreate" => (api.zeEventCreate)(pool, event_desc, out.cast()),
            "zeEventDestroy" => (api.zeEventDestroy)(event),
            "zeEventHostSignal" => (api.zeEventHostSignal)(event),
            "zeEventHostSynchronize" => (api.zeEventHostSynchronize)(event, 1),
            "zeEventQueryStatus" => (api.zeEventQueryStatus)(event),
            "zeEventHostReset" => (api.zeEventHostReset)(event),
            "zeEventQueryKernelTimestamp" => (api.zeEventQueryKernelTimestamp)(event, out.cast()),
            "zeEventQueryTimestampsExp" => {
                (api.zeEventQueryTimestampsExp.unwrap())(event, device, out.cast(), null_mut())
            }
            "zeContextDestroy" => (api.zeContextDestroy)(context),
            "zeMemFree" => (api.zeMemFree)(context, target),
            other => unreachable!("{other}"),
        }
    };
    assert!(result == SUCCESS || room == untouched, "{name}");
    result
}
