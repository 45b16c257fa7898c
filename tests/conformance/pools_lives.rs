//! Buffers of pools outlive whatever they came from; threads end; so do processes.

use crate::drivers::{Config, Subject, Work, assert_empty};
use crate::gate::while_held;
use crate::pools::{apart, range};
use crate::{in_each_placement, process, promises, scenarios};
use core::mem::MaybeUninit;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use ze_area::{Align, Context, Device, Error, Host, Pool, ZeBuffer};

promises![
    buffers_outlive_their_pool,
    buffers_of_a_pool_outlive_the_context_and_the_thread_that_made_them,
    a_pool_outlives_the_handles_of_its_context,
    threads_free_what_others_took_of_a_pool,
    a_thread_that_ends_gives_back_what_it_keeps,
    thread_locals_use_pools_when_they_are_dropped,
    a_thread_finds_its_own_among_many_pools,
    pools_come_and_go,
    what_a_scope_holds_is_not_used_again,
    what_is_pending_is_not_used_again,
    a_pending_operation_that_is_forgotten_keeps_its_buffers,
    a_process_ends_well_with_pools_in_its_statics_and_thread_locals,
    a_process_ends_well_while_threads_use_a_pool,
];

scenarios![
    ends_with_pools_in_statics,
    ends_while_threads_use_a_pool,
    ends_with_operations_pending_of_a_pool,
];

const MIB: usize = 1 << 20;

fn buffers_outlive_their_pool(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let checked = subject.executes(Work::Other, "buffers without a pool");
    in_each_placement!(context, subject.device(), |area| {
        for largest in [64 * MIB, 0] {
            let pool = Pool::builder(&area)
                .largest_pooled(largest)
                .build()
                .unwrap();
            let sizes = [1, 100, 100, 5000, 64 << 10, 100_000, MIB];
            let mut held: Vec<_> = sizes
                .iter()
                .map(|&size| pool.mmap_from_slice(&vec![3_u8; size]).unwrap())
                .collect();
            // What is free when the pool goes is given back at once.
            drop(pool.mmap::<u8>(2 * MIB).unwrap());
            let before = pool.stats().held_bytes;
            drop(pool);
            let now = context.memory().live_bytes();
            assert!(now > 0 && now <= before, "{now} of {before}");
            assert!(largest == 0 || now < before, "{now} of {before}");
            while let Some(buffer) = held.pop() {
                let read = queue.to_vec(&buffer).unwrap();
                assert!(!checked || read.iter().all(|&byte| byte == 3));
                assert!(context.memory().live_bytes() > 0);
                drop(buffer);
            }
            assert_empty(&context);
        }
    });
}

fn buffers_of_a_pool_outlive_the_context_and_the_thread_that_made_them(subject: &Subject) {
    let own = subject.config.open().unwrap();
    let made = std::thread::spawn({
        let driver = own.driver().clone();
        move || {
            let context = Context::builder().driver(&driver).build().unwrap();
            let host = context.host_area().pool().unwrap();
            let device = context.default_device_area().unwrap().pool().unwrap();
            let held: Vec<_> = (0..100)
                .map(|i| {
                    let host = host.mmap_from_slice(&[i; 100]).unwrap();
                    (host, device.mmap::<u8>(1000).unwrap())
                })
                .collect();
            // The first half is freed here.
            held.into_iter().skip(50).collect::<Vec<_>>()
        }
    });
    let held: Vec<(ZeBuffer<u8, Host>, ZeBuffer<u8, Device>)> = made.join().unwrap();
    drop(own);
    apart(held.iter().map(|(host, _)| range(host)).collect());
    apart(held.iter().map(|(_, device)| range(device)).collect());
    for (i, (host, device)) in (50..).zip(held) {
        assert_eq!(host, [i; 100]);
        device.free().unwrap();
        host.free().unwrap();
    }
}

fn a_pool_outlives_the_handles_of_its_context(subject: &Subject) {
    let own = subject.config.open().unwrap();
    let context = Context::builder().driver(own.driver()).build().unwrap();
    let pool = context.host_area().pool().unwrap();
    drop((context, own));
    let buffer = pool.mmap_from_slice(&[1_u8, 2, 3]).unwrap();
    assert_eq!(
        pool.context().memory().live_bytes(),
        pool.stats().held_bytes
    );
    drop(pool);
    assert_eq!(buffer, [1, 2, 3]);
}

fn threads_free_what_others_took_of_a_pool(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        let pool = area.pool().unwrap();
        // Few on the way at once.
        let (to, from) = sync_channel(50);
        let before = std::thread::scope(|threads| {
            let maker = &pool;
            threads.spawn(move || {
                for size in (0..5000).map(|i| 1 + i * 7 % 3000) {
                    to.send(maker.mmap_uninit::<u8>(size).unwrap()).unwrap();
                }
            });
            let mut freed = 0;
            for buffer in from {
                drop(buffer);
                freed += 1;
            }
            freed
        });
        let stats = pool.stats();
        assert_eq!((before, stats.allocations), (5000, 5000));
        assert_eq!((stats.live_buffers, stats.live_bytes), (0, 0), "{stats}");
        // The memory went round.
        assert!(stats.driver_allocations < 1000, "{stats}");
        assert_eq!(pool.trim() as u64, stats.held_bytes);
    });
}

fn a_thread_that_ends_gives_back_what_it_keeps(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        let pool = Pool::builder(&area)
            .idle_after(Duration::from_secs(3600))
            .build()
            .unwrap();
        let work = || {
            for size in [64, 1000, 4096, 64 << 10, MIB] {
                let held: Vec<_> = (0..20)
                    .map(|_| pool.mmap_uninit::<u8>(size).unwrap())
                    .collect();
                apart(held.iter().map(range).collect());
            }
        };
        let thread = || std::thread::scope(|threads| threads.spawn(work).join().unwrap());
        thread();
        let first = pool.stats();
        for _ in 0..10 {
            thread();
        }
        work();
        let stats = pool.stats();
        assert_eq!(
            stats.driver_allocations, first.driver_allocations,
            "{stats}"
        );
        assert_eq!(stats.held_bytes, first.held_bytes);
        assert_eq!((stats.allocations, stats.live_buffers), (12 * 100, 0));
    });
}

/// Uses a pool when its thread ends, in the order that it has its parts in.
#[derive(Default)]
struct Late {
    buffers: Vec<ZeBuffer<u8, Host>>,
    pool: Option<Pool<Align<64>, Host>>,
    done: Option<Arc<AtomicBool>>,
}

/// Whether a pool does what it does elsewhere. In a destructor of a thread nothing may panic.
fn serves(pool: &Pool<Align<64>, Host>) -> bool {
    let served = [1, 1000, 70_000].into_iter().all(|size| {
        let held: Vec<_> = (0..20).filter_map(|_| pool.mmap::<u8>(size).ok()).collect();
        let starts: BTreeSet<_> = held.iter().map(ZeBuffer::device_ptr).collect();
        starts.len() == 20
            && held
                .iter()
                .flat_map(|buffer| buffer.iter())
                .all(|&b| b == 0)
    });
    pool.trim();
    served && pool.clone().stats().allocations >= 60
}

impl Drop for Late {
    fn drop(&mut self) {
        self.buffers.clear();
        let served = self.pool.take().is_none_or(|pool| serves(&pool));
        if let Some(done) = &self.done {
            done.store(served, Ordering::Release);
        }
    }
}

thread_local! {
    /// Made before anything of the library's, so dropped after it, or the other way round.
    static FIRST: RefCell<Late> = RefCell::default();
    static LAST: RefCell<Late> = RefCell::default();
    static BUFFER: RefCell<Option<ZeBuffer<u8, Host>>> = const { RefCell::new(None) };
}

fn thread_locals_use_pools_when_they_are_dropped(subject: &Subject) {
    let context = subject.context();
    for with_pool in [false, true] {
        let pool = context.host_area().pool().unwrap();
        let [first, last] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let keep = |done: &Arc<AtomicBool>| Late {
            buffers: (0..100).map(|_| pool.mmap(100).unwrap()).collect(),
            pool: with_pool.then(|| pool.clone()),
            done: Some(Arc::clone(done)),
        };
        std::thread::scope(|threads| {
            let thread = threads.spawn(|| {
                FIRST.with(|_| ());
                let late = keep(&first);
                FIRST.set(late);
                LAST.set(keep(&last));
                BUFFER.set(Some(pool.mmap(64).unwrap()));
            });
            thread.join().unwrap();
        });
        for done in [&first, &last] {
            assert!(done.load(Ordering::Acquire), "a destructor failed");
        }
        assert_eq!(pool.stats().live_buffers, 0);
        drop(pool);
        assert_empty(&context);

        // The thread has the last handle, or the last buffers.
        let pool = context.host_area().pool().unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let done = Arc::clone(&done);
            move || {
                FIRST.with(|_| ());
                let buffers = (0..100).map(|_| pool.mmap(100).unwrap()).collect();
                BUFFER.set(Some(pool.mmap(64).unwrap()));
                FIRST.set(Late {
                    buffers,
                    pool: with_pool.then_some(pool),
                    done: Some(done),
                });
            }
        });
        thread.join().unwrap();
        assert!(done.load(Ordering::Acquire), "a destructor failed");
        assert_empty(&context);
    }
}

/// More pools than a thread finds at once.
fn a_thread_finds_its_own_among_many_pools(subject: &Subject) {
    let context = subject.context();
    let area = context.host_area();
    let pools: Vec<_> = (0..40).map(|_| area.pool().unwrap()).collect();
    let mut held = Vec::new();
    for round in 0..5_u8 {
        for (i, pool) in (0_u8..).zip(&pools) {
            held.push((i, round, pool.mmap_from_slice(&[i, round]).unwrap()));
        }
    }
    apart(held.iter().map(|(.., buffer)| range(buffer)).collect());
    for (i, round, buffer) in held.drain(50..).rev() {
        assert_eq!(buffer, [i, round]);
    }
    for (i, pool) in pools.iter().enumerate() {
        let stats = pool.stats();
        let live = if i < 10 { 2 } else { 1 };
        assert_eq!((stats.allocations, stats.live_buffers), (5, live), "{i}");
        assert_eq!(stats.driver_allocations, 1);
    }
}

fn pools_come_and_go(subject: &Subject) {
    let context = subject.context();
    let area = context.host_area();
    let mut kept = Vec::new();
    for i in 0..300_usize {
        let pool = area.pool().unwrap();
        let buffer = pool.mmap_uninit::<u8>(100).unwrap();
        if i % 7 == 0 {
            kept.push(buffer);
        }
        if i % 50 == 49 {
            kept.clear();
            assert!(context.memory().live_buffers() <= 1);
        }
    }
    drop(kept);
    assert_empty(&context);
}

fn fresh<P: ze_area::Placement>(pool: &Pool<Align<64>, P>) -> Vec<ZeBuffer<MaybeUninit<u8>, P>> {
    (0..50)
        .map(|_| pool.mmap_uninit::<u8>(1000).unwrap())
        .collect()
}

fn what_a_scope_holds_is_not_used_again(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    in_each_placement!(context, subject.device(), |area| {
        let pool = area.pool().unwrap();
        drop(fresh(&pool));
        let mut target = pool.mmap::<u8>(1000).unwrap();
        let source = pool.mmap_from_slice(&[6_u8; 1000]).unwrap();
        let lent_ranges = [range(&target), range(&source)];
        while_held(subject, &context, &queue, |_, gate| {
            let other = context.queue(subject.device()).unwrap();
            other
                .scope(|q| {
                    let mut lent = q.lend_mut(&mut target);
                    q.copy(&q.lend(&source), &mut lent)?;
                    // Here, and on another thread, while the copy has not been made.
                    let here = fresh(&pool);
                    let there = std::thread::scope(|threads| {
                        threads.spawn(|| fresh(&pool)).join().unwrap()
                    });
                    let all = here.iter().chain(&there).map(range);
                    apart(all.chain(lent_ranges).collect());
                    gate.open();
                    Ok(())
                })
                .unwrap();
        });
        let read = queue.to_vec(&target).unwrap();
        if subject.executes(Work::Other, "copies in scopes") {
            // Drivers that run no kernels did nothing.
            assert!(read == [6; 1000] || read == [0; 1000]);
        }
    });
}

fn what_is_pending_is_not_used_again(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    in_each_placement!(context, subject.device(), |area| {
        let pool = area.pool().unwrap();
        drop(fresh(&pool));
        while_held(subject, &context, &queue, |_, gate| {
            let source = pool.mmap_from_slice(&[6_u8; 1000]).unwrap();
            let target = pool.mmap::<u8>(1000).unwrap();
            let ranges = [range(&source), range(&target)];
            let pending = queue.start_copy(source, target).unwrap();
            let dropped = AtomicBool::new(false);
            std::thread::scope(|threads| {
                threads.spawn(|| {
                    drop(pending);
                    dropped.store(true, Ordering::Release);
                });
                std::thread::sleep(Duration::from_millis(20));
                let meanwhile = fresh(&pool);
                apart(meanwhile.iter().map(range).chain(ranges).collect());
                assert!(!dropped.load(Ordering::Acquire));
                assert_eq!(pool.stats().live_buffers, 52);
                gate.open();
            });
            assert_eq!(pool.stats().live_buffers, 0);
        });
    });
}

fn a_pending_operation_that_is_forgotten_keeps_its_buffers(subject: &Subject) {
    // In a process of its own: what is forgotten stays to its end.
    let scenario = "ends_with_operations_pending_of_a_pool";
    let output = process::again(subject.config, scenario, &[]);
    if let Err(text) = output.clean() {
        panic!("{scenario}: {text}");
    }
}

fn ends_with_operations_pending_of_a_pool(config: &'static Config) {
    let subject = config.open().unwrap();
    let context = Context::builder().driver(subject.driver()).build().unwrap();
    let queue = context.queue(subject.device()).unwrap();
    let pool = context.host_area().pool().unwrap();
    let source = pool.mmap_from_slice(&[6_u8; 1000]).unwrap();
    let target = pool.mmap::<u8>(1000).unwrap();
    let ranges = [range(&source), range(&target)];
    core::mem::forget(queue.start_copy(source, target).unwrap());
    let meanwhile = fresh(&pool);
    apart(meanwhile.iter().map(range).chain(ranges).collect());
    drop(meanwhile);
    pool.trim();
    assert_eq!(pool.stats().live_buffers, 2);
    pool.reset().unwrap_err();
    drop((pool, queue));
    assert!(
        !context.memory().is_empty(),
        "the context keeps what is used"
    );
}

fn a_process_ends_well_with_pools_in_its_statics_and_thread_locals(subject: &Subject) {
    let scenario = "ends_with_pools_in_statics";
    let output = process::again(subject.config, scenario, &[]);
    if let Err(text) = output.clean() {
        panic!("{scenario}: {text}");
    }
}

type Kept = (
    Pool,
    ZeBuffer<u8, Device>,
    Pool<Align<64>, Host>,
    ZeBuffer<u8, Host>,
);

thread_local! {
    static KEPT: RefCell<Option<Kept>> = const { RefCell::new(None) };
}

fn ends_with_pools_in_statics(config: &'static Config) {
    static ALL: OnceLock<Kept> = OnceLock::new();
    let subject = config.open().unwrap();
    let context = Context::builder().driver(subject.driver()).build().unwrap();
    let keep = |context: &Context| {
        let area = context.default_device_area().unwrap();
        let device = Pool::builder(&area).zero_on_free(true).build().unwrap();
        let host = context.host_area().pool().unwrap();
        drop((fresh(&device), fresh(&host)));
        let (on_device, on_host) = (device.mmap(64).unwrap(), host.mmap(64).unwrap());
        (device, on_device, host, on_host)
    };
    for _ in 0..3 {
        let context = context.clone();
        let thread = std::thread::spawn(move || KEPT.set(Some(keep(&context))));
        thread.join().unwrap();
    }
    assert_empty(&context);
    KEPT.set(Some(keep(&context)));
    assert!(ALL.set(keep(&context)).is_ok());
}

fn a_process_ends_well_while_threads_use_a_pool(subject: &Subject) {
    for _ in 0..5 {
        let scenario = "ends_while_threads_use_a_pool";
        let output = process::again(subject.config, scenario, &[]);
        if let Err(text) = output.clean() {
            panic!("{scenario}: {text}");
        }
    }
}

fn ends_while_threads_use_a_pool(config: &'static Config) {
    let subject = config.open().unwrap();
    let context = Context::builder().driver(subject.driver()).build().unwrap();
    let area = context.default_device_area().unwrap();
    let small = area.pool().unwrap();
    // This one goes to the driver each time, and erases.
    let large = Pool::builder(&area)
        .kept_capacity(0)
        .zero_on_free(true)
        .build()
        .unwrap();
    for kind in 0..4 {
        let (small, large) = (small.clone(), large.clone());
        std::thread::spawn(move || {
            let error = loop {
                let done = match kind {
                    0 => small.mmap_uninit::<u8>(100).map(drop),
                    1 => small.mmap::<u8>(5000).map(drop),
                    2 => large.mmap_uninit::<u8>(100_000).map(drop),
                    _ => {
                        small.trim();
                        large.mmap_uninit::<u8>(100).map(drop)
                    }
                };
                if let Err(error) = done {
                    break error;
                }
            };
            if !matches!(error, Error::Exiting { .. }) {
                eprintln!("{error}");
            }
            loop {
                std::thread::park();
            }
        });
    }
    std::thread::sleep(Duration::from_millis(20));
}
