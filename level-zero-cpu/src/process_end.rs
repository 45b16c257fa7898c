//! The end of the process, which comes while other threads are still in the runtime for kernels.
//!
//! The runtime takes itself apart at exit, and crashes if it is used meanwhile. So before that, those
//! inside are waited for, and nobody else is let in. Nor is anybody in a child made by `fork`, where
//! the runtime has lost its threads.
#![allow(unsafe_code, reason = "registers what runs at exit")]

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::fork;

/// Set at the end; below it, the number of those inside.
const ENDING: usize = 1 << (usize::BITS - 1);
static INSIDE: AtomicUsize = AtomicUsize::new(0);
/// A kernel that runs for longer is left alone, and the process may crash.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whoever uses the runtime has one.
pub(crate) struct Inside(());

/// Lets one in, unless the process ends or was forked from the one that the runtime is in.
pub(crate) fn enter() -> Option<Inside> {
    if fork::is_child() {
        return None;
    }
    let before = INSIDE.fetch_add(1, Ordering::SeqCst);
    let inside = Inside(());
    (before & ENDING == 0).then_some(inside)
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What makes the runtime register more to be taken apart: at exit, the last comes first.
#[derive(Clone, Copy)]
pub(crate) enum Stage {
    Load = 1,
    Build = 2,
    Launch = 4,
}

/// After the first time of each stage, has the end wait for those inside.
pub(crate) fn reached(stage: Stage) {
    static REACHED: AtomicU8 = AtomicU8::new(0);
    let bit = stage as u8;
    if REACHED.load(Ordering::Relaxed) & bit == 0
        && REACHED.fetch_or(bit, Ordering::Relaxed) & bit == 0
    {
        // SAFETY: the function does not unwind, and may run more than once. A failure to register
        // leaves things as they were.
        unsafe { libc::atexit(wait) };
    }
}

extern "C" fn wait() {
    // Those inside are in the process that this one was forked from.
    if fork::is_child() {
        return;
    }
    INSIDE.fetch_or(ENDING, Ordering::SeqCst);
    let start = Instant::now();
    while INSIDE.load(Ordering::SeqCst) != ENDING && start.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(1));
    }
}
