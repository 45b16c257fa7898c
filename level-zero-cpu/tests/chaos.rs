//! Several threads use, reset and destroy each other's lists, queues, events and fences at random: no
//! call panics or hangs, and in the end nothing is live.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod commands;
mod setup;

use commands::*;
use level_zero_cpu::api;
use level_zero_sys::{self as sys, ze_result_t};
use setup::*;
use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const THREADS: usize = 4;
const EVENTS: usize = 12;
const LISTS: usize = 5;
/// More than any machine needs; a hang takes for ever.
const PATIENCE: Duration = Duration::from_secs(300);
const SIZE: usize = 300;

/// Places for handles, 0 where there is none.
struct Slots<const N: usize>([AtomicUsize; N]);

impl<const N: usize> Slots<N> {
    fn new() -> Self {
        Self([const { AtomicUsize::new(0) }; N])
    }

    fn pick<T>(&self, random: &mut Random) -> *mut T {
        handle(self.0[random.below(N)].load(Ordering::Relaxed))
    }
}

struct World {
    work: Work,
    events: Slots<EVENTS>,
    immediate: Slots<LISTS>,
    regular: Slots<LISTS>,
    queues: Slots<3>,
    fences: Slots<4>,
    /// What one thread made where another was first, or could not be destroyed.
    left: Mutex<Vec<(usize, usize)>>,
    source: usize,
    /// Leads out of all allocations.
    offset: usize,
    targets: Vec<usize>,
}

/// Of what kind a handle is, in the order in which they can be destroyed.
const FENCE: usize = 0;
const REGULAR: usize = 1;
const IMMEDIATE: usize = 2;
const QUEUE: usize = 3;
const EVENT: usize = 4;

fn destroy(kind: usize, object: usize) -> ze_result_t {
    match kind {
        FENCE => destroy_fence(handle(object)),
        REGULAR | IMMEDIATE => destroy_list(handle(object)),
        QUEUE => destroy_queue(handle(object)),
        _ => destroy_event(handle(object)),
    }
}

impl World {
    fn new() -> Self {
        let work = Work::with(Gpu::new(), TIMED, 0x1000);
        for event in &work.events {
            assert_eq!(destroy_event(*event), SUCCESS);
        }
        let source = work.shared(SIZE, 3).addr();
        let offset = work.shared(8, 0);
        work.gpu.upload(offset, &(1_usize << 28).to_ne_bytes());
        let offset = offset.addr();
        let targets = (0..2 * LISTS)
            .map(|_| work.shared(SIZE, 4).addr())
            .collect();
        Self {
            work,
            events: Slots::new(),
            immediate: Slots::new(),
            regular: Slots::new(),
            queues: Slots::new(),
            fences: Slots::new(),
            left: Mutex::default(),
            source,
            offset,
            targets,
        }
    }

    fn leave(&self, kind: usize, object: usize) {
        self.left.lock().unwrap().push((kind, object));
    }

    fn create(&self, random: &mut Random) {
        let (gpu, pool) = (&self.work.gpu, self.work.pool);
        let made = |kind,
                    made: &dyn Fn() -> Result<usize, ze_result_t>,
                    slots: &[AtomicUsize],
                    at: usize| {
            if slots[at].load(Ordering::Relaxed) != 0 {
                return;
            }
            let Ok(object) = made() else { return };
            let order = Ordering::Relaxed;
            if slots[at].compare_exchange(0, object, order, order).is_err() {
                self.leave(kind, object);
            }
        };
        match random.below(5) {
            0 => {
                let index = u32::try_from(random.below(0x1000)).unwrap();
                let make = || create_event(pool, &event_desc(index)).map(<*mut _>::addr);
                made(EVENT, &make, &self.events.0, random.below(EVENTS));
            }
            1 => {
                let at = random.below(LISTS);
                let desc = if at == 0 {
                    queue_desc()
                } else {
                    asynchronous_desc()
                };
                let make =
                    || create_list_with(gpu.context, gpu.device(), &desc).map(<*mut _>::addr);
                made(IMMEDIATE, &make, &self.immediate.0, at);
            }
            2 => {
                let make =
                    || create_regular(gpu.context, gpu.device(), &list_desc()).map(<*mut _>::addr);
                made(REGULAR, &make, &self.regular.0, random.below(LISTS));
            }
            3 => {
                let at = random.below(3);
                let desc = if at == 0 {
                    queue_desc()
                } else {
                    asynchronous_desc()
                };
                let make = || create_queue(gpu.context, gpu.device(), &desc).map(<*mut _>::addr);
                made(QUEUE, &make, &self.queues.0, at);
            }
            _ => {
                let queue = self.queues.pick(random);
                let flags = u32::try_from(random.below(2)).unwrap();
                let make = || create_fence(queue, &fence_desc(flags)).map(<*mut _>::addr);
                made(FENCE, &make, &self.fences.0, random.below(4));
            }
        }
    }

    fn destroy(&self, random: &mut Random) {
        let (kind, slot) = match random.below(5) {
            EVENT => (EVENT, &self.events.0[random.below(EVENTS)]),
            IMMEDIATE => (IMMEDIATE, &self.immediate.0[random.below(LISTS)]),
            REGULAR => (REGULAR, &self.regular.0[random.below(LISTS)]),
            QUEUE => (QUEUE, &self.queues.0[random.below(3)]),
            _ => (FENCE, &self.fences.0[random.below(4)]),
        };
        let object = slot.load(Ordering::Relaxed);
        match destroy(kind, object) {
            SUCCESS => {
                let order = Ordering::Relaxed;
                let _ = slot.compare_exchange(object, 0, order, order);
            }
            code => assert_ne!(code, sys::ZE_RESULT_ERROR_UNKNOWN),
        }
    }

    fn append(&self, random: &mut Random) -> ze_result_t {
        let at = random.below(2 * LISTS);
        let (list, target): (List, *mut c_void) = if at < LISTS {
            (
                handle(self.immediate.0[at].load(Ordering::Relaxed)),
                handle(self.targets[at]),
            )
        } else {
            let list = self.regular.0[at - LISTS].load(Ordering::Relaxed);
            (handle(list), handle(self.targets[at]))
        };
        let source: *mut c_void = handle(self.source);
        let offset: *mut c_void = handle(self.offset);
        let waits: Vec<Event> = (0..random.below(4))
            .map(|_| self.events.pick(random))
            .collect();
        let waits: Vec<Event> = waits.into_iter().filter(|it| !it.is_null()).collect();
        let signal = if random.below(2) == 0 {
            null_mut()
        } else {
            self.events.pick(random)
        };
        let with = With(signal, &waits);
        match random.below(12) {
            0 => append_reset(list, self.events.pick(random)),
            1 => append_signal(list, self.events.pick(random)),
            2 => append_wait(list, &waits),
            3 => with.fill(list, target, &[random.below(256).to_le_bytes()[0]; 4], SIZE),
            4 => {
                let mut timed: Vec<Event> = vec![self.events.pick(random)];
                // SAFETY: one event, room for one result; no offsets.
                unsafe {
                    (api().zeCommandListAppendQueryKernelTimestamps)(
                        list,
                        1,
                        timed.as_mut_ptr(),
                        target,
                        null(),
                        signal,
                        0,
                        null_mut(),
                    )
                }
            }
            5 if random.below(40) == 0 => {
                // Offsets out of the memory: the list or queue fails.
                let mut timed: Vec<Event> = vec![self.events.pick(random)];
                // SAFETY: as above; the offset is there.
                unsafe {
                    (api().zeCommandListAppendQueryKernelTimestamps)(
                        list,
                        1,
                        timed.as_mut_ptr(),
                        target,
                        offset.cast(),
                        signal,
                        0,
                        null_mut(),
                    )
                }
            }
            6 | 7 => with.barrier(list),
            _ => with.copy(list, target, source, random.below(SIZE) + 1),
        }
    }

    fn step(&self, random: &mut Random) {
        let time = [0, 1, 1000, 100_000][random.below(4)];
        let result = match random.below(20) {
            0..=2 => {
                self.create(random);
                SUCCESS
            }
            3 => {
                self.destroy(random);
                SUCCESS
            }
            4 => close(self.regular.pick(random)),
            5 => reset(self.regular.pick(random)),
            6 | 7 => {
                let mut lists: Vec<List> = (0..=random.below(2))
                    .map(|_| self.regular.pick(random))
                    .collect();
                let fence = if random.below(2) == 0 {
                    null_mut()
                } else {
                    self.fences.pick(random)
                };
                execute(self.queues.pick(random), &mut lists, fence)
            }
            8 => signal(self.events.pick(random)),
            9 => reset_event(self.events.pick(random)),
            10 => wait(self.events.pick(random), time),
            11 => wait_fence(self.fences.pick(random), time),
            12 => reset_fence(self.fences.pick(random)),
            13 => sync(self.queues.pick(random), time),
            14 => sync_list(self.immediate.pick(random), time),
            _ => self.append(random),
        };
        assert_ne!(result, sys::ZE_RESULT_ERROR_UNKNOWN);
    }

    /// Signals all events again and again, so that nobody waits for ever.
    fn signal_all(&self) {
        for slot in &self.events.0 {
            signal(handle(slot.load(Ordering::Relaxed)));
        }
        for (kind, object) in &*self.left.lock().unwrap() {
            if *kind == EVENT {
                signal(handle(*object));
            }
        }
    }

    fn end(self) {
        let mut all = self.left.into_inner().unwrap();
        let mut take = |kind, slots: &[AtomicUsize]| {
            let handles = slots.iter().map(|slot| slot.load(Ordering::Relaxed));
            all.extend(handles.filter(|it| *it != 0).map(|it| (kind, it)));
        };
        take(EVENT, &self.events.0);
        take(IMMEDIATE, &self.immediate.0);
        take(REGULAR, &self.regular.0);
        take(QUEUE, &self.queues.0);
        take(FENCE, &self.fences.0);
        all.sort_unstable();
        while self.work.gpu.instance.ledger().pending > 0 {
            for (kind, object) in &all {
                if *kind == EVENT {
                    signal(handle(*object));
                }
            }
            thread::yield_now();
        }
        for (kind, object) in &all {
            match *kind {
                // Either may have failed.
                QUEUE => _ = sync(handle(*object), FOREVER),
                IMMEDIATE => _ = sync_list(handle(*object), FOREVER),
                _ => {}
            }
        }
        for (kind, object) in all {
            let result = destroy(kind, object);
            // Some were destroyed by one thread while another put them back.
            assert!(
                matches!(result, SUCCESS | sys::ZE_RESULT_ERROR_INVALID_ARGUMENT),
                "{kind} {result:?}"
            );
        }
        let ledger = self.work.gpu.instance.ledger();
        assert_eq!(
            (
                ledger.events,
                ledger.fences,
                ledger.command_queues,
                ledger.pending
            ),
            (0, 0, 0, 0),
            "{ledger}"
        );
        // The list of the driver itself.
        assert_eq!(ledger.command_lists, 1, "{ledger}");
        let work = Work {
            events: Vec::new(),
            ..self.work
        };
        work.end();
    }
}

#[test]
fn threads_that_use_and_destroy_each_others_objects_leave_nothing() {
    let rounds = std::env::var("LEVEL_ZERO_CPU_TEST_ROUNDS").map_or(2, |it| it.parse().unwrap());
    let steps = if cfg!(tsan) { 3_000 } else { 20_000 };
    for round in 0..rounds {
        let world = World::new();
        let start = Instant::now();
        let busy = &AtomicUsize::new(THREADS);
        thread::scope(|scope| {
            let world = &world;
            for number in 0..THREADS {
                scope.spawn(move || {
                    let seed = (round * THREADS + number + 1) * 7919;
                    let mut random = Random::new(u64::try_from(seed).unwrap());
                    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        for _ in 0..steps {
                            world.step(&mut random);
                        }
                    }));
                    busy.fetch_sub(1, Ordering::Relaxed);
                    done.unwrap();
                });
            }
            while busy.load(Ordering::Relaxed) > 0 {
                world.signal_all();
                thread::sleep(Duration::from_micros(300));
                if start.elapsed() > PATIENCE {
                    eprintln!("threads hang: {}", world.work.gpu.instance.ledger());
                    std::process::abort();
                }
            }
        });
        world.end();
    }
}
