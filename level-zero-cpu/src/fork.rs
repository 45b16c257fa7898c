//! What becomes of a driver in a child that was forked: it is lost there, as a device is.
//!
//! The child has none of the threads that may hold locks, nor the memory of devices, which it would
//! share with its parent. A child that runs another program at once is not concerned.
#![allow(unsafe_code, reason = "asks the operating system to be told")]

use std::sync::atomic::{AtomicBool, Ordering};

static FORKED: AtomicBool = AtomicBool::new(false);

/// Whether this process was forked from one that had an instance.
pub(crate) fn is_child() -> bool {
    FORKED.load(Ordering::Relaxed)
}

/// Asks to be told in children that are forked from now on.
pub(crate) fn watch() {
    #[cfg(target_os = "linux")]
    {
        use std::sync::OnceLock;

        unsafe extern "C" fn child() {
            FORKED.store(true, Ordering::Relaxed);
        }
        static WATCHED: OnceLock<()> = OnceLock::new();
        WATCHED.get_or_init(|| {
            // SAFETY: the function stores to an atomic, which may be done after a fork. That it
            // fails for lack of memory leaves children unwarned.
            unsafe { libc::pthread_atfork(None, None, Some(child)) };
        });
    }
}
