//! A memory provider of UMF over the driver's calls: nothing but the calls themselves, where UMF's
//! own for Level Zero makes memory resident and asks for sizes besides.

use super::Code;
use crate::driver::{Calls, Memory};
use core::ffi::{CStr, c_char, c_void};
use core::marker::PhantomData;
use core::ptr::NonNull;
use ze_area::{Placement, sys};

const SUCCESS: Code = 0;
const PROVIDER_SPECIFIC: Code = 2;
/// What every allocation is a multiple of.
const PAGE: usize = 64 << 10;
const CACHE_LINE: usize = 64;
const NAME: &CStr = c"counted";

/// `umf_memory_provider_ops_t` of version 1.2. The functions that may be missing are.
#[repr(C)]
pub(super) struct Ops {
    version: u32,
    initialize: unsafe extern "C" fn(*const c_void, *mut *mut c_void) -> Code,
    finalize: unsafe extern "C" fn(*mut c_void) -> Code,
    alloc: unsafe extern "C" fn(*mut c_void, usize, usize, *mut *mut c_void) -> Code,
    free: unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> Code,
    get_last_native_error: unsafe extern "C" fn(*mut c_void, *mut *const c_char, *mut i32) -> Code,
    get_recommended_page_size: unsafe extern "C" fn(*mut c_void, usize, *mut usize) -> Code,
    get_min_page_size: unsafe extern "C" fn(*mut c_void, *const c_void, *mut usize) -> Code,
    get_name: unsafe extern "C" fn(*mut c_void, *mut *const c_char) -> Code,
    /// Purging, splitting and merging (4), sharing between processes (5), control (1), properties
    /// of allocations (2).
    left_out: [Option<unsafe extern "C" fn()>; 12],
    get_cache_line_size: unsafe extern "C" fn(*mut c_void, *mut usize) -> Code,
}

/// The operations over memory of one placement. What UMF calls a provider is a `Box<Calls<P>>`.
pub(super) struct Provider<P>(PhantomData<P>);

impl<P: Placement> Provider<P> {
    pub(super) const OPS: &'static Ops = &Ops {
        version: (1 << 16) | 2,
        initialize: Self::initialize,
        finalize: Self::finalize,
        alloc: Self::alloc,
        free: Self::free,
        get_last_native_error,
        get_recommended_page_size,
        get_min_page_size,
        get_name,
        left_out: [None; 12],
        get_cache_line_size,
    };

    /// `params` points to calls; whoever makes the pool keeps what they borrow.
    unsafe extern "C" fn initialize(params: *const c_void, provider: *mut *mut c_void) -> Code {
        // SAFETY: UMF passes on what `UmfPool::new` gave it.
        let calls = unsafe { params.cast::<Calls<'_, P>>().read() };
        // SAFETY: UMF gives a valid target.
        unsafe { provider.write(Box::into_raw(Box::new(calls)).cast()) };
        SUCCESS
    }

    unsafe extern "C" fn finalize(provider: *mut c_void) -> Code {
        // SAFETY: `initialize` made it, and UMF calls this once, last.
        drop(unsafe { Box::from_raw(provider.cast::<Calls<'_, P>>()) });
        SUCCESS
    }

    unsafe extern "C" fn alloc(
        provider: *mut c_void,
        bytes: usize,
        align: usize,
        target: *mut *mut c_void,
    ) -> Code {
        // SAFETY: `initialize` made it, and it is not finalized.
        let calls = unsafe { &*provider.cast::<Calls<'_, P>>() };
        match calls.allocate(bytes, align) {
            Ok(Memory(base)) => {
                // SAFETY: UMF gives a valid target.
                unsafe { target.write(base.as_ptr()) };
                SUCCESS
            }
            Err(_) => PROVIDER_SPECIFIC,
        }
    }

    unsafe extern "C" fn free(provider: *mut c_void, base: *mut c_void, _: usize) -> Code {
        // SAFETY: `initialize` made it, and it is not finalized.
        let calls = unsafe { &*provider.cast::<Calls<'_, P>>() };
        let Some(base) = NonNull::new(base) else {
            return SUCCESS;
        };
        // SAFETY: UMF gives back what `alloc` gave it, once.
        let code = unsafe { calls.free(base) };
        if code == sys::ZE_RESULT_SUCCESS {
            SUCCESS
        } else {
            PROVIDER_SPECIFIC
        }
    }
}

unsafe extern "C" fn get_last_native_error(
    _: *mut c_void,
    message: *mut *const c_char,
    code: *mut i32,
) -> Code {
    // SAFETY: UMF gives valid targets.
    unsafe { message.write(c"a call of the driver failed".as_ptr()) };
    // SAFETY: as above.
    unsafe { code.write(0) };
    SUCCESS
}

unsafe extern "C" fn get_recommended_page_size(_: *mut c_void, _: usize, size: *mut usize) -> Code {
    // SAFETY: UMF gives a valid target.
    unsafe { size.write(PAGE) };
    SUCCESS
}

unsafe extern "C" fn get_min_page_size(_: *mut c_void, _: *const c_void, size: *mut usize) -> Code {
    // SAFETY: UMF gives a valid target.
    unsafe { size.write(PAGE) };
    SUCCESS
}

unsafe extern "C" fn get_name(_: *mut c_void, name: *mut *const c_char) -> Code {
    // SAFETY: UMF gives a valid target.
    unsafe { name.write(NAME.as_ptr()) };
    SUCCESS
}

unsafe extern "C" fn get_cache_line_size(_: *mut c_void, size: *mut usize) -> Code {
    // SAFETY: UMF gives a valid target.
    unsafe { size.write(CACHE_LINE) };
    SUCCESS
}
