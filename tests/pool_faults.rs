//! The Nth call of the driver fails while a pool is used, for every N: the error names the call, nothing
//! leaks, and the pool goes on working.
#![cfg(feature = "cpu")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use core::mem::MaybeUninit;
use std::sync::OnceLock;
use ze_area::cpu::{Config, Instance};
use ze_area::{
    Align, Area, Context, Device, Driver, Error, ErrorKind, Host, Placement, Pool, Queue, RawParts,
    Result, Shared, ZeBuffer, sys,
};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

const OUT_OF_DEVICE: sys::ze_result_t = sys::ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY;
const OUT_OF_HOST: sys::ze_result_t = sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY;
const LOST: sys::ze_result_t = sys::ZE_RESULT_ERROR_DEVICE_LOST;
const UNKNOWN: sys::ze_result_t = sys::ZE_RESULT_ERROR_UNKNOWN;
const CODES: [sys::ze_result_t; 4] = [OUT_OF_DEVICE, OUT_OF_HOST, LOST, UNKNOWN];

const FILL: &str = "zeCommandListAppendMemoryFill";

/// A pool of each placement.
struct World {
    instance: Instance,
    context: Context,
    queue: Queue,
    device: Pool<Align<64>, Device>,
    shared: Pool<Align<64>, Shared>,
    host: Pool<Align<64>, Host>,
}

impl World {
    fn new(config: Config, erase: bool, capacity: usize) -> Self {
        let instance = Instance::new(config).unwrap();
        let driver = Driver::from_cpu(&instance).unwrap();
        let context = Context::builder().driver(&driver).build().unwrap();
        let area = context.default_device_area().unwrap();
        macro_rules! pool {
            ($area:expr) => {
                Pool::builder(&$area)
                    .zero_on_free(erase)
                    .kept_capacity(capacity)
                    .largest_pooled(MIB)
                    .build()
                    .unwrap()
            };
        }
        // The list that uploads is there already.
        drop(area.mmap::<u8>(1).unwrap());
        Self {
            queue: context.queue(&context.devices()[0]).unwrap(),
            device: pool!(area),
            shared: pool!(area.shared()),
            host: pool!(context.host_area()),
            instance,
            context,
        }
    }

    /// All pools still allocate, keep contents and free.
    fn check_usable(&self) {
        fn use_it<A: Area>(world: &World, pool: &A) {
            for size in [100, 5000, 100_000, 2 * MIB] {
                let first = pool.mmap_from_slice(&vec![7_u8; size]).unwrap();
                let second = pool.mmap::<u8>(size).unwrap();
                assert_eq!(world.queue.to_vec(&first).unwrap(), vec![7; size]);
                assert_eq!(world.queue.to_vec(&second).unwrap(), vec![0; size]);
            }
        }
        use_it(self, &self.device);
        use_it(self, &self.shared);
        use_it(self, &self.host);
    }

    /// Drops everything; what is left is what failed frees left.
    fn finish(self) {
        for stats in [self.device.stats(), self.shared.stats(), self.host.stats()] {
            assert_eq!((stats.live_buffers, stats.live_bytes), (0, 0), "{stats}");
        }
        self.device.trim();
        self.shared.trim();
        self.host.trim();
        let memory = self.context.memory();
        assert_eq!(
            (memory.live_buffers(), memory.live_bytes()),
            (0, 0),
            "{memory}"
        );
        let (instance, lost) = (self.instance.clone(), memory.failed_frees());
        drop(self);
        let ledger = instance.ledger();
        assert_eq!(ledger.allocations.len() as u64, lost, "{ledger}");
        assert_eq!((ledger.command_lists, ledger.contexts), (0, 0), "{ledger}");
    }
}

/// Runs `operation` in a fresh world with its Nth call failing, for every N until none fails and for
/// every code. Returns the calls that the operation makes.
fn every_nth(
    world: impl Fn() -> World,
    operation: impl Fn(&World) -> Result<()>,
) -> Vec<&'static str> {
    let mut calls = Vec::new();
    for code in CODES {
        for nth in 1.. {
            let world = world();
            world.instance.log(true);
            world.instance.fail_nth(nth, code);
            let result = operation(&world);
            world.instance.clear_faults();
            let log = world.instance.take_log();
            let lost = world.context.memory().failed_frees();
            let failed = log.iter().find(|record| record.result == code);
            match (failed, result) {
                (None, result) => {
                    result.unwrap();
                    assert_eq!(lost, 0);
                    calls = log.iter().map(|record| record.call).collect();
                    world.check_usable();
                    world.finish();
                    break;
                }
                (Some(failed), Err(error)) => {
                    assert_eq!(error.call(), Some(failed.call), "call {nth}: {error}");
                    let raw = error.code().map(ze_area::ResultCode::as_raw);
                    assert_eq!(raw, Some(code.0), "{error}");
                    let of_memory = failed.call.starts_with("zeMemAlloc")
                        && [OUT_OF_DEVICE, OUT_OF_HOST].contains(&code);
                    assert_eq!(
                        matches!(error, Error::OutOfMemory { .. }),
                        of_memory,
                        "{error}"
                    );
                    assert_eq!(lost, 0);
                }
                // What a drop does has nobody to report to: a free is counted, and what could not be
                // erased is not used again.
                (Some(failed), Ok(())) => match failed.call {
                    "zeMemFree" => assert_eq!(lost, 1),
                    call => assert_eq!((call, lost), (FILL, 0)),
                },
            }
            world.check_usable();
            world.finish();
        }
    }
    calls
}

fn usual() -> World {
    World::new(Config::new(), false, 64 * MIB)
}

/// Nothing is kept.
fn bare() -> World {
    World::new(Config::new(), false, 0)
}

fn erasing() -> World {
    World::new(Config::new(), true, 64 * MIB)
}

#[test]
fn mmap_of_a_pool_survives_every_failing_call_in_every_placement() {
    for size in [100, 5000, 100_000, 2 * MIB] {
        let calls = every_nth(bare, |w| w.device.mmap::<u8>(size).map(drop));
        assert_eq!(calls, ["zeMemAllocDevice", FILL, "zeMemFree"]);
        let calls = every_nth(bare, |w| w.shared.mmap::<u8>(size).map(drop));
        assert_eq!(calls, ["zeMemAllocShared", "zeMemFree"]);
        let calls = every_nth(bare, |w| w.host.mmap::<u8>(size).map(drop));
        assert_eq!(calls, ["zeMemAllocHost", "zeMemFree"]);
    }
    // What is kept takes no call.
    let calls = every_nth(usual, |w| {
        let one = w.host.mmap_uninit::<u8>(100)?;
        drop((one, w.host.mmap_uninit::<u8>(100)?));
        w.host.mmap_uninit::<u8>(100).map(drop)
    });
    assert_eq!(calls, ["zeMemAllocHost"]);
}

#[test]
fn mmap_from_slice_of_a_pool_survives_every_failing_call() {
    let data = vec![3_u8; 5000];
    let calls = every_nth(usual, |w| {
        drop(w.device.mmap_from_slice(&data)?);
        w.device.mmap_from_slice(&data).map(drop)
    });
    let copy = "zeCommandListAppendMemoryCopy";
    assert_eq!(calls, ["zeMemAllocDevice", copy, copy]);
}

#[test]
fn trim_reset_and_the_end_of_a_pool_survive_every_failing_call() {
    let fill = |w: &World| -> Result<()> {
        let mut held = Vec::new();
        for size in [100, 1000, 100_000] {
            held.push((w.host.mmap::<u8>(size)?, w.device.mmap_uninit::<u8>(size)?));
        }
        Ok(())
    };
    let calls = every_nth(usual, |w| {
        fill(w)?;
        w.host.trim();
        w.device.trim();
        Ok(())
    });
    let frees = calls.iter().filter(|&&call| call == "zeMemFree").count();
    assert_eq!((calls.len(), frees), (12, 6), "{calls:?}");
    every_nth(usual, |w| {
        fill(w)?;
        w.host.reset()
    });
    let calls = every_nth(usual, |w| {
        let pool = Pool::builder(&w.context.host_area()).build()?;
        let held = [pool.mmap::<u8>(100)?, pool.mmap::<u8>(1000)?];
        drop(pool);
        drop(held);
        Ok(())
    });
    assert_eq!(
        calls,
        ["zeMemAllocHost", "zeMemAllocHost", "zeMemFree", "zeMemFree"]
    );
}

#[test]
fn erasing_survives_every_failing_call() {
    for size in [100, 100_000, 2 * MIB] {
        let calls = every_nth(erasing, |w| {
            let one = w.device.mmap_uninit::<u8>(size)?;
            let two = w.device.mmap_uninit::<u8>(size)?;
            drop((one, two));
            w.device.mmap_uninit::<u8>(size).map(drop)
        });
        let fills = calls.iter().filter(|&&call| call == FILL).count();
        assert_eq!(fills, 3, "{calls:?}");
    }
}

#[test]
fn memory_that_could_not_be_erased_is_not_used_again() {
    for size in [100, 5000, 100_000] {
        for others in [false, true] {
            let world = erasing();
            let pool = &world.device;
            let secret = pool.mmap_from_slice(&vec![0xA5_u8; size]).unwrap();
            let other = pool.mmap_from_slice(&vec![3_u8; size]).unwrap();
            let other = others.then_some(other);
            let address = secret.device_ptr();
            world.instance.fail(FILL, 1, LOST);
            drop(secret);
            // Where nothing else lies in it, it is the driver's again, and may come back from there.
            let gone = pool.stats().driver_frees == 1;
            assert_eq!(gone, size > 64 * KIB || !others);
            let held: Vec<_> = (0..2000)
                .map(|_| pool.mmap_uninit::<u8>(size.min(5000)).unwrap())
                .collect();
            let bytes = address.addr()..address.addr() + size;
            for buffer in &held {
                let start = buffer.device_ptr().addr();
                assert!(
                    gone || !(start < bytes.end && bytes.start < start + buffer.len()),
                    "{size} bytes: used again"
                );
            }
            if let Some(other) = other {
                assert_eq!(world.queue.to_vec(&other).unwrap(), vec![3; size]);
            }
            drop(held);
            assert_eq!(pool.stats().live_buffers, 0);
            pool.trim();
            assert!(world.context.memory().is_empty());
            world.check_usable();
            world.finish();
        }
    }
}

#[test]
fn a_free_that_fails_is_counted_and_its_memory_is_lost() {
    let world = usual();
    drop(world.host.mmap::<u8>(100).unwrap());
    drop(world.host.mmap::<u8>(100_000).unwrap());
    let held = world.host.stats().held_bytes;
    world.instance.fail("zeMemFree", 1, LOST);
    assert_eq!(world.host.trim() as u64, held);
    let host = world.context.memory().host;
    assert_eq!(
        (host.failed_frees, host.live_bytes, host.live_buffers),
        (1, 0, 0)
    );
    assert!(
        [64 << 10, 128 << 10].contains(&host.leaked_bytes),
        "{host:?}"
    );
    let stats = world.host.stats();
    assert_eq!((stats.held_bytes, stats.live_buffers), (0, 0), "{stats}");
    world.check_usable();
    world.finish();
}

#[test]
fn what_is_kept_makes_room_when_the_driver_is_out_of_memory() {
    // One call fails, with something kept.
    for code in [OUT_OF_DEVICE, OUT_OF_HOST] {
        let world = usual();
        drop(world.device.mmap_uninit::<u8>(500_000).unwrap());
        world.instance.fail("zeMemAllocDevice", 1, code);
        let buffer = world.device.mmap_uninit::<u8>(100).unwrap();
        let stats = world.device.stats();
        assert_eq!(
            stats.held_bytes,
            64 << 10,
            "what was kept is given back: {stats}"
        );
        drop(buffer);
        world.finish();
    }
    // A device that has no more.
    let world = World::new(Config::new().device_memory(16 << 20), false, 64 * MIB);
    for size in [50 * KIB, 200 * KIB, 700 * KIB, MIB, 8 * MIB] {
        let mut held = Vec::new();
        while (held.len() + 1) * size <= 12 * MIB {
            held.push(world.device.mmap_uninit::<u8>(size).unwrap());
        }
    }
    let mut held = Vec::new();
    let error = loop {
        match world.device.mmap_uninit::<u8>(MIB) {
            Ok(buffer) => held.push(buffer),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
    assert!(held.len() >= 14, "{} of 16", held.len());
    held.truncate(2);
    world.check_usable();
    drop(held);
    world.finish();
}

#[test]
fn a_pool_of_a_driver_that_ignores_alignment_survives_every_failing_call() {
    let world = || World::new(Config::new().honour_alignment(false), false, 0);
    let calls = every_nth(world, |w| {
        let area = w.context.host_area().align::<{ 1 << 20 }>();
        let pool = Pool::builder(&area).kept_capacity(0).build()?;
        let buffer = pool.mmap_uninit::<u8>(100)?;
        assert!(buffer.device_ptr().addr().is_multiple_of(1 << 20));
        assert_eq!(pool.stats().held_bytes, w.context.memory().host.live_bytes);
        Ok(())
    });
    assert_eq!(
        calls,
        ["zeMemAllocHost", "zeMemFree", "zeMemAllocHost", "zeMemFree"]
    );
}

/// What is taken apart and not put together again is lost to the pool: its slab stays, the rest goes on.
#[test]
fn parts_that_are_dropped_are_lost_to_the_pool_and_nothing_else_is() {
    /// Where leak checkers find it.
    static KEPT: OnceLock<(Pool<Align<64>, Host>, Context, Instance)> = OnceLock::new();
    let world = usual();
    let lost = world.host.mmap_from_slice(&[5_u8; 100]).unwrap();
    let address = lost.device_ptr();
    let beside = world.host.mmap_from_slice(&[6_u8; 100]).unwrap();
    drop(lost.into_raw_parts());
    let all: Vec<_> = (0..2000)
        .map(|_| world.host.mmap::<u8>(100).unwrap())
        .collect();
    assert!(all.iter().all(|buffer| buffer.device_ptr() != address));
    // SAFETY: the memory stays, was written, and is nobody else's.
    assert_eq!(unsafe { address.wrapping_add(99).read() }, 5);
    assert_eq!(beside, [6; 100]);
    drop((all, beside));
    world.host.trim();
    let stats = world.host.stats();
    assert_eq!(
        (stats.live_buffers, stats.held_bytes),
        (1, 64 << 10),
        "{stats}"
    );
    assert_eq!(world.context.memory().live_bytes(), 64 << 10);
    world.host.reset().unwrap_err();
    let World {
        instance,
        context,
        host,
        ..
    } = world;
    // Nor is anything else lost when the other handles go.
    assert_eq!(instance.ledger().allocations.len(), 1);
    assert!(KEPT.set((host, context, instance)).is_ok());
}

/// Taken apart, a buffer of a pool says what it is; put together, it is that again.
#[test]
fn parts_survive_a_pool_that_has_ended() {
    let world = usual();
    let pool = Pool::builder(&world.context.host_area()).build().unwrap();
    let mut all: Vec<RawParts<MaybeUninit<u8>>> = Vec::new();
    for size in [100, 100, 5000, 100_000] {
        all.push(pool.mmap_uninit::<u8>(size).unwrap().into_raw_parts());
    }
    drop(pool);
    assert!(world.context.memory().live_bytes() > 0);
    for parts in all {
        // SAFETY: the parts are those of a host buffer of this context.
        let buffer: ZeBuffer<MaybeUninit<u8>, Host> =
            unsafe { ZeBuffer::from_raw_parts(&world.context, parts) };
        assert_eq!(buffer.placement(), Host::KIND);
    }
    assert!(
        world.context.memory().is_empty(),
        "{}",
        world.context.memory()
    );
    world.finish();
}
