//! Operations that own what they work on, where calls fail and wakers panic: both ends come back, nothing
//! leaks, and the context goes on working.
#![cfg(feature = "cpu")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]
#![allow(clippy::result_large_err, reason = "both ends come back with an error")]

#[path = "child/mod.rs"]
mod child;

use core::mem::ManuallyDrop;
use core::pin::Pin;
use core::task::{Context as TaskContext, Poll, Waker};
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Wake;
use std::time::{Duration, Instant};
use ze_area::cpu::{Config, Instance};
use ze_area::sys::{self, ze_result_t};
use ze_area::{Context, Device, Driver, Error, Pending, Queue, ResultCode, Returned, ZeBuffer};

const LEN: usize = 3000;

fn open() -> (Instance, Context, Queue) {
    let instance = Instance::new(Config::new()).unwrap();
    let driver = Driver::from_cpu(&instance).unwrap();
    let context = Context::builder().driver(&driver).build().unwrap();
    let queue = context.queue(context.first_device().unwrap()).unwrap();
    (instance, context, queue)
}

type Ends = (Vec<u32>, ZeBuffer<u32, Device>);

fn ends(context: &Context, value: u32) -> Ends {
    let area = context.default_device_area().unwrap();
    (vec![value; LEN], area.mmap(LEN).unwrap())
}

fn start(queue: &Queue, (source, target): Ends) -> Result<Pending<Ends>, Returned<Ends>> {
    queue.start_copy(source, target)
}

/// Two copies, one of which is awaited.
fn program(queue: &Queue, ends: [Ends; 2]) -> Result<[Ends; 2], Error> {
    let [first, second] = ends;
    let first = start(queue, first)?;
    let second = start(queue, second)?;
    let second = pollster::block_on(second)?;
    Ok([first.wait()?, second])
}

#[test]
fn started_copies_survive_every_failing_call() {
    for code in [
        sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY,
        sys::ZE_RESULT_ERROR_UNKNOWN,
    ] {
        let calls = every_nth(code);
        for call in [
            "zeCommandListCreateImmediate",
            "zeEventPoolCreate",
            "zeCommandListAppendMemoryCopy",
            "zeEventHostSynchronize",
            "zeEventHostReset",
        ] {
            assert!(calls.contains(&call), "{call} is not called: {calls:?}");
        }
    }
}

fn every_nth(code: ze_result_t) -> Vec<&'static str> {
    for nth in 1.. {
        let (instance, context, queue) = open();
        let all = [ends(&context, 7), ends(&context, 8)];
        instance.log(true);
        instance.fail_nth(nth, code);
        let result = program(&queue, all);
        let log = instance.take_log();
        instance.clear_faults();
        let failed = log.iter().find(|record| record.result == code);
        match (&result, failed) {
            (Ok(ends), _) => {
                let unnoticed = ["zeEventHostReset", "zeEventDestroy", "zeEventCreate"];
                assert!(
                    failed.is_none_or(|failed| unnoticed.contains(&failed.call)),
                    "{failed:?}"
                );
                for ((source, target), value) in ends.iter().zip([7, 8]) {
                    assert_eq!(source, &[value; LEN]);
                    assert_eq!(queue.to_vec(target).unwrap(), [value; LEN]);
                }
            }
            (Err(error), Some(failed)) => {
                assert_eq!(
                    error.code().map(ResultCode::as_raw),
                    Some(code.0),
                    "{error}"
                );
                // Where a copy that was dropped could not be waited for either, the first error is told.
                assert!(error.call() == Some(failed.call), "call {nth}: {error}");
            }
            (Err(error), None) => panic!("call {nth}: {error}"),
        }
        drop(result);
        for value in [1, 2] {
            let again = program(&queue, [ends(&context, value), ends(&context, value)]).unwrap();
            assert_eq!(queue.to_vec(&again[0].1).unwrap(), [value; LEN]);
        }
        let calls = log.iter().map(|record| record.call).collect();
        let destroys = failed
            .is_some_and(|failed| failed.call.ends_with("Destroy") || failed.call == "zeMemFree");
        let done = failed.is_none();
        drop((context, queue));
        let ledger = instance.ledger();
        assert!(ledger.is_empty() || destroys, "call {nth}: {ledger}");
        if done {
            return calls;
        }
    }
    unreachable!()
}

#[test]
fn a_copy_that_fails_to_start_or_to_end_gives_both_ends_back() {
    for call in ["zeCommandListAppendMemoryCopy", "zeEventHostSynchronize"] {
        let (instance, context, queue) = open();
        let (source, target) = ends(&context, 7);
        let addresses = (source.as_ptr(), target.device_ptr());
        instance.fail(call, 1, sys::ZE_RESULT_ERROR_UNKNOWN);
        let result = start(&queue, (source, target)).and_then(Pending::wait);
        let returned = result.unwrap_err();
        assert_eq!(returned.error.call(), Some(call));
        let (source, target) = returned.buffer;
        assert_eq!((source.as_ptr(), target.device_ptr()), addresses);
        assert_eq!(source, [7; LEN]);
    }
}

#[test]
fn the_event_of_an_operation_whose_wait_failed_is_not_used_again() {
    let (instance, context, queue) = open();
    drop(start(&queue, ends(&context, 1)).unwrap().wait().unwrap());
    instance.log(true);
    instance.fail(
        "zeEventHostSynchronize",
        1,
        sys::ZE_RESULT_ERROR_DEVICE_LOST,
    );
    let lost = start(&queue, ends(&context, 1)).unwrap().wait();
    drop(lost.unwrap_err());
    let log = instance.take_log();
    assert!(
        !log.iter().any(|record| record.call == "zeEventHostReset"),
        "{log:?}"
    );
    // The device of this test is not lost: it still uses what was given back.
    while instance.ledger().pending > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_forgotten_operation_leaks_and_nothing_dangles() {
    /// Never dropped, and for the leak sanitizer not lost either.
    static FORGOTTEN: Mutex<Vec<ManuallyDrop<Pending<Ends>>>> = Mutex::new(Vec::new());
    let (instance, context, queue) = open();
    for value in 0..20 {
        let pending = start(&queue, ends(&context, value)).unwrap();
        FORGOTTEN.lock().unwrap().push(ManuallyDrop::new(pending));
    }
    drop((context, queue));
    while instance.ledger().pending > 0 {
        std::thread::yield_now();
    }
    let ledger = instance.ledger();
    assert_eq!(
        (ledger.allocations.len(), ledger.contexts),
        (20, 1),
        "{ledger}"
    );
    assert_eq!(ledger.written_after_free, 0, "{ledger}");
}

struct Counted(AtomicUsize, bool);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::AcqRel);
        assert!(!self.1, "a waker that panics, as this test wants");
    }
}

#[test]
fn a_waker_that_panics_leaves_the_others_to_be_woken() {
    let (_instance, context, queue) = open();
    let area = context.default_device_area().unwrap();
    let mut futures = Vec::new();
    for number in 0..20 {
        let source = area.mmap_from_slice(&vec![1_u8; 1 << 20]).unwrap();
        let pending = queue.start_copy(source, vec![0; 1 << 20]).unwrap();
        let waker = Arc::new(Counted(AtomicUsize::new(0), number % 3 == 0));
        futures.push((pending.into_future(), waker));
    }
    let mut poll_all = |ready: &mut usize| {
        for (future, waker) in &mut futures {
            let waker = Waker::from(Arc::clone(waker));
            let mut context = TaskContext::from_waker(&waker);
            *ready += usize::from(Pin::new(future).poll(&mut context).is_ready());
        }
    };
    let mut ready = 0;
    poll_all(&mut ready);
    let begin = Instant::now();
    while futures
        .iter()
        .any(|(_, waker)| waker.0.load(Ordering::Acquire) == 0)
    {
        assert!(
            begin.elapsed() < Duration::from_secs(30),
            "some are never woken"
        );
        std::thread::yield_now();
    }
    let waker = Waker::noop();
    for (future, _) in &mut futures {
        let mut context = TaskContext::from_waker(waker);
        ready += usize::from(Pin::new(future).poll(&mut context).is_ready());
    }
    assert_eq!(ready, 20);
}

#[test]
fn dropping_what_is_awaited_leaves_nothing_at_work() {
    for _ in 0..200 {
        let (instance, context, queue) = open();
        let mut awaited = start(&queue, ends(&context, 3)).unwrap().into_future();
        let mut task = TaskContext::from_waker(Waker::noop());
        let polled = Pin::new(&mut awaited).poll(&mut task);
        assert!(matches!(polled, Poll::Pending | Poll::Ready(Ok(_))));
        drop(polled);
        drop((context, queue, awaited));
        let ledger = instance.ledger();
        assert!(ledger.is_empty(), "{ledger}");
    }
}

#[cfg(unix)]
mod exit {
    use super::*;

    type Kept = (Instance, Context, Queue, Option<Pending<Ends>>, Ends);

    static KEPT: Mutex<Option<Kept>> = Mutex::new(None);

    /// Runs after the driver was barred, since it was registered before.
    extern "C" fn last() {
        let Some((_instance, _context, queue, pending, ends)) = KEPT.lock().unwrap().take() else {
            std::process::abort();
        };
        let returned = start(&queue, ends).unwrap_err();
        assert!(matches!(returned.error, Error::Exiting { .. }));
        println!("refused");
        match child::task().as_deref() {
            Some("wait") => drop(pending.map(Pending::wait)),
            _ => drop(pending),
        }
        println!("dropped");
    }

    fn in_child() -> bool {
        if child::task().is_none() {
            return false;
        }
        // SAFETY: the handler is a function of this program.
        unsafe { libc::atexit(last) };
        let (instance, context, queue) = open();
        let pending = start(&queue, ends(&context, 3)).unwrap();
        let ends = ends(&context, 4);
        *KEPT.lock().unwrap() = Some((instance, context, queue, Some(pending), ends));
        true
    }

    #[test]
    fn a_handler_of_exit_is_refused_and_may_drop_what_is_pending() {
        if in_child() {
            std::process::exit(0);
        }
        let test = "exit::a_handler_of_exit_is_refused_and_may_drop_what_is_pending";
        let output = child::run(test, "drop", &[("ASAN_OPTIONS", "detect_leaks=0")]);
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{output:?}");
        assert!(stdout.contains("refused\ndropped\n"), "{stdout}");
    }

    #[test]
    fn a_handler_of_exit_that_waits_too_late_aborts_instead_of_waiting_for_ever() {
        use std::os::unix::process::ExitStatusExt;
        if in_child() {
            std::process::exit(0);
        }
        let test = "exit::a_handler_of_exit_that_waits_too_late_aborts_instead_of_waiting_for_ever";
        let output = child::run(test, "wait", &[("ASAN_OPTIONS", "detect_leaks=0")]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{output:?}");
        assert!(stderr.contains("a handler of `exit` waits"), "{stderr}");
    }
}
