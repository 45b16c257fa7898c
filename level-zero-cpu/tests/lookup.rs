//! Asking the driver about addresses.
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails, as it should"
)]

mod setup;

use level_zero_cpu::api;
use level_zero_sys as sys;
use setup::*;
use std::ffi::c_void;
use std::ptr::{null, null_mut};

fn properties(
    gpu: &Gpu,
    context: sys::ze_context_handle_t,
    pointer: *const c_void,
) -> (u32, u64, usize) {
    let mut properties = sys::ze_memory_allocation_properties_t {
        stype: sys::ZE_STRUCTURE_TYPE_MEMORY_ALLOCATION_PROPERTIES,
        pNext: null_mut(),
        type_: sys::ZE_MEMORY_TYPE_FORCE_UINT32,
        id: u64::MAX,
        pageSize: u64::MAX,
    };
    let mut device = gpu.device();
    // SAFETY: both outlive the call.
    let result = unsafe {
        (api().zeMemGetAllocProperties)(context, pointer, &raw mut properties, &raw mut device)
    };
    assert_eq!(result, SUCCESS);
    (properties.type_.0, properties.id, device.addr())
}

#[test]
fn properties_say_kind_and_device_and_nothing_of_foreign_memory() {
    let gpu = Gpu::new();
    let other = create_context(&gpu.instance).unwrap();
    let own = 0_u64;
    let mut ids = Vec::new();
    for (kind, type_) in KINDS.into_iter().zip([2, 3, 1]) {
        let pointer = gpu.alloc(kind, 100, 0).unwrap();
        let (found, id, device) = properties(&gpu, gpu.context, pointer.wrapping_byte_add(99));
        assert_eq!(found, type_);
        assert_eq!(
            device,
            if kind == Kind::Host {
                0
            } else {
                gpu.device().addr()
            }
        );
        assert!(!ids.contains(&id));
        ids.push(id);
        for (context, foreign) in [
            (other, pointer),
            (gpu.context, pointer.wrapping_byte_add(100)),
            (gpu.context, (&raw const own).cast_mut().cast()),
        ] {
            assert_eq!(properties(&gpu, context, foreign), (0, 0, 0));
        }
        assert_eq!(gpu.free(pointer), SUCCESS);
        assert_eq!(properties(&gpu, gpu.context, pointer), (0, 0, 0));
    }
}

#[test]
fn property_queries_check_their_arguments() {
    let gpu = Gpu::new();
    let pointer = gpu.alloc(Kind::Host, 100, 0).unwrap();
    let mut wrong = sys::ze_memory_allocation_properties_t {
        stype: sys::ZE_STRUCTURE_TYPE_CONTEXT_DESC,
        pNext: null_mut(),
        type_: sys::ZE_MEMORY_TYPE_UNKNOWN,
        id: 0,
        pageSize: 0,
    };
    let query = |pointer, properties| {
        // SAFETY: null, or live and of that type.
        unsafe { (api().zeMemGetAllocProperties)(gpu.context, pointer, properties, null_mut()) }
    };
    assert_eq!(query(null(), &raw mut wrong), NULL_POINTER);
    assert_eq!(query(pointer, null_mut()), NULL_POINTER);
    assert_eq!(query(pointer, &raw mut wrong), INVALID_ARGUMENT);
}

#[test]
fn address_ranges_are_found_from_any_address_inside() {
    let gpu = Gpu::new();
    let other = create_context(&gpu.instance).unwrap();
    let range = |context, pointer: *const c_void| {
        let (mut base, mut size) = (null_mut(), 0);
        // SAFETY: both outlive the call.
        let result =
            unsafe { (api().zeMemGetAddressRange)(context, pointer, &raw mut base, &raw mut size) };
        (result, base, size)
    };
    for kind in KINDS {
        let pointer = gpu.alloc(kind, 100, 0).unwrap();
        for inside in [0, 1, 99] {
            let found = range(gpu.context, pointer.wrapping_byte_add(inside));
            assert_eq!(found, (SUCCESS, pointer, 100));
        }
        // SAFETY: null is allowed.
        let result =
            unsafe { (api().zeMemGetAddressRange)(gpu.context, pointer, null_mut(), null_mut()) };
        assert_eq!(result, SUCCESS);
        assert_eq!(
            range(gpu.context, pointer.wrapping_byte_add(100)).0,
            INVALID_ARGUMENT
        );
        assert_eq!(range(other, pointer).0, INVALID_ARGUMENT);
        assert_eq!(range(gpu.context, null()).0, NULL_POINTER);
    }
}

#[test]
fn residency_is_for_ranges_of_the_context() {
    let gpu = Gpu::new();
    let own = [0_u8; 16];
    let pointer = gpu.alloc(Kind::Device, 100, 0).unwrap();
    for call in [
        api().zeContextMakeMemoryResident,
        api().zeContextEvictMemory,
    ] {
        let call = |device, pointer, size| {
            // SAFETY: the driver checks handles and the range.
            unsafe { call(gpu.context, device, pointer, size) }
        };
        assert_eq!(call(gpu.device(), pointer, 100), SUCCESS);
        assert_eq!(call(gpu.device(), pointer, 101), INVALID_ARGUMENT);
        assert_eq!(
            call(gpu.device(), own.as_ptr().cast_mut().cast(), 16),
            INVALID_ARGUMENT
        );
        assert_eq!(call(gpu.device(), null_mut(), 1), NULL_POINTER);
        assert_eq!(call(null_mut(), pointer, 1), NULL_HANDLE);
    }
}
