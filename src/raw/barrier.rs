//! A barrier that one thread takes for all: `membarrier(2)`.
//!
//! Two threads that each write one place and then read the other's need a full barrier between, or both
//! may read the old value. Where one of them does this rarely, it can make all other threads of the
//! process take theirs, and these pay nothing.

use core::sync::atomic::{AtomicBool, Ordering};

/// Whether the process has registered for it.
static REGISTERED: AtomicBool = AtomicBool::new(false);

/// Whether [`on_all_threads`] can be had; asked of the system once.
pub(crate) fn is_available() -> bool {
    if REGISTERED.load(Ordering::Relaxed) {
        return true;
    }
    let available = membarrier(Membarrier::Register);
    if available {
        REGISTERED.store(true, Ordering::Relaxed);
    }
    available
}

/// Makes every running thread of the process take a full barrier; whether it worked.
#[must_use]
pub(crate) fn on_all_threads() -> bool {
    membarrier(Membarrier::Run)
}

#[derive(Clone, Copy)]
enum Membarrier {
    Register,
    Run,
}

#[cfg(target_os = "linux")]
fn membarrier(what: Membarrier) -> bool {
    let command = match what {
        Membarrier::Register => libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
        Membarrier::Run => libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED,
    };
    // SAFETY: the system call takes three numbers and touches no memory.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn membarrier(_: Membarrier) -> bool {
    false
}
