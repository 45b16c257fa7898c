//! A driver whose memory calls do nothing, so that what is left to measure is the library's own.

use core::cell::UnsafeCell;
use core::ffi::c_void;
use ze_area::{Context, Driver, Result, sys};

/// The most bytes that one allocation may have.
pub(crate) const ROOM: usize = 16 << 20;

#[repr(C, align(4096))]
struct Memory(UnsafeCell<[u8; ROOM]>);

// SAFETY: only its address is taken here; who gets it as an allocation is its one owner.
unsafe impl Sync for Memory {}

static MEMORY: Memory = Memory(UnsafeCell::new([0; ROOM]));

/// A context of the CPU driver, of which the calls that allocate all give the same address, and the
/// one that frees does nothing.
///
/// # Safety
///
/// No two of its allocations may be alive at once.
pub(crate) unsafe fn context() -> Result<Context> {
    let table: &'static sys::Api = Box::leak(Box::new(sys::Api {
        zeMemAllocDevice: alloc_device,
        zeMemAllocShared: alloc_shared,
        zeMemAllocHost: alloc_host,
        zeMemFree: free,
        ..*ze_area::cpu::api()
    }));
    // SAFETY: all but the memory calls are the CPU driver's; what those hand out is static memory,
    // in one allocation at a time, as the caller promises.
    let driver = unsafe { Driver::from_api(table, 0) }?;
    Context::builder().driver(&driver).build()
}

/// # Safety
///
/// `base` must be valid for writing.
#[inline]
unsafe fn alloc(bytes: usize, base: *mut *mut c_void) -> sys::ze_result_t {
    if bytes > ROOM {
        return sys::ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    // SAFETY: passed on to the caller.
    unsafe { *base = MEMORY.0.get().cast() };
    sys::ZE_RESULT_SUCCESS
}

unsafe extern "C" fn alloc_device(
    _: sys::ze_context_handle_t,
    _: *const sys::ze_device_mem_alloc_desc_t,
    bytes: usize,
    _: usize,
    _: sys::ze_device_handle_t,
    base: *mut *mut c_void,
) -> sys::ze_result_t {
    // SAFETY: the specification asks it of the caller.
    unsafe { alloc(bytes, base) }
}

unsafe extern "C" fn alloc_shared(
    _: sys::ze_context_handle_t,
    _: *const sys::ze_device_mem_alloc_desc_t,
    _: *const sys::ze_host_mem_alloc_desc_t,
    bytes: usize,
    _: usize,
    _: sys::ze_device_handle_t,
    base: *mut *mut c_void,
) -> sys::ze_result_t {
    // SAFETY: as above.
    unsafe { alloc(bytes, base) }
}

unsafe extern "C" fn alloc_host(
    _: sys::ze_context_handle_t,
    _: *const sys::ze_host_mem_alloc_desc_t,
    bytes: usize,
    _: usize,
    base: *mut *mut c_void,
) -> sys::ze_result_t {
    // SAFETY: as above.
    unsafe { alloc(bytes, base) }
}

unsafe extern "C" fn free(_: sys::ze_context_handle_t, _: *mut c_void) -> sys::ze_result_t {
    sys::ZE_RESULT_SUCCESS
}
