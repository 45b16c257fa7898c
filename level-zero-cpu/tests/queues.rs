//! Command queues: how they are made, waited for and destroyed, and what a failure does to them.
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails, as it should"
)]

mod commands;
mod setup;

use commands::*;
use level_zero_cpu::api;
use level_zero_sys as sys;
use setup::*;
use std::ptr::{null, null_mut};

#[test]
fn queues_check_their_descriptor() {
    let gpu = Gpu::new();
    let stranger = Gpu::new();
    let good = queue_desc();
    let mut chained = context_desc();
    let next = (&raw mut chained).cast();
    let explicit = sys::ZE_COMMAND_QUEUE_FLAG_EXPLICIT_ONLY;
    let desc = |ordinal, index, flags| sys::ze_command_queue_desc_t {
        ordinal,
        index,
        flags,
        ..good
    };
    for (bad, expected) in [
        (desc(0, 0, 2), INVALID_ENUMERATION),
        (
            sys::ze_command_queue_desc_t {
                mode: sys::_ze_command_queue_mode_t(3),
                ..good
            },
            INVALID_ENUMERATION,
        ),
        (
            sys::ze_command_queue_desc_t {
                priority: sys::_ze_command_queue_priority_t(3),
                ..good
            },
            INVALID_ENUMERATION,
        ),
        (desc(2, 0, 0), INVALID_ARGUMENT),
        (desc(0, 4, explicit), INVALID_ARGUMENT),
        (desc(1, 2, explicit), INVALID_ARGUMENT),
        // Another than the first is for those who say that they mean it.
        (desc(0, 1, 0), INVALID_ARGUMENT),
        (
            sys::ze_command_queue_desc_t {
                pNext: next,
                ..good
            },
            INVALID_ARGUMENT,
        ),
        (
            sys::ze_command_queue_desc_t {
                stype: chained.stype,
                ..good
            },
            INVALID_ARGUMENT,
        ),
    ] {
        assert_eq!(create_queue(gpu.context, gpu.device(), &bad), Err(expected));
        let list = create_list_with(gpu.context, gpu.device(), &bad);
        assert_eq!(list, Err(expected));
    }
    let make = |context, device| create_queue(context, device, &good);
    assert_eq!(make(null_mut(), gpu.device()), Err(NULL_HANDLE));
    assert_eq!(make(gpu.context, null_mut()), Err(NULL_HANDLE));
    assert_eq!(make(gpu.context, stranger.device()), Err(INVALID_ARGUMENT));
    let create = api().zeCommandQueueCreate;
    let (context, device, mut queue) = (gpu.context, gpu.device(), null_mut());
    // SAFETY: null is refused.
    let result = unsafe { create(context, device, null(), &raw mut queue) };
    assert_eq!(result, NULL_POINTER);
    // SAFETY: null is refused.
    let result = unsafe { create(context, device, &raw const good, null_mut()) };
    assert_eq!(result, NULL_POINTER);
    assert_eq!(gpu.instance.ledger().command_queues, 0);

    for (ordinal, queues) in [(0, 4), (1, 2)] {
        for index in 0..queues {
            let queue = create_queue(context, device, &desc(ordinal, index, explicit)).unwrap();
            assert_eq!(gpu.instance.ledger().command_queues, 1);
            assert!(!gpu.instance.ledger().is_empty());
            assert_eq!(destroy_context(context), IN_USE);
            assert_eq!(sync(queue, 0), SUCCESS);
            assert_eq!(sync(queue, FOREVER), SUCCESS);
            assert_eq!(destroy_queue(queue), SUCCESS);
            assert_eq!(destroy_queue(queue), INVALID_ARGUMENT);
            assert_eq!(sync(queue, 0), INVALID_ARGUMENT);
        }
    }
    assert_eq!(destroy_queue(null_mut()), NULL_HANDLE);
    assert_eq!(sync(null_mut(), 0), NULL_HANDLE);
    assert!(gpu.end().is_empty());
}

#[test]
fn a_synchronous_queue_is_done_when_execute_returns_and_others_not() {
    let work = Work::new(1);
    let modes = [
        sys::ZE_COMMAND_QUEUE_MODE_SYNCHRONOUS,
        sys::ZE_COMMAND_QUEUE_MODE_ASYNCHRONOUS,
        sys::ZE_COMMAND_QUEUE_MODE_DEFAULT,
    ];
    let memory = work.shared(1000, 0);
    for mode in modes {
        let desc = sys::ze_command_queue_desc_t {
            mode,
            ..queue_desc()
        };
        let queue = create_queue(work.gpu.context, work.gpu.device(), &desc).unwrap();
        let list = work.regular();
        let synchronous = mode == sys::ZE_COMMAND_QUEUE_MODE_SYNCHRONOUS;
        let waits = if synchronous { &[][..] } else { &work.events };
        let with = With(null_mut(), waits);
        assert_eq!(with.fill(list, memory, &[5], 1000), SUCCESS);
        assert_eq!(close(list), SUCCESS);
        assert_eq!(execute(queue, &mut [list], null_mut()), SUCCESS);
        if synchronous {
            assert_eq!(sync(queue, 0), SUCCESS);
        } else {
            assert_eq!(sync(queue, 0), NOT_READY);
            assert_eq!(work.gpu.instance.ledger().pending, 1);
            assert_eq!(signal(work.events[0]), SUCCESS);
            assert_eq!(sync(queue, FOREVER), SUCCESS);
            assert_eq!(reset_event(work.events[0]), SUCCESS);
        }
        assert_eq!(work.bytes(memory, 1000), [5; 1000]);
        assert_eq!(work.gpu.fill(memory, &[0], 1000), SUCCESS);
        assert_eq!(destroy_list(list), SUCCESS);
        assert_eq!(destroy_queue(queue), SUCCESS);
    }
    work.end();
}

/// Appends a command that is sound when appended and fails when it is executed: its result is to go
/// to an offset past the end.
fn append_failure(list: List, event: Event, target: *mut std::ffi::c_void, offset: &usize) {
    let mut events = [event];
    // SAFETY: memory of the driver; the offset outlives the command.
    let result = unsafe {
        (api().zeCommandListAppendQueryKernelTimestamps)(
            list,
            1,
            events.as_mut_ptr(),
            target,
            offset,
            null_mut(),
            0,
            null_mut(),
        )
    };
    assert_eq!(result, SUCCESS);
}

#[test]
fn a_failure_ends_the_queue_and_lets_nobody_wait() {
    let work = Work::with(Gpu::new(), TIMED, 4);
    let [gate, before, after, timed] = work.events[..] else {
        unreachable!()
    };
    let memory = work.shared(64, 0);
    let offset = 64;
    let (queue, list) = (work.queue(), work.regular());
    assert_eq!(With(before, &[gate]).fill(list, memory, &[1], 1), SUCCESS);
    append_failure(list, timed, memory, &offset);
    let next = memory.wrapping_byte_add(1);
    assert_eq!(
        With(null_mut(), &[timed]).fill(list, next, &[2], 1),
        SUCCESS
    );
    assert_eq!(append_signal(list, after), SUCCESS);
    assert_eq!(close(list), SUCCESS);
    let fence = create_fence(queue, &fence_desc(0)).unwrap();
    let later = work.regular();
    assert_eq!(With(before, &[gate]).fill(later, memory, &[3], 1), SUCCESS);
    assert_eq!(close(later), SUCCESS);
    assert_eq!(execute(queue, &mut [list], fence), SUCCESS);
    assert_eq!(execute(queue, &mut [later], null_mut()), SUCCESS);
    assert_eq!(sync(queue, 0), NOT_READY);
    assert_eq!(signal(gate), SUCCESS);
    // The event that nobody would signal any more, and is not waited for.
    assert_eq!(wait(after, FOREVER), SUCCESS);
    assert_eq!(sync(queue, FOREVER), INVALID_ARGUMENT);
    assert_eq!(sync(queue, 0), INVALID_ARGUMENT);
    assert_eq!(wait_fence(fence, FOREVER), INVALID_ARGUMENT);
    assert_eq!(fence_status(fence), INVALID_ARGUMENT);
    assert_eq!(status(before), SUCCESS);
    assert_eq!(work.bytes(memory, 2), [1, 0]);
    assert_eq!(execute(queue, &mut [list], null_mut()), INVALID_ARGUMENT);
    assert_eq!(destroy_list(later), SUCCESS);
    assert_eq!(work.gpu.instance.ledger().pending, 0);
    assert_eq!(destroy_fence(fence), SUCCESS);
    assert_eq!(destroy_queue(queue), SUCCESS);

    // Other queues go on; this one is an immediate list.
    let failing = work.immediate();
    append_failure(failing, timed, memory, &offset);
    assert_eq!(sync_list(failing, FOREVER), INVALID_ARGUMENT);
    assert_eq!(ALONE.barrier(failing), INVALID_ARGUMENT);
    assert_eq!(destroy_list(failing), SUCCESS);
    // On a synchronous one the call itself says so.
    let mut events = [timed];
    // SAFETY: as in `append_failure`.
    let result = unsafe {
        (api().zeCommandListAppendQueryKernelTimestamps)(
            work.gpu.list,
            1,
            events.as_mut_ptr(),
            memory,
            &raw const offset,
            null_mut(),
            0,
            null_mut(),
        )
    };
    assert_eq!(result, INVALID_ARGUMENT);
    assert_eq!(ALONE.barrier(work.gpu.list), INVALID_ARGUMENT);
    assert_eq!(destroy_list(list), SUCCESS);
    assert_eq!(work.gpu.free(memory), SUCCESS);
    work.end();
}

#[test]
fn a_queue_waits_for_what_was_given_before() {
    let work = Work::new(2);
    let queue = work.queue();
    let lists = [work.regular(), work.regular()];
    for (list, event) in lists.iter().zip(&work.events) {
        assert_eq!(append_wait(*list, &[*event]), SUCCESS);
        assert_eq!(close(*list), SUCCESS);
    }
    assert_eq!(execute(queue, &mut [lists[0]], null_mut()), SUCCESS);
    std::thread::scope(|scope| {
        let address = queue.addr();
        let thread = scope.spawn(move || sync(handle(address), FOREVER));
        // What comes later may wait for as long as it likes.
        assert_eq!(signal(work.events[0]), SUCCESS);
        assert_eq!(thread.join().unwrap(), SUCCESS);
    });
    assert_eq!(execute(queue, &mut [lists[1]], null_mut()), SUCCESS);
    assert_eq!(sync(queue, SHORT), NOT_READY);
    assert_eq!(signal(work.events[1]), SUCCESS);
    assert_eq!(sync(queue, FOREVER), SUCCESS);
    for list in lists {
        assert_eq!(destroy_list(list), SUCCESS);
    }
    assert_eq!(destroy_queue(queue), SUCCESS);
    work.end();
}

#[test]
fn a_list_is_executed_again_when_it_is_done_and_not_before() {
    let work = Work::new(2);
    let [gate, done] = work.events[..] else {
        unreachable!()
    };
    let (queue, other) = (work.queue(), work.queue());
    let list = work.regular();
    assert_eq!(With(done, &[gate]).barrier(list), SUCCESS);
    assert_eq!(close(list), SUCCESS);
    let fence = create_fence(other, &fence_desc(sys::ZE_FENCE_FLAG_SIGNALED)).unwrap();
    for _ in 0..100 {
        // Twice in one call is one submission.
        assert_eq!(execute(queue, &mut [list, list], null_mut()), SUCCESS);
        for queue in [queue, other] {
            assert_eq!(execute(queue, &mut [list], null_mut()), IN_USE);
        }
        assert_eq!(execute(other, &mut [list], fence), IN_USE);
        // What is refused leaves the fence as it was.
        assert_eq!(fence_status(fence), SUCCESS);
        assert_eq!(signal(gate), SUCCESS);
        assert_eq!(sync(queue, FOREVER), SUCCESS);
        assert_eq!(reset_event(gate), SUCCESS);
        assert_eq!(reset_event(done), SUCCESS);
        // Whoever sees what the list signals may execute it again at once.
        assert_eq!(execute(other, &mut [list], null_mut()), SUCCESS);
        assert_eq!(signal(gate), SUCCESS);
        assert_eq!(wait(done, FOREVER), SUCCESS);
        assert_eq!(execute(other, &mut [list], null_mut()), SUCCESS);
        assert_eq!(sync(other, FOREVER), SUCCESS);
        assert_eq!(reset_event(gate), SUCCESS);
        assert_eq!(reset_event(done), SUCCESS);
    }
    assert_eq!(destroy_list(list), SUCCESS);
    assert_eq!(destroy_fence(fence), SUCCESS);
    for queue in [queue, other] {
        assert_eq!(destroy_queue(queue), SUCCESS);
    }
    work.end();
}
