//! What is said on standard error: at the start what is wrong with the settings, at the end, where
//! asked for, what is live.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::instance::Instance;
use crate::settings;

/// The process that is to report, 0 where none is: not one that was forked from it, whose books are
/// those of its parent.
static REPORTER: AtomicU32 = AtomicU32::new(0);

/// Whether it is to fail if something is live.
static FAILING: AtomicBool = AtomicBool::new(false);
/// The status of a process that has left something live, where that was asked for.
#[cfg(target_os = "linux")]
const STATUS: i32 = 86;

/// What the end of the process is to do about what is live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Report {
    None,
    Say,
    /// Says it, and fails.
    Fail,
}

/// One write, so that lines of threads and processes stay whole. Where it cannot be written there
/// is nobody to tell.
fn say(text: &str) {
    let _ = io::stderr().write_all(format!("level-zero-cpu: {text}\n").as_bytes());
}

/// Whether what is wrong with the settings was said.
static TOLD: AtomicBool = AtomicBool::new(false);

/// Says, once, what is wrong with the settings: to a program in C, which gets no more than a code.
pub(crate) fn complain(made: Result<&Instance, &io::Error>) {
    if TOLD.swap(true, Ordering::Relaxed) {
        return;
    }
    for variable in settings::unknown(std::env::vars_os().map(|(name, _)| name)) {
        say(&format!("{variable} is no setting of this driver"));
    }
    if let Err(error) = made {
        say(&error.to_string());
    }
}

/// Has the end of this process say what is live, if that is asked for.
pub(crate) fn at_end(report: Report) {
    if report != Report::None {
        FAILING.store(report == Report::Fail, Ordering::Relaxed);
        REPORTER.store(std::process::id(), Ordering::Relaxed);
    }
}

/// Says what is live, where this process is to; whether it is to fail.
#[cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "there are no instances elsewhere")
)]
fn end() -> bool {
    if REPORTER.load(Ordering::Relaxed) == std::process::id()
        && let Some(instance) = Instance::made()
    {
        let ledger = instance.ledger();
        say(&ledger.to_string());
        return FAILING.load(Ordering::Relaxed) && !ledger.is_empty();
    }
    false
}

/// Runs after the functions given to `atexit` and the destructors of the program's static objects:
/// those may still free memory.
#[cfg(target_os = "linux")]
mod linux {
    #![allow(
        unsafe_code,
        reason = "the section of functions that run at the end of the process"
    )]

    extern "C" fn fini() {
        // A panic must not unwind into C.
        if let Ok(true) = std::panic::catch_unwind(super::end) {
            // What the program printed and C has not written yet.
            // SAFETY: null stands for all streams.
            unsafe { libc::fflush(std::ptr::null_mut()) };
            // SAFETY: no preconditions.
            unsafe { libc::_exit(super::STATUS) };
        }
    }

    // SAFETY: the section is an array of pointers to functions that take nothing.
    #[used]
    #[unsafe(link_section = ".fini_array")]
    static FINI: extern "C" fn() = fini;
}
