//! A driver with one of all that the calls are about, in each state.

use crate::calls::{Arguments, Context, Device};
use crate::commands::*;
use crate::setup::*;
use level_zero_cpu::{Config, Ledger};
use level_zero_sys::{self as sys, ze_result_t};
use std::ffi::c_void;
use std::ptr::{null, null_mut};

/// Of the allocations, in bytes.
pub(crate) const LEN: usize = 4000;
/// Of the transfers.
pub(crate) const SIZE: usize = 64;

pub(crate) fn region(width: u32, height: u32) -> sys::ze_copy_region_t {
    sys::ze_copy_region_t {
        originX: 0,
        originY: 0,
        originZ: 0,
        width,
        height,
        depth: 0,
    }
}

/// Handles of what is destroyed.
pub(crate) struct Dead {
    pub(crate) context: Context,
    pub(crate) list: List,
    pub(crate) queue: Queue,
    pub(crate) fence: Fence,
    pub(crate) pool: Pool,
    pub(crate) event: Event,
}

/// All that calls can be about. Behind a gate that stays shut, a queue and an immediate list are
/// to write to the target.
pub(crate) struct World {
    pub(crate) gpu: Gpu,
    pub(crate) stranger: Gpu,
    /// Another context of the driver.
    pub(crate) other: Context,
    pub(crate) dead: Dead,
    pub(crate) target: *mut c_void,
    pub(crate) source: *mut c_void,
    pub(crate) freed: *mut c_void,
    /// Of the other context.
    pub(crate) foreign: *mut c_void,
    pub(crate) plain: Vec<u8>,
    /// With times; the first two of its events are signalled and not.
    pub(crate) pool: Pool,
    pub(crate) done: Event,
    pub(crate) fresh: Event,
    pub(crate) gate: Event,
    /// Not visible to the host, and without times.
    pub(crate) hidden_pool: Pool,
    pub(crate) hidden: Event,
    pub(crate) ipc_pool: Pool,
    /// For the other device only.
    pub(crate) second_pool: Pool,
    pub(crate) second: Event,
    pub(crate) foreign_pool: Pool,
    pub(crate) foreign_event: Event,
    pub(crate) queue: Queue,
    pub(crate) fence: Fence,
    pub(crate) busy: Queue,
    pub(crate) pending: Fence,
    pub(crate) running: List,
    pub(crate) gated_list: List,
    /// To append to.
    pub(crate) immediate: List,
    pub(crate) open: List,
    pub(crate) closed: List,
    /// Of another group of queues.
    pub(crate) copies_only: List,
    pub(crate) foreign_list: List,
    /// With an event that was destroyed.
    pub(crate) stale: List,
    pub(crate) extension: sys::ze_context_desc_t,
}

/// What no call that fails may change.
#[derive(Debug, PartialEq)]
pub(crate) struct Shown {
    bytes: [Vec<u8>; 3],
    events: Vec<ze_result_t>,
    fences: Vec<ze_result_t>,
    queues: Vec<ze_result_t>,
    ledger: Ledger,
}

impl World {
    pub(crate) fn new() -> Self {
        let gpu = Gpu::with(Config::new().devices(2).max_fill_pattern(128));
        let (context, device) = (gpu.context, gpu.device());
        let other = create_context(&gpu.instance).unwrap();
        let memory = |kind, byte| {
            let pointer = gpu.alloc(kind, LEN, 0).unwrap();
            assert_eq!(gpu.fill(pointer, &[byte], LEN), SUCCESS);
            pointer
        };
        let (target, source) = (memory(Kind::Device, 1), memory(Kind::Shared, 2));
        let freed = memory(Kind::Shared, 3);
        assert_eq!(gpu.free(freed), SUCCESS);
        let mut foreign = null_mut();
        let result = alloc_in(other, device, Kind::Shared, LEN, 0, &mut foreign);
        assert_eq!(result, SUCCESS);

        let pool_of = |context, flags, devices: &mut [Device]| {
            create_pool(context, &pool_desc(flags, 8), devices).unwrap()
        };
        let event_of = |pool, index| create_event(pool, &event_desc(index)).unwrap();
        let pool = pool_of(context, TIMED, &mut []);
        let hidden_pool = pool_of(context, 0, &mut []);
        let second_pool = pool_of(context, TIMED, &mut [gpu.devices[1]]);
        let foreign_pool = pool_of(other, TIMED, &mut []);
        let [done, fresh, gate] = [0, 1, 2].map(|index| event_of(pool, index));
        assert_eq!(signal(done), SUCCESS);

        let regular = |context, ordinal| {
            let desc = sys::ze_command_list_desc_t {
                commandQueueGroupOrdinal: ordinal,
                ..list_desc()
            };
            create_regular(context, device, &desc).unwrap()
        };
        let closed = |context, ordinal| {
            let list = regular(context, ordinal);
            assert_eq!(close(list), SUCCESS);
            list
        };
        let make_queue = || create_queue(context, device, &asynchronous_desc()).unwrap();
        let immediate = || create_list_with(context, device, &asynchronous_desc()).unwrap();
        let (queue, busy) = (make_queue(), make_queue());
        let fence_of = |queue| create_fence(queue, &fence_desc(0)).unwrap();
        let (fence, pending) = (fence_of(queue), fence_of(busy));
        let gated = With(null_mut(), &[gate]);
        let running = regular(context, 0);
        assert_eq!(gated.fill(running, target, &[4], LEN), SUCCESS);
        assert_eq!(close(running), SUCCESS);
        assert_eq!(execute(busy, &mut [running], pending), SUCCESS);
        let gated_list = immediate();
        assert_eq!(gated.fill(gated_list, target, &[4], LEN), SUCCESS);

        let dead = Dead {
            context: create_context(&gpu.instance).unwrap(),
            list: immediate(),
            queue: make_queue(),
            fence: fence_of(queue),
            pool: pool_of(context, TIMED, &mut []),
            event: event_of(pool, 7),
        };
        let stale = regular(context, 0);
        assert_eq!(append_signal(stale, dead.event), SUCCESS);
        assert_eq!(close(stale), SUCCESS);
        for result in [
            destroy_event(dead.event),
            destroy_pool(dead.pool),
            destroy_fence(dead.fence),
            destroy_queue(dead.queue),
            destroy_list(dead.list),
            destroy_context(dead.context),
        ] {
            assert_eq!(result, SUCCESS);
        }
        Self {
            stranger: Gpu::new(),
            other,
            dead,
            target,
            source,
            freed,
            foreign,
            plain: vec![5; LEN],
            pool,
            done,
            fresh,
            gate,
            hidden_pool,
            hidden: event_of(hidden_pool, 0),
            ipc_pool: pool_of(context, VISIBLE | sys::ZE_EVENT_POOL_FLAG_IPC, &mut []),
            second_pool,
            second: event_of(second_pool, 0),
            foreign_pool,
            foreign_event: event_of(foreign_pool, 0),
            queue,
            fence,
            busy,
            pending,
            running,
            gated_list,
            immediate: immediate(),
            open: regular(context, 0),
            closed: closed(context, 0),
            copies_only: closed(context, 1),
            foreign_list: closed(other, 0),
            stale,
            extension: context_desc(),
            gpu,
        }
    }

    pub(crate) fn plain(&self) -> *mut c_void {
        self.plain.as_ptr().cast_mut().cast()
    }

    /// Arguments of which only what a case says about a call is wrong. The list is open.
    pub(crate) fn good(&self, list: List) -> Arguments {
        Arguments {
            context: self.gpu.context,
            device: self.gpu.device(),
            list,
            queue: self.queue,
            fence: self.fence,
            pool: self.pool,
            event: self.done,
            target: self.target,
            source: self.source,
            size: SIZE,
            pattern_size: 4,
            to_region: Some(region(8, 8)),
            from_region: Some(region(8, 8)),
            offsets: null(),
            sizes: true,
            ranges: true,
            advice: 0,
            signal: self.fresh,
            waits: Some(self.done),
            events: Some(self.done),
            lists: Some([self.closed; 2]),
            list_count: 2,
            devices: Some(self.gpu.device()),
            desc: true,
            out: true,
            list_desc: list_desc(),
            queue_desc: queue_desc(),
            fence_desc: fence_desc(0),
            pool_desc: pool_desc(VISIBLE, 8),
            event_desc: event_desc(6),
        }
    }

    pub(crate) fn shown(&self) -> Shown {
        let events = [
            self.done,
            self.fresh,
            self.gate,
            self.second,
            self.foreign_event,
        ];
        let memory = [self.target, self.source];
        let [target, source] = memory.map(|pointer| self.gpu.download(pointer, LEN));
        Shown {
            bytes: [target, source, self.plain.clone()],
            events: events.map(status).to_vec(),
            fences: [self.fence, self.pending].map(fence_status).to_vec(),
            queues: [self.queue, self.busy].map(|queue| sync(queue, 0)).to_vec(),
            ledger: self.gpu.instance.ledger(),
        }
    }

    /// Opens the gate, destroys all, and finds nothing left.
    pub(crate) fn end(self) {
        let fill = vec![4; LEN];
        assert_eq!(signal(self.gate), SUCCESS);
        assert_eq!(sync(self.busy, FOREVER), SUCCESS);
        assert_eq!(sync_list(self.gated_list, FOREVER), SUCCESS);
        assert_eq!(self.gpu.download(self.target, LEN), fill);
        let lists = [
            self.running,
            self.gated_list,
            self.immediate,
            self.open,
            self.closed,
            self.copies_only,
            self.foreign_list,
            self.stale,
        ];
        let (done, fresh, gate) = (self.done, self.fresh, self.gate);
        let events = [
            done,
            fresh,
            gate,
            self.hidden,
            self.second,
            self.foreign_event,
        ];
        let (pool, hidden, ipc) = (self.pool, self.hidden_pool, self.ipc_pool);
        let pools = [pool, hidden, ipc, self.second_pool, self.foreign_pool];
        let results = lists.map(destroy_list).into_iter();
        let results = results.chain([self.fence, self.pending].map(destroy_fence));
        let results = results.chain([self.queue, self.busy].map(destroy_queue));
        let results = results.chain(events.map(destroy_event));
        let results = results.chain(pools.map(destroy_pool));
        let results = results.chain([self.target, self.source].map(|memory| self.gpu.free(memory)));
        let results = results.chain([free_in(self.other, self.foreign)]);
        let mut results = results.chain([destroy_context(self.other)]);
        assert!(results.all(|result| result == SUCCESS));
        assert!(self.stranger.end().is_empty());
        assert!(self.gpu.end().is_empty());
    }
}
