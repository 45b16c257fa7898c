//! What pools are built with, and what they say of themselves.

use crate::drivers::{Subject, Work};
use crate::pools::{apart, range};
use crate::{in_each_placement, promises};
use core::mem::MaybeUninit;
use ze_area::{
    AccessCaps, Error, ErrorKind, FreePolicy, Placement, PlacementKind, Pool, PoolBuilder,
    PoolStats, Queue, ZeBuffer,
};

promises![
    freed_memory_is_erased_before_it_is_used_again,
    memory_freed_by_another_thread_is_erased,
    buffers_of_a_pool_that_shares_no_slabs_lie_apart,
    settings_that_mean_nothing_are_refused,
    settings_can_be_read,
    free_policies_are_refused,
    statistics_are_exact,
];

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The bytes of a fresh buffer, whoever had it before.
///
/// # Safety
///
/// The memory must have been written to.
unsafe fn bytes_of<P: Placement>(queue: &Queue, buffer: ZeBuffer<MaybeUninit<u8>, P>) -> Vec<u8> {
    let context = queue.context();
    let parts = buffer.into_raw_parts();
    let parts = ze_area::RawParts {
        pointer: parts.pointer.cast::<u8>(),
        len: parts.len,
        base: parts.base,
        bytes: parts.bytes,
        device: parts.device,
        policy: parts.policy,
        slot: parts.slot,
    };
    // SAFETY: the parts are those of a buffer of this context, whose bytes the caller vouches for.
    let buffer = unsafe { ZeBuffer::<u8, P>::from_raw_parts(context, parts) };
    queue.to_vec(&buffer).unwrap()
}

fn erasing<A: ze_area::Alignment, P: Placement>(builder: PoolBuilder<A, P>) -> Pool<A, P> {
    builder.zero_on_free(true).build().unwrap()
}

fn freed_memory_is_erased_before_it_is_used_again(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let checked = subject.executes(Work::Other, "erased memory");
    in_each_placement!(context, subject.device(), |area| {
        let pool = erasing(Pool::builder(&area));
        for size in [1, 64, 100, 5000, 64 * KIB, MIB] {
            let buffer = pool.mmap_from_slice(&vec![0xA5_u8; size]).unwrap();
            let address = buffer.device_ptr().addr();
            drop(buffer);
            let again = pool.mmap_uninit::<u8>(size).unwrap();
            assert_eq!(again.device_ptr().addr(), address, "{size}: not used again");
            // SAFETY: the bytes were written by the first.
            let read = unsafe { bytes_of(&queue, again) };
            assert!(
                !checked || read.iter().all(|&byte| byte == 0),
                "{size} bytes"
            );
        }
        // Also what comes to a thread by way of others and of other classes.
        let written: Vec<_> = (0..2000)
            .map(|_| pool.mmap_from_slice(&[0xA5_u8; 500]).unwrap())
            .collect();
        drop(written);
        let again: Vec<_> = (0..2000)
            .map(|_| pool.mmap_uninit::<u8>(500).unwrap())
            .collect();
        for buffer in again {
            // SAFETY: the driver has given the memory, and bytes may be any.
            let read = unsafe { bytes_of(&queue, buffer) };
            // Some of it was never used, and is as the driver gave it.
            assert!(!checked || read.iter().all(|&byte| byte != 0xA5));
        }
    });
}

fn memory_freed_by_another_thread_is_erased(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let checked = subject.executes(Work::Other, "erased memory");
    in_each_placement!(context, subject.device(), |area| {
        let pool = erasing(Pool::builder(&area));
        for size in [100, MIB] {
            let buffer = pool.mmap_from_slice(&vec![0xA5_u8; size]).unwrap();
            let address = buffer.device_ptr().addr();
            std::thread::spawn(move || drop(buffer)).join().unwrap();
            // It comes back after what this thread has itself.
            let mut others = Vec::new();
            let again = loop {
                let again = pool.mmap_uninit::<u8>(size).unwrap();
                if again.device_ptr().addr() == address {
                    break again;
                }
                others.push(again);
                assert!(others.len() < 1000, "{size} bytes: never used again");
            };
            // SAFETY: the bytes were written by the first.
            let read = unsafe { bytes_of(&queue, again) };
            assert!(
                !checked || read.iter().all(|&byte| byte == 0),
                "{size} bytes"
            );
        }
    });
}

fn buffers_of_a_pool_that_shares_no_slabs_lie_apart(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        let usual = area.pool().unwrap();
        let concurrent = subject.device().memory_access().shared_single;
        let of_shared = area.mmap::<u8>(1).unwrap().placement() == PlacementKind::Shared;
        let together = !of_shared || concurrent.contains(AccessCaps::CONCURRENT);
        assert_eq!(usual.settings().share_slabs, together);

        for share in [true, false] {
            let pool = Pool::builder(&area).share_slabs(share).build().unwrap();
            assert_eq!(pool.settings().share_slabs, share);
            let held: Vec<_> = (0..8).map(|_| pool.mmap::<u8>(100).unwrap()).collect();
            apart(held.iter().map(range).collect());
            let mut bases: Vec<_> = held
                .iter()
                .map(|buffer| context.describe(buffer.device_ptr()).unwrap().unwrap().base)
                .collect();
            bases.dedup();
            assert_eq!(bases.len(), if share { 1 } else { 8 });
            assert_eq!(pool.stats().driver_allocations, bases.len() as u64);
            drop(held);
            // They are kept all the same.
            let held: Vec<_> = (0..8).map(|_| pool.mmap::<u8>(100).unwrap()).collect();
            assert_eq!(pool.stats().driver_allocations, bases.len() as u64);
            drop(held);
        }
    });
}

fn settings_that_mean_nothing_are_refused(subject: &Subject) {
    let context = subject.context();
    let area = context.device_area(subject.device());
    let builder = || Pool::builder(&area);
    let refused = [
        ("smallest_bucket", 0, builder().smallest_bucket(0)),
        ("smallest_bucket", 32, builder().smallest_bucket(32)),
        ("smallest_bucket", 96, builder().smallest_bucket(96)),
        (
            "smallest_bucket",
            2 << 30,
            builder().smallest_bucket(2 << 30),
        ),
        ("slab_size", 0, builder().slab_size(0)),
        ("slab_size", 32 * KIB, builder().slab_size(32 * KIB)),
        ("slab_size", 65_537, builder().slab_size(65_537)),
        ("slab_size", 2 << 30, builder().slab_size(2 << 30)),
        (
            "largest_pooled",
            usize::MAX,
            builder().largest_pooled(usize::MAX),
        ),
    ];
    for (name, number, builder) in refused {
        let error = builder.build().unwrap_err();
        let named = matches!(
            error,
            Error::BadPoolSetting { setting, value, .. } if setting == name && value == number
        );
        assert!(named, "{error:?}");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        let text = error.to_string();
        let said = format!("{name}({number})");
        assert!(text.contains(&said) && text.contains("has to be"), "{text}");
    }
    let lawful = [
        builder().smallest_bucket(64).slab_size(64 * KIB),
        builder().smallest_bucket(MIB),
        builder().slab_size(4 * MIB).largest_pooled(100),
        builder().largest_pooled(0).kept_capacity(0),
        builder().kept_capacity(usize::MAX).limit(u64::MAX),
    ];
    for builder in lawful {
        let pool = builder.build().unwrap();
        let held: Vec<_> = [1, 100, 5000, MIB]
            .map(|size| pool.mmap::<u8>(size).unwrap())
            .into();
        apart(held.iter().map(range).collect());
    }
    assert!(context.memory().is_empty());
}

fn settings_can_be_read(subject: &Subject) {
    let context = subject.context();
    let area = context.host_area();
    let usual = area.pool().unwrap();
    let settings = usual.settings();
    assert_eq!(
        (settings.smallest_bucket, settings.slab_size, settings.limit),
        (64, 64 * KIB, None)
    );
    assert_eq!((settings.name.as_str(), settings.zero_on_free), ("", false));
    let builder = Pool::builder(&area)
        .name("messages")
        .smallest_bucket(128)
        .slab_size(MIB)
        .largest_pooled(2 * MIB)
        .kept_capacity(3 * MIB)
        .limit(5 << 20)
        .idle_after(core::time::Duration::from_secs(7))
        .zero_on_free(true)
        .share_slabs(false);
    let pool = builder.clone().build().unwrap();
    let settings = pool.settings();
    let numbers = (
        settings.smallest_bucket,
        settings.slab_size,
        settings.largest_pooled,
        settings.kept_capacity,
        settings.limit,
        settings.idle_after.as_secs(),
    );
    assert_eq!(numbers, (128, MIB, 2 * MIB, 3 * MIB, Some(5 << 20), 7));
    assert!(settings.zero_on_free && !settings.share_slabs);
    assert_eq!(settings.name, "messages");
    assert!(format!("{builder:?}").contains("messages"));
    let again = builder.build().unwrap();
    assert_eq!(again.settings(), settings);
}

fn free_policies_are_refused(subject: &Subject) {
    let context = subject.context();
    let mut policies = 0;
    in_each_placement!(context, subject.device(), |area| {
        for policy in [FreePolicy::Blocking, FreePolicy::Deferred] {
            // Where the driver has it.
            let Ok(area) = area.free_policy(policy) else {
                continue;
            };
            policies += 1;
            let error = area.pool().unwrap_err();
            // The driver has it: what refuses is the pool.
            let text = error.to_string();
            assert!(
                text.contains("pool") && text.contains("Immediate"),
                "{text}"
            );
        }
        let usual = area.free_policy(FreePolicy::Immediate).unwrap();
        usual.pool().unwrap();
    });
    if policies == 0 {
        subject.not_applicable("pools of areas with a free policy: the driver has none");
    }
}

fn statistics_are_exact(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        let pool = Pool::builder(&area).share_slabs(true).build().unwrap();
        let mut allocations = 0;
        // Sizes, what they take, what is held then, and how many calls of the driver that took.
        let steps = [
            (1, 64, 64, 1),
            (64, 64, 64, 1),
            (65, 128, 128, 2),
            (1024, 1024, 192, 3),
            (1025, 1152, 256, 4),
            (64 * KIB, 64 * KIB, 320, 5),
            (64 * KIB + 1, 128 * KIB, 448, 6),
            (100, 128, 448, 6),
            (MIB + 1, MIB + 128 * KIB, 1600, 7),
            (64 * MIB + 1, 64 * MIB + 1, 1600 + 64 * KIB, 8),
        ];
        let mut held = Vec::new();
        let mut live = 0;
        for (bytes, takes, held_kib, calls) in steps {
            held.push(pool.mmap_uninit::<u8>(bytes).unwrap());
            allocations += 1;
            live += takes as u64;
            let stats = pool.stats();
            assert_eq!(stats.placement, held[0].placement());
            assert_eq!(
                (stats.live_buffers, stats.live_bytes),
                (allocations, live),
                "{bytes}"
            );
            assert_eq!(stats.allocations, allocations);
            assert_eq!(stats.driver_allocations, calls, "{bytes}");
            assert_eq!(stats.hits(), allocations - calls);
            assert_eq!(stats.held_bytes >> 10, held_kib as u64, "{bytes}");
            assert_eq!(stats.peak_held_bytes, stats.held_bytes);
            assert_eq!(stats.idle_bytes(), stats.held_bytes - live);
            assert_eq!(stats.driver_frees, 0);
        }
        drop(held.pop());
        let stats = pool.stats();
        assert_eq!(
            (stats.live_buffers, stats.driver_frees),
            (allocations - 1, 1)
        );
        assert_eq!(stats.held_bytes, 1600 << 10);
        assert!(stats.peak_held_bytes > 64 << 20);
        let live = live - (64 << 20) - 1;
        assert_eq!(stats.live_bytes, live);
        let text = stats.to_string();
        for part in [
            format!("{} memory", stats.placement),
            format!("{live} bytes live in 9 buffers"),
            format!("{} bytes held", stats.held_bytes),
            format!("peak {}", stats.peak_held_bytes),
            "2 of 10 allocations".to_owned(),
        ] {
            assert!(text.contains(&part), "{text}: {part}");
        }
        drop(held);
        let stats = pool.stats();
        assert_eq!((stats.live_buffers, stats.live_bytes), (0, 0));
        assert!((stats.fragmentation() - 1.0).abs() < 1e-9);
        let given = pool.trim() as u64;
        assert_eq!(given, stats.held_bytes);
        let stats: PoolStats = pool.stats();
        assert_eq!(stats.driver_frees, stats.driver_allocations);
        assert_eq!((stats.held_bytes, stats.fragmentation()), (0, 0.0));
        assert_eq!(context.memory().of(stats.placement).live_bytes, 0);
    });
}
