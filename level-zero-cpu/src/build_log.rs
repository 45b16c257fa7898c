//! The calls on build logs, which outlive what they tell about.
#![allow(unsafe_code, reason = "calls of the C interface")]

use level_zero_sys::{ze_module_build_log_handle_t, ze_result_t};
use std::ffi::c_char;
use std::sync::Arc;

use crate::arguments::{Outcome, sized, write};
use crate::entry::on;
use crate::faults::Call;
use crate::instance::Inner;
use crate::registry;

/// What was said while a module was made or linked.
pub(crate) struct BuildLog {
    pub(crate) inner: Arc<Inner>,
    handle: usize,
    /// With the zero at its end.
    text: Vec<u8>,
}

/// Makes a log where one is asked for.
///
/// # Safety
///
/// `place` is null or has room for a handle.
pub(crate) unsafe fn make(
    inner: &Arc<Inner>,
    text: &str,
    place: *mut ze_module_build_log_handle_t,
) -> Outcome {
    if place.is_null() {
        return Ok(());
    }
    let mut text: Vec<u8> = text.bytes().filter(|byte| *byte != 0).collect();
    text.push(0);
    let inner = Arc::clone(inner);
    let log = registry::add(|handle| BuildLog {
        inner,
        handle,
        text,
    });
    // SAFETY: as the caller says.
    unsafe { write(place, log) }
}

/// `zeModuleBuildLogDestroy`
pub(crate) unsafe extern "C" fn destroy(log: ze_module_build_log_handle_t) -> ze_result_t {
    on::<BuildLog>(
        const { Call::named("zeModuleBuildLogDestroy") },
        log,
        |log| registry::remove::<BuildLog>(log.handle, |_| Ok(())).map(drop),
    )
}

/// `zeModuleBuildLogGetString`: room for less than the whole text is `INVALID_SIZE`.
pub(crate) unsafe extern "C" fn get_string(
    log: ze_module_build_log_handle_t,
    size: *mut usize,
    text: *mut c_char,
) -> ze_result_t {
    on::<BuildLog>(
        const { Call::named("zeModuleBuildLogGetString") },
        log,
        |log| {
            // SAFETY: the caller keeps the contract of the C call, which is that of `sized`.
            unsafe { sized(size, text.cast(), &log.text) }
        },
    )
}
