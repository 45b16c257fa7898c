//! The Nth call of the driver fails while a module or a kernel is made or launched, for every N:
//! nothing leaks, and all goes on working.
#![cfg(feature = "cpu")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use core::cell::RefCell;
use core::sync::atomic::{AtomicU32, Ordering};
use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};
use ze_area::cpu::{Config, Instance};
use ze_area::{
    Atomic, Context, Driver, Error, Grid, Host, InOut, Kernel, Module, Pending, Queue, Result,
    ZeBuffer, sys,
};

const TWICE: &[u8] = include_bytes!("kernels/twice.spv");
/// A code that no call of the operations treats in a way of its own.
const LOST: sys::ze_result_t = sys::ZE_RESULT_ERROR_DEVICE_LOST;

type Twice = Kernel<(InOut<u32>,)>;

struct World {
    instance: Instance,
    context: Context,
    queue: Queue,
    module: Module,
    twice: Twice,
    x: ZeBuffer<u32, Host>,
}

fn build(context: &Context) -> Result<Module> {
    context.module(context.first_device()?).spirv(TWICE)
}

fn twice(module: &Module) -> Result<Twice> {
    // SAFETY: that is its signature, and launches here have as many items as elements.
    unsafe { module.kernel("twice") }
}

impl World {
    /// `None`, where it is said, without the runtime that the CPU driver runs kernels with.
    fn new() -> Option<Self> {
        let instance = Instance::new(Config::new()).unwrap();
        let driver = Driver::from_cpu(&instance).unwrap();
        let context = Context::builder().driver(&driver).build().unwrap();
        let module = match build(&context) {
            Ok(module) => module,
            Err(error) => {
                let required = std::env::var("ZE_AREA_REQUIRE").unwrap_or_default();
                assert!(!required.split(',').any(|word| word == "opencl"), "{error}");
                // Past the capture of the harness.
                let _ = writeln!(std::io::stderr(), "skipped: {error}");
                return None;
            }
        };
        Some(Self {
            queue: context.queue(context.first_device().unwrap()).unwrap(),
            twice: twice(&module).unwrap(),
            x: context.host_area().mmap_from_slice(&[1; 64]).unwrap(),
            module,
            context,
            instance,
        })
    }

    /// Modules and kernels can still be made, and the old ones launched.
    fn check_usable(&mut self) {
        let module = build(&self.context).unwrap();
        for twice in [&twice(&module).unwrap(), &self.twice] {
            self.x.fill(21);
            let grid = Grid::from(64).group_size(8);
            self.queue.launch(twice, grid, (&mut self.x,)).unwrap();
            assert_eq!(self.x, [42; 64]);
        }
    }
}

/// Drops everything; what is left is what failed to be destroyed, and what that keeps.
fn finish(world: World, failed: Option<&str>) {
    let instance = world.instance.clone();
    drop(world);
    let ledger = instance.ledger();
    match failed {
        Some("zeModuleDestroy" | "zeKernelDestroy" | "zeModuleBuildLogDestroy") => {
            let left = ledger.modules + ledger.kernels + ledger.build_logs;
            assert!(left <= 2, "{ledger}");
            assert!(
                ledger.allocations.is_empty() && ledger.command_lists == 0,
                "{ledger}"
            );
        }
        _ => assert!(ledger.is_empty(), "after {failed:?}: {ledger}"),
    }
}

/// Runs `operation` in a fresh world with its Nth call failing, for every N until none fails.
/// Returns the calls that the operation makes.
fn every_nth(operation: impl Fn(&mut World) -> Result<()>) -> Vec<&'static str> {
    for nth in 1.. {
        let Some(mut world) = World::new() else {
            return Vec::new();
        };
        world.instance.log(true);
        world.instance.fail_nth(nth, LOST);
        let result = operation(&mut world);
        world.instance.clear_faults();
        // The library believes that the device is lost, but it goes on.
        while world.instance.ledger().pending > 0 {
            std::thread::yield_now();
        }
        let log = world.instance.take_log();
        let Some(failed) = log.iter().find(|record| record.result == LOST) else {
            result.unwrap();
            finish(world, None);
            return log.iter().map(|record| record.call).collect();
        };
        match result {
            Err(error) => assert_eq!(error.call(), Some(failed.call), "call {nth}: {error}"),
            Ok(()) => assert!(
                failed.call.ends_with("Destroy")
                    || [
                        "zeModuleBuildLogGetString",
                        "zeEventHostReset",
                        "zeEventCreate"
                    ]
                    .contains(&failed.call),
                "{} went unnoticed",
                failed.call
            ),
        }
        world.check_usable();
        finish(world, Some(failed.call));
    }
    unreachable!()
}

fn assert_calls(calls: &[&str], expected: &[&str]) {
    assert!(calls.is_empty() || calls == expected, "{calls:?}");
}

#[test]
fn making_a_module_survives_every_failing_call() {
    let calls = every_nth(|w| build(&w.context).map(drop));
    let expected = [
        "zeModuleCreate",
        "zeModuleBuildLogGetString",
        "zeModuleBuildLogGetString",
        "zeModuleBuildLogDestroy",
        "zeModuleDestroy",
    ];
    assert_calls(&calls, &expected);
}

#[test]
fn a_failed_build_destroys_its_log_whatever_fails() {
    let calls = every_nth(|w| {
        let builder = w.context.module(w.context.first_device()?);
        match builder.options("-no-such-option").spirv(TWICE) {
            Err(Error::BuildFailed { log, code }) if code.as_raw() != LOST.0 => {
                assert!(!log.is_empty());
                Ok(())
            }
            other => other.map(drop),
        }
    });
    let expected = [
        "zeModuleCreate",
        "zeModuleBuildLogGetString",
        "zeModuleBuildLogGetString",
        "zeModuleBuildLogDestroy",
    ];
    assert_calls(&calls, &expected);
}

#[test]
fn native_code_survives_every_failing_call() {
    let calls = every_nth(|w| {
        let code = w.module.native_binary()?;
        let builder = w.context.module(w.context.first_device()?);
        // SAFETY: it is of this device and driver.
        unsafe { builder.native(&code) }.map(drop)
    });
    let expected = [
        "zeModuleGetNativeBinary",
        "zeModuleGetNativeBinary",
        "zeModuleCreate",
        "zeModuleBuildLogGetString",
        "zeModuleBuildLogGetString",
        "zeModuleBuildLogDestroy",
        "zeModuleGetKernelNames",
        "zeModuleGetKernelNames",
        "zeModuleDestroy",
    ];
    assert_calls(&calls, &expected);
}

#[test]
fn making_a_kernel_survives_every_failing_call() {
    let calls = every_nth(|w| twice(&w.module).map(drop));
    let expected = ["zeKernelCreate", "zeKernelGetProperties", "zeKernelDestroy"];
    assert_calls(&calls, &expected);
}

#[test]
fn a_launch_survives_every_failing_call_and_the_next_sets_everything_anew() {
    let calls = every_nth(|w| {
        let grid = Grid::from(64).group_size(16);
        w.queue.launch(&w.twice, grid, (&mut w.x,))?;
        w.queue.launch(&w.twice, 64, (&mut w.x,))?;
        w.queue.launch(&w.twice, 64, (&mut w.x,))
    });
    let launch = [
        "zeKernelSetArgumentValue",
        "zeCommandListAppendLaunchKernel",
    ];
    let mut expected = vec!["zeKernelSetGroupSize"];
    expected.extend(launch);
    expected.extend(["zeKernelSuggestGroupSize", "zeKernelSetGroupSize"]);
    expected.extend(launch);
    expected.extend(launch);
    assert_calls(&calls, &expected);
}

#[test]
fn launches_in_a_scope_survive_every_failing_call() {
    let calls = every_nth(|w| {
        let x = &mut w.x;
        w.queue.scope(|q| {
            let mut x = q.lend_mut(x);
            q.launch(&w.twice, 64, (&mut x,))?;
            q.launch(&w.twice, Grid::from(64).group_size(8), (&mut x,))?;
            q.launch(&w.twice, 64, (&mut x,))
        })?;
        assert_eq!(w.x, [8; 64]);
        Ok(())
    });
    assert!(calls.is_empty() || calls.contains(&"zeCommandListAppendBarrier"));
}

#[test]
fn a_started_launch_survives_every_failing_call() {
    let calls = every_nth(|w| {
        let none = w.context.host_area().mmap(0)?;
        let x = core::mem::replace(&mut w.x, none);
        let started = w.queue.start_launch(&w.twice, 64, (x,));
        match started.and_then(Pending::wait) {
            Ok((x,)) => w.x = x,
            Err(returned) => {
                w.x = returned.buffer.0;
                return Err(returned.error);
            }
        }
        assert_eq!(w.x, [2; 64]);
        Ok(())
    });
    assert!(calls.is_empty() || calls.contains(&"zeEventHostSynchronize"));
}

#[test]
fn launches_with_the_same_atomics_have_a_barrier_between_them() {
    let Some(world) = World::new() else {
        return;
    };
    let gates = world.context.module(world.context.first_device().unwrap());
    let gates = gates.file("tests/kernels/gates.spv").unwrap();
    // SAFETY: that is its signature; it uses one element.
    let tally: Kernel<(Atomic<u32>,)> = unsafe { gates.kernel("tally") }.unwrap();
    let mut counter = world.context.host_area().mmap::<u32>(1).unwrap();
    let atomics = counter.as_atomics();
    world.instance.log(true);
    let launched = world.queue.scope(|q| {
        q.launch(&tally, 1, (atomics,))?;
        q.launch(&tally, 1, (atomics,))?;
        q.launch(&tally, 1, (atomics,))
    });
    launched.unwrap();
    let log = world.instance.take_log();
    let launches_and_barriers: Vec<_> = log
        .iter()
        .map(|record| record.call)
        .filter(|call| call.starts_with("zeCommandListAppend"))
        .map(|call| &call["zeCommandListAppend".len()..])
        .collect();
    let (launch, barrier) = ("LaunchKernel", "Barrier");
    let expected = [launch, barrier, launch, barrier, launch, barrier];
    assert_eq!(
        launches_and_barriers, expected,
        "the last is the scope's end"
    );
    assert_eq!(counter, [3]);
    drop((counter, tally, gates));
    finish(world, None);
}

#[test]
fn a_launch_that_fails_has_run_nothing() {
    for call in [
        "zeKernelSetGroupSize",
        "zeKernelSetArgumentValue",
        "zeKernelSuggestGroupSize",
        "zeCommandListAppendLaunchKernel",
    ] {
        let Some(mut world) = World::new() else {
            return;
        };
        world.instance.fail(call, 1, LOST);
        let error = world.queue.launch(&world.twice, 64, (&mut world.x,));
        assert_eq!(error.unwrap_err().call(), Some(call));
        assert_eq!(world.x, [1; 64]);
        world
            .queue
            .launch(&world.twice, 64, (&mut world.x,))
            .unwrap();
        assert_eq!(world.x, [2; 64]);
        finish(world, None);
    }
}

#[test]
fn a_launch_that_is_refused_makes_no_call() {
    let Some(mut world) = World::new() else {
        return;
    };
    // SAFETY: no launch is let through.
    let refused: Twice = unsafe { world.module.kernel_where("twice", |_| false) }.unwrap();
    world.instance.log(true);
    let grid = Grid::from(64).group_size(4);
    let error = world.queue.launch(&refused, grid, (&mut world.x,));
    let error = error.unwrap_err();
    assert!(matches!(error, Error::LaunchRefused { .. }), "{error}");
    world
        .queue
        .launch(&world.twice, 0, (&mut world.x,))
        .unwrap();
    let log = world.instance.take_log();
    assert!(log.is_empty(), "{log:?}");
    drop(refused);
    finish(world, None);
}

/// A driver that suggests another group size each time.
unsafe extern "C" fn fickle(
    _: sys::ze_kernel_handle_t,
    _: u32,
    _: u32,
    _: u32,
    x: *mut u32,
    y: *mut u32,
    z: *mut u32,
) -> sys::ze_result_t {
    static ASKED: AtomicU32 = AtomicU32::new(0);

    let group = 8 << (ASKED.fetch_add(1, Ordering::Relaxed) % 2);
    for (size, to) in [(group, x), (1, y), (1, z)] {
        // SAFETY: the library gives valid targets.
        unsafe { to.write(size) };
    }
    sys::ZE_RESULT_SUCCESS
}

thread_local! {
    static GROUPS: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

unsafe extern "C" fn set_group(
    kernel: sys::ze_kernel_handle_t,
    x: u32,
    y: u32,
    z: u32,
) -> sys::ze_result_t {
    GROUPS.with_borrow_mut(|all| all.push(x));
    // SAFETY: all is passed on.
    unsafe { (ze_area::cpu::api().zeKernelSetGroupSize)(kernel, x, y, z) }
}

#[test]
fn what_a_rule_has_seen_is_launched_whatever_the_driver_suggests_later() {
    static TABLE: OnceLock<sys::Api> = OnceLock::new();

    let table = TABLE.get_or_init(|| {
        let mut api = *ze_area::cpu::api();
        api.zeKernelSuggestGroupSize = fickle;
        api.zeKernelSetGroupSize = set_group;
        api
    });
    // SAFETY: the table is that of a driver; any group size may be suggested.
    let driver = unsafe { Driver::from_api(table, 0) }.unwrap();
    let context = Context::builder().driver(&driver).build().unwrap();
    if World::new().is_none() {
        return;
    }
    let module = build(&context).unwrap();
    let queue = context.queue(context.first_device().unwrap()).unwrap();
    let x = context.host_area().mmap_from_slice(&[1_u32; 16]).unwrap();
    let again = Arc::new(Mutex::new(None::<(Queue, Twice, ZeBuffer<u32, Host>)>));
    let inside = Arc::clone(&again);
    let rule = move |launch: &ze_area::Launch<'_>| {
        // Another grid in between has the first one planned anew.
        if launch.items() == 64
            && let Some((queue, twice, x)) = &mut *inside.lock().unwrap()
        {
            let grid = Grid::from(16).group_size(4);
            queue.launch(twice, grid, (x,)).unwrap();
        }
        launch.items() != 64 || launch.group_size() == [8, 1, 1]
    };
    // SAFETY: that is its signature, and launches here have as many items as elements.
    let twice: Twice = unsafe { module.kernel_where("twice", rule) }.unwrap();
    *again.lock().unwrap() = Some((queue.clone(), twice.clone(), x));
    let mut x = context.host_area().mmap_from_slice(&[1_u32; 64]).unwrap();
    let mut launched = 0;
    for _ in 0..6 {
        GROUPS.take();
        if queue.launch(&twice, 64, (&mut x,)).is_ok() {
            launched += 1;
            assert_eq!(GROUPS.take().pop(), Some(8));
        }
        let grid = Grid::from(32).group_size(4);
        let mut part = x.slice_mut(..32).unwrap();
        queue.launch(&twice, grid, (&mut part,)).unwrap();
    }
    assert_eq!(launched, 3);
    again.lock().unwrap().take();
}
