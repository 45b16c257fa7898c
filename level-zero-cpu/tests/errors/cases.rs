//! What is wrong with a call, and what it returns then.

use crate::calls::Arguments;
use crate::world::{LEN, SIZE, World, region};
use level_zero_sys as sys;
use std::ptr::{null, null_mut};

/// Names of calls and of groups of them, a code, and the change to good arguments that brings it
/// about.
pub(crate) type Case = (
    &'static [&'static str],
    &'static str,
    fn(&mut Arguments, &World),
);

macro_rules! cases {
    ($([$($call:ident)*] $word:ident: $change:expr;)*) => {
        &[$((&[$(stringify!($call)),*], stringify!($word), $change)),*]
    };
}

pub(crate) const CASES: &[Case] = cases! {
    // Handles.
    [WITH_EVENTS WITHOUT LISTS] NULL_HANDLE: |a, _| a.list = null_mut();
    [WITH_EVENTS WITHOUT LISTS] ARGUMENT: |a, w| a.list = w.dead.list;
    [WITH_EVENTS WITHOUT LISTS] ARGUMENT: |a, w| a.list = w.queue.cast();
    [WITH_EVENTS WITHOUT CommandListClose] ARGUMENT: |a, w| a.list = w.closed;
    [CommandListClose CommandListReset] LIST_TYPE: |a, w| a.list = w.gated_list;
    [CommandListReset CommandListDestroy] IN_USE: |a, w| a.list = w.running;
    [CommandListDestroy] IN_USE: |a, w| a.list = w.gated_list;
    [QUEUES] NULL_HANDLE: |a, _| a.queue = null_mut();
    [QUEUES] ARGUMENT: |a, w| a.queue = w.dead.queue;
    [CommandQueueDestroy] IN_USE: |a, w| a.queue = w.busy;
    // A fence of it is alive.
    [CommandQueueDestroy] IN_USE: |_, _| {};
    [CommandQueueSynchronize] NOT_READY: |a, w| a.queue = w.busy;
    [ON_CONTEXT] NULL_HANDLE: |a, _| a.context = null_mut();
    [ON_CONTEXT] ARGUMENT: |a, w| a.context = w.dead.context;
    [AppendMemoryCopyFromContext] ARGUMENT: |a, w| a.context = w.stranger.context;
    [AppendMemoryCopyFromContext] ARGUMENT: |a, w| a.context = w.other;
    [ContextDestroy] IN_USE: |_, _| {};
    [ON_DEVICE AppendMemAdvise EventQueryTimestampsExp] NULL_HANDLE: |a, _| a.device = null_mut();
    [ON_DEVICE AppendMemAdvise EventQueryTimestampsExp] ARGUMENT:
        |a, w| a.device = w.stranger.device();
    [POOLS] NULL_HANDLE: |a, _| a.pool = null_mut();
    [POOLS] ARGUMENT: |a, w| a.pool = w.dead.pool;
    [EventPoolDestroy] IN_USE: |_, _| {};
    [EventPoolCloseIpcHandle] ARGUMENT: |_, _| {};
    [EventPoolGetIpcHandle] SYNCHRONIZATION: |_, _| {};
    [EventPoolGetIpcHandle] FEATURE: |a, w| a.pool = w.ipc_pool;
    [EventPoolOpenIpcHandle] FEATURE: |_, _| {};
    [FENCES] NULL_HANDLE: |a, _| a.fence = null_mut();
    [FenceDestroy FenceReset] ARGUMENT: |a, w| a.fence = w.dead.fence;
    [FenceHostSynchronize FenceQueryStatus EXECUTE] SYNCHRONIZATION: |a, w| a.fence = w.dead.fence;
    [FenceHostSynchronize FenceQueryStatus] NOT_READY: |a, w| a.fence = w.pending;
    [FenceDestroy] IN_USE: |a, w| a.fence = w.pending;
    [EVENTS ONE_EVENT] NULL_HANDLE: |a, _| a.event = null_mut();
    [EventDestroy] ARGUMENT: |a, w| a.event = w.dead.event;
    [EventDestroy] IN_USE: |a, w| a.event = w.gate;
    [EVENT_USES EventHostReset] SYNCHRONIZATION: |a, w| a.event = w.dead.event;
    [EVENT_USES] SYNCHRONIZATION: |a, w| a.event = w.hidden;
    [EventHostSynchronize EventQueryStatus EventQueryKernelTimestamp] NOT_READY:
        |a, w| a.event = w.fresh;
    // Events of commands.
    [WITH_EVENTS] INVALID_SIZE: |a, _| a.waits = None;
    [WITH_EVENTS] SYNCHRONIZATION: |a, _| a.waits = Some(null_mut());
    [WITH_EVENTS] SYNCHRONIZATION: |a, w| a.waits = Some(w.dead.event);
    [WITH_EVENTS] SYNCHRONIZATION: |a, w| a.waits = Some(w.foreign_event);
    [WITH_EVENTS] SYNCHRONIZATION: |a, w| a.waits = Some(w.second);
    [WITH_EVENTS] SYNCHRONIZATION: |a, w| a.signal = w.dead.event;
    [WITH_EVENTS] SYNCHRONIZATION: |a, w| a.signal = w.foreign_event;
    [WITH_EVENTS] SYNCHRONIZATION: |a, w| a.signal = w.second;
    [ONE_EVENT] SYNCHRONIZATION: |a, w| a.event = w.dead.event;
    [ONE_EVENT] SYNCHRONIZATION: |a, w| a.event = w.foreign_event;
    [ONE_EVENT] SYNCHRONIZATION: |a, w| a.event = w.second;
    [EVENT_ARRAYS] NULL_POINTER: |a, _| a.events = None;
    [EVENT_ARRAYS] SYNCHRONIZATION: |a, _| a.events = Some(null_mut());
    [EVENT_ARRAYS] SYNCHRONIZATION: |a, w| a.events = Some(w.dead.event);
    [EVENT_ARRAYS] SYNCHRONIZATION: |a, w| a.events = Some(w.foreign_event);
    [AppendQueryKernelTimestamps] SYNCHRONIZATION: |a, w| a.events = Some(w.hidden);
    // Memory.
    [COPIES AppendMemoryFill AppendWriteGlobalTimestamp AppendQueryKernelTimestamps HINTS MemFree] NULL_POINTER:
        |a, _| a.target = null_mut();
    [COPIES AppendMemoryFill] NULL_POINTER: |a, _| a.source = null();
    [AppendMemoryRangesBarrier] NULL_POINTER: |a, _| a.sizes = false;
    [AppendMemoryRangesBarrier] NULL_POINTER: |a, _| a.ranges = false;
    [AppendMemoryCopyRegion] NULL_POINTER: |a, _| a.to_region = None;
    [AppendMemoryCopyRegion] NULL_POINTER: |a, _| a.from_region = None;
    [TARGETS] ARGUMENT: |a, w| a.target = w.target.wrapping_byte_add(LEN - 4);
    [TARGETS] ARGUMENT: |a, w| a.target = w.target.wrapping_byte_add(LEN);
    [TARGETS MemFree] ARGUMENT: |a, w| a.target = w.freed;
    [TARGETS MemFree] ARGUMENT: |a, w| a.target = w.foreign;
    [MemFree] ARGUMENT: |a, w| a.target = w.target.wrapping_byte_add(8);
    [MemFree] IN_USE: |a, w| a.target = w.target;
    [COPIES AppendMemoryFill] ARGUMENT: |a, w| a.source = w.source.wrapping_byte_add(LEN - 2);
    [COPIES AppendMemoryFill] ARGUMENT: |a, w| a.source = w.freed;
    [COPIES AppendMemoryFill] ARGUMENT: |a, w| a.source = w.foreign;
    // A pattern is read by the host.
    [AppendMemoryFill] ARGUMENT: |a, w| a.source = w.target;
    [PLAIN_COPIES AppendMemoryFill HINTS AppendMemoryRangesBarrier] ARGUMENT:
        |a, _| a.size = 1 << 40;
    [HINTS] ARGUMENT: |a, w| a.target = w.plain();
    [AppendWriteGlobalTimestamp] ARGUMENT: |a, w| a.target = w.target.wrapping_byte_add(4);
    [AppendQueryKernelTimestamps] ARGUMENT: |a, w| a.offsets = w.freed.cast();
    [PLAIN_COPIES] OVERLAPPING: |a, w| a.source = w.target.wrapping_byte_add(SIZE - 1);
    [AppendMemoryCopyRegion] OVERLAPPING: |a, w| a.source = w.target.wrapping_byte_add(1);
    [AppendMemoryCopyRegion] ARGUMENT: |a, _| a.to_region = Some(region(8, 7));
    [AppendMemoryFill] INVALID_SIZE: |a, _| a.pattern_size = 0;
    [AppendMemoryFill] INVALID_SIZE: |a, _| a.pattern_size = 3;
    [AppendMemoryFill] INVALID_SIZE: |a, _| a.pattern_size = 256;
    [AppendMemoryFill] INVALID_SIZE: |a, _| a.size = SIZE - 1;
    [AppendMemAdvise] ENUMERATION: |a, _| a.advice = sys::ZE_MEMORY_ADVICE_BIAS_UNCACHED.0 + 1;
    // Descriptors and results.
    [CREATE] NULL_POINTER: |a, _| a.desc = false;
    [CREATE EventPoolGetIpcHandle EventPoolOpenIpcHandle EventQueryKernelTimestamp EventQueryTimestampsExp] NULL_POINTER:
        |a, _| a.out = false;
    [CREATE] ARGUMENT: |a, _| a.each_desc(|stype, _| *stype = sys::ZE_STRUCTURE_TYPE_CONTEXT_DESC);
    [CREATE] ARGUMENT: |a, w| a.each_desc(|_, next| *next = (&raw const w.extension).cast());
    [CommandListCreate] ENUMERATION: |a, _| a.list_desc.flags = 8;
    [CommandListCreate] ARGUMENT: |a, _| a.list_desc.commandQueueGroupOrdinal = 2;
    [QUEUE_DESC] ENUMERATION: |a, _| a.queue_desc.flags = 2;
    [QUEUE_DESC] ENUMERATION: |a, _| a.queue_desc.mode.0 = 3;
    [QUEUE_DESC] ENUMERATION: |a, _| a.queue_desc.priority.0 = 3;
    [QUEUE_DESC] ARGUMENT: |a, _| a.queue_desc.ordinal = 2;
    [QUEUE_DESC] ARGUMENT: |a, _| a.queue_desc.index = 9;
    [QUEUE_DESC] ARGUMENT: |a, _| a.queue_desc.index = 1;
    [FenceCreate] ENUMERATION: |a, _| a.fence_desc.flags = 2;
    [EventPoolCreate] ENUMERATION: |a, _| a.pool_desc.flags = 8;
    [EventPoolCreate] INVALID_SIZE: |a, _| a.pool_desc.count = 0;
    [EventPoolCreate] INVALID_SIZE: |a, _| a.devices = None;
    [EventPoolCreate] NULL_HANDLE: |a, _| a.devices = Some(null_mut());
    [EventPoolCreate] ARGUMENT: |a, w| a.devices = Some(w.stranger.device());
    [EventCreate] ENUMERATION: |a, _| a.event_desc.signal = 8;
    [EventCreate] ENUMERATION: |a, _| a.event_desc.wait = 8;
    [EventCreate] ARGUMENT: |a, _| a.event_desc.index = 0;
    [EventCreate] ARGUMENT: |a, _| a.event_desc.index = 8;
    [EventQueryTimestampsExp] NULL_POINTER: |a, w| (a.event, a.out) = (w.hidden, false);
    // Executions.
    [EXECUTE] NULL_POINTER: |a, _| a.lists = None;
    [EXECUTE] NULL_HANDLE: |a, w| a.lists = Some([w.closed, null_mut()]);
    [EXECUTE] INVALID_SIZE: |a, _| a.list_count = 0;
    [EXECUTE] LIST_TYPE: |a, w| a.lists = Some([w.closed, w.gated_list]);
    [EXECUTE] LIST_TYPE: |a, w| a.lists = Some([w.closed, w.copies_only]);
    [EXECUTE] ARGUMENT: |a, w| a.lists = Some([w.closed, w.dead.list]);
    [EXECUTE] ARGUMENT: |a, w| a.lists = Some([w.closed, w.open]);
    [EXECUTE] ARGUMENT: |a, w| a.lists = Some([w.closed, w.foreign_list]);
    [EXECUTE] SYNCHRONIZATION: |a, w| a.fence = w.pending;
    [EXECUTE] SYNCHRONIZATION: |a, w| a.lists = Some([w.closed, w.stale]);
};

/// The calls of a group.
fn group(name: &str) -> Option<&'static str> {
    Some(match name {
        // Commands that wait for events and signal one.
        "WITH_EVENTS" => {
            "AppendMemoryCopy AppendMemoryFill AppendMemoryCopyRegion \
             AppendMemoryCopyFromContext AppendBarrier AppendMemoryRangesBarrier \
             AppendWriteGlobalTimestamp AppendQueryKernelTimestamps"
        }
        "WITHOUT" => {
            "AppendMemoryPrefetch AppendMemAdvise AppendSignalEvent AppendWaitOnEvents \
             AppendEventReset"
        }
        "COPIES" => "AppendMemoryCopy AppendMemoryCopyRegion AppendMemoryCopyFromContext",
        // Those that have a target, or a range as good as one.
        "TARGETS" => {
            "COPIES AppendMemoryFill AppendWriteGlobalTimestamp \
             AppendQueryKernelTimestamps AppendMemoryPrefetch AppendMemAdvise \
             AppendMemoryRangesBarrier"
        }
        "LISTS" => "CommandListClose CommandListReset CommandListDestroy",
        "QUEUES" => {
            "CommandQueueDestroy CommandQueueExecuteCommandLists CommandQueueSynchronize \
             FenceCreate"
        }
        "ON_DEVICE" => "CommandListCreate CommandListCreateImmediate CommandQueueCreate",
        "QUEUE_DESC" => "CommandListCreateImmediate CommandQueueCreate",
        "CREATE" => {
            "CommandListCreate CommandListCreateImmediate CommandQueueCreate FenceCreate \
             EventPoolCreate EventCreate"
        }
        "ON_CONTEXT" => {
            "CommandListCreate CommandListCreateImmediate CommandQueueCreate \
             EventPoolCreate EventPoolOpenIpcHandle AppendMemoryCopyFromContext \
             ContextDestroy MemFree"
        }
        "POOLS" => "EventPoolDestroy EventPoolGetIpcHandle EventPoolCloseIpcHandle EventCreate",
        "FENCES" => "FenceDestroy FenceHostSynchronize FenceQueryStatus FenceReset",
        "EVENTS" => {
            "EventDestroy EventHostSignal EventHostSynchronize EventQueryStatus \
             EventHostReset EventQueryKernelTimestamp EventQueryTimestampsExp"
        }
        // Commands about one event.
        "ONE_EVENT" => "AppendSignalEvent AppendEventReset",
        // Commands about an array of events.
        "EVENT_ARRAYS" => "AppendWaitOnEvents AppendQueryKernelTimestamps",
        "EVENT_USES" => {
            "EventHostSignal EventHostSynchronize EventQueryStatus \
             EventQueryKernelTimestamp EventQueryTimestampsExp"
        }
        "PLAIN_COPIES" => "AppendMemoryCopy AppendMemoryCopyFromContext",
        "HINTS" => "AppendMemoryPrefetch AppendMemAdvise",
        "EXECUTE" => "CommandQueueExecuteCommandLists",
        _ => return None,
    })
}

/// Whether a call is one of these, which are names of groups, or of calls without `ze` or
/// `zeCommandList`.
pub(crate) fn concerns<'a>(names: impl IntoIterator<Item = &'a str>, call: &str) -> bool {
    names.into_iter().any(|name| match group(name) {
        Some(calls) => concerns(calls.split_whitespace(), call),
        None if name.starts_with("Append") => call.strip_prefix("zeCommandList") == Some(name),
        None => call.strip_prefix("ze") == Some(name),
    })
}
