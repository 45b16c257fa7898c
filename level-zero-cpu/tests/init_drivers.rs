//! `zeInitDrivers`, in a process of its own: until it succeeds, there are no drivers.
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails, as it should"
)]

mod setup;

use level_zero_cpu::{Instance, api};
use level_zero_sys::{self as sys, ze_result_t};
use setup::*;
use std::ptr::{null, null_mut};

fn desc(flags: u32) -> sys::ze_init_driver_type_desc_t {
    sys::ze_init_driver_type_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_INIT_DRIVER_TYPE_DESC,
        pNext: null(),
        flags,
    }
}

fn init(count: *mut u32, drivers: *mut sys::ze_driver_handle_t, flags: u32) -> ze_result_t {
    let mut desc = desc(flags);
    // SAFETY: the count is null or there, as is room for one driver.
    unsafe { api().zeInitDrivers.unwrap()(count, drivers, &raw mut desc) }
}

#[test]
fn drivers_are_found_by_type() {
    const GPU: u32 = sys::ZE_INIT_DRIVER_TYPE_FLAG_GPU;
    const NPU: u32 = sys::ZE_INIT_DRIVER_TYPE_FLAG_NPU;
    let mut count = 0;
    for flags in [0, 4, GPU | 8, u32::MAX - 1] {
        assert_eq!(init(&raw mut count, null_mut(), flags), INVALID_ENUMERATION);
    }
    assert_eq!(init(&raw mut count, null_mut(), NPU), UNINITIALIZED);
    assert_eq!(init(null_mut(), null_mut(), GPU), NULL_POINTER);
    // SAFETY: null is refused.
    let result = unsafe { api().zeInitDrivers.unwrap()(&raw mut count, null_mut(), null_mut()) };
    assert_eq!(result, NULL_POINTER);
    let mut wrong = desc(GPU);
    wrong.stype = sys::ZE_STRUCTURE_TYPE_CONTEXT_DESC;
    // SAFETY: the count and the descriptor are there.
    let result =
        unsafe { api().zeInitDrivers.unwrap()(&raw mut count, null_mut(), &raw mut wrong) };
    assert_eq!(result, INVALID_ARGUMENT);
    assert_eq!(count, 0);

    // None of these made the driver ready.
    // SAFETY: the count is there.
    let result = unsafe { (api().zeDriverGet)(&raw mut count, null_mut()) };
    assert_eq!(result, UNINITIALIZED);

    assert_eq!(init(&raw mut count, null_mut(), GPU | NPU), SUCCESS);
    assert_eq!(count, 1);
    for flags in [GPU, GPU | NPU, u32::MAX] {
        let (mut count, mut driver) = (7, null_mut());
        assert_eq!(init(&raw mut count, &raw mut driver, flags), SUCCESS);
        assert_eq!(
            (count, driver),
            (1, Instance::global().unwrap().driver_handle())
        );
    }
    // SAFETY: the count is there.
    let result = unsafe { (api().zeDriverGet)(&raw mut count, null_mut()) };
    assert_eq!((result, count), (SUCCESS, 1));
    // What a program says about itself is no reason to refuse it.
    let below = context_desc();
    let mut desc = desc(GPU);
    desc.pNext = (&raw const below).cast();
    // SAFETY: the count, the descriptor and what is below it are there.
    let result = unsafe { api().zeInitDrivers.unwrap()(&raw mut count, null_mut(), &raw mut desc) };
    assert_eq!(result, SUCCESS);
}
