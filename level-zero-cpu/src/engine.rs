//! Commands: what is appended to a list, and how it is executed.
#![allow(unsafe_code, reason = "reads wait lists of callers")]
#![allow(dead_code, reason = "the calls that use it follow")]
use level_zero_sys::{self as sys, ze_event_handle_t};
use std::sync::Arc;

use crate::arguments::Outcome;
use crate::command_list::CommandList;

/// What a command does, as recorded: checked when appended.
pub(crate) trait Work: Send + Sync {
    /// Checks again and keeps alive what the work uses, for one execution: a regular list is
    /// executed many times, and memory may have been freed in between.
    fn prepare(&self) -> Outcome<Box<dyn Job>>;
}

/// One execution, on a thread of the driver, or on the caller's where a synchronous list is idle.
pub(crate) trait Job: Send {
    /// Does the work. An error makes the later synchronisations of the queue return it.
    fn run(self: Box<Self>) -> Outcome;
}

/// Appends to an immediate or a regular list.
///
/// # Safety
///
/// `wait` is null or has `wait_count` initialised handles.
pub(crate) unsafe fn append(
    list: &Arc<CommandList>,
    work: Box<dyn Work>,
    signal: ze_event_handle_t,
    wait_count: u32,
    wait: *mut ze_event_handle_t,
) -> Outcome {
    let _ = list;
    if wait.is_null() && wait_count > 0 {
        return Err(sys::ZE_RESULT_ERROR_INVALID_SIZE);
    }
    if !signal.is_null() || wait_count > 0 {
        return Err(sys::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE);
    }
    work.prepare()?.run()
}
