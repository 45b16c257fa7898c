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
use crate::build_log::BuildLog;
use crate::command_list::CommandList;
use crate::command_queue::CommandQueue;
use crate::context::Context;
use crate::event::Event;
use crate::event_pool::EventPool;
use crate::faults::Call;
use crate::fence::Fence;
use crate::instance::Instance;
use crate::kernel::Kernel;
use crate::ledger::{Kind, Ledger};
use crate::module::Module;
use crate::registry;
use crate::virtual_memory::PhysicalMemory;

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

macro_rules! c_ledger {
    (ledger { $($field:ident = $value:expr,)* } objects { $($objects:ident: $kind:ty,)* }) => {
        /// `zecpu_ledger_t`. New fields come at the end: callers say in `size` how much they know.
        #[repr(C)]
        struct CLedger {
            size: usize,
            $($field: u64,)*
            objects: u64,
            $($objects: u64,)*
        }

        impl CLedger {
            fn of(instance: &Instance, size: usize) -> Self {
                let ledger = instance.ledger();
                let counts = &instance.inner().counts;
                $(
                    let count: fn(&Ledger) -> usize = $value;
                    let $field = count(&ledger) as u64;
                )*
                Self {
                    size,
                    $($field,)*
                    objects: counts.total() as u64,
                    $($objects: counts.of::<$kind>() as u64,)*
                }
            }

            #[cfg(test)]
            const FIELDS: &[&str] = &[
                $(stringify!($field),)*
                "objects",
                $(stringify!($objects),)*
            ];
            #[cfg(test)]
            const KINDS: &[&str] = &[$(stringify!($kind),)*];
        }
    };
}

// As in the header: what the ledger says, then the live objects of each kind.
c_ledger! {
    ledger {
        allocations = |ledger| ledger.allocations.len(),
        orphaned = |ledger| ledger.allocations.iter().filter(|it| it.orphaned).count(),
        device_bytes = |ledger| ledger.live_bytes(Kind::Device),
        shared_bytes = |ledger| ledger.live_bytes(Kind::Shared),
        host_bytes = |ledger| ledger.live_bytes(Kind::Host),
        reservations = |ledger| ledger.reservations,
        descriptors = |ledger| ledger.descriptors,
        ipc_opened = |ledger| ledger.ipc_opened,
        pending = |ledger| ledger.pending,
        written_after_free = |ledger| usize::try_from(ledger.written_after_free).unwrap_or(usize::MAX),
    }
    objects {
        contexts: Context,
        command_lists: CommandList,
        command_queues: CommandQueue,
        fences: Fence,
        event_pools: EventPool,
        events: Event,
        physical_memories: PhysicalMemory,
        modules: Module,
        kernels: Kernel,
        build_logs: BuildLog,
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
        let filled = CLedger::of(instance, size);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of the structure in the header, in their order.
    fn fields_in_c() -> Vec<&'static str> {
        let header = include_str!("../include/level_zero_cpu.h");
        let (_, rest) = header
            .split_once("typedef struct _zecpu_ledger_t {")
            .unwrap();
        let (fields, _) = rest.split_once("} zecpu_ledger_t;").unwrap();
        let fields = fields.lines().filter_map(|line| line.split_once(';'));
        fields
            .map(|(field, _)| field.split_whitespace().last().unwrap())
            .collect()
    }

    #[test]
    fn the_header_has_the_fields_of_the_ledger() {
        let mut fields = vec!["size"];
        fields.extend(CLedger::FIELDS);
        assert_eq!(fields_in_c(), fields);
        assert_eq!(size_of::<CLedger>(), fields.len() * size_of::<u64>());
    }

    #[test]
    fn every_kind_of_object_has_a_field() {
        for kind in registry::KIND_NAMES {
            assert!(CLedger::KINDS.contains(&kind), "{kind}");
        }
    }
}
