//! A table of functions that counts the driver's allocations and frees on their way.
//!
//! Times are never taken through it: each contender runs once through it, to be counted.

use core::cell::Cell;
use core::ffi::c_void;
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use ze_area::{Context, Driver, sys};

/// What the driver takes for an allocation is a multiple of this: on a DG1 every one has 64 KiB
/// pages to itself.
pub(crate) const PAGE: usize = 64 << 10;

/// The driver's own functions.
static BEHIND: OnceLock<&'static sys::Api> = OnceLock::new();
/// Allocations and frees, of all threads and of each.
static CALLS: AtomicU64 = AtomicU64::new(0);
thread_local! {
    static CALLS_HERE: Cell<u64> = const { Cell::new(0) };
}
static HELD: Mutex<Option<Held>> = Mutex::new(None);

/// What is allocated.
#[derive(Default)]
struct Held {
    live: HashMap<usize, usize>,
    bytes: usize,
    peak: usize,
}

/// A context of that driver behind the counting table.
pub(crate) fn context(driver: &Driver) -> ze_area::Result<Context> {
    let behind = *BEHIND.get_or_init(|| driver.api());
    let table: &'static sys::Api = Box::leak(Box::new(sys::Api {
        zeMemAllocDevice: alloc_device,
        zeMemAllocShared: alloc_shared,
        zeMemAllocHost: alloc_host,
        zeMemFree: free,
        ..*behind
    }));
    // SAFETY: the functions are the driver's, or pass everything on to it.
    let driver = unsafe { Driver::from_api(table, 0) }?;
    Context::builder().driver(&driver).build()
}

/// How many allocations and frees there were so far, on all threads.
pub(crate) fn calls() -> u64 {
    CALLS.load(Ordering::Relaxed)
}

/// The same, on this thread.
pub(crate) fn calls_here() -> u64 {
    CALLS_HERE.get()
}

fn count() {
    CALLS.fetch_add(1, Ordering::Relaxed);
    // A thread that ends may free what it kept.
    let _: Result<(), _> = CALLS_HERE.try_with(|calls| calls.set(calls.get() + 1));
}

/// The most bytes that were held at once since the last time, in the driver's pages.
pub(crate) fn take_peak() -> usize {
    let mut held = held();
    let held = held.get_or_insert_default();
    core::mem::replace(&mut held.peak, held.bytes)
}

fn held() -> MutexGuard<'static, Option<Held>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts an allocation that the driver made.
///
/// # Safety
///
/// `target` is what the driver wrote to, where it succeeded.
unsafe fn allocated(
    result: Option<sys::ze_result_t>,
    bytes: usize,
    target: *mut *mut c_void,
) -> sys::ze_result_t {
    count();
    let result = result.unwrap_or(sys::ZE_RESULT_ERROR_UNINITIALIZED);
    if result == sys::ZE_RESULT_SUCCESS {
        // SAFETY: the caller vouches for it.
        let base = unsafe { *target };
        let bytes = bytes.next_multiple_of(PAGE);
        let mut held = held();
        let held = held.get_or_insert_default();
        held.live.insert(base.addr(), bytes);
        held.bytes += bytes;
        held.peak = held.peak.max(held.bytes);
    }
    result
}

unsafe extern "C" fn alloc_device(
    context: sys::ze_context_handle_t,
    desc: *const sys::ze_device_mem_alloc_desc_t,
    bytes: usize,
    align: usize,
    device: sys::ze_device_handle_t,
    target: *mut *mut c_void,
) -> sys::ze_result_t {
    let result = BEHIND.get().map(|api| {
        // SAFETY: all is passed on.
        unsafe { (api.zeMemAllocDevice)(context, desc, bytes, align, device, target) }
    });
    // SAFETY: that is what the driver wrote to.
    unsafe { allocated(result, bytes, target) }
}

unsafe extern "C" fn alloc_shared(
    context: sys::ze_context_handle_t,
    desc: *const sys::ze_device_mem_alloc_desc_t,
    host_desc: *const sys::ze_host_mem_alloc_desc_t,
    bytes: usize,
    align: usize,
    device: sys::ze_device_handle_t,
    target: *mut *mut c_void,
) -> sys::ze_result_t {
    let result = BEHIND.get().map(|api| {
        // SAFETY: all is passed on.
        unsafe { (api.zeMemAllocShared)(context, desc, host_desc, bytes, align, device, target) }
    });
    // SAFETY: that is what the driver wrote to.
    unsafe { allocated(result, bytes, target) }
}

unsafe extern "C" fn alloc_host(
    context: sys::ze_context_handle_t,
    desc: *const sys::ze_host_mem_alloc_desc_t,
    bytes: usize,
    align: usize,
    target: *mut *mut c_void,
) -> sys::ze_result_t {
    let result = BEHIND.get().map(|api| {
        // SAFETY: all is passed on.
        unsafe { (api.zeMemAllocHost)(context, desc, bytes, align, target) }
    });
    // SAFETY: that is what the driver wrote to.
    unsafe { allocated(result, bytes, target) }
}

unsafe extern "C" fn free(
    context: sys::ze_context_handle_t,
    base: *mut c_void,
) -> sys::ze_result_t {
    count();
    // Before the driver does: another thread may be given the address as soon as it has.
    {
        let mut held = held();
        let held = held.get_or_insert_default();
        held.bytes -= held.live.remove(&base.addr()).unwrap_or(0);
    }
    match BEHIND.get() {
        // SAFETY: all is passed on.
        Some(api) => unsafe { (api.zeMemFree)(context, base) },
        None => sys::ZE_RESULT_ERROR_UNINITIALIZED,
    }
}
