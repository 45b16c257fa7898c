//! Contexts and command lists: what they see, and how long their handles hold.
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails, as it should"
)]

mod setup;

use level_zero_cpu::{Config, api};
use level_zero_sys as sys;
use setup::*;
use std::ffi::c_void;
use std::ptr::{null, null_mut};

fn sub_devices(device: sys::ze_device_handle_t) -> Vec<sys::ze_device_handle_t> {
    // SAFETY: the count and the array are what the helper made.
    all(|count, array| unsafe { (api().zeDeviceGetSubDevices)(device, count, array) })
}

#[test]
fn a_context_sees_the_devices_listed_and_their_parts() {
    let gpu = Gpu::with(Config::new().devices(2).sub_devices(2));
    let stranger = Gpu::new();
    let make = |devices: &mut [sys::ze_device_handle_t]| {
        let mut context = null_mut();
        let count = u32::try_from(devices.len()).unwrap();
        let driver = gpu.instance.driver_handle();
        let (desc, devices) = (context_desc(), devices.as_mut_ptr());
        // SAFETY: all of it outlives the call.
        let result = unsafe {
            (api().zeContextCreateEx.unwrap())(
                driver,
                &raw const desc,
                count,
                devices,
                &raw mut context,
            )
        };
        if result == SUCCESS {
            Ok(context)
        } else {
            Err(result)
        }
    };
    let reaches = |context, device| {
        let mut pointer = null_mut();
        let result = alloc_in(context, device, Kind::Device, 64, 0, &mut pointer);
        assert_eq!(create_list(context, device).map(|_| ()), checked(result));
        result
    };
    fn checked(result: sys::ze_result_t) -> Result<(), sys::ze_result_t> {
        if result == SUCCESS {
            Ok(())
        } else {
            Err(result)
        }
    }
    let (one, two) = (gpu.devices[0], gpu.devices[1]);
    let context = make(&mut [two]).unwrap();
    assert_eq!(reaches(context, two), SUCCESS);
    assert_eq!(reaches(context, sub_devices(two)[1]), SUCCESS);
    assert_eq!(reaches(context, one), INVALID_ARGUMENT);
    assert_eq!(reaches(context, sub_devices(one)[0]), INVALID_ARGUMENT);
    let part = make(&mut [sub_devices(one)[1]]).unwrap();
    assert_eq!(reaches(part, sub_devices(one)[1]), SUCCESS);
    assert_eq!(reaches(part, sub_devices(one)[0]), INVALID_ARGUMENT);
    assert_eq!(reaches(part, one), INVALID_ARGUMENT);
    assert_eq!(reaches(gpu.context, stranger.device()), INVALID_ARGUMENT);
    assert_eq!(make(&mut [stranger.device()]), Err(INVALID_ARGUMENT));
    assert_eq!(make(&mut [null_mut()]), Err(NULL_HANDLE));
}

#[test]
fn contexts_check_their_arguments() {
    let gpu = Gpu::new();
    let driver = gpu.instance.driver_handle();
    let create = |driver, desc: *const sys::ze_context_desc_t, context| {
        // SAFETY: null, or outlives the call.
        unsafe { (api().zeContextCreate)(driver, desc, context) }
    };
    let (good, mut context) = (context_desc(), null_mut());
    assert_eq!(
        create(null_mut(), &raw const good, &raw mut context),
        NULL_HANDLE
    );
    assert_eq!(
        create(handle(gpu.context.addr()), &good, &raw mut context),
        INVALID_ARGUMENT
    );
    assert_eq!(create(driver, null(), &raw mut context), NULL_POINTER);
    assert_eq!(create(driver, &raw const good, null_mut()), NULL_POINTER);
    let bad = sys::ze_context_desc_t { flags: 2, ..good };
    assert_eq!(
        create(driver, &raw const bad, &raw mut context),
        INVALID_ENUMERATION
    );
    let bad = sys::ze_context_desc_t {
        stype: queue_desc().stype,
        ..good
    };
    assert_eq!(
        create(driver, &raw const bad, &raw mut context),
        INVALID_ARGUMENT
    );
    let bad = sys::ze_context_desc_t {
        pNext: (&raw const good).cast::<c_void>(),
        ..good
    };
    assert_eq!(
        create(driver, &raw const bad, &raw mut context),
        INVALID_ARGUMENT
    );
    let mut made = null_mut();
    // SAFETY: no array, but a count.
    let result = unsafe {
        (api().zeContextCreateEx.unwrap())(driver, &raw const good, 1, null_mut(), &raw mut made)
    };
    assert_eq!(result, sys::ZE_RESULT_ERROR_INVALID_SIZE);
    // SAFETY: a context and a device of this driver.
    let barrier = unsafe { (api().zeContextSystemBarrier)(gpu.context, gpu.device()) };
    assert_eq!(barrier, SUCCESS);
    // SAFETY: as above.
    assert_eq!(unsafe { (api().zeContextGetStatus)(gpu.context) }, SUCCESS);
    assert_eq!(gpu.instance.ledger().contexts, 1);
}

#[test]
fn command_lists_check_their_descriptor() {
    let gpu = Gpu::new();
    let good = queue_desc();
    let make = |desc| create_list_with(gpu.context, gpu.device(), &desc).map(|_| ());
    let mode = sys::_ze_command_queue_mode_t(3);
    let priority = sys::_ze_command_queue_priority_t(3);
    let next = (&raw const good).cast::<c_void>();
    let stype = context_desc().stype;
    for (bad, expected) in [
        (
            sys::ze_command_queue_desc_t { flags: 2, ..good },
            INVALID_ENUMERATION,
        ),
        (
            sys::ze_command_queue_desc_t { mode, ..good },
            INVALID_ENUMERATION,
        ),
        (
            sys::ze_command_queue_desc_t { priority, ..good },
            INVALID_ENUMERATION,
        ),
        (
            sys::ze_command_queue_desc_t { ordinal: 2, ..good },
            INVALID_ARGUMENT,
        ),
        (
            sys::ze_command_queue_desc_t { index: 1, ..good },
            INVALID_ARGUMENT,
        ),
        (
            sys::ze_command_queue_desc_t {
                pNext: next,
                ..good
            },
            INVALID_ARGUMENT,
        ),
        (
            sys::ze_command_queue_desc_t { stype, ..good },
            INVALID_ARGUMENT,
        ),
    ] {
        assert_eq!(make(bad), Err(expected));
    }
    assert_eq!(create_list(null_mut(), gpu.device()), Err(NULL_HANDLE));
    assert_eq!(create_list(gpu.context, null_mut()), Err(NULL_HANDLE));
    assert_eq!(gpu.instance.ledger().command_lists, 1);
}

#[test]
fn destroyed_objects_are_gone_and_handles_never_come_back() {
    let gpu = Gpu::new();
    let mut seen = Vec::new();
    for _ in 0..100 {
        let context = create_context(&gpu.instance).unwrap();
        let list = create_list(context, gpu.device()).unwrap();
        assert_eq!(destroy_context(context), IN_USE);
        // SAFETY: used no more but to see that it is refused.
        assert_eq!(unsafe { (api().zeCommandListDestroy)(list) }, SUCCESS);
        assert_eq!(
            // SAFETY: as above.
            unsafe { (api().zeCommandListDestroy)(list) },
            INVALID_ARGUMENT
        );
        assert_eq!(destroy_context(context), SUCCESS);
        assert_eq!(destroy_context(context), INVALID_ARGUMENT);
        assert!(!seen.contains(&context.addr()) && !seen.contains(&list.addr()));
        seen.extend([context.addr(), list.addr()]);
    }
    assert_eq!(destroy_context(null_mut()), NULL_HANDLE);
    assert_eq!(destroy_context(handle(gpu.list.addr())), INVALID_ARGUMENT);
    assert!(gpu.end().is_empty());
}

#[test]
fn objects_keep_their_driver_alive_and_it_ends_with_the_last() {
    let gpu = Gpu::new();
    let Gpu {
        instance,
        context,
        devices,
        list,
    } = gpu;
    let driver = instance.driver_handle();
    let status = |device| {
        // SAFETY: the driver checks the handle.
        unsafe { (api().zeDeviceGetStatus)(device) }
    };
    drop(instance);
    assert_eq!(status(devices[0]), SUCCESS);
    // SAFETY: used no more.
    assert_eq!(unsafe { (api().zeCommandListDestroy)(list) }, SUCCESS);
    assert_eq!(status(devices[0]), SUCCESS);
    assert_eq!(destroy_context(context), SUCCESS);
    assert_eq!(status(devices[0]), INVALID_ARGUMENT);
    let mut count = 0;
    // SAFETY: the driver checks the handle.
    let result = unsafe { (api().zeDeviceGet)(driver, &raw mut count, null_mut()) };
    assert_eq!(result, INVALID_ARGUMENT);
}
