//! Ledger, faults, counts and log; instances that do not see each other; many threads.
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails, as it should"
)]

mod setup;

use level_zero_cpu::{Config, FRESH_BYTE, Instance, api};
use level_zero_sys as sys;
use setup::*;
use std::ptr::null_mut;

#[test]
fn the_ledger_lists_what_is_live() {
    let gpu = Gpu::with(Config::new().devices(2).sub_devices(2));
    assert_eq!(gpu.instance.ledger().to_string().lines().count(), 1);
    let host = gpu.alloc(Kind::Host, 100, 32).unwrap();
    let mut device = null_mut();
    assert_eq!(
        alloc_in(
            gpu.context,
            gpu.devices[1],
            Kind::Device,
            50,
            4096,
            &mut device
        ),
        SUCCESS
    );
    let ledger = gpu.instance.ledger();
    assert_eq!(
        (ledger.contexts, ledger.command_lists, ledger.reservations),
        (1, 1, 0)
    );
    let [first, second] = &ledger.allocations[..] else {
        panic!("{ledger}")
    };
    assert_eq!(
        (first.address, first.size, first.kind),
        (host.addr(), 100, Kind::Host)
    );
    assert_eq!(
        (first.device, first.alignment, first.orphaned),
        (None, 32, false)
    );
    assert_eq!(
        (second.address, second.size, second.kind),
        (device.addr(), 50, Kind::Device)
    );
    assert_eq!(
        (second.device, second.sub_device, second.alignment),
        (Some(1), None, 4096)
    );
    assert!(first.serial < second.serial);
    assert_eq!(first.context, gpu.context.addr());
    assert_eq!(ledger.live_bytes(Kind::Host), 100);
    assert_eq!(ledger.live_bytes(Kind::Shared), 0);
    let text = ledger.to_string();
    assert!(
        text.contains("50 bytes of device memory on device 1"),
        "{text}"
    );
    assert!(text.contains(&format!("{:#x}", host.addr())), "{text}");
    for pointer in [host, device] {
        assert_eq!(gpu.free(pointer), SUCCESS);
    }
    let ledger = gpu.end();
    assert!(ledger.is_empty());
    assert_eq!(ledger.to_string(), "nothing is live");
}

#[test]
fn memory_of_a_destroyed_context_stays_in_the_ledger() {
    let gpu = Gpu::new();
    let instance = gpu.instance.clone();
    let pointer = gpu.alloc(Kind::Device, 64, 0).unwrap();
    let context = gpu.context;
    let ledger = gpu.end();
    assert!(!ledger.is_empty());
    assert!(ledger.allocations[0].orphaned);
    assert_eq!(free_in(context, pointer), INVALID_ARGUMENT);
    assert_eq!(instance.ledger().allocations.len(), 1);
}

#[test]
fn the_nth_use_of_a_call_fails_and_does_nothing() {
    let gpu = Gpu::new();
    gpu.instance
        .fail("zeMemAllocDevice", 2, OUT_OF_DEVICE_MEMORY);
    gpu.instance
        .fail("zeMemFree", 1, sys::ZE_RESULT_ERROR_DEVICE_LOST);
    let first = gpu.alloc(Kind::Device, 64, 0).unwrap();
    gpu.alloc(Kind::Host, 64, 0).unwrap();
    let mut untouched = handle(42);
    let result = alloc_in(
        gpu.context,
        gpu.device(),
        Kind::Device,
        64,
        0,
        &mut untouched,
    );
    assert_eq!((result, untouched.addr()), (OUT_OF_DEVICE_MEMORY, 42));
    assert_eq!(gpu.free(first), sys::ZE_RESULT_ERROR_DEVICE_LOST);
    assert_eq!(gpu.instance.ledger().allocations.len(), 2);
    assert_eq!(gpu.free(first), SUCCESS);
    assert!(gpu.alloc(Kind::Device, 64, 0).is_ok());
}

#[test]
fn the_nth_call_of_any_name_fails() {
    let gpu = Gpu::new();
    gpu.instance.fail_nth(2, sys::ZE_RESULT_ERROR_UNKNOWN);
    let pointer = gpu.alloc(Kind::Shared, 64, 0).unwrap();
    assert_eq!(gpu.copy(pointer, pointer, 0), sys::ZE_RESULT_ERROR_UNKNOWN);
    gpu.instance.fail_nth(1, sys::ZE_RESULT_ERROR_UNKNOWN);
    gpu.instance.clear_faults();
    assert_eq!(gpu.free(pointer), SUCCESS);
}

#[test]
fn calls_are_counted_and_logged() {
    let gpu = Gpu::new();
    let before = gpu.instance.total_calls();
    gpu.instance.log(true);
    let pointer = gpu.alloc(Kind::Host, 64, 0).unwrap();
    assert_eq!(gpu.alloc(Kind::Host, 0, 0), Err(UNSUPPORTED_SIZE));
    assert_eq!(gpu.free(pointer), SUCCESS);
    gpu.instance.log(false);
    assert_eq!(gpu.free(pointer), INVALID_ARGUMENT);
    let log = gpu.instance.take_log();
    let log: Vec<_> = log
        .iter()
        .map(|record| (record.call, record.result))
        .collect();
    let alloc = "zeMemAllocHost";
    assert_eq!(
        log,
        [
            (alloc, SUCCESS),
            (alloc, UNSUPPORTED_SIZE),
            ("zeMemFree", SUCCESS)
        ]
    );
    assert_eq!(gpu.instance.total_calls(), before + 4);
    assert_eq!(gpu.instance.calls()["zeMemFree"], 2);
}

#[test]
fn instances_do_not_see_each_other() {
    let (one, two) = (Gpu::new(), Gpu::new());
    let pointer = one.alloc(Kind::Shared, 64, 0).unwrap();
    two.instance.fail_nth(1, sys::ZE_RESULT_ERROR_UNKNOWN);
    assert_eq!(one.free(pointer), SUCCESS);
    two.instance.clear_faults();
    let pointer = one.alloc(Kind::Shared, 64, 0).unwrap();
    assert!(two.instance.ledger().allocations.is_empty());
    assert_eq!(two.free(pointer), INVALID_ARGUMENT);
    assert_eq!(
        two.copy(pointer, pointer.wrapping_byte_add(8), 8),
        INVALID_ARGUMENT
    );
    let mut none = null_mut();
    let result = alloc_in(two.context, one.device(), Kind::Device, 64, 0, &mut none);
    assert_eq!(result, INVALID_ARGUMENT);
    assert_eq!(one.free(pointer), SUCCESS);
}

#[test]
fn thousands_of_instances_are_cheap() {
    for _ in 0..3000 {
        let gpu = Gpu::new();
        let pointer = gpu.alloc(Kind::Device, 64, 0).unwrap();
        assert_eq!(gpu.free(pointer), SUCCESS);
        assert!(gpu.end().is_empty());
    }
    let many: Vec<_> = (0..500)
        .map(|_| Instance::new(Config::new()).unwrap())
        .collect();
    assert_eq!(many.len(), 500);
}

#[test]
fn settings_that_make_no_sense_are_an_error() {
    let error = Instance::new(Config::new().max_fill_pattern(3)).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn threads_may_do_anything_at_once() {
    let gpu = Gpu::with(Config::new().device_memory(8 << 20).host_memory(8 << 20));
    std::thread::scope(|scope| {
        for thread in 0..2_u8 {
            let gpu = &gpu;
            scope.spawn(move || random_use(gpu, thread));
        }
    });
    assert!(gpu.end().is_empty());
}

/// Every allocation is filled with its own byte, which must still be there when it is freed.
fn random_use(gpu: &Gpu, thread: u8) {
    let list = create_list(gpu.context, gpu.device()).unwrap();
    let copy = |to: *mut std::ffi::c_void, from: *const std::ffi::c_void, size| {
        // SAFETY: memory of the driver or of this function, of that size.
        let result = unsafe {
            (api().zeCommandListAppendMemoryCopy)(list, to, from, size, null_mut(), 0, null_mut())
        };
        assert_eq!(result, SUCCESS);
    };
    let mut random = Random::new(u64::from(thread) + 5);
    let mut live: Vec<(*mut std::ffi::c_void, usize, u8)> = Vec::new();
    for _ in 0..100_000 {
        if live.len() < 100 && random.below(2) == 0 {
            let (kind, size) = (KINDS[random.below(3)], 1 + random.below(300));
            let pointer = gpu.alloc(kind, size, 1 << random.below(13)).unwrap();
            let mut fresh = vec![0; size];
            copy(fresh.as_mut_ptr().cast(), pointer, size);
            assert!(fresh.iter().all(|byte| *byte == FRESH_BYTE));
            let byte = u8::try_from(random.below(100)).unwrap() + 100 * thread;
            copy(pointer, vec![byte; size].as_ptr().cast(), size);
            live.push((pointer, size, byte));
        } else if !live.is_empty() {
            let (pointer, size, byte) = live.swap_remove(random.below(live.len()));
            let mut found = vec![0; size];
            copy(found.as_mut_ptr().cast(), pointer, size);
            assert!(found.iter().all(|found| *found == byte));
            assert_eq!(gpu.free(pointer), SUCCESS);
        }
    }
    for (pointer, ..) in live {
        assert_eq!(gpu.free(pointer), SUCCESS);
    }
    // SAFETY: used no more.
    assert_eq!(unsafe { (api().zeCommandListDestroy)(list) }, SUCCESS);
}
