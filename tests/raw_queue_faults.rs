//! The Nth call of the driver fails on a queue over a list that other code made, for every N: what was
//! enqueued is done when the call returns, nothing leaks, and the queue goes on working.
#![cfg(feature = "cpu")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use ze_area::cpu::{Config, Instance};
use ze_area::{Context, Device, Driver, Layout, Ownership, Queue, Result, ZeBuffer, sys};

const LEN: usize = 50_000;

const CODES: [sys::ze_result_t; 3] = [
    sys::ZE_RESULT_ERROR_DEVICE_LOST,
    sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY,
    sys::ZE_RESULT_ERROR_UNKNOWN,
];

struct World {
    instance: Instance,
    context: Context,
    queue: Queue,
    x: ZeBuffer<[u8; 3], Device>,
    y: ZeBuffer<[u8; 3], Device>,
}

impl World {
    fn new(mode: sys::ze_command_queue_mode_t) -> Self {
        let instance = Instance::new(Config::new()).unwrap();
        let driver = Driver::from_cpu(&instance).unwrap();
        let context = Context::builder().driver(&driver).build().unwrap();
        let gpu = context.devices()[0].clone();
        let desc = sys::ze_command_queue_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_COMMAND_QUEUE_DESC,
            mode,
            ..Default::default()
        };
        let (create, mut list) = (
            driver.api().zeCommandListCreateImmediate,
            core::ptr::null_mut(),
        );
        // SAFETY: context and device are live, and the pointers good for the call.
        let made = unsafe {
            create(
                context.as_raw(),
                gpu.as_raw(),
                &raw const desc,
                &raw mut list,
            )
        };
        assert_eq!(made, sys::ZE_RESULT_SUCCESS);
        let builder = context.queue_builder(&gpu).ordinal(0);
        // SAFETY: the list was just made, of this context, device and group.
        let queue = unsafe { builder.build_from_raw(list, Ownership::Owned) }.unwrap();
        let area = context.device_area(&gpu);
        Self {
            queue,
            x: area.mmap(LEN).unwrap(),
            y: area.mmap(LEN).unwrap(),
            context,
            instance,
        }
    }

    fn operate(&mut self, host: &[[u8; 3]], back: &mut [[u8; 3]]) -> Result<()> {
        let queue = &self.queue;
        queue.copy(host, &mut self.x)?;
        queue.fill(&mut self.y, [1, 2, 3])?;
        let rows = Layout::rows(100);
        queue.copy_region(&self.x, rows, &mut self.y, rows, [70, 80])?;
        queue.copy(&self.y, back)?;
        queue.barrier()?;
        queue.scope(|q| q.copy(&q.lend(&self.x), &mut q.lend_mut(&mut self.y)))
    }

    fn check_usable(&mut self) {
        let mut back = vec![[0; 3]; LEN];
        self.operate(&[[9; 3]; LEN], &mut back).unwrap();
        assert_eq!((back[69], back[70], back[100]), ([9; 3], [1, 2, 3], [9; 3]));
        assert_eq!(self.queue.to_vec(&self.y).unwrap(), [[9; 3]; LEN]);
    }
}

fn every_nth(code: sys::ze_result_t, mode: sys::ze_command_queue_mode_t) {
    for nth in 1.. {
        let mut world = World::new(mode);
        let instance = world.instance.clone();
        let (mut host, mut back) = (vec![[9; 3]; LEN], vec![[0; 3]; LEN]);
        instance.log(true);
        instance.fail_nth(nth, code);
        let result = world.operate(&host, &mut back);
        if code == sys::ZE_RESULT_ERROR_DEVICE_LOST {
            // The library believes it, but the device goes on.
            while instance.ledger().pending > 0 {
                std::thread::yield_now();
            }
        }
        assert_eq!(instance.ledger().pending, 0, "call {nth}");
        host.fill([0; 3]);
        let log = instance.take_log();
        instance.clear_faults();
        let failed = log.iter().find(|record| record.result == code);
        match (&result, failed) {
            (Ok(()), None) => {}
            // An event that cannot be reset is not used again.
            (Ok(()), Some(failed)) => assert!(
                ["zeEventHostReset", "zeEventDestroy", "zeEventCreate"].contains(&failed.call),
                "{} went unnoticed",
                failed.call
            ),
            (Err(error), Some(failed)) => {
                assert_eq!(error.call(), Some(failed.call), "call {nth}: {error}");
            }
            (Err(error), None) => panic!("call {nth}: {error}"),
        }
        let done = failed.is_none();
        let destroys = failed.is_some_and(|failed| failed.call.ends_with("Destroy"));
        world.check_usable();
        drop(world);
        let ledger = instance.ledger();
        assert!(ledger.is_empty() || destroys, "call {nth}: {ledger}");
        if done {
            assert!(nth > 20, "{nth} calls");
            return;
        }
    }
}

#[test]
fn a_queue_over_an_asynchronous_list_survives_every_failing_call() {
    for code in CODES {
        every_nth(code, sys::ZE_COMMAND_QUEUE_MODE_ASYNCHRONOUS);
    }
}

#[test]
fn a_queue_over_a_synchronous_list_survives_every_failing_call() {
    for code in CODES {
        every_nth(code, sys::ZE_COMMAND_QUEUE_MODE_SYNCHRONOUS);
    }
}

#[test]
fn a_fill_that_fails_when_it_is_started_gives_its_target_back() {
    for code in CODES {
        for nth in 1.. {
            let world = World::new(sys::ZE_COMMAND_QUEUE_MODE_ASYNCHRONOUS);
            let instance = world.instance.clone();
            let host = world.context.host_area();
            let target = host.mmap_from_slice(&vec![[7_u8; 3]; LEN]).unwrap();
            instance.fail_nth(nth, code);
            let started = world.queue.start_fill(target, [1, 2, 3]);
            let failed = started.is_err();
            let target = match started.and_then(ze_area::Pending::wait) {
                Ok(target) => {
                    assert!(instance.ledger().pending == 0 || code == CODES[0]);
                    target
                }
                Err(returned) => returned.buffer,
            };
            while instance.ledger().pending > 0 {
                assert_eq!(code, CODES[0], "given back while the device writes");
                std::thread::yield_now();
            }
            assert_eq!(target.len(), LEN);
            assert!(failed || code == CODES[0] || target == [[1, 2, 3]; LEN]);
            instance.clear_faults();
            drop((target, host));
            drop(world);
            let ledger = instance.ledger();
            assert!(ledger.allocations.is_empty(), "call {nth}: {ledger}");
            if nth > 100 {
                break;
            }
        }
    }
}
