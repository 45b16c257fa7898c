//! Pools over drivers that break the specification: an error, or what was promised all the same.
#![cfg(feature = "cpu")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use core::ffi::c_void;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use ze_area::sys::{self, Api};
use ze_area::{Context, Driver, Error};

const MIB: usize = 1 << 20;

/// The CPU driver's table with some functions replaced.
fn lying(lie: impl FnOnce(&mut Api)) -> Context {
    static TABLES: Mutex<Vec<&'static Api>> = Mutex::new(Vec::new());

    let mut api = *ze_area::cpu::api();
    lie(&mut api);
    // Kept where leak checkers find it: a table is never freed.
    let api: &'static Api = Box::leak(Box::new(api));
    TABLES.lock().unwrap().push(api);
    // SAFETY: what the tests put in writes only where it is given room, and hands out no memory
    // that the library could come to use, but for what is shifted, which is memory too.
    let driver = unsafe { Driver::from_api(api, 0) }.unwrap();
    Context::builder().driver(&driver).build().unwrap()
}

macro_rules! allocates {
    ($name:ident, $address:expr) => {
        unsafe extern "C" fn $name(
            _: sys::ze_context_handle_t,
            _: *const sys::ze_host_mem_alloc_desc_t,
            size: usize,
            _: usize,
            pointer: *mut *mut c_void,
        ) -> sys::ze_result_t {
            let address: fn(usize) -> usize = $address;
            let address = core::ptr::without_provenance_mut(address(size));
            // SAFETY: the library gives room for the pointer.
            unsafe { pointer.write(address) };
            sys::ZE_RESULT_SUCCESS
        }
    };
}

allocates!(null, |_| 0);
allocates!(at_the_end_of_the_address_space, |size| usize::MAX
    & !4095
    & !(size - 1));

static FREED: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn count_frees(_: sys::ze_context_handle_t, _: *mut c_void) -> sys::ze_result_t {
    FREED.fetch_add(1, Ordering::Relaxed);
    sys::ZE_RESULT_SUCCESS
}

#[test]
fn a_pool_refuses_what_is_no_memory() {
    let context = lying(|api| api.zeMemAllocHost = null);
    let pool = context.host_area().pool().unwrap();
    for size in [1, 5000, 100_000, 128 * MIB] {
        let error = pool.mmap_uninit::<u8>(size).unwrap_err();
        let fault = matches!(
            error,
            Error::DriverFault {
                call: "zeMemAllocHost",
                ..
            }
        );
        assert!(fault, "{error}");
    }
    let stats = pool.stats();
    assert_eq!(
        (stats.live_buffers, stats.held_bytes, stats.allocations),
        (0, 0, 0)
    );
    assert!(context.memory().is_empty());

    let context = lying(|api| {
        api.zeMemAllocHost = at_the_end_of_the_address_space;
        api.zeMemFree = count_frees;
    });
    let pool = context.host_area().pool().unwrap();
    let error = pool.mmap_uninit::<u8>(MIB).unwrap_err();
    assert!(matches!(error, Error::DriverFault { .. }), "{error}");
    assert_eq!(FREED.load(Ordering::Relaxed), 1, "given back untouched");
    assert_eq!(pool.stats().held_bytes, 0);
    assert!(context.memory().is_empty());
}

/// How far from where the memory begins the driver says that it does.
const SHIFT: usize = 8;

unsafe extern "C" fn shifted(
    context: sys::ze_context_handle_t,
    desc: *const sys::ze_host_mem_alloc_desc_t,
    size: usize,
    _: usize,
    pointer: *mut *mut c_void,
) -> sys::ze_result_t {
    let real = ze_area::cpu::api().zeMemAllocHost;
    // SAFETY: the arguments are the library's, but for the size.
    let result = unsafe { real(context, desc, size + SHIFT, 0, pointer) };
    if result == sys::ZE_RESULT_SUCCESS {
        // SAFETY: the driver has just written it.
        let start = unsafe { pointer.read() };
        // SAFETY: the library gives room for the pointer.
        unsafe { pointer.write(start.wrapping_byte_add(SHIFT)) };
    }
    result
}

unsafe extern "C" fn free_shifted(
    context: sys::ze_context_handle_t,
    pointer: *mut c_void,
) -> sys::ze_result_t {
    // SAFETY: what the library frees was shifted.
    unsafe { (ze_area::cpu::api().zeMemFree)(context, pointer.wrapping_byte_sub(SHIFT)) }
}

#[test]
fn a_pool_aligns_what_the_driver_does_not() {
    let context = lying(|api| {
        api.zeMemAllocHost = shifted;
        api.zeMemFree = free_shifted;
    });
    for power in [6, 12, 16, 21] {
        let area = context.host_area().runtime_align(1 << power).unwrap();
        let pool = area.pool().unwrap();
        let mut held = Vec::new();
        for (tag, size) in (0..).zip([1, 100, 100, 5000, 100_000, 3 * MIB, 64, 64]) {
            let mut buffer = pool.mmap::<u8>(size).unwrap();
            assert!(buffer.device_ptr().addr().is_multiple_of(1 << power));
            buffer.fill(tag);
            held.push((tag, buffer));
        }
        for (tag, buffer) in held {
            assert!(buffer.iter().all(|&byte| byte == tag));
        }
        assert_eq!(context.memory().live_bytes(), pool.stats().held_bytes);
        assert_eq!(pool.trim() as u64, {
            let all = pool.stats();
            all.peak_held_bytes - all.held_bytes
        });
        assert!(context.memory().is_empty(), "{}", context.memory());
    }
}
