//! Commands: what is appended to a list, and how it is executed.
//!
//! A command is recorded as [`Work`]. Each execution is a [`Job`] of it, which owns all that it
//! needs and runs on a thread of the driver. An immediate list makes the job when the command is
//! appended, a regular one when a queue is given the list.
#![allow(unsafe_code, reason = "reads wait lists of callers")]

use level_zero_sys::{self as sys, ze_event_handle_t};
use std::sync::Arc;

use crate::arguments::{Outcome, read};
use crate::command_list::{CommandList, Events};

/// What a command does, as recorded: checked when appended.
pub(crate) trait Work: Send + Sync {
    /// Checks again and keeps alive what the work uses, for one execution: a regular list is
    /// executed many times, and memory may have been freed in between.
    fn prepare(&self) -> Outcome<Box<dyn Job>>;
}

impl<W: Work + ?Sized> Work for Box<W> {
    fn prepare(&self) -> Outcome<Box<dyn Job>> {
        (**self).prepare()
    }
}

/// One execution, on a thread of the driver, or on the caller's where a synchronous list is idle.
pub(crate) trait Job: Send {
    /// Does the work. An error makes the later synchronisations of the queue return it, and is the
    /// end of what the queue does.
    fn run(self: Box<Self>) -> Outcome;
}

/// Appends to an immediate or a regular list.
///
/// A wait list that is null but counted is `INVALID_SIZE`; an event that is not alive, of another
/// context or not for the device is `INVALID_SYNCHRONIZATION_OBJECT`; a list that is closed is
/// `INVALID_ARGUMENT`; an immediate list that has failed returns its error.
///
/// # Safety
///
/// `wait` is null or has `wait_count` initialised handles.
pub(crate) unsafe fn append(
    list: &Arc<CommandList>,
    work: impl Work + 'static,
    signal: ze_event_handle_t,
    wait_count: u32,
    wait: *mut ze_event_handle_t,
) -> Outcome {
    if wait.is_null() && wait_count > 0 {
        return Err(sys::ZE_RESULT_ERROR_INVALID_SIZE);
    }
    let signal = if signal.is_null() {
        None
    } else {
        Some(list.event(signal)?)
    };
    // SAFETY: as the caller says.
    let waits = unsafe { events(list, wait_count, wait) }?;
    list.add(work, Events { waits, signal })
}

/// The events of an array, for a list.
///
/// # Safety
///
/// `handles` has `count` initialised handles.
pub(crate) unsafe fn events(
    list: &CommandList,
    count: u32,
    handles: *const ze_event_handle_t,
) -> Outcome<Vec<Arc<crate::event::Event>>> {
    (0..count as usize)
        .map(|index| {
            // SAFETY: below the count, for which the caller vouches.
            let slot = unsafe { handles.add(index) };
            // SAFETY: as above.
            let handle = unsafe { read(slot) }?;
            if handle.is_null() {
                return Err(sys::ZE_RESULT_ERROR_INVALID_SYNCHRONIZATION_OBJECT);
            }
            list.event(handle)
        })
        .collect()
}

/// Work without work: waits and signals are all there is.
pub(crate) struct Nothing;

impl Work for Nothing {
    fn prepare(&self) -> Outcome<Box<dyn Job>> {
        Ok(Box::new(Self))
    }
}

impl Job for Nothing {
    fn run(self: Box<Self>) -> Outcome {
        Ok(())
    }
}
