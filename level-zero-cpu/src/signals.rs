//! What the process does at signals, kept and put back.
//!
//! Compilers catch the signals of a crash to print where it was. In a library that is loaded into a
//! program, that takes the program's own handlers away, and device memory that is touched by the
//! host would not end the process as it does.
#![allow(unsafe_code, reason = "asks for the handlers of signals")]

/// The actions of all signals, and the stack that the thread has for them.
pub(crate) struct Dispositions {
    #[cfg(target_os = "linux")]
    actions: Vec<(libc::c_int, libc::sigaction)>,
    #[cfg(target_os = "linux")]
    stack: Option<libc::stack_t>,
}

#[cfg(target_os = "linux")]
impl Dispositions {
    pub(crate) fn now() -> Self {
        let action = |signal| {
            let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
            // SAFETY: no new action, and room for the old one.
            let code = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
            if code != 0 {
                return None;
            }
            // SAFETY: all of it may be zero, which it was before the call.
            Some((signal, unsafe { action.assume_init() }))
        };
        let mut stack = std::mem::MaybeUninit::<libc::stack_t>::zeroed();
        // SAFETY: no new stack, and room for the old one.
        let code = unsafe { libc::sigaltstack(std::ptr::null(), stack.as_mut_ptr()) };
        Self {
            // Real-time signals belong to the C library and to programs; nobody takes those.
            actions: (1..=libc::SIGSYS).filter_map(action).collect(),
            stack: if code == 0 {
                // SAFETY: all of it may be zero, which it was before the call.
                Some(unsafe { stack.assume_init() })
            } else {
                None
            },
        }
    }

    /// Puts back what changed, on the same thread. What another thread changes meanwhile on purpose
    /// is lost.
    pub(crate) fn restore(self) {
        let now = Self::now();
        for ((signal, action), (_, changed)) in self.actions.iter().zip(&now.actions) {
            if action.sa_sigaction != changed.sa_sigaction {
                // SAFETY: the action was the process's own before.
                unsafe { libc::sigaction(*signal, action, std::ptr::null_mut()) };
            }
        }
        if let (Some(stack), Some(changed)) = (self.stack, now.stack)
            && stack.ss_sp != changed.ss_sp
        {
            // SAFETY: the stack was the thread's own before, which nobody freed: whoever replaced
            // it did not make it.
            unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) };
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Dispositions {
    pub(crate) fn now() -> Self {
        Self {}
    }

    pub(crate) fn restore(self) {}
}
