//! Regular command lists: recorded, closed, executed, reset; and what immediate ones are not.
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
use std::ptr::{null, null_mut};

const SIZE: usize = 1000;

fn end(work: Work, queue: Queue, lists: &[List]) {
    assert_eq!(sync(queue, FOREVER), SUCCESS);
    for list in lists {
        assert_eq!(destroy_list(*list), SUCCESS);
    }
    assert_eq!(destroy_queue(queue), SUCCESS);
    work.end();
}

#[test]
fn lists_check_their_descriptor() {
    let gpu = Gpu::new();
    let stranger = Gpu::new();
    let good = list_desc();
    let mut chained = context_desc();
    let next = (&raw mut chained).cast();
    for (bad, expected) in [
        (
            sys::ze_command_list_desc_t { flags: 8, ..good },
            INVALID_ENUMERATION,
        ),
        (
            sys::ze_command_list_desc_t {
                commandQueueGroupOrdinal: 2,
                ..good
            },
            INVALID_ARGUMENT,
        ),
        (
            sys::ze_command_list_desc_t {
                pNext: next,
                ..good
            },
            INVALID_ARGUMENT,
        ),
        (
            sys::ze_command_list_desc_t {
                stype: chained.stype,
                ..good
            },
            INVALID_ARGUMENT,
        ),
    ] {
        assert_eq!(
            create_regular(gpu.context, gpu.device(), &bad),
            Err(expected)
        );
    }
    let make = |context, device| create_regular(context, device, &good);
    assert_eq!(make(null_mut(), gpu.device()), Err(NULL_HANDLE));
    assert_eq!(make(gpu.context, null_mut()), Err(NULL_HANDLE));
    assert_eq!(make(gpu.context, stranger.device()), Err(INVALID_ARGUMENT));
    let create = api().zeCommandListCreate;
    let (context, device, mut list) = (gpu.context, gpu.device(), null_mut());
    // SAFETY: null is refused.
    let result = unsafe { create(context, device, null(), &raw mut list) };
    assert_eq!(result, NULL_POINTER);
    // SAFETY: null is refused.
    let result = unsafe { create(context, device, &raw const good, null_mut()) };
    assert_eq!(result, NULL_POINTER);
    assert_eq!(gpu.instance.ledger().command_lists, 1);
    for flags in [0, 1, 2, 4, 7] {
        let desc = sys::ze_command_list_desc_t {
            flags,
            commandQueueGroupOrdinal: flags % 2,
            ..good
        };
        let list = create_regular(context, device, &desc).unwrap();
        assert_eq!(destroy_list(list), SUCCESS);
        assert_eq!(destroy_list(list), INVALID_ARGUMENT);
    }
    assert_eq!(destroy_list(null_mut()), NULL_HANDLE);
    assert!(gpu.end().is_empty());
}

#[test]
fn a_list_runs_when_it_is_executed_each_time_anew() {
    let work = Work::new(1);
    let (queue, list) = (work.queue(), work.regular());
    let memory = work.shared(8, 1);
    // Moves the bytes on by one, the first to where the program looks.
    let mut seen = [0_u8];
    let seen = seen.as_mut_ptr().cast();
    assert_eq!(ALONE.copy(list, seen, memory, 1), SUCCESS);
    for index in 0..7 {
        let (to, from) = (
            memory.wrapping_byte_add(index),
            memory.wrapping_byte_add(index + 1),
        );
        assert_eq!(ALONE.copy(list, to, from, 1), SUCCESS);
    }
    assert_eq!(close(list), SUCCESS);
    work.gpu.upload(memory, &[1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(work.gpu.instance.ledger().pending, 0);
    assert_eq!(work.bytes(memory, 1), [1]);
    for round in 1..=6 {
        let mut lists = [list];
        assert_eq!(execute(queue, &mut lists, null_mut()), SUCCESS);
        assert_eq!(sync(queue, FOREVER), SUCCESS);
        // SAFETY: nothing writes it any more; `seen` is of the test's array.
        assert_eq!(unsafe { seen.cast::<u8>().read() }, round);
    }
    assert_eq!(work.bytes(memory, 8), [7, 8, 8, 8, 8, 8, 8, 8]);
    // Several times in one call; in another one when it is done.
    assert_eq!(execute(queue, &mut [list, list], null_mut()), SUCCESS);
    assert_eq!(sync(queue, FOREVER), SUCCESS);
    assert_eq!(execute(queue, &mut [list], null_mut()), SUCCESS);
    assert_eq!(sync(queue, FOREVER), SUCCESS);
    assert_eq!(work.bytes(memory, 8), [8; 8]);
    end(work, queue, &[list]);
}

#[test]
fn patterns_and_regions_are_read_when_appended() {
    let work = Work::new(1);
    let (queue, list) = (work.queue(), work.regular());
    let (to, from) = (work.shared(SIZE, 0), work.shared(SIZE, 9));
    let mut pattern = [1_u8, 2];
    let mut region = sys::ze_copy_region_t {
        originX: 0,
        originY: 0,
        originZ: 0,
        width: 4,
        height: 1,
        depth: 0,
    };
    assert_eq!(ALONE.fill(list, to, &pattern, SIZE), SUCCESS);
    // SAFETY: memory of the driver.
    let result = unsafe {
        (api().zeCommandListAppendMemoryCopyRegion)(
            list,
            to,
            &raw const region,
            4,
            0,
            from,
            &raw const region,
            4,
            0,
            null_mut(),
            0,
            null_mut(),
        )
    };
    assert_eq!(result, SUCCESS);
    assert_eq!(close(list), SUCCESS);
    pattern.fill(7);
    region.width = 500;
    assert_eq!((pattern, region.width), ([7; 2], 500));
    assert_eq!(execute(queue, &mut [list], null_mut()), SUCCESS);
    assert_eq!(sync(queue, FOREVER), SUCCESS);
    let expected = [vec![9; 4], [1, 2].repeat(SIZE / 2 - 2)].concat();
    assert_eq!(work.bytes(to, SIZE), expected);
    end(work, queue, &[list]);
}

#[test]
fn lists_are_open_then_closed_then_reset() {
    let work = Work::new(1);
    let (queue, list) = (work.queue(), work.regular());
    let memory = work.shared(SIZE, 0);
    assert_eq!(execute(queue, &mut [list], null_mut()), INVALID_ARGUMENT);
    assert_eq!(ALONE.fill(list, memory, &[1], 1), SUCCESS);
    assert_eq!(close(list), SUCCESS);
    assert_eq!(close(list), INVALID_ARGUMENT);
    assert_eq!(ALONE.fill(list, memory, &[2], 1), INVALID_ARGUMENT);
    assert_eq!(append_signal(list, work.events[0]), INVALID_ARGUMENT);
    assert_eq!(reset(list), SUCCESS);
    assert_eq!(execute(queue, &mut [list], null_mut()), INVALID_ARGUMENT);
    assert_eq!(
        ALONE.fill(list, memory.wrapping_byte_add(1), &[3], 1),
        SUCCESS
    );
    assert_eq!(close(list), SUCCESS);
    assert_eq!(execute(queue, &mut [list], null_mut()), SUCCESS);
    assert_eq!(sync(queue, FOREVER), SUCCESS);
    // What was recorded before the reset is gone.
    assert_eq!(work.bytes(memory, 2), [0, 3]);
    for (call, immediate) in [(close as fn(List) -> _, LIST_TYPE), (reset, LIST_TYPE)] {
        assert_eq!(call(null_mut()), NULL_HANDLE);
        assert_eq!(call(handle(16)), INVALID_ARGUMENT);
        assert_eq!(call(work.gpu.list), immediate);
    }
    assert_eq!(sync_list(list, 0), INVALID_ARGUMENT);
    assert_eq!(sync_list(null_mut(), 0), NULL_HANDLE);
    assert_eq!(sync_list(work.gpu.list, 0), SUCCESS);
    end(work, queue, &[list]);
}

#[test]
fn a_list_that_runs_is_neither_reset_nor_destroyed() {
    let work = Work::new(1);
    let (queue, list) = (work.queue(), work.regular());
    assert_eq!(append_wait(list, &work.events), SUCCESS);
    assert_eq!(close(list), SUCCESS);
    assert_eq!(execute(queue, &mut [list, list], null_mut()), SUCCESS);
    assert_eq!(reset(list), IN_USE);
    assert_eq!(destroy_list(list), IN_USE);
    assert_eq!(destroy_event(work.events[0]), IN_USE);
    assert_eq!(destroy_queue(queue), IN_USE);
    assert_eq!(signal(work.events[0]), SUCCESS);
    assert_eq!(sync(queue, FOREVER), SUCCESS);
    assert_eq!(reset(list), SUCCESS);
    end(work, queue, &[list]);
}

#[test]
fn what_cannot_be_executed_is_refused_when_appended() {
    let work = Work::new(1);
    let (queue, list) = (work.queue(), work.regular());
    let memory = work.shared(SIZE, 0);
    let half = memory.wrapping_byte_add(SIZE / 2);
    assert_eq!(
        ALONE.copy(list, memory, half, SIZE / 2 + 1),
        INVALID_ARGUMENT
    );
    assert_eq!(
        ALONE.copy(list, memory, half.wrapping_byte_sub(1), SIZE / 2),
        OVERLAPPING
    );
    assert_eq!(ALONE.fill(list, memory, &[1, 2, 3], 3), INVALID_SIZE);
    assert_eq!(ALONE.copy(list, null_mut(), memory, 1), NULL_POINTER);
    assert_eq!(ALONE.fill(list, half, &[4], SIZE / 2), SUCCESS);
    assert_eq!(close(list), SUCCESS);
    assert_eq!(execute(queue, &mut [list], null_mut()), SUCCESS);
    assert_eq!(sync(queue, FOREVER), SUCCESS);
    let expected = [[0; SIZE / 2], [4; SIZE / 2]].concat();
    assert_eq!(work.bytes(memory, SIZE), expected);
    end(work, queue, &[list]);
}

#[test]
fn all_lists_of_a_call_run_or_none() {
    let work = Work::new(1);
    let (queue, good, bad) = (work.queue(), work.regular(), work.regular());
    let (memory, freed) = (work.shared(SIZE, 0), work.shared(SIZE, 0));
    assert_eq!(ALONE.fill(good, memory, &[1], SIZE), SUCCESS);
    assert_eq!(append_signal(good, work.events[0]), SUCCESS);
    assert_eq!(close(good), SUCCESS);
    assert_eq!(ALONE.fill(bad, memory, &[2], SIZE), SUCCESS);
    assert_eq!(ALONE.copy(bad, memory, freed, SIZE), SUCCESS);
    assert_eq!(close(bad), SUCCESS);
    // A list that is recorded keeps no memory.
    assert_eq!(work.gpu.free(freed), SUCCESS);
    let fence = create_fence(queue, &fence_desc(0)).unwrap();
    assert_eq!(execute(queue, &mut [good, bad], fence), INVALID_ARGUMENT);
    assert_eq!(execute(queue, &mut [bad, good], fence), INVALID_ARGUMENT);
    assert_eq!(work.gpu.instance.ledger().pending, 0);
    assert_eq!(sync(queue, 0), SUCCESS);
    assert_eq!(status(work.events[0]), NOT_READY);
    assert_eq!(fence_status(fence), NOT_READY);
    assert_eq!(work.bytes(memory, SIZE), [0; SIZE]);
    // Nothing is held any more by what did not run.
    assert_eq!(work.gpu.free(memory), SUCCESS);
    assert_eq!(reset(good), SUCCESS);
    assert_eq!(destroy_fence(fence), SUCCESS);
    end(work, queue, &[good, bad]);
}

#[test]
fn an_event_that_was_destroyed_is_found_out_when_executed() {
    let work = Work::new(1);
    let pool = create_pool(work.gpu.context, &pool_desc(VISIBLE, 1), &mut []).unwrap();
    let queue = work.queue();
    for use_event in [
        (|list, event| append_wait(list, &[event])) as fn(List, Event) -> _,
        append_signal,
        append_reset,
    ] {
        let list = work.regular();
        let event = create_event(pool, &event_desc(0)).unwrap();
        assert_eq!(use_event(list, event), SUCCESS);
        assert_eq!(append_signal(list, work.events[0]), SUCCESS);
        assert_eq!(close(list), SUCCESS);
        assert_eq!(destroy_event(event), SUCCESS);
        // One that took its place is another.
        let second = create_event(pool, &event_desc(0)).unwrap();
        assert_eq!(execute(queue, &mut [list], null_mut()), SYNCHRONIZATION);
        assert_eq!(status(work.events[0]), NOT_READY);
        assert_eq!(destroy_event(second), SUCCESS);
        assert_eq!(destroy_list(list), SUCCESS);
    }
    assert_eq!(destroy_pool(pool), SUCCESS);
    end(work, queue, &[]);
}

#[test]
fn a_queue_takes_lists_of_its_context_device_and_group() {
    let gpu = Gpu::with(Config::new().devices(2).sub_devices(1));
    let work = Work::with(gpu, VISIBLE, 1);
    let other = create_context(&work.gpu.instance).unwrap();
    let (context, devices) = (work.gpu.context, &work.gpu.devices);
    // SAFETY: the count and the array are what the helper made.
    let sub =
        all(|count, array| unsafe { (api().zeDeviceGetSubDevices)(devices[0], count, array) })[0];
    let queue = work.queue();
    let copies = list_desc_of(1);
    for (list, expected) in [
        (create_regular(context, devices[0], &list_desc()), SUCCESS),
        (create_regular(context, sub, &list_desc()), SUCCESS),
        (create_regular(context, devices[0], &copies), LIST_TYPE),
        (
            create_regular(context, devices[1], &list_desc()),
            INVALID_ARGUMENT,
        ),
        (
            create_regular(other, devices[0], &list_desc()),
            INVALID_ARGUMENT,
        ),
    ] {
        let list = list.unwrap();
        assert_eq!(close(list), SUCCESS);
        assert_eq!(execute(queue, &mut [list], null_mut()), expected);
        assert_eq!(destroy_list(list), SUCCESS);
    }
    assert_eq!(execute(queue, &mut [work.gpu.list], null_mut()), LIST_TYPE);
    assert_eq!(execute(queue, &mut [null_mut()], null_mut()), NULL_HANDLE);
    assert_eq!(
        execute(queue, &mut [handle(16)], null_mut()),
        INVALID_ARGUMENT
    );
    assert_eq!(
        execute(queue, &mut [handle(queue.addr())], null_mut()),
        INVALID_ARGUMENT
    );
    assert_eq!(execute(queue, &mut [], null_mut()), INVALID_SIZE);
    let call = api().zeCommandQueueExecuteCommandLists;
    assert_eq!(
        // SAFETY: null is refused.
        unsafe { call(queue, 1, null_mut(), null_mut()) },
        NULL_POINTER
    );
    assert_eq!(
        execute(null_mut(), &mut [null_mut()], null_mut()),
        NULL_HANDLE
    );
    // The group that only copies.
    let copier = sys::ze_command_queue_desc_t {
        ordinal: 1,
        ..asynchronous_desc()
    };
    let copier = create_queue(context, devices[0], &copier).unwrap();
    let list = create_regular(context, devices[0], &copies).unwrap();
    assert_eq!(append_signal(list, work.events[0]), SUCCESS);
    assert_eq!(close(list), SUCCESS);
    assert_eq!(execute(copier, &mut [list], null_mut()), SUCCESS);
    assert_eq!(wait(work.events[0], FOREVER), SUCCESS);
    assert_eq!(destroy_queue(copier), SUCCESS);
    assert_eq!(destroy_context(other), SUCCESS);
    end(work, queue, &[list]);
}

fn list_desc_of(ordinal: u32) -> sys::ze_command_list_desc_t {
    sys::ze_command_list_desc_t {
        commandQueueGroupOrdinal: ordinal,
        ..list_desc()
    }
}

#[test]
fn copies_come_from_another_context_of_the_driver() {
    let work = Work::new(1);
    let other = Gpu::on(work.gpu.instance.clone());
    let stranger = Gpu::new();
    let to = work.shared(SIZE, 0);
    let from = other.alloc(Kind::Device, SIZE, 0).unwrap();
    assert_eq!(other.fill(from, &[6], SIZE), SUCCESS);
    let copy = |list, to, context, from, size| {
        // SAFETY: the driver checks memory of its own.
        unsafe {
            (api().zeCommandListAppendMemoryCopyFromContext)(
                list,
                to,
                context,
                from,
                size,
                null_mut(),
                0,
                null_mut(),
            )
        }
    };
    let (list, foreign) = (work.gpu.list, other.context);
    let nothing = null_mut();
    assert_eq!(work.gpu.copy(to, from, SIZE), INVALID_ARGUMENT);
    assert_eq!(copy(list, to, foreign, from, SIZE), SUCCESS);
    assert_eq!(work.bytes(to, SIZE), [6; SIZE]);
    for (result, expected) in [
        (copy(nothing, to, foreign, from, SIZE), NULL_HANDLE),
        (copy(list, to, null_mut(), from, SIZE), NULL_HANDLE),
        (
            copy(list, nothing.cast(), foreign, from, SIZE),
            NULL_POINTER,
        ),
        (copy(list, to, foreign, null_mut(), SIZE), NULL_POINTER),
        (copy(list, to, handle(16), from, SIZE), INVALID_ARGUMENT),
        (
            copy(list, to, stranger.context, from, SIZE),
            INVALID_ARGUMENT,
        ),
        (
            copy(list, to, work.gpu.context, from, SIZE),
            INVALID_ARGUMENT,
        ),
        (copy(list, from, foreign, to, SIZE), INVALID_ARGUMENT),
        (copy(list, to, foreign, from, SIZE + 1), INVALID_ARGUMENT),
        (copy(list, to, work.gpu.context, to, 1), OVERLAPPING),
    ] {
        assert_eq!(result, expected);
    }
    assert_eq!(other.free(from), SUCCESS);
    assert_eq!(destroy_list(other.list), SUCCESS);
    assert_eq!(destroy_context(other.context), SUCCESS);
    work.end();
}
