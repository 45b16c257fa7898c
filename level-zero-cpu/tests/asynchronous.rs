//! Work on the driver's own threads: in order, when its events are there, and beside the host.
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
use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const SIZE: usize = 5000;

#[test]
fn a_gated_copy_moves_nothing_before_the_signal_and_what_is_there_then() {
    let work = Work::new(2);
    let (to, from) = (work.shared(SIZE, 1), work.shared(SIZE, 2));
    let list = work.immediate();
    let [gate, done] = work.events[..] else {
        unreachable!()
    };
    assert_eq!(With(done, &[gate]).copy(list, to, from, SIZE), SUCCESS);
    assert_eq!(wait(done, SHORT), NOT_READY);
    assert_eq!(sync_list(list, SHORT), NOT_READY);
    assert_eq!(work.gpu.instance.ledger().pending, 1);
    assert_eq!(work.bytes(to, SIZE), [1; SIZE]);
    // The source may still be changed: it is read when the copy is executed.
    assert_eq!(work.gpu.fill(from, &[3], SIZE), SUCCESS);
    assert_eq!(signal(gate), SUCCESS);
    assert_eq!(wait(done, FOREVER), SUCCESS);
    assert_eq!(work.gpu.instance.ledger().pending, 0);
    assert_eq!(work.bytes(to, SIZE), [3; SIZE]);
    assert_eq!(sync_list(list, FOREVER), SUCCESS);
    assert_eq!(destroy_list(list), SUCCESS);
    work.end();
}

#[test]
fn every_command_waits_for_its_events_and_signals_its_own() {
    let work = Work::with(Gpu::new(), TIMED, 3);
    let [gate, done, timed] = work.events[..] else {
        unreachable!()
    };
    assert_eq!(signal(timed), SUCCESS);
    let (to, from) = (work.shared(SIZE, 1), work.shared(SIZE, 2));
    let region = sys::ze_copy_region_t {
        originX: 0,
        originY: 0,
        originZ: 0,
        width: 4,
        height: 1,
        depth: 0,
    };
    let context = work.gpu.context;
    let mut waits = [gate];
    let waits = waits.as_mut_ptr();
    type Append<'a> = Box<dyn Fn(List) -> sys::ze_result_t + 'a>;
    let mut timed_events = [timed];
    let timed_events = timed_events.as_mut_ptr();
    let sizes = [SIZE];
    let mut ranges = [to.cast_const()];
    let ranges = ranges.as_mut_ptr();
    let all: [Append<'_>; 8] = [
        Box::new(|list| With(done, &[gate]).copy(list, to, from, SIZE)),
        Box::new(|list| With(done, &[gate]).fill(list, to, &[7; 4], SIZE)),
        Box::new(|list| With(done, &[gate]).barrier(list)),
        // SAFETY: memory of the driver and arrays that outlive the commands.
        Box::new(|list| unsafe {
            (api().zeCommandListAppendMemoryCopyRegion)(
                list, to, &region, 4, 0, from, &region, 4, 0, done, 1, waits,
            )
        }),
        // SAFETY: as above.
        Box::new(|list| unsafe {
            (api().zeCommandListAppendMemoryCopyFromContext)(
                list, to, context, from, SIZE, done, 1, waits,
            )
        }),
        // SAFETY: as above.
        Box::new(|list| unsafe {
            (api().zeCommandListAppendMemoryRangesBarrier)(
                list,
                1,
                sizes.as_ptr(),
                ranges,
                done,
                1,
                waits,
            )
        }),
        // SAFETY: as above.
        Box::new(|list| unsafe {
            (api().zeCommandListAppendWriteGlobalTimestamp)(list, to.cast(), done, 1, waits)
        }),
        // SAFETY: as above.
        Box::new(|list| unsafe {
            (api().zeCommandListAppendQueryKernelTimestamps)(
                list,
                1,
                timed_events,
                to,
                null(),
                done,
                1,
                waits,
            )
        }),
    ];
    let list = work.immediate();
    let queue = work.queue();
    for (index, append) in all.iter().enumerate() {
        for regular in [false, true] {
            assert_eq!(work.gpu.fill(to, &[1], SIZE), SUCCESS);
            let recorded = work.regular();
            if regular {
                assert_eq!(append(recorded), SUCCESS, "{index}");
                assert_eq!(close(recorded), SUCCESS);
                assert_eq!(execute(queue, &mut [recorded], null_mut()), SUCCESS);
            } else {
                assert_eq!(append(list), SUCCESS, "{index}");
            }
            assert_eq!(wait(done, SHORT), NOT_READY, "{index}");
            assert_eq!(work.bytes(to, SIZE), [1; SIZE], "{index}");
            // Events and memory of a command that is queued cannot be taken away.
            assert_eq!(destroy_event(gate), IN_USE);
            assert_eq!(destroy_event(done), IN_USE);
            let is_barrier = index == 2;
            if !is_barrier {
                assert_eq!(work.gpu.free(to), IN_USE);
            }
            assert_eq!(signal(gate), SUCCESS);
            assert_eq!(wait(done, FOREVER), SUCCESS);
            let changed = work.bytes(to, SIZE) != [1; SIZE];
            assert_eq!(changed, !matches!(index, 2 | 5), "{index}");
            assert_eq!(reset_event(gate), SUCCESS);
            assert_eq!(reset_event(done), SUCCESS);
            assert_eq!(destroy_list(recorded), SUCCESS);
        }
    }
    assert_eq!(destroy_list(list), SUCCESS);
    assert_eq!(destroy_queue(queue), SUCCESS);
    assert_eq!(work.gpu.free(to), SUCCESS);
    work.end();
}

#[test]
fn hints_keep_their_place_and_their_memory() {
    let work = Work::new(1);
    let memory = work.shared(SIZE, 1);
    let list = work.immediate();
    assert_eq!(append_wait(list, &work.events), SUCCESS);
    // SAFETY: the driver checks the range.
    let hint = unsafe { (api().zeCommandListAppendMemoryPrefetch)(list, memory, SIZE) };
    assert_eq!(hint, SUCCESS);
    let advice = sys::ZE_MEMORY_ADVICE_SET_READ_MOSTLY;
    let device = work.gpu.device();
    // SAFETY: as above.
    let hint = unsafe { (api().zeCommandListAppendMemAdvise)(list, device, memory, SIZE, advice) };
    assert_eq!(hint, SUCCESS);
    assert_eq!(work.gpu.instance.ledger().pending, 3);
    assert_eq!(work.gpu.free(memory), IN_USE);
    assert_eq!(signal(work.events[0]), SUCCESS);
    assert_eq!(sync_list(list, FOREVER), SUCCESS);
    assert_eq!(work.gpu.free(memory), SUCCESS);
    assert_eq!(destroy_list(list), SUCCESS);
    work.end();
}

#[test]
fn the_host_goes_on_while_a_long_list_runs() {
    let work = Work::new(3);
    let [gate, begun, ended] = work.events[..] else {
        unreachable!()
    };
    let size = 16 << 20;
    let (to, from) = (work.shared(size, 1), work.shared(size, 2));
    let list = work.immediate();
    assert_eq!(With(begun, &[gate]).copy(list, to, from, size), SUCCESS);
    // Far more work than the looks at it take.
    for _ in 0..30 {
        assert_eq!(ALONE.copy(list, to, from, size), SUCCESS);
        assert_eq!(ALONE.copy(list, from, to, size), SUCCESS);
    }
    assert_eq!(append_signal(list, ended), SUCCESS);
    assert_eq!(signal(gate), SUCCESS);
    assert_eq!(wait(begun, FOREVER), SUCCESS);
    assert_eq!(status(ended), NOT_READY);
    assert_eq!(sync_list(list, 0), NOT_READY);
    assert_eq!(destroy_list(list), IN_USE);
    assert_eq!(wait(ended, FOREVER), SUCCESS);
    assert_eq!(destroy_list(list), SUCCESS);
    work.end();
}

#[test]
fn queues_wait_for_each_other_in_both_directions() {
    let work = Work::new(200);
    let (one, other) = (work.immediate(), work.immediate());
    let memory = work.shared(SIZE, 0);
    // Each step adds to what the step before left: fill, by turns, the next byte.
    for (step, pair) in work.events.windows(2).enumerate() {
        let list = if step % 2 == 0 { one } else { other };
        let from = memory.wrapping_byte_add(step);
        let with = With(pair[1], &pair[..1]);
        let result = with.copy(list, memory.wrapping_byte_add(step + 1), from, 1);
        assert_eq!(result, SUCCESS);
    }
    assert_eq!(work.gpu.fill(memory, &[9], 1), SUCCESS);
    assert_eq!(signal(work.events[0]), SUCCESS);
    assert_eq!(wait(work.events[199], FOREVER), SUCCESS);
    assert_eq!(work.bytes(memory, 201), [vec![9; 200], vec![0]].concat());
    for list in [one, other] {
        assert_eq!(sync_list(list, FOREVER), SUCCESS);
        assert_eq!(destroy_list(list), SUCCESS);
    }
    work.end();
}

#[test]
fn a_thousand_queues_that_wait_leave_threads_for_others() {
    let work = Work::new(2);
    let memory = work.shared(SIZE, 0);
    let lists: Vec<_> = (0..1000).map(|_| work.immediate()).collect();
    for (index, list) in lists.iter().enumerate() {
        let target = memory.wrapping_byte_add(index);
        let with = With(null_mut(), &work.events[..1]);
        assert_eq!(with.fill(*list, target, &[5], 1), SUCCESS);
    }
    // All wait; this one runs.
    let free = work.immediate();
    let target = memory.wrapping_byte_add(1000);
    let with = With(work.events[1], &[]);
    assert_eq!(with.fill(free, target, &[6], 1), SUCCESS);
    assert_eq!(wait(work.events[1], FOREVER), SUCCESS);
    let before = work.bytes(memory, 1001);
    assert_eq!(before, [vec![0; 1000], vec![6]].concat());
    assert_eq!(signal(work.events[0]), SUCCESS);
    for list in &lists {
        assert_eq!(sync_list(*list, FOREVER), SUCCESS);
        assert_eq!(destroy_list(*list), SUCCESS);
    }
    assert_eq!(destroy_list(free), SUCCESS);
    assert_eq!(work.bytes(memory, 1001), [vec![5; 1000], vec![6]].concat());
    work.end();
}

/// Copies and fills between buffers, on several lists and queues, each after those before that
/// touch the same buffers: the result is that of doing them one by one.
fn random_graph(seed: u64, gated: bool) {
    const BUFFERS: usize = 6;
    const LEN: usize = 600;
    const STEPS: usize = 150;
    let mut random = Random::new(seed);
    let work = Work::new(u32::try_from(STEPS + 1).unwrap());
    let gate = work.events[STEPS];
    let lists: Vec<_> = (0..4).map(|_| work.immediate()).collect();
    let queue = work.queue();
    let mut regular = Vec::new();
    let memory: Vec<_> = (0..BUFFERS)
        .map(|index| work.gpu.alloc(KINDS[index % 3], LEN, 0).unwrap())
        .collect();
    let mut model: Vec<Vec<u8>> = Vec::new();
    for pointer in &memory {
        let bytes = random.bytes(LEN);
        work.gpu.upload(*pointer, &bytes);
        model.push(bytes);
    }
    // The last step that touched each buffer.
    let mut last = [None; BUFFERS];
    for step in 0..STEPS {
        let to = random.below(BUFFERS);
        let from = (to + 1 + random.below(BUFFERS - 1)) % BUFFERS;
        let len = 1 + random.below(LEN - 1);
        let (into, out_of) = (random.below(LEN - len), random.below(LEN - len));
        let fill = random.below(3) == 0;
        let used = if fill { vec![to] } else { vec![to, from] };
        let mut waits: Vec<_> = used
            .iter()
            .filter_map(|buffer| last[*buffer])
            .map(|step: usize| work.events[step])
            .collect();
        if gated {
            waits.push(gate);
        }
        let with = With(work.events[step], &waits);
        let on_queue = random.below(5) == 0;
        let list = if on_queue {
            regular.push(work.regular());
            *regular.last().unwrap()
        } else {
            lists[random.below(lists.len())]
        };
        let target = memory[to].wrapping_byte_add(into);
        if fill {
            let byte = random.bytes(1);
            assert_eq!(with.fill(list, target, &byte, len), SUCCESS);
            model[to][into..into + len].fill(byte[0]);
        } else {
            let source = memory[from].wrapping_byte_add(out_of);
            assert_eq!(with.copy(list, target, source, len), SUCCESS);
            let bytes = model[from][out_of..out_of + len].to_vec();
            model[to][into..into + len].copy_from_slice(&bytes);
        }
        if on_queue {
            assert_eq!(close(list), SUCCESS);
            assert_eq!(execute(queue, &mut [list], null_mut()), SUCCESS);
        }
        for buffer in used {
            last[buffer] = Some(step);
        }
    }
    if gated {
        assert_eq!(signal(gate), SUCCESS);
    }
    for event in &work.events[..STEPS] {
        assert_eq!(wait(*event, FOREVER), SUCCESS);
    }
    for (pointer, expected) in memory.iter().zip(&model) {
        assert!(work.bytes(*pointer, LEN) == *expected, "seed {seed}");
        assert_eq!(work.gpu.free(*pointer), SUCCESS);
    }
    assert_eq!(sync(queue, FOREVER), SUCCESS);
    for list in lists.into_iter().chain(regular) {
        assert_eq!(destroy_list(list), SUCCESS);
    }
    assert_eq!(destroy_queue(queue), SUCCESS);
    work.end();
}

#[test]
fn any_graph_of_commands_gives_what_one_thread_gives() {
    for seed in 1..=10 {
        random_graph(seed, seed % 2 == 0);
    }
}

#[test]
fn threads_submit_to_their_queues_at_once() {
    let work = Work::new(8);
    thread::scope(|scope| {
        for thread in 0..4_u8 {
            let work = &work;
            scope.spawn(move || {
                let list = work.immediate();
                let queue = work.queue();
                let fence = create_fence(queue, &fence_desc(0)).unwrap();
                let events = &work.events[usize::from(thread) * 2..][..2];
                let memory = work.gpu.alloc(Kind::Device, SIZE, 0).unwrap();
                let mut own = vec![0_u8; SIZE];
                for round in 0..25 {
                    let byte = thread * 25 + round;
                    let first = With(events[0], &[]);
                    assert_eq!(first.fill(list, memory, &[byte, 1], SIZE), SUCCESS);
                    let recorded = work.regular();
                    let second = With(events[1], &events[..1]);
                    let target = own.as_mut_ptr().cast::<c_void>();
                    assert_eq!(second.copy(recorded, target, memory, SIZE), SUCCESS);
                    assert_eq!(close(recorded), SUCCESS);
                    assert_eq!(execute(queue, &mut [recorded], fence), SUCCESS);
                    let result = if round % 2 == 0 {
                        wait(events[1], FOREVER)
                    } else {
                        wait_fence(fence, FOREVER)
                    };
                    assert_eq!(result, SUCCESS);
                    assert_eq!(own, [byte, 1].repeat(SIZE / 2));
                    assert_eq!(sync(queue, FOREVER), SUCCESS);
                    assert_eq!(destroy_list(recorded), SUCCESS);
                    for event in events {
                        assert_eq!(reset_event(*event), SUCCESS);
                    }
                }
                assert_eq!(work.gpu.free(memory), SUCCESS);
                assert_eq!(destroy_fence(fence), SUCCESS);
                assert_eq!(destroy_queue(queue), SUCCESS);
                assert_eq!(destroy_list(list), SUCCESS);
            });
        }
    });
    work.end();
}

#[test]
fn threads_share_one_queue() {
    let work = Work::new(1);
    let queues = [
        work.queue(),
        create_queue(work.gpu.context, work.gpu.device(), &queue_desc()).unwrap(),
    ];
    let memory = work.shared(SIZE, 0);
    for queue in queues {
        let queue = queue.addr();
        thread::scope(|scope| {
            for thread in 0..3 {
                let work = &work;
                let memory = memory.wrapping_byte_add(thread * 100).addr();
                scope.spawn(move || {
                    let queue: Queue = handle(queue);
                    let memory = std::ptr::with_exposed_provenance_mut(memory);
                    let lists: Vec<_> = (0..50).map(|_| work.regular()).collect();
                    for &list in &lists {
                        assert_eq!(ALONE.fill(list, memory, &[3, 4], 100), SUCCESS);
                        assert_eq!(close(list), SUCCESS);
                        assert_eq!(execute(queue, &mut [list, list], null_mut()), SUCCESS);
                    }
                    assert_eq!(sync(queue, FOREVER), SUCCESS);
                    for list in lists {
                        assert_eq!(destroy_list(list), SUCCESS);
                    }
                });
            }
        });
    }
    assert_eq!(work.bytes(memory, 300), [3, 4].repeat(150));
    for queue in queues {
        assert_eq!(destroy_queue(queue), SUCCESS);
    }
    work.end();
}

#[test]
fn a_synchronous_list_waits_for_its_events() {
    let work = Work::new(1);
    let memory = work.shared(SIZE, 1);
    let signalled = AtomicBool::new(false);
    thread::scope(|scope| {
        let (work, signalled) = (&work, &signalled);
        scope.spawn(move || {
            thread::sleep(Duration::from_millis(5));
            signalled.store(true, Ordering::SeqCst);
            assert_eq!(signal(work.events[0]), SUCCESS);
        });
        let with = With(null_mut(), &work.events);
        assert_eq!(with.fill(work.gpu.list, memory, &[8], SIZE), SUCCESS);
        assert!(signalled.load(Ordering::SeqCst));
    });
    assert_eq!(work.bytes(memory, SIZE), [8; SIZE]);
    work.end();
}

fn free_ext(work: &Work, policy: u32, pointer: *mut c_void) -> sys::ze_result_t {
    let desc = sys::ze_memory_free_ext_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_MEMORY_FREE_EXT_DESC,
        pNext: null(),
        freePolicy: policy,
    };
    // SAFETY: the driver checks the pointer.
    unsafe { (api().zeMemFreeExt.unwrap())(work.gpu.context, &raw const desc, pointer) }
}

#[test]
fn memory_of_queued_work_is_freed_by_no_policy_before_its_end() {
    let blocking = sys::ZE_DRIVER_MEMORY_FREE_POLICY_EXT_FLAG_BLOCKING_FREE;
    let defer = sys::ZE_DRIVER_MEMORY_FREE_POLICY_EXT_FLAG_DEFER_FREE;
    let work = Work::new(1);
    let gate = work.events[0];
    let list = work.immediate();
    let mut own = vec![0_u8; SIZE];
    for kind in KINDS {
        for policy in [0, blocking, defer] {
            let opened = AtomicBool::new(false);
            let memory = work.gpu.alloc(kind, SIZE, 0).unwrap();
            assert_eq!(work.gpu.fill(memory, &[4], SIZE), SUCCESS);
            own.fill(0);
            let target = own.as_mut_ptr().cast();
            let with = With(null_mut(), &[gate]);
            assert_eq!(with.copy(list, target, memory, SIZE), SUCCESS);
            assert_eq!(work.gpu.free(memory), IN_USE);
            match policy {
                0 => assert_eq!(free_ext(&work, 0, memory), IN_USE),
                policy if policy == defer => {
                    assert_eq!(free_ext(&work, defer, memory), SUCCESS);
                    // Gone for the program, not for the copy.
                    assert_eq!(work.gpu.free(memory), INVALID_ARGUMENT);
                    assert_eq!(work.gpu.copy(target, memory, 1), INVALID_ARGUMENT);
                    assert!(work.gpu.instance.ledger().allocations.is_empty());
                }
                _ => thread::scope(|scope| {
                    let (work, opened, address) = (&work, &opened, memory.expose_provenance());
                    let free = scope.spawn(move || {
                        let memory = std::ptr::with_exposed_provenance_mut(address);
                        let result = free_ext(work, blocking, memory);
                        (result, opened.load(Ordering::SeqCst))
                    });
                    thread::sleep(Duration::from_millis(3));
                    assert_eq!(work.gpu.instance.ledger().allocations.len(), 1);
                    opened.store(true, Ordering::SeqCst);
                    assert_eq!(signal(work.events[0]), SUCCESS);
                    assert_eq!(free.join().unwrap(), (SUCCESS, true));
                    assert!(work.gpu.instance.ledger().allocations.is_empty());
                }),
            }
            if policy != blocking {
                assert_eq!(signal(gate), SUCCESS);
            }
            assert_eq!(sync_list(list, FOREVER), SUCCESS);
            assert_eq!(own, [4; SIZE]);
            assert_eq!(reset_event(gate), SUCCESS);
            if policy == 0 {
                assert_eq!(work.gpu.free(memory), SUCCESS);
            }
        }
    }
    assert_eq!(destroy_list(list), SUCCESS);
    work.end();
}

#[test]
fn memory_is_free_to_go_when_the_event_of_its_command_shows() {
    let work = Work::new(1);
    let list = work.immediate();
    for _ in 0..300 {
        let memory = work.gpu.alloc(Kind::Device, SIZE, 0).unwrap();
        assert_eq!(
            With(work.events[0], &[]).fill(list, memory, &[1], SIZE),
            SUCCESS
        );
        while status(work.events[0]) == NOT_READY {
            std::hint::spin_loop();
        }
        assert_eq!(work.gpu.free(memory), SUCCESS);
        assert_eq!(reset_event(work.events[0]), SUCCESS);
    }
    assert_eq!(destroy_list(list), SUCCESS);
    work.end();
}

#[test]
fn all_is_free_to_go_when_the_last_event_shows() {
    for _ in 0..100 {
        let work = Work::new(1);
        let (list, queue, recorded) = (work.immediate(), work.queue(), work.regular());
        let event = work.events[0];
        assert_eq!(With(event, &[]).barrier(list), SUCCESS);
        assert_eq!(wait(event, FOREVER), SUCCESS);
        assert_eq!(destroy_list(list), SUCCESS);
        assert_eq!(reset_event(event), SUCCESS);
        assert_eq!(With(event, &[]).barrier(recorded), SUCCESS);
        assert_eq!(close(recorded), SUCCESS);
        assert_eq!(execute(queue, &mut [recorded], null_mut()), SUCCESS);
        assert_eq!(wait(event, FOREVER), SUCCESS);
        assert_eq!(reset(recorded), SUCCESS);
        assert_eq!(destroy_list(recorded), SUCCESS);
        assert_eq!(destroy_queue(queue), SUCCESS);
        work.end();
    }
}

#[test]
fn waits_end_in_time() {
    let work = Work::new(1);
    let queue = work.queue();
    let list = work.immediate();
    let fence = create_fence(queue, &fence_desc(0)).unwrap();
    assert_eq!(append_wait(list, &work.events), SUCCESS);
    let recorded = work.regular();
    assert_eq!(append_wait(recorded, &work.events), SUCCESS);
    assert_eq!(close(recorded), SUCCESS);
    assert_eq!(execute(queue, &mut [recorded], fence), SUCCESS);
    let waits: [&dyn Fn(u64) -> sys::ze_result_t; 4] = [
        &|time| wait(work.events[0], time),
        &|time| sync(queue, time),
        &|time| sync_list(list, time),
        &|time| wait_fence(fence, time),
    ];
    for wait in waits {
        for time in [0, 1, 1000, 3_000_000] {
            let start = Instant::now();
            assert_eq!(wait(time), NOT_READY);
            assert!(start.elapsed() >= Duration::from_nanos(time));
            assert!(start.elapsed() < Duration::from_secs(20));
        }
    }
    assert_eq!(signal(work.events[0]), SUCCESS);
    for wait in waits {
        // So far away that the clock does not reach it.
        assert_eq!(wait(FOREVER - 1), SUCCESS);
        assert_eq!(wait(0), SUCCESS);
    }
    assert_eq!(destroy_fence(fence), SUCCESS);
    assert_eq!(destroy_list(recorded), SUCCESS);
    assert_eq!(destroy_list(list), SUCCESS);
    assert_eq!(destroy_queue(queue), SUCCESS);
    work.end();
}
