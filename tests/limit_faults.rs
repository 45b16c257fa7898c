//! The Nth call of the driver fails for want of memory in a context with a limit, for every N: what
//! is allocated goes on counting, and nothing else does.
#![cfg(feature = "cpu")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use ze_area::cpu::{Config, Instance};
use ze_area::{Context, Driver, Error, ErrorKind, Result, sys};

const LIMIT: usize = 1 << 20;

/// Runs `operation` with its Nth call failing, for every N until none fails.
fn every_nth(config: &Config, code: sys::ze_result_t, operation: fn(&Context) -> Result<()>) {
    for nth in 1.. {
        let instance = Instance::new(config.clone()).unwrap();
        let driver = Driver::from_cpu(&instance).unwrap();
        let builder = Context::builder().driver(&driver);
        let context = builder.memory_limit(LIMIT as u64).build().unwrap();
        instance.log(true);
        instance.fail_nth(nth, code);
        let result = operation(&context);
        instance.clear_faults();
        let log = instance.take_log();
        let Some(failed) = log.iter().find(|record| record.result == code) else {
            result.unwrap();
            assert!(nth > 2, "{log:?}");
            return;
        };
        let memory = context.memory();
        if let Err(error) = result {
            assert_eq!(error.call(), Some(failed.call), "{error}");
            assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
        }
        assert_eq!(memory.live_bytes(), 0, "{memory:?}");
        let still_there: usize = instance.ledger().allocations.iter().map(|a| a.size).sum();
        assert_eq!(memory.leaked_bytes(), still_there as u64);
        let area = context.host_area().align::<1>();
        let left = LIMIT - still_there;
        let error = area.mmap_uninit::<u8>(left + 1).unwrap_err();
        assert!(matches!(error, Error::LimitReached { .. }), "{error}");
        assert!(area.mmap_uninit::<u8>(left).is_ok());
    }
}

/// With both codes, on a driver that aligns and on one that does not.
fn every_way(operation: fn(&Context) -> Result<()>) {
    for honours in [true, false] {
        let config = Config::new().honour_alignment(honours);
        for code in [
            sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY,
            sys::ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY,
        ] {
            every_nth(&config, code, operation);
        }
    }
}

#[test]
fn device_memory_that_runs_out_anywhere_leaves_the_limit_whole() {
    every_way(|context| {
        let area = context.default_device_area()?.align::<65536>();
        area.mmap::<u32>(1000).map(drop)
    });
}

#[test]
fn shared_memory_that_runs_out_anywhere_leaves_the_limit_whole() {
    every_way(|context| {
        let area = context.default_device_area()?.shared().align::<65536>();
        area.mmap_from_slice(&[1_u32; 1000]).map(drop)
    });
}

#[test]
fn host_memory_that_runs_out_anywhere_leaves_the_limit_whole() {
    every_way(|context| {
        let area = context.host_area().align::<65536>();
        area.mmap_from_fn(1000, |i| i as u64)?.free()?;
        Ok(())
    });
}

#[test]
fn clones_that_run_out_of_memory_anywhere_leave_the_limit_whole() {
    every_way(|context| {
        let source = context.default_device_area()?.mmap::<u32>(1000)?;
        let queue = context.queue(context.first_device()?)?;
        queue.try_clone(&source).map(drop)
    });
}
