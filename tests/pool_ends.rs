//! The ends of pools and of threads, at the same time: the last buffers, the last handles, what threads
//! keep.
//!
//! `ZE_AREA_TEST_OPERATIONS` is as in `pool_threads.rs`.
#![cfg(feature = "cpu")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "pool_threads/tagged.rs"]
mod tagged;

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tagged::{Buffer, Dice, HostPool, Tagged, finish, operations, say, setup};
use ze_area::Pool;

/// What a thread drops in a round.
#[derive(Default)]
struct Job {
    buffers: Vec<Tagged>,
    pool: Option<HostPool>,
    /// It uses the pool before the round begins.
    warm: bool,
}

/// Threads that drop what they are given at the same time.
struct Race {
    jobs: [Mutex<Job>; 2],
    ready: AtomicUsize,
    go: AtomicUsize,
    done: AtomicUsize,
    over: AtomicBool,
}

impl Race {
    fn until(so: impl Fn() -> bool) {
        while !so() {
            std::thread::yield_now();
        }
    }

    fn thread(&self, number: usize) {
        for round in 1.. {
            Self::until(|| self.ready.load(Ordering::Acquire) == round);
            if self.over.load(Ordering::Acquire) {
                return;
            }
            let job = core::mem::take(&mut *self.jobs[number].try_lock().unwrap());
            if let Some(pool) = job.pool.as_ref().filter(|_| job.warm) {
                // From now on this thread keeps some, and frees without the pool's lock.
                let warm: Vec<_> = (0..40).map(|_| Tagged::new(pool, 8)).collect();
                warm.into_iter().for_each(Tagged::free);
            }
            self.done.fetch_add(1, Ordering::AcqRel);
            Self::until(|| self.go.load(Ordering::Acquire) == round);
            drop(job.pool);
            job.buffers.into_iter().for_each(Tagged::free);
            self.done.fetch_add(1, Ordering::AcqRel);
        }
    }
}

#[test]
fn a_pool_ends_while_threads_free_its_last_buffers() {
    let rounds = usize::try_from(operations() / 60)
        .unwrap()
        .clamp(500, 20_000);
    let (instance, context) = setup();
    let area = context.host_area();
    let race = Race {
        jobs: Default::default(),
        ready: AtomicUsize::new(0),
        go: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
        over: AtomicBool::new(false),
    };
    std::thread::scope(|threads| {
        for number in 0..2 {
            let race = &race;
            threads.spawn(move || race.thread(number));
        }
        let mut dice = Dice(5);
        for round in 1..=rounds {
            let pool = Pool::builder(&area)
                .kept_capacity([64 << 20, 0][dice.roll(2)])
                .build()
                .unwrap();
            for job in &race.jobs {
                let elements = [8, 8, 8, 20_000][dice.roll(4)];
                *job.try_lock().unwrap() = Job {
                    buffers: (0..dice.roll(4))
                        .map(|_| Tagged::new(&pool, elements))
                        .collect(),
                    pool: (dice.roll(2) == 0).then(|| pool.clone()),
                    warm: dice.roll(3) > 0,
                };
            }
            let own = (dice.roll(2) == 0).then(|| Tagged::new(&pool, 8));
            race.done.store(0, Ordering::Relaxed);
            race.ready.store(round, Ordering::Release);
            Race::until(|| race.done.load(Ordering::Acquire) == 2);
            race.go.store(round, Ordering::Release);
            drop(pool);
            if let Some(own) = own {
                own.free();
            }
            Race::until(|| race.done.load(Ordering::Acquire) == 4);
            assert!(
                context.memory().is_empty(),
                "round {round}: {}",
                context.memory()
            );
        }
        race.over.store(true, Ordering::Release);
        race.ready.store(rounds + 1, Ordering::Release);
    });
    drop(area);
    finish(&instance, context);
    say(&format!(
        "{rounds} pools ended while threads freed their buffers"
    ));
}

/// Uses a pool in a destructor of its thread, after the library's own.
struct Late {
    pool: HostPool,
    /// Up where the other may begin, and where this has failed.
    ends: Arc<AtomicBool>,
    adopted: Arc<AtomicBool>,
    failed: Arc<AtomicBool>,
}

/// Allocates and frees two at a time; whether nobody else wrote to them.
fn in_turn(pool: &HostPool, rounds: u64) -> bool {
    (0..rounds).all(|_| {
        let (one, two) = (Tagged::new(pool, 8), Tagged::new(pool, 8));
        one.try_free() & two.try_free()
    })
}

impl Drop for Late {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        Race::until(|| self.adopted.load(Ordering::Acquire));
        // In a destructor of a thread nothing may panic.
        if !in_turn(&self.pool, operations() / 100) {
            self.failed.store(true, Ordering::Release);
        }
    }
}

thread_local! {
    static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
}

#[test]
fn what_a_thread_kept_is_anothers_while_it_still_ends() {
    let (instance, context) = setup();
    let pool = context.host_area().pool().unwrap();
    let pinned = Tagged::new(&pool, 8);
    for _ in 0..10 {
        let [ends, adopted, failed] = [(); 3].map(|()| Arc::new(AtomicBool::new(false)));
        let late = Late {
            pool: pool.clone(),
            ends: Arc::clone(&ends),
            adopted: Arc::clone(&adopted),
            failed: Arc::clone(&failed),
        };
        let first = std::thread::spawn(move || {
            // Before the library has anything of this thread, so that it is dropped after that.
            LATE.set(Some(late));
            LATE.with_borrow(|late| assert!(in_turn(&late.as_ref().unwrap().pool, 100)));
        });
        let second = std::thread::spawn({
            let pool = pool.clone();
            move || {
                Race::until(|| ends.load(Ordering::Acquire));
                // What the first had kept is this thread's from now on.
                let served = in_turn(&pool, 100);
                adopted.store(true, Ordering::Release);
                assert!(served && in_turn(&pool, operations() / 100));
            }
        });
        first.join().unwrap();
        second.join().unwrap();
        assert!(!failed.load(Ordering::Acquire), "in the destructor");
    }
    pinned.free();
    let stats = pool.stats();
    assert_eq!((stats.live_buffers, stats.live_bytes), (0, 0), "{stats}");
    assert_eq!(
        stats.allocations,
        10 * (2 * operations() / 100 * 2 + 400) + 1
    );
    drop(pool);
    finish(&instance, context);
}

thread_local! {
    static KEPT: RefCell<Vec<Buffer>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn threads_come_and_go() {
    let waves = operations() / 1000;
    let (instance, context) = setup();
    let area = context.host_area();
    let lasting = area.pool().unwrap();
    for wave in 0..waves {
        // One that lasts, and one that ends while its threads do.
        let passing = area.pool().unwrap();
        let work = |pools: [HostPool; 2], seed: u64| {
            let mut dice = Dice(seed);
            for pool in &pools {
                let mut held: Vec<_> = (0..30)
                    .map(|_| Tagged::new(pool, dice.elements()))
                    .collect();
                held.drain(dice.roll(30)..).for_each(Tagged::free);
                held.into_iter().for_each(Tagged::free);
                // The last are dropped when the thread ends.
                KEPT.with_borrow_mut(|kept| kept.extend(pool.mmap_uninit(dice.elements())));
            }
        };
        let threads = [0, 1].map(|i| {
            let pools = [lasting.clone(), passing.clone()];
            std::thread::spawn(move || work(pools, 2 * wave + i))
        });
        if wave % 2 == 0 {
            lasting.trim();
        }
        drop(passing);
        for thread in threads {
            thread.join().unwrap();
        }
        let held = lasting.stats().held_bytes;
        assert_eq!(context.memory().live_bytes(), held, "wave {wave}");
    }
    let stats = lasting.stats();
    assert_eq!(
        (stats.live_buffers, stats.allocations),
        (0, waves * 62),
        "{stats}"
    );
    drop((lasting, area));
    finish(&instance, context);
    say(&format!("{} threads came and went", 2 * waves));
}

/// Threads that hold buffers of a pool at its end give them back, though nobody waits for them.
#[test]
fn buffers_shared_by_threads_are_given_back_once() {
    let (instance, context) = setup();
    let pool = context.host_area().pool().unwrap();
    for _ in 0..operations() / 1000 {
        let shared: Arc<Vec<Buffer>> =
            Arc::new((0..5).map(|_| pool.mmap_uninit(10).unwrap()).collect());
        std::thread::scope(|threads| {
            for _ in 0..2 {
                let shared = Arc::clone(&shared);
                threads.spawn(move || assert_eq!(shared.len(), 5));
            }
            drop(shared);
        });
        assert_eq!(pool.stats().live_buffers, 0);
    }
    drop(pool);
    finish(&instance, context);
}
