//! The driver's own threads, which run what is queued.
//!
//! They are started when there is work for them, one by one, and sleep when there is none. They
//! are never joined: nothing that they use is ever taken away, the library is kept in memory for
//! them, and the end of the process ends them wherever they are.
//!
//! In a child made by `fork` they are not there, and the driver is lost altogether: see `fork.rs`.
#![allow(unsafe_code, reason = "starts threads under the rules of a library")]

use level_zero_sys as sys;
use std::collections::VecDeque;
use std::num::NonZero;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::thread;

use crate::arguments::Outcome;
use crate::strand::Strand;
use crate::wait::Watched;

/// All threads of a process, and what waits for them. Leaked, so that it outlives them.
struct Threads {
    ready: Watched<Ready>,
    most: usize,
    /// Read without the lock to know that there is one.
    running: AtomicUsize,
}

#[derive(Default)]
struct Ready {
    strands: VecDeque<Arc<Strand>>,
    idle: usize,
    started: usize,
}

static THREADS: AtomicPtr<Threads> = AtomicPtr::new(ptr::null_mut());
fn get() -> &'static Threads {
    let mut threads = THREADS.load(Ordering::Acquire);
    if threads.is_null() {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let made = Box::into_raw(Box::new(Threads {
            ready: Watched::default(),
            most: cores.max(2),
            running: AtomicUsize::new(0),
        }));
        let null = ptr::null_mut();
        match THREADS.compare_exchange(null, made, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => threads = made,
            Err(other) => {
                // SAFETY: from `into_raw` above, and shown to nobody.
                drop(unsafe { Box::from_raw(made) });
                threads = other;
            }
        }
    }
    // SAFETY: not null, so from `into_raw` in this function; what is in `THREADS` is never freed.
    unsafe { &*threads }
}

/// Sees to it that there is a thread to run what is scheduled: `OUT_OF_HOST_MEMORY` if the system
/// gives none.
pub(crate) fn ensure() -> Outcome {
    let threads = get();
    if threads.running.load(Ordering::Relaxed) > 0 {
        return Ok(());
    }
    let mut ready = threads.ready.lock();
    if ready.started > 0 {
        return Ok(());
    }
    // Under the lock, so that nobody is told of a thread that then fails to start.
    if !threads.start() {
        return Err(sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY);
    }
    ready.started += 1;
    Ok(())
}

/// Gives a strand to the next free thread. There must be one; see [`ensure`].
pub(crate) fn schedule(strand: Arc<Strand>) {
    let threads = get();
    let mut ready = threads.ready.lock();
    ready.strands.push_back(strand);
    let grow = ready.strands.len() > ready.idle && ready.started < threads.most;
    if grow {
        ready.started += 1;
    }
    drop(ready);
    threads.ready.wake_one();
    // A failure leaves the work to the threads that are there.
    if grow && !threads.start() {
        threads.ready.lock().started -= 1;
    }
}

impl Threads {
    fn start(&'static self) -> bool {
        system::keep_this_library();
        let signals = system::block_signals();
        let thread = thread::Builder::new().name("level-zero-cpu".into());
        let started = thread.spawn(move || self.work()).is_ok();
        system::restore_signals(&signals);
        if started {
            self.running.fetch_add(1, Ordering::Relaxed);
        }
        started
    }

    fn work(&self) {
        let mut idle = false;
        loop {
            let strand = self.ready.wait(u64::MAX, |ready| {
                let strand = ready.strands.pop_front();
                match (strand.is_none(), idle) {
                    (true, false) => ready.idle += 1,
                    (false, true) => ready.idle -= 1,
                    _ => {}
                }
                idle = strand.is_none();
                strand
            });
            if let Some(strand) = strand {
                strand.resume();
            }
        }
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::ffi::c_void;
    use std::mem::MaybeUninit;
    use std::ptr;

    /// Lets no `dlclose` unload the code that threads are in.
    pub(super) fn keep_this_library() {
        let mut info = MaybeUninit::<libc::Dl_info>::uninit();
        let here: fn() = keep_this_library;
        // SAFETY: any address may be asked for; there is room for the answer.
        if unsafe { libc::dladdr(here as *const c_void, info.as_mut_ptr()) } == 0 {
            return;
        }
        // SAFETY: filled, as the result says.
        let name = unsafe { info.assume_init() }.dli_fname;
        if name.is_null() {
            return;
        }
        let flags = libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
        // SAFETY: a C string, as long as the library is loaded; loads nothing. In a program that
        // has the driver built in, it may find nothing either, and need not.
        unsafe { libc::dlopen(name, flags) };
    }

    pub(super) struct Signals(libc::sigset_t);

    /// Blocks the signals that a program may send to any of its threads: its handlers must not run
    /// on threads it knows nothing of. Those of faults stay, for programs handle faults on memory
    /// that a copy may touch.
    pub(super) fn block_signals() -> Signals {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: room for a set.
        unsafe { libc::sigfillset(set.as_mut_ptr()) };
        for fault in [
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGFPE,
            libc::SIGILL,
            libc::SIGTRAP,
        ] {
            // SAFETY: filled above.
            unsafe { libc::sigdelset(set.as_mut_ptr(), fault) };
        }
        let mut old = MaybeUninit::<libc::sigset_t>::zeroed();
        // SAFETY: a set to block and room for the old one.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, set.as_ptr(), old.as_mut_ptr()) };
        // SAFETY: a set is integers, for which zero is a value too.
        Signals(unsafe { old.assume_init() })
    }

    pub(super) fn restore_signals(Signals(old): &Signals) {
        // SAFETY: a set that was in force.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, old, ptr::null_mut()) };
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn keep_this_library() {}

    pub(super) fn block_signals() {}

    pub(super) fn restore_signals((): &()) {}
}
