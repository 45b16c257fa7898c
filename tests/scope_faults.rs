//! The Nth call of the driver fails in a scope, for every N: the error names the call, everything is
//! done at the scope's end all the same, nothing leaks, and the context goes on working.
#![cfg(feature = "cpu")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "child/mod.rs"]
mod child;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use ze_area::cpu::{Config, Instance};
use ze_area::sys::{self, Api, ze_result_t};
use ze_area::{Context, Device, Driver, Host, Queue, Result, ZeBuffer};

const LEN: usize = 5000;

const CODES: [ze_result_t; 4] = [
    sys::ZE_RESULT_ERROR_DEVICE_LOST,
    sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY,
    sys::ZE_RESULT_ERROR_UNKNOWN,
    sys::ZE_RESULT_ERROR_INVALID_ARGUMENT,
];

struct World {
    queues: [Queue; 2],
    buffer: ZeBuffer<u32, Device>,
    second: ZeBuffer<u32, Device>,
    host: ZeBuffer<u32, Host>,
}

impl World {
    fn new(driver: &Driver) -> Self {
        let context = Context::builder().driver(driver).build().unwrap();
        let gpu = context.devices()[0].clone();
        let area = context.device_area(&gpu);
        Self {
            queues: core::array::from_fn(|_| context.queue(&gpu).unwrap()),
            buffer: area.mmap(LEN).unwrap(),
            second: area.mmap(LEN).unwrap(),
            host: context.host_area().mmap(LEN).unwrap(),
        }
    }

    /// Fills, copies, across queues and back, reads in between.
    fn program(&mut self, source: &[u32], back: &mut [u32]) -> Result<()> {
        let [first, second] = &self.queues;
        first.scope(|q| {
            let other = q.on(second)?;
            let source = q.lend(source);
            let mut back = q.lend_mut(back);
            let mut buffer = q.lend_mut(&mut self.buffer);
            let mut between = q.lend_mut(&mut self.second);
            let mut host = q.lend_mut(&mut self.host);
            q.copy(&source, &mut buffer)?;
            other.copy(&buffer, &mut between)?;
            q.fill(&mut buffer, 5)?;
            q.copy(&between, &mut host)?;
            assert_eq!(host.read()?, [9; LEN]);
            host.write()?[0] = 1;
            other.copy(&host, &mut back)?;
            other.fill(&mut between, 6)?;
            q.wait()?;
            q.copy(&between, &mut host)
        })
    }

    fn check_contents(&self, back: &[u32]) {
        assert_eq!(back[..3], [1, 9, 9]);
        assert_eq!(self.host, [6; LEN]);
        assert_eq!(self.queues[0].to_vec(&self.buffer).unwrap(), [5; LEN]);
    }

    /// The program works, again and again.
    fn check_usable(&mut self) {
        for _ in 0..2 {
            let mut back = vec![0; LEN];
            self.program(&[9; LEN], &mut back).unwrap();
            self.check_contents(&back);
        }
    }
}

/// Runs the program with every call failing once in turn, and returns the names of the calls.
fn every_nth(code: ze_result_t, profiled: bool) -> Vec<&'static str> {
    for nth in 1.. {
        let instance = Instance::new(Config::new()).unwrap();
        let driver = Driver::from_cpu(&instance).unwrap();
        let mut world = World::new(&driver);
        let (mut source, mut back) = (vec![9; LEN], vec![0; LEN]);
        instance.log(true);
        instance.fail_nth(nth, code);
        let result = if profiled {
            let queue = world.queues[0].clone();
            let profiled = queue.profile(|q| {
                let mut host = q.lend_mut(&mut world.host);
                q.fill(&mut host, 3)?;
                q.fill(&mut host, 4)
            });
            profiled.map(drop)
        } else {
            world.program(&source, &mut back)
        };
        if code == sys::ZE_RESULT_ERROR_DEVICE_LOST {
            // The library believes it, but the device goes on.
            while instance.ledger().pending > 0 {
                std::thread::yield_now();
            }
        }
        // Borrowed no longer, and used by nobody.
        assert_eq!(instance.ledger().pending, 0, "call {nth}");
        source.fill(0);
        let log = instance.take_log();
        instance.clear_faults();
        let failed = log.iter().find(|record| record.result == code);
        match (&result, failed) {
            (Ok(()), None) => {}
            // An event that cannot be reset is not used again, and one whose time is not known has
            // none.
            (Ok(()), Some(failed)) => assert!(
                profiled
                    || ["zeEventHostReset", "zeEventDestroy", "zeEventCreate"]
                        .contains(&failed.call),
                "{} went unnoticed",
                failed.call
            ),
            (Err(error), Some(failed)) => {
                assert_eq!(error.call(), Some(failed.call), "call {nth}: {error}");
                assert_eq!(error.code().map(ze_area::ResultCode::as_raw), Some(code.0));
            }
            (Err(error), None) => panic!("call {nth}: {error}"),
        }
        if result.is_ok() && !profiled {
            world.check_contents(&back);
        }
        let calls: Vec<_> = log.iter().map(|record| record.call).collect();
        let destroys = failed.is_some_and(|failed| failed.call.ends_with("Destroy"));
        let done = failed.is_none();
        back.fill(0);
        world.check_usable();
        drop((world, driver));
        let ledger = instance.ledger();
        // What could not be destroyed is what is left.
        assert!(ledger.is_empty() || destroys, "call {nth}: {ledger}");
        if done {
            return calls;
        }
    }
    unreachable!()
}

#[test]
fn a_scope_survives_every_failing_call() {
    for code in CODES {
        let calls = every_nth(code, false);
        for call in [
            "zeCommandListCreateImmediate",
            "zeEventPoolCreate",
            "zeEventCreate",
            "zeCommandListAppendMemoryCopy",
            "zeCommandListAppendMemoryFill",
            "zeCommandListAppendBarrier",
            "zeEventHostSynchronize",
            "zeEventHostReset",
        ] {
            assert!(calls.contains(&call), "{call} is not called: {calls:?}");
        }
    }
}

#[test]
fn a_profile_survives_every_failing_call() {
    for code in CODES {
        let calls = every_nth(code, true);
        assert!(calls.contains(&"zeEventQueryKernelTimestamp"), "{calls:?}");
    }
}

/// What fails for good behind the tables below.
static BROKEN: AtomicUsize = AtomicUsize::new(0);
const SYNCHRONIZE: usize = 1;
const BARRIER: usize = 2;
const LIST: usize = 4;
const QUERY: usize = 8;
/// With another code.
const LOST: usize = 16;

fn broken(what: usize) -> Option<ze_result_t> {
    let broken = BROKEN.load(Ordering::Relaxed);
    let code = match broken & LOST {
        0 => sys::ZE_RESULT_ERROR_UNKNOWN,
        _ => sys::ZE_RESULT_ERROR_DEVICE_LOST,
    };
    (broken & what != 0).then_some(code)
}

fn real() -> &'static Api {
    ze_area::cpu::api()
}

unsafe extern "C" fn synchronize(event: sys::ze_event_handle_t, timeout: u64) -> ze_result_t {
    // SAFETY: all is passed on.
    broken(SYNCHRONIZE)
        .unwrap_or_else(|| unsafe { (real().zeEventHostSynchronize)(event, timeout) })
}

unsafe extern "C" fn query(event: sys::ze_event_handle_t) -> ze_result_t {
    // SAFETY: all is passed on.
    broken(QUERY).unwrap_or_else(|| unsafe { (real().zeEventQueryStatus)(event) })
}

unsafe extern "C" fn barrier(
    list: sys::ze_command_list_handle_t,
    signal: sys::ze_event_handle_t,
    count: u32,
    waits: *mut sys::ze_event_handle_t,
) -> ze_result_t {
    // SAFETY: all is passed on.
    broken(BARRIER).unwrap_or_else(|| unsafe {
        (real().zeCommandListAppendBarrier)(list, signal, count, waits)
    })
}

unsafe extern "C" fn synchronize_list(
    list: sys::ze_command_list_handle_t,
    timeout: u64,
) -> ze_result_t {
    let synchronize = real().zeCommandListHostSynchronize.unwrap();
    // SAFETY: all is passed on.
    broken(LIST).unwrap_or_else(|| unsafe { synchronize(list, timeout) })
}

/// A world on a driver in which nothing is broken yet. One test at a time has it.
fn breakable(waits_for_lists: bool) -> (World, std::sync::MutexGuard<'static, ()>) {
    static TABLES: [OnceLock<Api>; 2] = [OnceLock::new(), OnceLock::new()];
    static TURN: Mutex<()> = Mutex::new(());

    let turn = TURN
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    BROKEN.store(0, Ordering::Relaxed);
    let table = TABLES[usize::from(waits_for_lists)].get_or_init(|| {
        let mut api = *real();
        api.zeEventHostSynchronize = synchronize;
        api.zeEventQueryStatus = query;
        api.zeCommandListAppendBarrier = barrier;
        api.zeCommandListHostSynchronize = waits_for_lists.then_some(synchronize_list);
        api
    });
    // SAFETY: the table is the CPU driver's; what is broken does nothing.
    let driver = unsafe { Driver::from_api(table, 0) }.unwrap();
    (World::new(&driver), turn)
}

/// Enqueues one fill with that broken, and mends it.
fn fill_while_broken(world: &mut World, what: usize) -> Result<()> {
    BROKEN.store(what, Ordering::Relaxed);
    let filled = world.queues[0].scope(|q| q.fill(&mut q.lend_mut(&mut world.host), 0x1234_5678));
    BROKEN.store(0, Ordering::Relaxed);
    filled
}

#[test]
fn a_driver_that_cannot_wait_for_events_is_asked_again_and_again() {
    let (mut world, _turn) = breakable(false);
    let error = fill_while_broken(&mut world, SYNCHRONIZE).unwrap_err();
    assert_eq!(error.call(), Some("zeEventHostSynchronize"));
    assert_eq!(world.host, [0x1234_5678; LEN], "it is done all the same");
    world.check_usable();
}

#[test]
fn a_list_that_takes_no_barrier_is_waited_for_as_a_whole() {
    let (mut world, _turn) = breakable(true);
    let error = fill_while_broken(&mut world, BARRIER).unwrap_err();
    assert_eq!(error.call(), Some("zeCommandListAppendBarrier"));
    assert_eq!(world.host, [0x1234_5678; LEN], "it is done all the same");
    world.check_usable();
}

#[test]
fn a_lost_device_is_an_error_and_not_waited_for() {
    for waits_for_lists in [false, true] {
        let (mut world, _turn) = breakable(waits_for_lists);
        for (what, call) in [
            (SYNCHRONIZE, "zeEventHostSynchronize"),
            (BARRIER, "zeCommandListAppendBarrier"),
            (
                SYNCHRONIZE | BARRIER | LIST | QUERY,
                "zeCommandListAppendBarrier",
            ),
        ] {
            let error = fill_while_broken(&mut world, what | LOST).unwrap_err();
            assert_eq!(error.call(), Some(call));
            // The device of this test is not lost, so that what was on it has to end first.
            world.queues[0]
                .scope(|q| q.fill(&mut q.lend_mut(&mut world.host), 2))
                .unwrap();
        }
        world.check_usable();
    }
}

fn aborts(test: &str, waits_for_lists: bool, what: usize) {
    if child::task().is_some() {
        let (mut world, _turn) = breakable(waits_for_lists);
        let filled = fill_while_broken(&mut world, what);
        println!("went on: {filled:?}");
        return;
    }
    let output = child::run(test, "break", &[]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stdout.contains("went on"), "{stdout}");
    assert!(!output.status.success());
    assert!(
        stderr.contains("ze-area: the driver cannot say whether the device is done"),
        "{stderr}"
    );
    assert!(
        stderr.contains("0x7ffffffe") || stderr.contains("UNKNOWN"),
        "{stderr}"
    );
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(
            output.status.signal(),
            Some(libc::SIGABRT),
            "{}",
            output.status
        );
    }
}

#[test]
fn a_driver_that_cannot_wait_at_all_ends_the_process() {
    let test = "a_driver_that_cannot_wait_at_all_ends_the_process";
    aborts(test, false, BARRIER);
}

#[test]
fn a_driver_that_can_neither_wait_nor_tell_ends_the_process() {
    let test = "a_driver_that_can_neither_wait_nor_tell_ends_the_process";
    aborts(test, true, SYNCHRONIZE | QUERY);
}

#[test]
fn a_driver_whose_every_way_to_wait_fails_ends_the_process() {
    let test = "a_driver_whose_every_way_to_wait_fails_ends_the_process";
    aborts(test, true, BARRIER | LIST);
}
