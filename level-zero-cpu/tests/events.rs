//! Events and their pools: what the host sees of them, their times, their errors.
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails, as it should"
)]

mod commands;
mod setup;

use commands::*;
use level_zero_cpu::{Config, api};
use level_zero_sys as sys;
use setup::*;
use std::ffi::c_void;
use std::ptr::{null, null_mut};

const ZERO: sys::ze_kernel_timestamp_result_t = sys::ze_kernel_timestamp_result_t {
    global: sys::ze_kernel_timestamp_data_t {
        kernelStart: 0,
        kernelEnd: 0,
    },
    context: sys::ze_kernel_timestamp_data_t {
        kernelStart: 0,
        kernelEnd: 0,
    },
};

fn times(event: Event) -> Result<(u64, u64), sys::ze_result_t> {
    let mut times = ZERO;
    // SAFETY: the place for the times outlives the call.
    let result = unsafe { (api().zeEventQueryKernelTimestamp)(event, &raw mut times) };
    let (global, context) = (times.global, times.context);
    assert_eq!(global.kernelStart, context.kernelStart);
    assert_eq!(global.kernelEnd, context.kernelEnd);
    if result != SUCCESS {
        assert_eq!((global.kernelStart, global.kernelEnd), (0, 0));
    }
    done(result, (global.kernelStart, global.kernelEnd))
}

fn clock(gpu: &Gpu) -> u64 {
    let (mut host, mut device) = (0, 0);
    let clock = api().zeDeviceGetGlobalTimestamps.unwrap();
    // SAFETY: both outlive the call.
    let result = unsafe { clock(gpu.device(), &raw mut host, &raw mut device) };
    assert_eq!(result, SUCCESS);
    device
}

#[test]
fn pools_check_their_descriptor_and_devices() {
    let gpu = Gpu::with(Config::new().devices(2));
    let stranger = Gpu::new();
    let good = pool_desc(VISIBLE, 4);
    let make = |desc| create_pool(gpu.context, &desc, &mut []);
    let mut chained = context_desc();
    let next = (&raw mut chained).cast();
    for (bad, expected) in [
        (
            sys::ze_event_pool_desc_t { flags: 8, ..good },
            INVALID_ENUMERATION,
        ),
        // Shared with other processes, and with times: not both.
        (
            sys::ze_event_pool_desc_t { flags: 6, ..good },
            INVALID_ENUMERATION,
        ),
        (sys::ze_event_pool_desc_t { count: 0, ..good }, INVALID_SIZE),
        (
            sys::ze_event_pool_desc_t {
                pNext: next,
                ..good
            },
            INVALID_ARGUMENT,
        ),
        (
            sys::ze_event_pool_desc_t {
                stype: chained.stype,
                ..good
            },
            INVALID_ARGUMENT,
        ),
    ] {
        assert_eq!(make(bad), Err(expected));
    }
    let create = api().zeEventPoolCreate;
    let mut pool: Pool = null_mut();
    // SAFETY: null is refused, here and below.
    let result = unsafe { create(null_mut(), &raw const good, 0, null_mut(), &raw mut pool) };
    assert_eq!(result, NULL_HANDLE);
    // SAFETY: as above.
    let result = unsafe { create(gpu.context, null(), 0, null_mut(), &raw mut pool) };
    assert_eq!(result, NULL_POINTER);
    // SAFETY: as above.
    let result = unsafe { create(gpu.context, &raw const good, 0, null_mut(), null_mut()) };
    assert_eq!(result, NULL_POINTER);
    // SAFETY: as above.
    let result = unsafe { create(gpu.context, &raw const good, 1, null_mut(), &raw mut pool) };
    assert_eq!(result, INVALID_SIZE);
    let listed = |device| create_pool(gpu.context, &good, &mut [device]);
    assert_eq!(listed(null_mut()), Err(NULL_HANDLE));
    assert_eq!(listed(stranger.device()), Err(INVALID_ARGUMENT));
    assert_eq!(listed(handle(16)), Err(INVALID_ARGUMENT));
    assert_eq!(gpu.instance.ledger().event_pools, 0);

    // The events of a pool are for the devices that were listed.
    let pool = listed(gpu.devices[1]).unwrap();
    let event = create_event(pool, &event_desc(0)).unwrap();
    let list = create_list(gpu.context, gpu.devices[1]).unwrap();
    assert_eq!(append_signal(gpu.list, event), SYNCHRONIZATION);
    assert_eq!(append_signal(list, event), SUCCESS);
    assert_eq!(destroy_list(list), SUCCESS);
    assert_eq!(destroy_pool(pool), IN_USE);
    assert_eq!(destroy_context(gpu.context), IN_USE);
    assert_eq!(destroy_event(event), SUCCESS);
    assert_eq!(destroy_pool(pool), SUCCESS);
    assert_eq!(destroy_pool(pool), INVALID_ARGUMENT);
    assert_eq!(destroy_pool(null_mut()), NULL_HANDLE);
    assert!(gpu.end().is_empty());
}

#[test]
fn pools_are_not_shared_between_processes() {
    let gpu = Gpu::new();
    let mut ipc = sys::ze_ipc_event_pool_handle_t { data: [0; 64] };
    let plain = create_pool(gpu.context, &pool_desc(VISIBLE, 1), &mut []).unwrap();
    let shared = sys::ZE_EVENT_POOL_FLAG_IPC;
    let shared = create_pool(gpu.context, &pool_desc(shared, 1), &mut []).unwrap();
    for (pool, place, expected) in [
        (null_mut(), &raw mut ipc, NULL_HANDLE),
        (plain, null_mut(), NULL_POINTER),
        (plain, &raw mut ipc, SYNCHRONIZATION),
        (shared, &raw mut ipc, UNSUPPORTED_FEATURE),
    ] {
        assert_eq!(
            // SAFETY: the place for the handle is null or outlives the call.
            unsafe { (api().zeEventPoolGetIpcHandle)(pool, place) },
            expected
        );
    }
    let mut opened = null_mut();
    for (context, place, expected) in [
        (null_mut(), &raw mut opened, NULL_HANDLE),
        (gpu.context, null_mut(), NULL_POINTER),
        (gpu.context, &raw mut opened, UNSUPPORTED_FEATURE),
    ] {
        // SAFETY: as above.
        let result = unsafe { (api().zeEventPoolOpenIpcHandle)(context, ipc, place) };
        assert_eq!(result, expected);
    }
    for (pool, expected) in [(null_mut(), NULL_HANDLE), (plain, INVALID_ARGUMENT)] {
        // SAFETY: the driver checks the handle.
        assert_eq!(unsafe { (api().zeEventPoolCloseIpcHandle)(pool) }, expected);
    }
    assert_eq!(destroy_pool(plain), SUCCESS);
    assert_eq!(destroy_pool(shared), SUCCESS);
    assert!(gpu.end().is_empty());
}

#[test]
fn events_check_their_descriptor_and_place() {
    let gpu = Gpu::new();
    let pool = create_pool(gpu.context, &pool_desc(VISIBLE, 3), &mut []).unwrap();
    let good = event_desc(2);
    let mut chained = context_desc();
    let next = (&raw mut chained).cast();
    for (bad, expected) in [
        (
            sys::ze_event_desc_t { signal: 8, ..good },
            INVALID_ENUMERATION,
        ),
        (
            sys::ze_event_desc_t { wait: 8, ..good },
            INVALID_ENUMERATION,
        ),
        (sys::ze_event_desc_t { index: 3, ..good }, INVALID_ARGUMENT),
        (
            sys::ze_event_desc_t {
                pNext: next,
                ..good
            },
            INVALID_ARGUMENT,
        ),
        (
            sys::ze_event_desc_t {
                stype: chained.stype,
                ..good
            },
            INVALID_ARGUMENT,
        ),
    ] {
        assert_eq!(create_event(pool, &bad), Err(expected));
    }
    assert_eq!(create_event(null_mut(), &good), Err(NULL_HANDLE));
    let create = api().zeEventCreate;
    let mut event = null_mut();
    assert_eq!(
        // SAFETY: null is refused.
        unsafe { create(pool, null(), &raw mut event) },
        NULL_POINTER
    );
    assert_eq!(
        // SAFETY: null is refused.
        unsafe { create(pool, &raw const good, null_mut()) },
        NULL_POINTER
    );

    let event = create_event(pool, &good).unwrap();
    assert_eq!(create_event(pool, &good), Err(INVALID_ARGUMENT));
    assert_eq!(gpu.instance.ledger().events, 1);
    assert_eq!(destroy_event(event), SUCCESS);
    assert_eq!(destroy_event(event), INVALID_ARGUMENT);
    assert_eq!(destroy_event(null_mut()), NULL_HANDLE);
    // The place is free again, and the new event is fresh.
    let event = create_event(pool, &good).unwrap();
    assert_eq!(status(event), NOT_READY);
    assert_eq!(destroy_event(event), SUCCESS);
    assert_eq!(destroy_pool(pool), SUCCESS);
    assert!(gpu.end().is_empty());
}

#[test]
fn the_host_signals_waits_and_resets() {
    let work = Work::new(1);
    let event = work.events[0];
    for _ in 0..2 {
        assert_eq!(status(event), NOT_READY);
        assert_eq!(wait(event, 0), NOT_READY);
        assert_eq!(wait(event, 1000), NOT_READY);
        assert_eq!(signal(event), SUCCESS);
        assert_eq!(signal(event), SUCCESS);
        assert_eq!(status(event), SUCCESS);
        assert_eq!(wait(event, FOREVER), SUCCESS);
        assert_eq!(wait(event, 0), SUCCESS);
        assert_eq!(reset_event(event), SUCCESS);
    }
    for (bad, expected) in [
        (null_mut(), NULL_HANDLE),
        (handle(16), SYNCHRONIZATION),
        (handle(work.pool.addr()), SYNCHRONIZATION),
    ] {
        assert_eq!(signal(bad), expected);
        assert_eq!(wait(bad, 0), expected);
        assert_eq!(status(bad), expected);
        assert_eq!(reset_event(bad), expected);
        assert_eq!(times(bad), Err(expected));
    }
    work.end();
}

#[test]
fn events_that_the_host_does_not_see_are_for_commands() {
    let work = Work::with(Gpu::new(), 0, 2);
    let [one, other] = work.events[..] else {
        unreachable!()
    };
    assert_eq!(signal(one), SYNCHRONIZATION);
    assert_eq!(wait(one, 0), SYNCHRONIZATION);
    assert_eq!(status(one), SYNCHRONIZATION);
    let list = work.immediate();
    assert_eq!(With(other, &[one]).barrier(list), SUCCESS);
    assert_eq!(sync_list(list, SHORT), NOT_READY);
    let second = work.immediate();
    assert_eq!(append_signal(second, one), SUCCESS);
    assert_eq!(sync_list(list, FOREVER), SUCCESS);
    assert_eq!(sync_list(second, FOREVER), SUCCESS);
    // Reset it may, to use it again.
    assert_eq!(reset_event(one), SUCCESS);
    assert_eq!(With(null_mut(), &[one]).barrier(list), SUCCESS);
    assert_eq!(sync_list(list, SHORT), NOT_READY);
    assert_eq!(append_signal(second, one), SUCCESS);
    assert_eq!(sync_list(list, FOREVER), SUCCESS);
    assert_eq!(sync_list(second, FOREVER), SUCCESS);
    assert_eq!(destroy_list(list), SUCCESS);
    assert_eq!(destroy_list(second), SUCCESS);
    work.end();
}

#[test]
fn commands_signal_wait_for_and_reset_events() {
    let work = Work::new(3);
    let [gate, one, other] = work.events[..] else {
        unreachable!()
    };
    let list = work.immediate();
    assert_eq!(append_signal(list, one), SUCCESS);
    assert_eq!(append_wait(list, &[one, gate]), SUCCESS);
    assert_eq!(append_reset(list, one), SUCCESS);
    assert_eq!(append_signal(list, other), SUCCESS);
    assert_eq!(wait(one, FOREVER), SUCCESS);
    assert_eq!(wait(other, SHORT), NOT_READY);
    assert_eq!(status(one), SUCCESS);
    assert_eq!(destroy_event(one), IN_USE);
    assert_eq!(signal(gate), SUCCESS);
    assert_eq!(wait(other, FOREVER), SUCCESS);
    assert_eq!(status(one), NOT_READY);
    for (bad, expected) in [
        (null_mut(), NULL_HANDLE),
        (handle(16), SYNCHRONIZATION),
        (handle(list.addr()), SYNCHRONIZATION),
    ] {
        assert_eq!(append_signal(list, bad), expected);
        assert_eq!(append_reset(list, bad), expected);
        assert_eq!(append_wait(list, &[gate, bad]), SYNCHRONIZATION);
    }
    assert_eq!(append_wait(list, &[]), SUCCESS);
    // SAFETY: null is refused.
    let null = unsafe { (api().zeCommandListAppendWaitOnEvents)(list, 0, null_mut()) };
    assert_eq!(null, NULL_POINTER);
    for call in [append_signal, append_reset] {
        assert_eq!(call(null_mut(), gate), NULL_HANDLE);
    }
    assert_eq!(append_wait(null_mut(), &[gate]), NULL_HANDLE);
    assert_eq!(sync_list(list, FOREVER), SUCCESS);
    assert_eq!(destroy_list(list), SUCCESS);
    work.end();
}

#[test]
fn events_of_another_context_are_refused_by_every_command() {
    let work = Work::new(1);
    let other = Work::with(Gpu::on(work.gpu.instance.clone()), VISIBLE, 1);
    let dead = {
        let gone = Work::new(1);
        let event = gone.events[0];
        gone.end();
        event
    };
    let context = work.gpu.context;
    let memory = work.shared(64, 0);
    let from = memory.wrapping_byte_add(32).cast_const();
    let region = sys::ze_copy_region_t {
        originX: 0,
        originY: 0,
        originZ: 0,
        width: 4,
        height: 1,
        depth: 0,
    };
    type Append<'a> = Box<dyn Fn(List, Event, u32, *mut Event) -> sys::ze_result_t + 'a>;
    let api = api();
    let pattern = [1_u8];
    let sizes = [32];
    let mut ranges = [from];
    let ranges = ranges.as_mut_ptr();
    // SAFETY: memory of the driver; the driver checks events. So below.
    let all: [Append<'_>; 8] = [
        // SAFETY: as above.
        Box::new(|l, s, n, w| unsafe {
            (api.zeCommandListAppendMemoryCopy)(l, memory, from, 4, s, n, w)
        }),
        // SAFETY: as above.
        Box::new(|l, s, n, w| unsafe {
            (api.zeCommandListAppendMemoryFill)(l, memory, pattern.as_ptr().cast(), 1, 4, s, n, w)
        }),
        // SAFETY: as above.
        Box::new(|l, s, n, w| unsafe {
            (api.zeCommandListAppendMemoryCopyRegion)(
                l, memory, &region, 4, 0, from, &region, 4, 0, s, n, w,
            )
        }),
        // SAFETY: as above.
        Box::new(|l, s, n, w| unsafe {
            (api.zeCommandListAppendMemoryCopyFromContext)(l, memory, context, from, 4, s, n, w)
        }),
        // SAFETY: as above.
        Box::new(|l, s, n, w| unsafe { (api.zeCommandListAppendBarrier)(l, s, n, w) }),
        // SAFETY: as above.
        Box::new(|l, s, n, w| unsafe {
            (api.zeCommandListAppendMemoryRangesBarrier)(l, 1, sizes.as_ptr(), ranges, s, n, w)
        }),
        // SAFETY: as above.
        Box::new(|l, s, n, w| unsafe {
            (api.zeCommandListAppendWriteGlobalTimestamp)(l, memory.cast(), s, n, w)
        }),
        // SAFETY: as above.
        Box::new(|l, s, n, w| unsafe {
            let none = (&raw const pattern).cast::<Event>().cast_mut();
            (api.zeCommandListAppendQueryKernelTimestamps)(l, 0, none, memory, null(), s, n, w)
        }),
    ];
    let recorded = work.regular();
    for append in &all {
        for list in [work.gpu.list, recorded] {
            for bad in [other.events[0], dead, handle(16), handle(work.pool.addr())] {
                let mut waits = [work.events[0], bad];
                assert_eq!(append(list, bad, 0, null_mut()), SYNCHRONIZATION);
                let result = append(list, null_mut(), 2, waits.as_mut_ptr());
                assert_eq!(result, SYNCHRONIZATION);
            }
            let mut nothing = [null_mut()];
            let result = append(list, null_mut(), 1, nothing.as_mut_ptr());
            assert_eq!(result, SYNCHRONIZATION);
            assert_eq!(append(list, null_mut(), 1, null_mut()), INVALID_SIZE);
            assert_eq!(append(list, work.events[0], 0, null_mut()), SUCCESS);
            assert_eq!(reset_event(work.events[0]), SUCCESS);
        }
        assert_eq!(append(null_mut(), null_mut(), 0, null_mut()), NULL_HANDLE);
    }
    assert_eq!(destroy_list(recorded), SUCCESS);
    drop(all);
    for event in other.events {
        assert_eq!(destroy_event(event), SUCCESS);
    }
    assert_eq!(destroy_pool(other.pool), SUCCESS);
    assert_eq!(destroy_list(other.gpu.list), SUCCESS);
    assert_eq!(destroy_context(other.gpu.context), SUCCESS);
    work.end();
}

#[test]
fn times_of_commands_lie_between_those_of_the_host() {
    let work = Work::with(Gpu::new(), TIMED, 3);
    let [one, other, by_host] = work.events[..] else {
        unreachable!()
    };
    let size = 4 << 20;
    let (to, from) = (work.shared(size, 1), work.shared(size, 2));
    let list = work.immediate();
    assert_eq!(times(one), Err(NOT_READY));
    let before = clock(&work.gpu);
    assert_eq!(With(one, &[]).copy(list, to, from, size), SUCCESS);
    assert_eq!(With(other, &[]).fill(list, from, &[1], size), SUCCESS);
    assert_eq!(wait(other, FOREVER), SUCCESS);
    let after = clock(&work.gpu);
    let (first, second) = (times(one).unwrap(), times(other).unwrap());
    let all = [before, first.0, first.1, second.0, second.1, after];
    assert!(all.is_sorted(), "{all:?}");
    assert!(first.0 < first.1 && second.0 < second.1);
    assert_eq!(signal(by_host), SUCCESS);
    let (start, end) = times(by_host).unwrap();
    assert!(after <= start && start == end);

    // SAFETY: null is refused.
    let null = unsafe { (api().zeEventQueryKernelTimestamp)(one, null_mut()) };
    assert_eq!(null, NULL_POINTER);
    assert_eq!(reset_event(one), SUCCESS);
    assert_eq!(times(one), Err(NOT_READY));
    let plain = Work::with(Gpu::on(work.gpu.instance.clone()), VISIBLE, 1);
    assert_eq!(times(plain.events[0]), Err(SYNCHRONIZATION));

    let query = api().zeEventQueryTimestampsExp.unwrap();
    let device = work.gpu.device();
    for (event, expected) in [(one, 0), (other, 1)] {
        for asked in [0, 1, 5] {
            let (mut count, mut results) = (asked, [ZERO; 5]);
            // SAFETY: room for five.
            let result = unsafe { query(event, device, &raw mut count, results.as_mut_ptr()) };
            assert_eq!((result, count), (SUCCESS, expected));
            let filled = asked > 0 && expected > 0;
            assert_eq!(results[0].global.kernelEnd > 0, filled);
            assert_eq!(results[1].global.kernelEnd, 0);
        }
    }
    let mut count = 0;
    for (event, device, place, expected) in [
        (null_mut(), device, &raw mut count, NULL_HANDLE),
        (other, null_mut(), &raw mut count, NULL_HANDLE),
        (other, handle(16), &raw mut count, INVALID_ARGUMENT),
        (other, device, null_mut(), NULL_POINTER),
        (plain.events[0], device, &raw mut count, SYNCHRONIZATION),
    ] {
        // SAFETY: null is refused; an array is not asked for.
        assert_eq!(unsafe { query(event, device, place, null_mut()) }, expected);
    }
    assert_eq!(destroy_list(list), SUCCESS);
    assert_eq!(destroy_event(plain.events[0]), SUCCESS);
    assert_eq!(destroy_pool(plain.pool), SUCCESS);
    assert_eq!(destroy_list(plain.gpu.list), SUCCESS);
    assert_eq!(destroy_context(plain.gpu.context), SUCCESS);
    work.end();
}

#[test]
fn commands_write_times() {
    let work = Work::with(Gpu::new(), TIMED, 2);
    let list = work.gpu.list;
    let memory = work.shared(256, 0xEE);
    let stamp = |list, target: *mut c_void| {
        // SAFETY: memory of the driver, or refused.
        unsafe {
            (api().zeCommandListAppendWriteGlobalTimestamp)(
                list,
                target.cast(),
                null_mut(),
                0,
                null_mut(),
            )
        }
    };
    let before = clock(&work.gpu);
    assert_eq!(stamp(list, memory), SUCCESS);
    let read = |offset| {
        let bytes = work.bytes(memory.wrapping_byte_add(offset), 8);
        u64::from_ne_bytes(bytes.try_into().unwrap())
    };
    let written = read(0);
    assert!(before <= written && written <= clock(&work.gpu));
    assert_eq!(work.bytes(memory.wrapping_byte_add(8), 1), [0xEE]);
    assert_eq!(stamp(list, null_mut()), NULL_POINTER);
    assert_eq!(stamp(list, memory.wrapping_byte_add(4)), INVALID_ARGUMENT);
    assert_eq!(stamp(list, memory.wrapping_byte_add(256)), INVALID_ARGUMENT);
    assert_eq!(stamp(null_mut(), memory), NULL_HANDLE);

    let query = |events: &[Event], target: *mut c_void, offsets: *const usize| {
        let count = u32::try_from(events.len()).unwrap();
        let events = events.as_ptr().cast_mut();
        // SAFETY: as many events as the count says, and offsets if they are there.
        unsafe {
            (api().zeCommandListAppendQueryKernelTimestamps)(
                list,
                count,
                events,
                target,
                offsets,
                null_mut(),
                0,
                null_mut(),
            )
        }
    };
    for event in &work.events {
        assert_eq!(append_signal(list, *event), SUCCESS);
    }
    assert_eq!(query(&work.events, memory, null()), SUCCESS);
    let expected: Vec<_> = work
        .events
        .iter()
        .map(|event| times(*event).unwrap())
        .collect();
    assert_eq!((read(0), read(8)), expected[0]);
    assert_eq!((read(32), read(40)), expected[1]);
    assert_eq!(work.bytes(memory.wrapping_byte_add(64), 1), [0xEE]);
    // Offsets, also in memory that only devices see.
    let device = work.gpu.alloc(Kind::Device, 16, 0).unwrap();
    let offsets = [192_usize, 128];
    work.gpu
        .upload(device, &offsets.map(usize::to_ne_bytes).concat());
    for offsets in [offsets.as_ptr(), device.cast_const().cast()] {
        assert_eq!(work.gpu.fill(memory, &[0], 256), SUCCESS);
        assert_eq!(query(&work.events, memory, offsets), SUCCESS);
        assert_eq!((read(192), read(200)), expected[0]);
        assert_eq!((read(128), read(136)), expected[1]);
        assert_eq!((read(0), read(32)), (0, 0));
    }
    assert_eq!(
        query(&work.events, memory.wrapping_byte_add(200), null()),
        INVALID_ARGUMENT
    );
    assert_eq!(
        query(&work.events, memory, device.wrapping_byte_add(8).cast()),
        INVALID_ARGUMENT
    );
    assert_eq!(query(&work.events, null_mut(), null()), NULL_POINTER);
    assert_eq!(query(&[handle(16)], memory, null()), SYNCHRONIZATION);
    // SAFETY: null is refused.
    let no_events = unsafe {
        (api().zeCommandListAppendQueryKernelTimestamps)(
            list,
            0,
            null_mut(),
            memory,
            null(),
            null_mut(),
            0,
            null_mut(),
        )
    };
    assert_eq!(no_events, NULL_POINTER);
    let plain = create_pool(work.gpu.context, &pool_desc(VISIBLE, 1), &mut []).unwrap();
    let untimed = create_event(plain, &event_desc(0)).unwrap();
    assert_eq!(query(&[untimed], memory, null()), SYNCHRONIZATION);
    assert_eq!(destroy_event(untimed), SUCCESS);
    assert_eq!(destroy_pool(plain), SUCCESS);
    work.end();
}
