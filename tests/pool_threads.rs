//! Threads on one pool: no buffer is had by two, whoever frees it, while others trim and count.
//!
//! `ZE_AREA_TEST_OPERATIONS` says how many operations are done: 300,000 where nothing is said, and
//! 10,000,000 in a release build.
#![cfg(feature = "cpu")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "pool_threads/tagged.rs"]
mod tagged;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tagged::{Dice, HostPool, Tagged, finish, operations, say, setup};
use ze_area::{Pool, SlotState};

/// Buffers that a thread holds at most.
const HELD: usize = 300;
/// Buffers that lie between two threads at most.
const BETWEEN: usize = 2000;

/// Where a thread puts what another is to free. Nobody waits for it.
#[derive(Default)]
struct Between(Mutex<Vec<Tagged>>);

impl Between {
    fn put(&self, buffer: Tagged) -> Result<(), Tagged> {
        match self.0.try_lock() {
            Ok(mut all) if all.len() < BETWEEN => {
                all.push(buffer);
                Ok(())
            }
            _ => Err(buffer),
        }
    }

    fn take(&self, most: usize) -> Vec<Tagged> {
        self.0.try_lock().map_or_else(
            |_| Vec::new(),
            |mut all| {
                let rest = all.len().saturating_sub(most);
                all.split_off(rest)
            },
        )
    }
}

struct Worker<'a> {
    pool: &'a HostPool,
    to: &'a Between,
    from: &'a Between,
    dice: Dice,
    held: Vec<Tagged>,
    allocations: u64,
    frees: u64,
    /// Of those, what others allocated.
    foreign: u64,
}

impl Worker<'_> {
    fn step(&mut self) {
        match self.dice.roll(100) {
            0..45 if self.held.len() < HELD => {
                let elements = self.dice.elements();
                self.held.push(Tagged::new(self.pool, elements));
                self.allocations += 1;
            }
            45..65 => self.free_own(),
            65..90 => {
                if let Some(buffer) = self.pick()
                    && let Err(buffer) = self.to.put(buffer)
                {
                    buffer.free();
                    self.frees += 1;
                }
            }
            90 if self.dice.roll(20) == 0 => {
                for _ in 0..self.dice.roll(HELD) {
                    self.free_own();
                }
            }
            _ => self.free_foreign(200),
        }
    }

    fn pick(&mut self) -> Option<Tagged> {
        match self.held.len() {
            0 => None,
            len => Some(self.held.swap_remove(self.dice.roll(len))),
        }
    }

    fn free_own(&mut self) {
        if let Some(buffer) = self.pick() {
            buffer.free();
            self.frees += 1;
        }
    }

    fn free_foreign(&mut self, most: usize) {
        for buffer in self.from.take(most) {
            buffer.free();
            self.frees += 1;
            self.foreign += 1;
        }
    }

    fn run(&mut self, operations: u64) {
        while self.allocations + self.frees < operations {
            self.step();
        }
        while !self.held.is_empty() {
            self.free_own();
        }
    }
}

/// Two threads that use a pool, each freeing what the other allocated, and one that trims and counts.
fn two_threads(pool: &HostPool, operations: u64) {
    let between = [Between::default(), Between::default()];
    let over = AtomicBool::new(false);
    let (allocations, frees, foreign) = std::thread::scope(|threads| {
        let workers = [0, 1].map(|i| {
            let mut worker = Worker {
                pool,
                to: &between[i],
                from: &between[1 - i],
                dice: Dice(i as u64),
                held: Vec::new(),
                allocations: 0,
                frees: 0,
                foreign: 0,
            };
            threads.spawn(move || {
                worker.run(operations / 2);
                (worker.allocations, worker.frees, worker.foreign)
            })
        });
        let meddler = threads.spawn(|| {
            let mut calls = 0_u64;
            while !over.load(Ordering::Relaxed) {
                for _ in 0..20 {
                    pool.trim();
                    let stats = pool.stats();
                    let most = 2 * (HELD + BETWEEN) as u64 + 4;
                    assert!(stats.live_buffers <= most, "{stats}");
                    assert!(stats.live_bytes <= stats.held_bytes, "{stats}");
                    let map = pool.map();
                    let live = map.slabs().iter().map(|slab| slab.count(SlotState::Live));
                    assert!(live.sum::<usize>() as u64 <= most, "{map}");
                    calls += 3;
                }
                std::thread::sleep(Duration::from_micros(200));
            }
            calls
        });
        let mut all = (0, 0, 0);
        let results = workers.map(std::thread::ScopedJoinHandle::join);
        over.store(true, Ordering::Relaxed);
        let calls = meddler.join().unwrap();
        assert!(calls > 0);
        for result in results {
            let (allocations, frees, foreign) = result.unwrap();
            all = (all.0 + allocations, all.1 + frees, all.2 + foreign);
        }
        say(&format!(
            "{} operations of two threads; {} frees of what the other allocated; {calls} calls of a \
             third meanwhile",
            all.0 + all.1,
            all.2
        ));
        all
    });
    let mut left = 0;
    for between in between {
        for buffer in between.0.into_inner().unwrap() {
            buffer.free();
            left += 1;
        }
    }
    assert_eq!(allocations, frees + left);
    assert!(foreign > 0);
    let stats = pool.stats();
    assert_eq!((stats.live_buffers, stats.live_bytes), (0, 0), "{stats}");
    assert_eq!(pool.trim() as u64, stats.held_bytes);
    assert_eq!(pool.stats().held_bytes, 0);
}

#[test]
fn no_buffer_is_had_by_two_while_threads_free_what_others_allocated() {
    let (instance, context) = setup();
    let area = context.host_area();
    // Once with all kept, once with little, so that spans and the driver are busy too.
    for capacity in [64 << 20, 256 << 10] {
        let pool = Pool::builder(&area)
            .kept_capacity(capacity)
            .idle_after(Duration::from_millis(1))
            .build()
            .unwrap();
        two_threads(&pool, operations() / 2);
    }
    drop(area);
    finish(&instance, context);
}

/// Little but the ways without a lock, and one thread that seizes what the others keep all the time.
#[test]
fn what_threads_keep_is_seized_while_they_use_it() {
    let (instance, context) = setup();
    let pool = context.host_area().pool().unwrap();
    // Their slab stays, so that taking all that is kept costs no call of the driver.
    let pinned: Vec<_> = (0..4).map(|_| Tagged::new(&pool, 8)).collect();
    let running = AtomicUsize::new(2);
    let seizures = std::thread::scope(|threads| {
        for _ in 0..2 {
            let (pool, running) = (&pool, &running);
            threads.spawn(move || {
                let _ends = Ends(running);
                for number in 0..operations() / 8 {
                    let one = Tagged::new(pool, 8);
                    let two = Tagged::new(pool, 8);
                    if number % 2 == 0 {
                        one.free();
                        two.free();
                    } else {
                        two.free();
                        one.free();
                    }
                }
            });
        }
        let mut seizures = 0_u64;
        while running.load(Ordering::Acquire) > 0 {
            pool.trim();
            seizures += 1;
        }
        seizures
    });
    pinned.into_iter().for_each(Tagged::free);
    let stats = pool.stats();
    assert_eq!(stats.allocations, operations() / 8 * 4 + 4);
    assert_eq!((stats.live_buffers, stats.live_bytes), (0, 0), "{stats}");
    assert_eq!(pool.trim() as u64, stats.held_bytes);
    drop(pool);
    finish(&instance, context);
    say(&format!("{seizures} seizures of what two threads keep"));
}

/// Says that a thread is done, also where it panics.
struct Ends<'a>(&'a AtomicUsize);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[test]
fn counts_are_exact_when_threads_have_ended() {
    let (instance, context) = setup();
    let pool = context.host_area().pool().unwrap();
    let allocated = AtomicU64::new(0);
    std::thread::scope(|threads| {
        for seed in 0..2 {
            let (pool, allocated) = (&pool, &allocated);
            threads.spawn(move || {
                let mut dice = Dice(seed);
                let mut held = Vec::new();
                for _ in 0..operations() / 20 {
                    if dice.roll(2) == 0 && held.len() < HELD {
                        held.push(Tagged::new(pool, dice.elements()));
                        allocated.fetch_add(1, Ordering::Relaxed);
                    } else if let Some(buffer) = held.pop() {
                        buffer.free();
                    }
                }
                held.into_iter().for_each(Tagged::free);
            });
        }
        while pool.stats().allocations < 1000 {
            std::thread::yield_now();
        }
    });
    let stats = pool.stats();
    assert_eq!(stats.allocations, allocated.into_inner());
    assert_eq!((stats.live_buffers, stats.live_bytes), (0, 0), "{stats}");
    drop(pool);
    finish(&instance, context);
}
