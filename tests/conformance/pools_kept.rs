//! What a pool keeps, and for how long.

use crate::drivers::{Subject, Work};
use crate::pools::Dice;
use crate::{in_each_placement, promises};
use core::mem::MaybeUninit;
use std::time::Duration;
use ze_area::{Align, Alignment, Area, Error, ErrorKind, Host, Placement, Pool, ZeBuffer};

promises![
    trim_gives_all_idle_memory_back,
    trim_leaves_live_buffers_alone,
    reset_is_refused_while_a_buffer_lives,
    reset_begins_to_count_anew,
    a_capacity_of_nothing_keeps_nothing,
    what_is_kept_is_at_most_the_capacity,
    slabs_that_a_few_free_buffers_keep_go_back_in_time,
    large_buffers_are_used_again_without_the_driver,
    sizes_of_all_kinds_are_used_again_without_the_driver,
    what_is_above_the_largest_pooled_goes_to_the_driver,
    what_was_idle_for_long_is_given_back,
    a_limit_is_never_exceeded,
];

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Buffers of as many sizes as there are, half of them freed already.
fn some<A: Area>(pool: &A) -> Vec<ZeBuffer<MaybeUninit<u8>, A::Placement>> {
    let mut dice = Dice(3);
    let mut held: Vec<_> = (0..300)
        .map(|_| pool.mmap_uninit::<u8>(dice.size(18)).unwrap())
        .collect();
    for _ in 0..150 {
        held.swap_remove(dice.roll(held.len()));
    }
    held
}

fn trim_gives_all_idle_memory_back(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        let pool = area.pool().unwrap();
        assert_eq!(pool.trim(), 0);
        drop(some(&pool));
        let held = pool.stats().held_bytes;
        assert!(held > 0);
        assert_eq!(context.memory().live_bytes(), held);
        assert_eq!(pool.trim() as u64, held);
        assert!(context.memory().is_empty(), "{:?}", context.memory());
        assert_eq!((pool.stats().held_bytes, pool.trim()), (0, 0));
        // It goes on after that.
        drop(some(&pool));
        assert_eq!(context.memory().live_bytes(), pool.stats().held_bytes);
    });
}

fn trim_leaves_live_buffers_alone(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    in_each_placement!(context, subject.device(), |area| {
        let pool = area.pool().unwrap();
        let held = some(&pool);
        let kept = pool.mmap_from_slice(&[5_u8; 3000]).unwrap();
        let live = pool.stats().live_bytes;
        assert!(pool.trim() > 0);
        let stats = pool.stats();
        assert_eq!(stats.live_bytes, live);
        assert!(stats.held_bytes >= live);
        assert_eq!(context.memory().live_bytes(), stats.held_bytes);
        let read = queue.to_vec(&kept).unwrap();
        assert!(!subject.executes(Work::Other, "contents after trim") || read == [5; 3000]);
        for buffer in &held {
            assert!(context.describe(buffer.device_ptr()).unwrap().is_some());
        }
        drop((held, kept));
        assert_eq!(pool.trim() as u64, stats.held_bytes);
    });
}

fn reset_is_refused_while_a_buffer_lives(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        for largest in [64 * MIB, 0] {
            let pool = Pool::builder(&area)
                .name("weights")
                .largest_pooled(largest)
                .build()
                .unwrap();
            pool.reset().unwrap();
            let one = pool.mmap_uninit::<u8>(100).unwrap();
            let two = pool.mmap_uninit::<u8>(MIB).unwrap();
            for buffer in [one, two] {
                let live = pool.stats();
                let error = pool.reset().unwrap_err();
                let Error::PoolInUse {
                    name,
                    live_buffers,
                    live_bytes,
                } = &error
                else {
                    panic!("{error}");
                };
                assert_eq!(name, "weights");
                let said = (*live_buffers, *live_bytes);
                assert_eq!(said, (live.live_buffers, live.live_bytes));
                assert_eq!(error.kind(), ErrorKind::Busy);
                let text = error.to_string();
                for part in ["\"weights\"", "live buffers", "trim"] {
                    assert!(text.contains(part), "{text}");
                }
                assert_eq!(pool.stats().live_buffers, live.live_buffers);
                drop(buffer);
            }
            pool.reset().unwrap();
            assert!(context.memory().is_empty(), "{:?}", context.memory());
        }
    });
}

fn reset_begins_to_count_anew(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        let pool = area.pool().unwrap();
        let fresh = pool.stats();
        drop(some(&pool));
        assert_ne!(pool.stats(), fresh);
        pool.reset().unwrap();
        assert_eq!(pool.stats(), fresh);
        drop(pool.mmap_uninit::<u8>(64).unwrap());
        let stats = pool.stats();
        assert_eq!((stats.allocations, stats.driver_allocations), (1, 1));
        assert_eq!(stats.peak_held_bytes, stats.held_bytes);
    });
}

fn a_capacity_of_nothing_keeps_nothing(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        let pool = Pool::builder(&area).kept_capacity(0).build().unwrap();
        let mut held = some(&pool);
        // Slabs of which a buffer lives stay.
        let last = held.pop().unwrap();
        drop(held);
        let live = pool.stats();
        assert_eq!(live.live_buffers, 1);
        assert!(live.held_bytes <= (512 * KIB) as u64, "{live}");
        drop(last);
        assert!(context.memory().is_empty(), "{:?}", context.memory());
        for size in [1, 64, 5000, MIB] {
            drop(pool.mmap_uninit::<u8>(size).unwrap());
            assert!(context.memory().is_empty(), "{size} bytes");
        }
    });
}

/// Frees buffers of `bytes` bytes in the order they were made, of which there are `all` bytes; how many
/// bytes the pool holds then.
fn held_after(pool: &Pool<impl Alignment, impl Placement>, bytes: usize, all: usize) -> u64 {
    let held: Vec<_> = (0..all / bytes)
        .map(|_| pool.mmap_uninit::<u8>(bytes).unwrap())
        .collect();
    drop(held);
    let stats = pool.stats();
    assert_eq!(stats.live_buffers, 0);
    stats.held_bytes
}

fn what_is_kept_is_at_most_the_capacity(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        for capacity in [0, 64 * KIB, MIB, 4 * MIB] {
            for bytes in [1000, 4096, 20_000, 64 * KIB, 300 * KIB, MIB] {
                let pool = Pool::builder(&area)
                    .kept_capacity(capacity)
                    .build()
                    .unwrap();
                let held = held_after(&pool, bytes, 16 * MIB);
                // The capacity, a quarter of it for the thread, and what lies in slabs beside that.
                let most = capacity + capacity / 4 + 2 * bytes.next_multiple_of(64 * KIB) * 9 / 8;
                let most = if capacity == 0 { 0 } else { most };
                assert!(held <= most as u64, "{held} of {capacity} with {bytes}");
                assert_eq!(context.memory().live_bytes(), held);
            }
        }
    });
}

/// Frees what fills 128 slabs in an order that leaves a few buffers of each slab to be freed last.
fn free_across_slabs(pool: &Pool<Align<64>, Host>) {
    const SLABS: usize = 128;
    let mut held: Vec<Option<_>> = (0..SLABS * 64)
        .map(|_| Some(pool.mmap_uninit::<u8>(KIB).unwrap()))
        .collect();
    for first in 0..64 {
        for buffer in held.iter_mut().skip(first).step_by(64) {
            *buffer = None;
        }
    }
    assert_eq!(pool.stats().live_buffers, 0);
}

/// Slabs are kept as a whole, also for a few free buffers of each, but not for ever.
fn slabs_that_a_few_free_buffers_keep_go_back_in_time(subject: &Subject) {
    let context = subject.context();
    let area = context.host_area();
    let pool = Pool::builder(&area)
        .kept_capacity(MIB)
        .idle_after(Duration::from_millis(1))
        .build()
        .unwrap();
    free_across_slabs(&pool);
    let begin = std::time::Instant::now();
    while pool.stats().held_bytes > 2 * MIB as u64 {
        let stats = pool.stats();
        assert!(begin.elapsed() < Duration::from_secs(30), "{stats}");
        held_after(&pool, 3000, MIB);
    }
}

fn large_buffers_are_used_again_without_the_driver(subject: &Subject) {
    const SIZES: [usize; 11] = [
        64 * KIB,
        100_000,
        128 * KIB,
        MIB + 1,
        3 * MIB,
        70_000,
        16 * MIB,
        MIB,
        64 * MIB,
        500_000,
        9 * MIB,
    ];
    if !subject.executes(
        Work::Other,
        "memory that is large, where nothing is captured",
    ) {
        return;
    }
    let context = subject.context();
    let area = context.device_area(subject.device());
    let pool = Pool::builder(&area)
        .kept_capacity(256 * MIB)
        .idle_after(Duration::from_secs(3600))
        .build()
        .unwrap();
    let round = |dice: &mut Dice| {
        let mut held: [Option<_>; SIZES.len()] = core::array::from_fn(|_| None);
        for _ in 0..60 {
            let at = dice.roll(SIZES.len());
            held[at] = match held[at].take() {
                None => Some(pool.mmap_uninit::<u8>(SIZES[at]).unwrap()),
                Some(_) => None,
            };
        }
        // All at once, so that what is seen later has been there.
        drop(held);
        let all = SIZES.map(|size| pool.mmap_uninit::<u8>(size).unwrap());
        drop(all);
    };
    let mut dice = Dice(9);
    for _ in 0..3 {
        round(&mut dice);
    }
    let warm = pool.stats();
    for _ in 0..20 {
        round(&mut dice);
    }
    let stats = pool.stats();
    assert_eq!(stats.driver_allocations, warm.driver_allocations, "{stats}");
    assert_eq!(stats.driver_frees, warm.driver_frees, "{stats}");
    assert!(stats.hits() > 400, "{stats}");
}

fn sizes_of_all_kinds_are_used_again_without_the_driver(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        let pool = Pool::builder(&area)
            .idle_after(Duration::from_secs(3600))
            .build()
            .unwrap();
        drop(some(&pool));
        let warm = pool.stats();
        for _ in 0..20 {
            drop(some(&pool));
        }
        let stats = pool.stats();
        assert_eq!(stats.driver_allocations, warm.driver_allocations, "{stats}");
        assert_eq!(stats.driver_frees, 0, "{stats}");
        assert_eq!(stats.allocations, 21 * 300);
    });
}

fn what_is_above_the_largest_pooled_goes_to_the_driver(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        let pool = Pool::builder(&area).largest_pooled(MIB).build().unwrap();
        drop(pool.mmap_uninit::<u8>(MIB).unwrap());
        let kept = pool.stats();
        assert_eq!(kept.held_bytes, MIB as u64, "{kept}");
        for round in 1..=3 {
            let buffer = pool.mmap_uninit::<u8>(MIB + 1).unwrap();
            let stats = pool.stats();
            assert_eq!(stats.driver_allocations, kept.driver_allocations + round);
            assert_eq!(stats.live_bytes, MIB as u64 + 1);
            drop(buffer);
            assert_eq!(pool.stats().driver_frees, round);
            assert_eq!(pool.stats().held_bytes, kept.held_bytes);
        }
        // With nothing pooled it is an area.
        let none = Pool::builder(&area).largest_pooled(0).build().unwrap();
        drop(some(&none));
        let stats = none.stats();
        assert_eq!((stats.driver_allocations, stats.driver_frees), (300, 300));
        assert_eq!((stats.held_bytes, stats.live_bytes), (0, 0));
    });
}

fn what_was_idle_for_long_is_given_back(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        let pool = Pool::builder(&area)
            .share_slabs(true)
            .kept_capacity(16 * MIB)
            .idle_after(Duration::from_millis(1))
            .build()
            .unwrap();
        held_after(&pool, 64 * KIB, 16 * MIB);
        let warm = pool.stats().held_bytes;
        // Others are used, which look at the clock. What this thread keeps itself, a quarter, stays.
        let begin = std::time::Instant::now();
        while pool.stats().held_bytes > 7 * MIB as u64 {
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "{}",
                pool.stats()
            );
            held_after(&pool, 1000, MIB);
        }
        assert!(warm >= 16 * MIB as u64);
        assert!(pool.stats().driver_frees > 0);
    });
}

fn within<P: Placement>(pool: &Pool<impl Alignment, P>, limit: u64) {
    let peak_before = pool.context().memory().of(P::KIND).peak_bytes;
    assert_eq!(peak_before, 0);
    let mut held = Vec::new();
    let mut dice = Dice(4);
    let mut refused = 0;
    for _ in 0..2000 {
        if dice.roll(3) == 0 && !held.is_empty() {
            held.swap_remove(dice.roll(held.len()));
            continue;
        }
        match pool.mmap_uninit::<u8>(dice.size(19)) {
            Ok(buffer) => held.push(buffer),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
                refused += 1;
                held.truncate(held.len() / 2);
            }
        }
        let stats = pool.stats();
        assert!(stats.held_bytes <= limit, "{stats}");
        assert!(stats.peak_held_bytes <= limit, "{stats}");
        let live = pool.context().memory().of(P::KIND);
        assert_eq!(live.live_bytes, stats.held_bytes);
        assert!(live.peak_bytes <= limit, "{live:?}");
    }
    assert!(refused > 0);
    drop(held);
    // What is kept makes room for what is asked for.
    pool.mmap_uninit::<u8>(usize::try_from(limit).unwrap() / 2)
        .unwrap();
    drop(pool.mmap_uninit::<u8>(64).unwrap());
    let above = pool.mmap_uninit::<u8>(usize::try_from(limit).unwrap() + 1);
    let error = above.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
}

fn a_limit_is_never_exceeded(subject: &Subject) {
    let limit = (4 * MIB) as u64;
    in_each_placement!(subject.context(), subject.device(), |area| {
        let pool = Pool::builder(&area).limit(limit).build().unwrap();
        within(&pool, limit);
    });
    // Where the driver ignores it, more is asked of it.
    in_each_placement!(subject.context(), subject.device(), |area| {
        let area = area.align::<{ 1 << 20 }>();
        let pool = Pool::builder(&area).limit(limit).build().unwrap();
        within(&pool, limit);
    });
}
