//! Pending operations that are dropped while the process ends.
#![cfg(all(feature = "cpu", unix))]
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails, as it should"
)]

mod child;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use ze_area::{Context, Driver, InOut};

const TEST: &str = "what_a_pending_operation_keeps_is_not_freed_while_the_process_ends";

/// The thread has dropped its operation.
static DROPPED: AtomicBool = AtomicBool::new(false);

extern "C" fn wait_for_the_thread() {
    let begin = Instant::now();
    while !DROPPED.load(Ordering::Acquire) && begin.elapsed() < Duration::from_secs(10) {
        std::thread::yield_now();
    }
}

/// Says when it is freed.
struct Kept;

impl Drop for Kept {
    fn drop(&mut self) {
        eprintln!("kept: freed");
    }
}

/// Whether there is what runs kernels.
fn end_with_a_pending_launch() -> bool {
    // Before the driver is there, so that it runs after calls are barred.
    // SAFETY: the function is of this program, and does not unwind.
    unsafe { libc::atexit(wait_for_the_thread) };
    let driver = Driver::cpu().unwrap();
    let context = Context::builder().driver(&driver).build().unwrap();
    let gpu = context.first_device().unwrap();
    let module = context.module(gpu);
    let Ok(module) = module.spirv(include_bytes!("kernels/twice.spv")) else {
        DROPPED.store(true, Ordering::Release);
        return false;
    };
    let kept = Kept;
    let rule = move |launch: &ze_area::Launch<'_>| {
        let _ = &kept;
        Some(launch.items()) <= launch.len(0)
    };
    // SAFETY: that is its signature, and the rule keeps it in bounds.
    let twice = unsafe { module.kernel_where::<(InOut<u32>,)>("twice", rule) }.unwrap();
    let x = context.host_area().mmap::<u32>(64).unwrap();
    let queue = context.queue(gpu).unwrap();
    let pending = queue.start_launch(&twice, 64, (x,)).unwrap();
    drop(twice);
    let area = context.host_area();
    std::thread::spawn(move || {
        while area.mmap_uninit::<u8>(1).is_ok() {
            std::thread::yield_now();
        }
        // Nobody can say any more whether it is done.
        drop(pending);
        eprintln!("pending: dropped");
        DROPPED.store(true, Ordering::Release);
    });
    true
}

#[test]
fn what_a_pending_operation_keeps_is_not_freed_while_the_process_ends() {
    if child::task().is_some() {
        if !end_with_a_pending_launch() {
            eprintln!("skipped: no OpenCL runtime for processors");
        }
        std::process::exit(0);
    }
    let output = child::run(TEST, "end", &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("skipped: ") {
        let required = std::env::var("ZE_AREA_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|word| word == "opencl"), "{said}");
        eprintln!("{said}");
        return;
    }
    assert!(said.contains("pending: dropped"), "{said}");
    assert!(!said.contains("kept: freed"), "{said}");
    assert!(output.status.success(), "{said}");
}
