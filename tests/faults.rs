//! The Nth call of the driver fails, for every N: the error names the call, nothing leaks, and the
//! context goes on working.
#![cfg(feature = "cpu")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use ze_area::cpu::{Config, Instance};
use ze_area::{
    Advice, Context, Device, Driver, Engine, Error, ErrorKind, FreePolicy, Layout, Ownership,
    Queue, Result, ZeBuffer, ZeDevice, ZeSlice, sys,
};

/// A code that no call of the operations treats in a way of its own.
const LOST: sys::ze_result_t = sys::ZE_RESULT_ERROR_DEVICE_LOST;

struct World {
    instance: Instance,
    context: Context,
    gpu: ZeDevice,
    queue: Queue,
    on_device: ZeBuffer<f32, Device>,
    other: ZeBuffer<f32, Device>,
}

fn driver(config: Config) -> (Instance, Driver) {
    let instance = Instance::new(config).unwrap();
    let driver = Driver::from_cpu(&instance).unwrap();
    (instance, driver)
}

impl World {
    fn new(config: Config) -> Self {
        let (instance, driver) = driver(config);
        let context = Context::builder().driver(&driver).build().unwrap();
        let gpu = context.devices()[0].clone();
        let area = context.device_area(&gpu);
        Self {
            queue: context.queue(&gpu).unwrap(),
            on_device: area.mmap_from_slice(&[1.0; 64]).unwrap(),
            other: area.mmap(64).unwrap(),
            instance,
            context,
            gpu,
        }
    }

    /// The context still allocates, copies and frees.
    fn check_usable(&mut self) {
        let host = self
            .context
            .host_area()
            .mmap_from_slice(&[7.0_f32; 64])
            .unwrap();
        self.queue.copy(&host, &mut self.on_device).unwrap();
        assert_eq!(self.queue.to_vec(&self.on_device).unwrap(), [7.0; 64]);
        host.free().unwrap();
    }
}

/// Runs `operation` in a fresh world with its Nth call failing, for every N until none fails.
/// Returns the calls that the operation makes.
fn every_nth(
    code: sys::ze_result_t,
    config: &Config,
    operation: impl Fn(&mut World) -> Result<()>,
) -> Vec<&'static str> {
    for nth in 1.. {
        let mut world = World::new(config.clone());
        world.instance.log(true);
        world.instance.fail_nth(nth, code);
        let result = operation(&mut world);
        world.instance.clear_faults();
        let log = world.instance.take_log();
        let before = world.context.memory();
        let Some(failed) = log.iter().find(|record| record.result == code) else {
            result.unwrap();
            assert_eq!(before.failed_frees(), 0);
            finish(world, None);
            return log.iter().map(|record| record.call).collect();
        };
        if let Err(error) = &result {
            assert_eq!(error.call(), Some(failed.call), "call {nth}: {error}");
            assert_eq!(
                error.code().map(ze_area::ResultCode::as_raw),
                Some(code.0),
                "{error}"
            );
            assert!(error.to_string().contains(failed.call), "{error}");
        } else {
            // Only what a drop does has nobody to report to; it is counted instead.
            let destroys = matches!(failed.call, "zeCommandListDestroy" | "zeContextDestroy");
            assert!(
                destroys || before.failed_frees() == 1,
                "{} went unnoticed",
                failed.call
            );
        }
        world.check_usable();
        finish(world, Some(failed.call));
    }
    unreachable!()
}

/// Drops everything; what is left is what a failed free or destroy left.
fn finish(world: World, failed: Option<&str>) {
    let instance = world.instance.clone();
    let leaked = world.context.memory().failed_frees();
    drop(world);
    let ledger = instance.ledger();
    assert_eq!(ledger.allocations.len() as u64, leaked, "{ledger}");
    let lists = usize::from(failed == Some("zeCommandListDestroy"));
    // A list that could not be destroyed keeps its context.
    let contexts = usize::from(failed == Some("zeContextDestroy")).max(lists);
    assert_eq!(
        (ledger.command_lists, ledger.contexts),
        (lists, contexts),
        "{ledger}"
    );
}

#[test]
fn mmap_survives_every_failing_call_in_every_placement() {
    let config = Config::new();
    let calls = every_nth(LOST, &config, |w| {
        w.context.device_area(&w.gpu).mmap::<u32>(1000).map(drop)
    });
    assert_eq!(
        calls,
        [
            "zeMemAllocDevice",
            "zeCommandListAppendMemoryFill",
            "zeMemFree"
        ],
        "the upload list is there already"
    );
    let calls = every_nth(LOST, &config, |w| {
        w.context
            .device_area(&w.gpu)
            .shared()
            .mmap::<u32>(1000)
            .map(drop)
    });
    assert_eq!(calls, ["zeMemAllocShared", "zeMemFree"]);
    let calls = every_nth(LOST, &config, |w| {
        w.context.host_area().mmap::<u32>(1000).map(drop)
    });
    assert_eq!(calls, ["zeMemAllocHost", "zeMemFree"]);
}

#[test]
fn mmap_on_a_device_that_was_not_used_before_survives_every_failing_call() {
    let calls = every_nth(LOST, &Config::new().devices(2), |w| {
        let second = w.context.devices()[1].clone();
        w.context.device_area(&second).mmap::<u32>(1000).map(drop)
    });
    assert_eq!(
        calls,
        [
            "zeMemAllocDevice",
            "zeCommandListCreateImmediate",
            "zeCommandListAppendMemoryFill",
            "zeMemFree"
        ]
    );
}

#[test]
fn mmap_from_slice_survives_every_failing_call_in_every_placement() {
    let data: Vec<u64> = (0..5000).collect();
    let config = Config::new();
    let calls = every_nth(LOST, &config, |w| {
        w.context
            .device_area(&w.gpu)
            .mmap_from_slice(&data)
            .map(drop)
    });
    assert_eq!(
        calls,
        [
            "zeMemAllocDevice",
            "zeCommandListAppendMemoryCopy",
            "zeMemFree"
        ]
    );
    every_nth(LOST, &config, |w| {
        w.context
            .device_area(&w.gpu)
            .shared()
            .mmap_from_slice(&data)
            .map(drop)
    });
    every_nth(LOST, &config, |w| {
        w.context.host_area().mmap_from_slice(&data).map(drop)
    });
}

#[test]
fn mmap_from_fn_survives_every_failing_call_and_a_panic_of_the_closure() {
    let pieces = 3 * (1 << 20) / 8 + 1;
    let calls = every_nth(LOST, &Config::new(), |w| {
        w.context
            .device_area(&w.gpu)
            .mmap_from_fn(pieces, |i| i as u64)
            .map(drop)
    });
    assert_eq!(calls.len(), 1 + 4 + 1, "{calls:?}");

    let world = World::new(Config::new());
    let area = world.context.device_area(&world.gpu);
    let host = world.context.host_area();
    for at in [0, 1, pieces - 1] {
        let element = |i| {
            if i == at {
                panic!("the closure's own")
            } else {
                i as u64
            }
        };
        assert!(catch_unwind(AssertUnwindSafe(|| area.mmap_from_fn(pieces, element))).is_err());
        assert!(catch_unwind(AssertUnwindSafe(|| host.mmap_from_fn(pieces, element))).is_err());
    }
    drop((area, host));
    finish(world, None);
}

#[test]
fn an_alignment_that_the_driver_ignores_survives_every_failing_call() {
    let config = Config::new().honour_alignment(false);
    let calls = every_nth(LOST, &config, |w| {
        let area = w.context.device_area(&w.gpu).align::<{ 1 << 20 }>();
        let buffer = area.mmap_uninit::<u32>(1000)?;
        assert!(buffer.device_ptr().addr().is_multiple_of(1 << 20));
        buffer.free()?;
        Ok(())
    });
    assert_eq!(
        calls,
        [
            "zeMemAllocDevice",
            "zeMemFree",
            "zeMemAllocDevice",
            "zeMemFree"
        ]
    );
}

#[test]
fn copy_fill_and_barrier_survive_every_failing_call() {
    let config = Config::new();
    let calls = every_nth(LOST, &config, |w| w.queue.copy(&w.on_device, &mut w.other));
    assert_eq!(calls, ["zeCommandListAppendMemoryCopy"]);
    let calls = every_nth(LOST, &config, |w| w.queue.fill(&mut w.other, 3.0));
    assert_eq!(calls, ["zeCommandListAppendMemoryFill"]);
    let calls = every_nth(LOST, &config, |w| w.queue.barrier());
    assert_eq!(calls, ["zeCommandListAppendBarrier"]);
    every_nth(LOST, &config, |w| w.queue.to_vec(&w.other).map(drop));
}

#[test]
fn a_fill_that_is_written_out_survives_every_failing_call() {
    let calls = every_nth(LOST, &Config::new(), |w| {
        let fresh = w
            .context
            .device_area(&w.gpu)
            .mmap_uninit::<[u32; 3]>(20_000)?;
        match w.queue.init(fresh, &vec![[0; 3]; 20_000]) {
            Ok(mut written) => w.queue.fill(&mut written, [1, 2, 3]),
            Err(returned) => {
                assert_eq!(returned.buffer.len(), 20_000, "the buffer comes back");
                Err(returned.error)
            }
        }
    });
    assert_eq!(calls.len(), 1 + 1 + 3 + 1, "{calls:?}");
}

#[test]
fn a_region_survives_every_failing_call() {
    let (wide, tight) = (Layout::rows(8).at([1, 1]), Layout::rows(4));
    let config = Config::new().devices(2);
    let region = "zeCommandListAppendMemoryCopyRegion";
    let calls = every_nth(LOST, &config, |w| {
        let (x, y) = (&w.on_device, &mut w.other);
        w.queue.copy_region(x, wide, y, tight, [4, 4])
    });
    assert_eq!(calls, [region]);
    // Slices with gaps go through memory without, the driver being asked whose they are.
    let mut host = [0.0; 64];
    let calls = every_nth(LOST, &config, |w| {
        w.queue
            .copy_region(&[0.0; 64], wide, &mut w.other, wide, [4, 4])
    });
    assert_eq!(calls, [region]);
    let target = core::cell::RefCell::new(&mut host);
    let calls = every_nth(LOST, &config, |w| {
        let (x, y) = (&w.on_device, &mut target.borrow_mut()[..]);
        w.queue.copy_region(x, wide, y, tight, [4, 4])
    });
    assert_eq!(calls, ["zeMemGetAllocProperties", region]);
    // From one device to another.
    every_nth(LOST, &config, |w| {
        let second = w.context.devices()[1].clone();
        let mut far = w.context.device_area(&second).mmap::<f32>(64)?;
        w.queue
            .copy_region(&w.on_device, wide, &mut far, wide, [4, 4])
    });
}

#[test]
fn hints_and_clones_survive_every_failing_call() {
    let config = Config::new();
    let calls = every_nth(LOST, &config, |w| {
        let shared = w.context.device_area(&w.gpu).shared().mmap::<u8>(9)?;
        w.queue.prefetch(&shared)?;
        w.queue.advise(&shared, Advice::SetReadMostly)
    });
    assert_eq!(
        calls,
        [
            "zeMemAllocShared",
            "zeCommandListAppendMemoryPrefetch",
            "zeCommandListAppendMemAdvise",
            "zeMemFree"
        ]
    );
    let calls = every_nth(LOST, &config, |w| w.queue.try_clone(&w.on_device).map(drop));
    assert_eq!(
        calls,
        [
            "zeMemAllocDevice",
            "zeCommandListAppendMemoryCopy",
            "zeMemFree"
        ]
    );
    every_nth(LOST, &config, |w| {
        let host = w.context.host_area();
        w.queue.clone_in(&host, &w.on_device).map(drop)
    });
    let calls = every_nth(LOST, &config, |w| {
        w.context
            .queue_builder(&w.gpu)
            .engine(Engine::Copy)
            .build()
            .map(drop)
    });
    assert_eq!(
        calls,
        ["zeCommandListCreateImmediate", "zeCommandListDestroy"]
    );
}

#[test]
fn opening_a_driver_a_context_and_a_queue_survives_every_failing_call() {
    let config = Config::new().devices(2).sub_devices(2);
    let open = |instance: &Instance| -> Result<()> {
        let driver = Driver::from_cpu(instance)?;
        driver.extensions()?;
        driver.version()?;
        driver.api_version()?;
        let context = Context::builder().driver(&driver).build()?;
        let subset = Context::builder()
            .driver(&driver)
            .devices([driver.devices()[1].clone()])
            .build()?;
        let queue = context.queue(&context.devices()[0])?;
        subset
            .queue(&subset.devices()[0].sub_devices()[1])?
            .barrier()?;
        queue.barrier()
    };
    for nth in 1.. {
        let instance = Instance::new(config.clone()).unwrap();
        instance.log(true);
        instance.fail_nth(nth, LOST);
        let result = open(&instance);
        let log = instance.take_log();
        let Some(failed) = log.iter().find(|record| record.result == LOST) else {
            result.unwrap();
            assert!(instance.ledger().is_empty());
            assert!(nth > 50, "{nth} calls to open six devices and two contexts");
            return;
        };
        match result {
            Err(error) => {
                assert_eq!(error.call(), Some(failed.call));
                assert_eq!(error.kind(), ErrorKind::Failure);
                assert!(instance.ledger().is_empty(), "{}", instance.ledger());
            }
            Ok(()) => assert!(
                failed.call.ends_with("Destroy"),
                "{} unnoticed",
                failed.call
            ),
        }
    }
}

#[test]
fn a_free_that_fails_gives_the_buffer_back_and_can_be_tried_again() {
    let mut world = World::new(Config::new());
    world
        .instance
        .fail("zeMemFree", 1, sys::ZE_RESULT_ERROR_HANDLE_OBJECT_IN_USE);
    let buffer = world
        .context
        .host_area()
        .mmap_from_slice(&[5_u8; 10])
        .unwrap();
    let returned = buffer.free().unwrap_err();
    assert_eq!(returned.error.kind(), ErrorKind::Busy);
    assert!(returned.to_string().contains("zeMemFree"));
    assert_eq!(returned.buffer, [5; 10], "still there");
    assert_eq!(world.context.memory().host.live_buffers, 1);
    returned.buffer.free().unwrap();
    assert_eq!(world.context.memory().host.live_buffers, 0);
    assert_eq!(world.context.memory().failed_frees(), 0);
    world.check_usable();
    finish(world, None);
}

#[test]
fn a_drop_that_cannot_free_is_counted_with_its_bytes() {
    let world = World::new(Config::new());
    world.instance.fail("zeMemFree", 1, LOST);
    drop(world.context.host_area().mmap::<u64>(100).unwrap());
    let host = world.context.memory().host;
    assert_eq!((host.failed_frees, host.leaked_bytes), (1, 800));
    assert_eq!((host.live_buffers, host.live_bytes), (0, 0));
    finish(world, None);
}

#[test]
fn every_free_policy_survives_every_failing_call() {
    for policy in [FreePolicy::Blocking, FreePolicy::Deferred] {
        let calls = every_nth(LOST, &Config::new(), |w| {
            let area = match w.context.host_area().free_policy(policy) {
                // What the driver answers to the probe is the answer.
                Err(Error::FreePolicyUnsupported {
                    code: Some(code), ..
                }) => {
                    return Err(Error::Call {
                        call: "zeMemFreeExt",
                        code,
                    });
                }
                other => other?,
            };
            let buffer = area.mmap::<u16>(3)?;
            buffer.free()?;
            Ok(())
        });
        assert_eq!(
            calls,
            [
                "zeMemAllocHost",
                "zeMemFreeExt",
                "zeMemAllocHost",
                "zeMemFreeExt"
            ]
        );
    }
}

#[test]
fn describe_survives_every_failing_call() {
    let calls = every_nth(LOST, &Config::new(), |w| {
        w.context.describe(w.on_device.device_ptr()).map(drop)
    });
    assert_eq!(calls, ["zeMemGetAllocProperties", "zeMemGetAddressRange"]);
}

#[test]
fn a_view_of_foreign_memory_survives_every_failing_call() {
    let calls = every_nth(LOST, &Config::new(), |w| {
        let (pointer, len) = (w.on_device.device_ptr(), w.on_device.len());
        // SAFETY: the elements are those of a live buffer, which nobody writes meanwhile.
        let view = unsafe { ZeSlice::<f32, Device>::from_raw(&w.context, pointer, len) }?;
        assert_eq!(view.len(), 64);
        Ok(())
    });
    assert_eq!(calls, ["zeMemGetAllocProperties", "zeMemGetAddressRange"]);
}

#[test]
fn a_context_that_cannot_be_taken_stays_with_who_made_it() {
    let (instance, driver) = driver(Config::new());
    let made = Context::builder().driver(&driver).build().unwrap();
    instance.fail_nth(1, LOST);
    // SAFETY: the context is live, and given away only where it is taken, which it is not.
    let taken = unsafe { Context::from_raw(&driver, made.as_raw(), Ownership::Owned) };
    assert_eq!(taken.unwrap_err().call(), Some("zeContextGetStatus"));
    assert_eq!(instance.ledger().contexts, 1);
    drop(made);
    assert!(instance.ledger().is_empty());
}

#[test]
fn out_of_memory_names_request_placement_and_what_is_live() {
    let world = World::new(Config::new());
    for (call, code) in [
        (
            "zeMemAllocDevice",
            sys::ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY,
        ),
        ("zeMemAllocDevice", sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY),
    ] {
        world.instance.fail(call, 1, code);
        let error = world
            .context
            .device_area(&world.gpu)
            .mmap::<u32>(1000)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        let text = error.to_string();
        for part in [
            call,
            "4000 bytes",
            "device memory",
            "512 bytes in 2 buffers",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
    finish(world, None);
}

#[test]
fn out_of_memory_says_what_was_asked_for_only_to_align() {
    let world = World::new(Config::new().honour_alignment(false));
    let area = world.context.device_area(&world.gpu).align::<{ 1 << 20 }>();
    drop(area.mmap_uninit::<u8>(10).unwrap());
    let code = sys::ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY;
    world.instance.fail("zeMemAllocDevice", 1, code);
    let error = area.mmap_uninit::<u8>(10).unwrap_err();
    let padding = (1 << 20) - 1;
    assert!(
        matches!(error, Error::OutOfMemory { padding: p, .. } if p == padding),
        "{error}"
    );
    let text = error.to_string();
    assert!(
        text.contains("1048585 bytes") && text.contains("1048575 of them to align"),
        "{text}"
    );
    drop(area);
    finish(world, None);
}

#[test]
fn a_fault_that_says_success_is_refused() {
    let instance = Instance::new(Config::new()).unwrap();
    let success = sys::ZE_RESULT_SUCCESS;
    let of_a_call = || instance.fail("zeMemFree", 1, success);
    assert!(catch_unwind(AssertUnwindSafe(of_a_call)).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| instance.fail_nth(1, success))).is_err());
}
