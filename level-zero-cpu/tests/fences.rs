//! Fences: what they say of the executions they were given to.
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
fn fences_check_their_descriptor() {
    let work = Work::new(1);
    let queue = work.queue();
    let good = fence_desc(0);
    let mut chained = context_desc();
    let next = (&raw mut chained).cast();
    for (bad, expected) in [
        (
            sys::ze_fence_desc_t { flags: 2, ..good },
            INVALID_ENUMERATION,
        ),
        (
            sys::ze_fence_desc_t {
                pNext: next,
                ..good
            },
            INVALID_ARGUMENT,
        ),
        (
            sys::ze_fence_desc_t {
                stype: chained.stype,
                ..good
            },
            INVALID_ARGUMENT,
        ),
    ] {
        assert_eq!(create_fence(queue, &bad), Err(expected));
    }
    assert_eq!(create_fence(null_mut(), &good), Err(NULL_HANDLE));
    assert_eq!(create_fence(handle(16), &good), Err(INVALID_ARGUMENT));
    let mut fence = null_mut();
    let create = api().zeFenceCreate;
    assert_eq!(
        // SAFETY: null is refused.
        unsafe { create(queue, null(), &raw mut fence) },
        NULL_POINTER
    );
    assert_eq!(
        // SAFETY: null is refused.
        unsafe { create(queue, &raw const good, null_mut()) },
        NULL_POINTER
    );
    assert_eq!(work.gpu.instance.ledger().fences, 0);
    assert_eq!(destroy_queue(queue), SUCCESS);
    work.end();
}

#[test]
fn fences_begin_as_they_are_told_and_are_reset() {
    let work = Work::new(1);
    let queue = work.queue();
    let plain = create_fence(queue, &fence_desc(0)).unwrap();
    let signalled = create_fence(queue, &fence_desc(sys::ZE_FENCE_FLAG_SIGNALED)).unwrap();
    assert_eq!(fence_status(plain), NOT_READY);
    assert_eq!(wait_fence(plain, 1000), NOT_READY);
    assert_eq!(fence_status(signalled), SUCCESS);
    assert_eq!(wait_fence(signalled, FOREVER), SUCCESS);
    assert_eq!(reset_fence(signalled), SUCCESS);
    assert_eq!(fence_status(signalled), NOT_READY);
    assert_eq!(work.gpu.instance.ledger().fences, 2);
    // A queue does not go before its fences.
    assert_eq!(destroy_queue(queue), IN_USE);
    assert_eq!(destroy_fence(plain), SUCCESS);
    assert_eq!(destroy_fence(signalled), SUCCESS);
    assert_eq!(destroy_queue(queue), SUCCESS);
    for (bad, expected, plain_expected) in [
        (null_mut(), NULL_HANDLE, NULL_HANDLE),
        (plain, SYNCHRONIZATION, INVALID_ARGUMENT),
        (handle(work.pool.addr()), SYNCHRONIZATION, INVALID_ARGUMENT),
    ] {
        assert_eq!(fence_status(bad), expected);
        assert_eq!(wait_fence(bad, 0), expected);
        assert_eq!(reset_fence(bad), plain_expected);
        assert_eq!(destroy_fence(bad), plain_expected);
    }
    work.end();
}

#[test]
fn a_fence_is_signalled_when_its_execution_is_done_and_not_before() {
    let work = Work::new(1);
    let queue = work.queue();
    let list = work.regular();
    let empty = work.regular();
    assert_eq!(append_wait(list, &work.events), SUCCESS);
    assert_eq!(close(list), SUCCESS);
    assert_eq!(close(empty), SUCCESS);
    // It was signalled, which says nothing of the execution.
    let fence = create_fence(queue, &fence_desc(sys::ZE_FENCE_FLAG_SIGNALED)).unwrap();
    for round in 0..3 {
        assert_eq!(execute(queue, &mut [list], fence), SUCCESS);
        // The fence comes after all lists of its call, also those without commands.
        assert_eq!(execute(queue, &mut [empty, empty], fence), SUCCESS);
        assert_eq!(fence_status(fence), NOT_READY, "{round}");
        assert_eq!(wait_fence(fence, SHORT), NOT_READY);
        assert_eq!(destroy_fence(fence), IN_USE);
        assert_eq!(signal(work.events[0]), SUCCESS);
        assert_eq!(wait_fence(fence, FOREVER), SUCCESS);
        assert_eq!(sync(queue, FOREVER), SUCCESS);
        assert_eq!(reset_event(work.events[0]), SUCCESS);
    }
    assert_eq!(reset_fence(fence), SUCCESS);
    assert_eq!(execute(queue, &mut [empty], fence), SUCCESS);
    assert_eq!(wait_fence(fence, FOREVER), SUCCESS);
    assert_eq!(destroy_fence(fence), SUCCESS);
    assert_eq!(destroy_queue(queue), SUCCESS);
    assert_eq!(destroy_list(list), SUCCESS);
    assert_eq!(destroy_list(empty), SUCCESS);
    work.end();
}

#[test]
fn a_fence_is_for_its_queue() {
    let work = Work::new(1);
    let (queue, other) = (work.queue(), work.queue());
    let list = work.regular();
    assert_eq!(append_signal(list, work.events[0]), SUCCESS);
    assert_eq!(close(list), SUCCESS);
    let fence = create_fence(other, &fence_desc(0)).unwrap();
    for bad in [fence, handle(16), handle(queue.addr())] {
        assert_eq!(execute(queue, &mut [list], bad), SYNCHRONIZATION);
    }
    assert_eq!(sync(queue, FOREVER), SUCCESS);
    assert_eq!(status(work.events[0]), NOT_READY);
    assert_eq!(fence_status(fence), NOT_READY);
    assert_eq!(destroy_fence(fence), SUCCESS);
    for queue in [queue, other] {
        assert_eq!(destroy_queue(queue), SUCCESS);
    }
    assert_eq!(destroy_list(list), SUCCESS);
    work.end();
}

#[test]
fn a_wait_for_a_fence_ends_with_it_and_misses_no_signal() {
    let work = Work::new(1);
    let queue = work.queue();
    let empty = work.regular();
    assert_eq!(close(empty), SUCCESS);
    let fence = create_fence(queue, &fence_desc(0)).unwrap();
    let waiting = |timeout| {
        let address = fence.addr();
        std::thread::spawn(move || wait_fence(handle(address), timeout))
    };
    // Signalled, and reset at once.
    let waits: Vec<_> = (0..4).map(|_| waiting(FOREVER)).collect();
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(execute(queue, &mut [empty], fence), SUCCESS);
    assert_eq!(sync(queue, FOREVER), SUCCESS);
    assert_eq!(reset_fence(fence), SUCCESS);
    for thread in waits {
        assert_eq!(thread.join().unwrap(), SUCCESS);
    }
    assert_eq!(fence_status(fence), NOT_READY);
    let thread = waiting(FOREVER);
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(destroy_fence(fence), SUCCESS);
    assert_eq!(thread.join().unwrap(), SYNCHRONIZATION);
    assert_eq!(destroy_queue(queue), SUCCESS);
    assert_eq!(destroy_list(empty), SUCCESS);
    work.end();
}
