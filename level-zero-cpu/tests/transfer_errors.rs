//! Every error that the header of version 1.4 documents for a transfer, or for a call on lists,
//! queues, fences and events, is produced by it, as is what this driver returns beyond that. None
//! changes anything.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails, as it should"
)]

#[path = "errors/calls.rs"]
mod calls;
#[path = "errors/cases.rs"]
mod cases;
mod commands;
mod errors;
mod setup;
#[path = "errors/world.rs"]
mod world;

use calls::call;
use cases::{CASES, concerns};
use commands::*;
use errors::*;
use setup::*;
use std::ptr::null_mut;
use world::World;

const TABLE: [&str; 42] = [
    "zeCommandListAppendMemoryCopy: NULL_HANDLE NULL_POINTER SYNCHRONIZATION INVALID_SIZE + ARGUMENT OVERLAPPING | UNINIT LOST",
    "zeCommandListAppendMemoryFill: NULL_HANDLE NULL_POINTER SYNCHRONIZATION INVALID_SIZE + ARGUMENT | UNINIT LOST",
    "zeCommandListAppendMemoryCopyRegion: NULL_HANDLE NULL_POINTER OVERLAPPING SYNCHRONIZATION INVALID_SIZE + ARGUMENT | UNINIT LOST",
    "zeCommandListAppendMemoryCopyFromContext: NULL_HANDLE NULL_POINTER SYNCHRONIZATION INVALID_SIZE + ARGUMENT OVERLAPPING | UNINIT LOST",
    "zeCommandListAppendMemoryPrefetch: NULL_HANDLE NULL_POINTER + ARGUMENT | UNINIT LOST",
    "zeCommandListAppendMemAdvise: NULL_HANDLE NULL_POINTER ENUMERATION + ARGUMENT | UNINIT LOST",
    "zeCommandListAppendBarrier: NULL_HANDLE SYNCHRONIZATION INVALID_SIZE + ARGUMENT | UNINIT LOST",
    "zeCommandListAppendMemoryRangesBarrier: NULL_HANDLE NULL_POINTER SYNCHRONIZATION INVALID_SIZE + ARGUMENT | UNINIT LOST",
    "zeCommandListAppendSignalEvent: NULL_HANDLE SYNCHRONIZATION + ARGUMENT | UNINIT LOST",
    "zeCommandListAppendWaitOnEvents: NULL_HANDLE NULL_POINTER SYNCHRONIZATION + ARGUMENT | UNINIT LOST",
    "zeCommandListAppendEventReset: NULL_HANDLE SYNCHRONIZATION + ARGUMENT | UNINIT LOST",
    "zeCommandListAppendWriteGlobalTimestamp: NULL_HANDLE NULL_POINTER SYNCHRONIZATION INVALID_SIZE + ARGUMENT | UNINIT LOST",
    "zeCommandListAppendQueryKernelTimestamps: NULL_HANDLE NULL_POINTER SYNCHRONIZATION INVALID_SIZE + ARGUMENT | UNINIT LOST",
    "zeCommandListCreate: NULL_HANDLE NULL_POINTER ENUMERATION + ARGUMENT | HOST DEVICE UNINIT LOST",
    "zeCommandListCreateImmediate: NULL_HANDLE NULL_POINTER ENUMERATION + ARGUMENT | HOST DEVICE UNINIT LOST",
    "zeCommandListClose: NULL_HANDLE + ARGUMENT LIST_TYPE | UNINIT LOST",
    "zeCommandListReset: NULL_HANDLE + ARGUMENT LIST_TYPE IN_USE | UNINIT LOST",
    "zeCommandListDestroy: NULL_HANDLE IN_USE + ARGUMENT | UNINIT LOST",
    "zeCommandQueueCreate: NULL_HANDLE NULL_POINTER ENUMERATION + ARGUMENT | HOST DEVICE UNINIT LOST",
    "zeCommandQueueDestroy: NULL_HANDLE IN_USE + ARGUMENT | UNINIT LOST",
    "zeCommandQueueExecuteCommandLists: NULL_HANDLE NULL_POINTER INVALID_SIZE LIST_TYPE SYNCHRONIZATION + ARGUMENT | UNINIT LOST",
    "zeCommandQueueSynchronize: NULL_HANDLE NOT_READY + ARGUMENT | UNINIT LOST",
    "zeFenceCreate: NULL_HANDLE NULL_POINTER ENUMERATION + ARGUMENT | HOST DEVICE UNINIT LOST",
    "zeFenceDestroy: NULL_HANDLE IN_USE + ARGUMENT | UNINIT LOST",
    "zeFenceHostSynchronize: NULL_HANDLE SYNCHRONIZATION NOT_READY | UNINIT LOST",
    "zeFenceQueryStatus: NULL_HANDLE SYNCHRONIZATION NOT_READY | UNINIT LOST",
    "zeFenceReset: NULL_HANDLE + ARGUMENT | UNINIT LOST",
    "zeEventPoolCreate: NULL_HANDLE NULL_POINTER ENUMERATION INVALID_SIZE + ARGUMENT | HOST DEVICE UNINIT LOST",
    "zeEventPoolDestroy: NULL_HANDLE IN_USE + ARGUMENT | UNINIT LOST",
    "zeEventPoolGetIpcHandle: NULL_HANDLE NULL_POINTER SYNCHRONIZATION + ARGUMENT FEATURE | UNINIT LOST",
    "zeEventPoolOpenIpcHandle: NULL_HANDLE NULL_POINTER + ARGUMENT FEATURE | UNINIT LOST",
    "zeEventPoolCloseIpcHandle: NULL_HANDLE + ARGUMENT | UNINIT LOST",
    "zeEventCreate: NULL_HANDLE NULL_POINTER ENUMERATION + ARGUMENT | HOST UNINIT LOST",
    "zeEventDestroy: NULL_HANDLE IN_USE + ARGUMENT | UNINIT LOST",
    "zeEventHostSignal: NULL_HANDLE SYNCHRONIZATION | UNINIT LOST",
    "zeEventHostSynchronize: NULL_HANDLE SYNCHRONIZATION NOT_READY | UNINIT LOST",
    "zeEventQueryStatus: NULL_HANDLE SYNCHRONIZATION NOT_READY | UNINIT LOST",
    "zeEventHostReset: NULL_HANDLE SYNCHRONIZATION | UNINIT LOST",
    "zeEventQueryKernelTimestamp: NULL_HANDLE NULL_POINTER SYNCHRONIZATION NOT_READY | UNINIT LOST",
    "zeEventQueryTimestampsExp: NULL_HANDLE NULL_POINTER + ARGUMENT SYNCHRONIZATION | UNINIT LOST",
    "zeContextDestroy: NULL_HANDLE IN_USE + ARGUMENT | UNINIT LOST",
    "zeMemFree: NULL_HANDLE NULL_POINTER + ARGUMENT IN_USE | UNINIT LOST",
];

#[test]
fn errors_are_returned_and_change_nothing() {
    let world = World::new();
    let table = table(&TABLE);
    let lists = [world.immediate, world.open];
    let before = world.shown();
    let mut seen = Seen::default();
    for name in CASES.iter().flat_map(|(names, ..)| names.iter().copied()) {
        assert!(table.iter().any(|row| concerns([name], row.call)), "{name}");
    }
    for list in lists {
        for row in &table {
            for (index, (calls, word, change)) in CASES.iter().enumerate() {
                if !concerns(calls.iter().copied(), row.call) {
                    continue;
                }
                let mut arguments = world.good(list);
                change(&mut arguments, &world);
                let result = call(row.call, arguments);
                assert_eq!(result, code(word), "{}, case {index}", row.call);
                assert_eq!(world.shown(), before, "{}, case {index}", row.call);
                seen.add(row.call, &[result]);
            }
        }
    }
    seen.check(&table);

    // Nor is anything left on the lists that would.
    assert_eq!(sync_list(lists[0], FOREVER), SUCCESS);
    assert_eq!(close(world.open), SUCCESS);
    assert_eq!(execute(world.queue, &mut [world.open], null_mut()), SUCCESS);
    assert_eq!(sync(world.queue, FOREVER), SUCCESS);
    assert_eq!(world.shown(), before);
    world.end();
}

#[test]
fn without_the_change_each_command_is_good() {
    let world = World::new();
    let (list, queue) = (world.open, world.queue);
    for row in table(&TABLE) {
        if !concerns(["WITH_EVENTS", "WITHOUT"], row.call) {
            continue;
        }
        assert_eq!(call(row.call, world.good(list)), SUCCESS, "{}", row.call);
        assert_eq!(close(list), SUCCESS);
        assert_eq!(execute(queue, &mut [list], null_mut()), SUCCESS);
        assert_eq!(sync(queue, FOREVER), SUCCESS, "{}", row.call);
        let signalled = concerns(["WITH_EVENTS"], row.call);
        let expected = if signalled { SUCCESS } else { NOT_READY };
        assert_eq!(status(world.fresh), expected, "{}", row.call);
        assert_eq!(reset(list), SUCCESS);
        assert_eq!(reset_event(world.fresh), SUCCESS);
        assert_eq!(signal(world.done), SUCCESS);
    }
    world.end();
}

#[test]
fn faults_that_are_asked_for_change_nothing() {
    let world = World::new();
    let before = world.shown();
    check_faults(&world.gpu.instance, &table(&TABLE), |name| {
        let result = call(name, world.good(world.open));
        assert_eq!(world.shown(), before, "{name}");
        result
    });
    world.end();
}

#[test]
fn the_table_is_what_the_header_says() {
    check_header(&table(&TABLE));
}
