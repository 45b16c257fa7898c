//! What this driver offers beyond Level Zero, to C: `include/level_zero_cpu.h` has the declarations.
//!
//! `zeDriverGetExtensionFunctionAddress` finds the functions by name; the shared library exports them
//! too. They are not counted as calls, and none of them is ever made to fail.
#![allow(
    unsafe_code,
    non_snake_case,
    reason = "calls of the C interface, exported by their names"
)]

use level_zero_sys::{self as sys, ze_driver_handle_t, ze_result_t};
use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use crate::arguments::{Outcome, not_null, read};
use crate::faults::Call;
use crate::instance::Instance;
use crate::ledger::{Kind, Ledger};
use crate::registry;

/// The function of a name.
pub(crate) fn function(name: &CStr) -> Option<*mut c_void> {
    Some(match name.to_bytes() {
        b"zecpuLedger" => zecpuLedger as *mut c_void,
        b"zecpuFail" => zecpuFail as *mut c_void,
        b"zecpuFailNth" => zecpuFailNth as *mut c_void,
        b"zecpuClearFaults" => zecpuClearFaults as *mut c_void,
        _ => return None,
    })
}

/// `zecpu_ledger_t`. New fields come at the end: callers say in `size` how much they know.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CLedger {
    size: usize,
    allocations: u64,
    orphaned: u64,
    device_bytes: u64,
    shared_bytes: u64,
    host_bytes: u64,
    reservations: u64,
    objects: u64,
    contexts: u64,
    command_lists: u64,
}

impl CLedger {
    fn of(ledger: &Ledger, objects: usize, size: usize) -> Self {
        let orphaned = ledger.allocations.iter().filter(|it| it.orphaned).count();
        Self {
            size,
            allocations: ledger.allocations.len() as u64,
            orphaned: orphaned as u64,
            device_bytes: ledger.live_bytes(Kind::Device) as u64,
            shared_bytes: ledger.live_bytes(Kind::Shared) as u64,
            host_bytes: ledger.live_bytes(Kind::Host) as u64,
            reservations: ledger.reservations as u64,
            objects: objects as u64,
            contexts: ledger.contexts as u64,
            command_lists: ledger.command_lists as u64,
        }
    }
}

/// Runs `work` on the instance of a handle, or, for null, on the global one: behind several drivers
/// a loader hands out handles of its own, which extension functions do not know.
fn on(driver: ze_driver_handle_t, work: impl FnOnce(&Instance) -> Outcome) -> ze_result_t {
    let find = || {
        if driver.is_null() {
            let made = Instance::made().cloned();
            return made.ok_or(sys::ZE_RESULT_ERROR_UNINITIALIZED);
        }
        registry::driver(driver).map(Instance::from)
    };
    match catch_unwind(AssertUnwindSafe(|| work(&find()?))) {
        Ok(Ok(())) => sys::ZE_RESULT_SUCCESS,
        Ok(Err(code)) => code,
        Err(_) => sys::ZE_RESULT_ERROR_UNKNOWN,
    }
}

/// `zecpuLedger`: what is live. Writes as many bytes as the caller's `size` says, at most the whole
/// structure; `INVALID_SIZE` where that is less than the field itself.
#[cfg_attr(feature = "exports", unsafe(no_mangle))]
unsafe extern "C" fn zecpuLedger(driver: ze_driver_handle_t, ledger: *mut CLedger) -> ze_result_t {
    on(driver, |instance| {
        // SAFETY: the structure starts with its size, and the caller says that it is there.
        let asked = unsafe { read(ledger.cast::<usize>()) }?;
        if asked < size_of::<usize>() {
            return Err(sys::ZE_RESULT_ERROR_INVALID_SIZE);
        }
        let size = asked.min(size_of::<CLedger>());
        let filled = CLedger::of(&instance.ledger(), instance.inner().counts.total(), size);
        // SAFETY:
        // - readable: no more bytes than the value has
        // - writable: no more bytes than the caller says that there are
        // - apart: the value is a local one
        unsafe {
            ptr::copy_nonoverlapping((&raw const filled).cast::<u8>(), ledger.cast::<u8>(), size);
        }
        Ok(())
    })
}

/// `zecpuFail`: as [`Instance::fail`]; `INVALID_ARGUMENT` for a call that Level Zero does not have,
/// and for success as the result.
#[cfg_attr(feature = "exports", unsafe(no_mangle))]
unsafe extern "C" fn zecpuFail(
    driver: ze_driver_handle_t,
    call: *const c_char,
    nth: u64,
    result: ze_result_t,
) -> ze_result_t {
    on(driver, |instance| {
        not_null(call)?;
        // SAFETY: not null, so the caller says it is a string.
        let call = unsafe { CStr::from_ptr(call) };
        let known = call.to_str().ok().and_then(Call::find);
        let call = known.ok_or(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)?;
        failure(result)?;
        instance.fail(call.name(), nth, result);
        Ok(())
    })
}

/// `zecpuFailNth`: as [`Instance::fail_nth`]; `INVALID_ARGUMENT` for success as the result.
#[cfg_attr(feature = "exports", unsafe(no_mangle))]
unsafe extern "C" fn zecpuFailNth(
    driver: ze_driver_handle_t,
    nth: u64,
    result: ze_result_t,
) -> ze_result_t {
    on(driver, |instance| {
        failure(result)?;
        instance.fail_nth(nth, result);
        Ok(())
    })
}

/// `zecpuClearFaults`: as [`Instance::clear_faults`].
#[cfg_attr(feature = "exports", unsafe(no_mangle))]
unsafe extern "C" fn zecpuClearFaults(driver: ze_driver_handle_t) -> ze_result_t {
    on(driver, |instance| {
        instance.clear_faults();
        Ok(())
    })
}

/// Refuses what is no failure.
fn failure(result: ze_result_t) -> Outcome {
    if result == sys::ZE_RESULT_SUCCESS {
        Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)
    } else {
        Ok(())
    }
}
