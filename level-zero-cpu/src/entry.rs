//! What every call does first: find the object of its handle, count itself, fail if it is to.

use level_zero_sys::{self as sys, ze_result_t};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::arguments::Outcome;
use crate::command_list::CommandList;
use crate::context::Context;
use crate::device::Device;
use crate::faults::Call;
use crate::fork;
use crate::instance::{Inner, Instance};
use crate::registry::{self, Kept};

/// Runs the work of a call on an instance. A panic, which would be a defect of this crate, ends
/// here as `UNKNOWN`: it must not unwind into C.
pub(crate) fn on_instance(
    call: Call,
    inner: &Inner,
    work: impl FnOnce() -> Outcome,
) -> ze_result_t {
    if fork::is_child() {
        return sys::ZE_RESULT_ERROR_DEVICE_LOST;
    }
    let result = match inner.calls.begin(call) {
        Some(fault) => fault,
        None => match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(())) => sys::ZE_RESULT_SUCCESS,
            Ok(Err(code)) => code,
            Err(_) => sys::ZE_RESULT_ERROR_UNKNOWN,
        },
    };
    inner.calls.end(call, result);
    result
}

/// A call that no instance is found for is in the log of the global one, so that a program's
/// wrong handles show there.
#[cold]
pub(crate) fn refused(call: &str, code: ze_result_t) -> ze_result_t {
    if let Some(instance) = Instance::made() {
        instance.inner().calls.write(call, code);
    }
    code
}

pub(crate) fn on_driver(
    call: Call,
    handle: sys::ze_driver_handle_t,
    work: impl FnOnce(&Arc<Inner>) -> Outcome,
) -> ze_result_t {
    if fork::is_child() {
        return sys::ZE_RESULT_ERROR_DEVICE_LOST;
    }
    match registry::driver(handle) {
        Ok(inner) => on_instance(call, &inner, || work(&inner)),
        Err(code) => refused(call.name(), code),
    }
}

pub(crate) fn on_device(
    call: Call,
    handle: sys::ze_device_handle_t,
    work: impl FnOnce(&Device) -> Outcome,
) -> ze_result_t {
    if fork::is_child() {
        return sys::ZE_RESULT_ERROR_DEVICE_LOST;
    }
    match registry::device(handle) {
        Ok(device) => on_instance(call, &device.inner, || work(&device)),
        Err(code) => refused(call.name(), code),
    }
}

/// As [`on_driver`], for a handle of what is created and destroyed.
pub(crate) fn on<T: Kept>(
    call: Call,
    handle: *mut T::Raw,
    work: impl FnOnce(&Arc<T>) -> Outcome,
) -> ze_result_t {
    on_found(call, || registry::find::<T>(handle), work)
}

/// As [`on`], for what is found in another way, or refused with other codes.
pub(crate) fn on_found<T: Kept>(
    call: Call,
    find: impl FnOnce() -> Outcome<Arc<T>>,
    work: impl FnOnce(&Arc<T>) -> Outcome,
) -> ze_result_t {
    if fork::is_child() {
        return sys::ZE_RESULT_ERROR_DEVICE_LOST;
    }
    match find() {
        Ok(object) => on_instance(call, object.inner(), || work(&object)),
        Err(code) => refused(call.name(), code),
    }
}

pub(crate) fn on_context(
    call: Call,
    handle: sys::ze_context_handle_t,
    work: impl FnOnce(&Arc<Context>) -> Outcome,
) -> ze_result_t {
    on(call, handle, work)
}

pub(crate) fn on_list(
    call: Call,
    handle: sys::ze_command_list_handle_t,
    work: impl FnOnce(&Arc<CommandList>) -> Outcome,
) -> ze_result_t {
    on(call, handle, work)
}
