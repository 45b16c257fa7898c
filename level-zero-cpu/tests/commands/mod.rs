//! Queues, lists, events and fences without ceremony, on top of `setup`.
#![allow(dead_code, unused_imports, reason = "each test program uses a part")]

use crate::setup::*;
use level_zero_cpu::api;
use level_zero_sys::{self as sys, ze_result_t};
use std::ffi::c_void;
use std::ptr::{null, null_mut};

pub(crate) use sys::{
    ZE_RESULT_ERROR_INVALID_COMMAND_LIST_TYPE as LIST_TYPE,
    ZE_RESULT_ERROR_INVALID_SYNCHRONIZATION_OBJECT as SYNCHRONIZATION,
    ZE_RESULT_NOT_READY as NOT_READY, ze_command_list_handle_t as List,
    ze_command_queue_handle_t as Queue, ze_event_handle_t as Event, ze_event_pool_handle_t as Pool,
    ze_fence_handle_t as Fence,
};

pub(crate) const FOREVER: u64 = u64::MAX;
/// A copy or two take less, a gate that nobody opens more.
pub(crate) const SHORT: u64 = 2_000_000;

pub(crate) const VISIBLE: u32 = sys::ZE_EVENT_POOL_FLAG_HOST_VISIBLE;
pub(crate) const TIMED: u32 = VISIBLE | sys::ZE_EVENT_POOL_FLAG_KERNEL_TIMESTAMP;

pub(crate) fn done<T>(result: ze_result_t, value: T) -> Result<T, ze_result_t> {
    if result == SUCCESS {
        Ok(value)
    } else {
        Err(result)
    }
}

pub(crate) fn asynchronous_desc() -> sys::ze_command_queue_desc_t {
    sys::ze_command_queue_desc_t {
        mode: sys::ZE_COMMAND_QUEUE_MODE_ASYNCHRONOUS,
        ..queue_desc()
    }
}

pub(crate) fn list_desc() -> sys::ze_command_list_desc_t {
    sys::ze_command_list_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_COMMAND_LIST_DESC,
        pNext: null(),
        commandQueueGroupOrdinal: 0,
        flags: 0,
    }
}

pub(crate) fn pool_desc(flags: u32, count: u32) -> sys::ze_event_pool_desc_t {
    sys::ze_event_pool_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_EVENT_POOL_DESC,
        pNext: null(),
        flags,
        count,
    }
}

pub(crate) fn event_desc(index: u32) -> sys::ze_event_desc_t {
    sys::ze_event_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_EVENT_DESC,
        pNext: null(),
        index,
        signal: 0,
        wait: sys::ZE_EVENT_SCOPE_FLAG_HOST,
    }
}

pub(crate) fn fence_desc(flags: u32) -> sys::ze_fence_desc_t {
    sys::ze_fence_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_FENCE_DESC,
        pNext: null(),
        flags,
    }
}

/// Calls that take a descriptor and give a handle.
macro_rules! creates {
    ($($name:ident: $call:ident($($argument:ident: $type:ty),*) $desc:ident -> $handle:ident;)*) => {
        $(pub(crate) fn $name(
            $($argument: $type,)*
            desc: &sys::$desc,
        ) -> Result<$handle, ze_result_t> {
            let mut handle = null_mut();
            // SAFETY: the descriptor and the place for the handle outlive the call.
            let result = unsafe { (api().$call)($($argument,)* desc, &raw mut handle) };
            done(result, handle)
        })*
    };
}

creates! {
    create_queue: zeCommandQueueCreate(
        context: sys::ze_context_handle_t, device: sys::ze_device_handle_t
    ) ze_command_queue_desc_t -> Queue;
    create_regular: zeCommandListCreate(
        context: sys::ze_context_handle_t, device: sys::ze_device_handle_t
    ) ze_command_list_desc_t -> List;
    create_event: zeEventCreate(pool: Pool) ze_event_desc_t -> Event;
    create_fence: zeFenceCreate(queue: Queue) ze_fence_desc_t -> Fence;
}

/// Calls that take a handle and numbers: the driver checks the handle.
macro_rules! calls {
    ($($name:ident: $call:ident($($argument:ident: $type:ty),*);)*) => {
        $(pub(crate) fn $name($($argument: $type),*) -> ze_result_t {
            // SAFETY: the driver checks handles; there is nothing else.
            unsafe { (api().$call)($($argument),*) }
        })*
    };
}

calls! {
    destroy_queue: zeCommandQueueDestroy(queue: Queue);
    sync: zeCommandQueueSynchronize(queue: Queue, timeout: u64);
    close: zeCommandListClose(list: List);
    reset: zeCommandListReset(list: List);
    destroy_list: zeCommandListDestroy(list: List);
    append_signal: zeCommandListAppendSignalEvent(list: List, event: Event);
    append_reset: zeCommandListAppendEventReset(list: List, event: Event);
    destroy_pool: zeEventPoolDestroy(pool: Pool);
    destroy_event: zeEventDestroy(event: Event);
    signal: zeEventHostSignal(event: Event);
    wait: zeEventHostSynchronize(event: Event, timeout: u64);
    status: zeEventQueryStatus(event: Event);
    reset_event: zeEventHostReset(event: Event);
    destroy_fence: zeFenceDestroy(fence: Fence);
    wait_fence: zeFenceHostSynchronize(fence: Fence, timeout: u64);
    fence_status: zeFenceQueryStatus(fence: Fence);
    reset_fence: zeFenceReset(fence: Fence);
}

pub(crate) fn sync_list(list: List, timeout: u64) -> ze_result_t {
    // SAFETY: the driver checks the handle.
    unsafe { (api().zeCommandListHostSynchronize.unwrap())(list, timeout) }
}

pub(crate) fn create_pool(
    context: sys::ze_context_handle_t,
    desc: &sys::ze_event_pool_desc_t,
    devices: &mut [sys::ze_device_handle_t],
) -> Result<Pool, ze_result_t> {
    let mut pool = null_mut();
    let count = u32::try_from(devices.len()).unwrap();
    // SAFETY: the descriptor, the array and the place for the handle outlive the call.
    let result = unsafe {
        (api().zeEventPoolCreate)(context, desc, count, devices.as_mut_ptr(), &raw mut pool)
    };
    done(result, pool)
}

pub(crate) fn execute(queue: Queue, lists: &mut [List], fence: Fence) -> ze_result_t {
    let count = u32::try_from(lists.len()).unwrap();
    // SAFETY: as many handles as the count says.
    unsafe { (api().zeCommandQueueExecuteCommandLists)(queue, count, lists.as_mut_ptr(), fence) }
}

/// The events of a command.
pub(crate) struct With<'a>(pub(crate) Event, pub(crate) &'a [Event]);

pub(crate) const ALONE: With<'static> = With(null_mut(), &[]);

impl With<'_> {
    fn count(&self) -> u32 {
        u32::try_from(self.1.len()).unwrap()
    }

    fn waits(&self) -> *mut Event {
        self.1.as_ptr().cast_mut()
    }

    pub(crate) fn copy(
        &self,
        list: List,
        to: *mut c_void,
        from: *const c_void,
        size: usize,
    ) -> ze_result_t {
        // SAFETY: tests give memory of the driver, or their own of that size, until it is copied.
        unsafe {
            (api().zeCommandListAppendMemoryCopy)(
                list,
                to,
                from,
                size,
                self.0,
                self.count(),
                self.waits(),
            )
        }
    }

    pub(crate) fn fill(
        &self,
        list: List,
        to: *mut c_void,
        pattern: &[u8],
        size: usize,
    ) -> ze_result_t {
        // SAFETY: as for `copy`.
        unsafe {
            (api().zeCommandListAppendMemoryFill)(
                list,
                to,
                pattern.as_ptr().cast(),
                pattern.len(),
                size,
                self.0,
                self.count(),
                self.waits(),
            )
        }
    }

    pub(crate) fn barrier(&self, list: List) -> ze_result_t {
        // SAFETY: the driver checks handles.
        unsafe { (api().zeCommandListAppendBarrier)(list, self.0, self.count(), self.waits()) }
    }
}

pub(crate) fn append_wait(list: List, events: &[Event]) -> ze_result_t {
    let count = u32::try_from(events.len()).unwrap();
    // SAFETY: as many handles as the count says.
    unsafe { (api().zeCommandListAppendWaitOnEvents)(list, count, events.as_ptr().cast_mut()) }
}

/// A driver with a pool of events.
pub(crate) struct Work {
    pub(crate) gpu: Gpu,
    pub(crate) pool: Pool,
    pub(crate) events: Vec<Event>,
}

// SAFETY: handles are numbers to this process, which any thread may use.
unsafe impl Send for Work {}
// SAFETY: as above.
unsafe impl Sync for Work {}

impl Work {
    /// With so many events.
    pub(crate) fn new(events: u32) -> Self {
        Self::with(Gpu::new(), VISIBLE, events)
    }

    pub(crate) fn with(gpu: Gpu, flags: u32, events: u32) -> Self {
        let pool = create_pool(gpu.context, &pool_desc(flags, events), &mut []).unwrap();
        let event = |index| create_event(pool, &event_desc(index)).unwrap();
        Self {
            pool,
            events: (0..events).map(event).collect(),
            gpu,
        }
    }

    /// An asynchronous immediate list.
    pub(crate) fn immediate(&self) -> List {
        create_list_with(self.gpu.context, self.gpu.device(), &asynchronous_desc()).unwrap()
    }

    pub(crate) fn queue(&self) -> Queue {
        create_queue(self.gpu.context, self.gpu.device(), &asynchronous_desc()).unwrap()
    }

    pub(crate) fn regular(&self) -> List {
        create_regular(self.gpu.context, self.gpu.device(), &list_desc()).unwrap()
    }

    /// Memory that the host sees, as bytes of one value.
    pub(crate) fn shared(&self, size: usize, byte: u8) -> *mut c_void {
        let pointer = self.gpu.alloc(Kind::Shared, size, 0).unwrap();
        assert_eq!(self.gpu.fill(pointer, &[byte], size), SUCCESS);
        pointer
    }

    /// What the memory holds, once nothing writes it.
    pub(crate) fn bytes(&self, pointer: *const c_void, size: usize) -> Vec<u8> {
        self.gpu.download(pointer, size)
    }

    /// Destroys all but what the test made itself, and finds nothing left.
    pub(crate) fn end(self) {
        for event in self.events {
            assert_eq!(destroy_event(event), SUCCESS);
        }
        assert_eq!(destroy_pool(self.pool), SUCCESS);
        let mut ledger = self.gpu.end();
        ledger.allocations.clear();
        assert!(ledger.is_empty(), "{ledger}");
    }
}
