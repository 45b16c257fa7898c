//! Keeping calls of the driver apart from the end of the process.
//!
//! When `main` returns, the C library runs the destructors of the driver's globals while other
//! threads still run. A buffer that such a thread allocates or drops then would call into a driver
//! that is half gone: Intel's crashes. So every call is announced in a slot of its thread, and a
//! handler that runs before those destructors bars further calls and waits for the announced ones.
//! Loading a driver and setting it up is announced as a whole.
//!
//! The handler has to run before the driver's destructors whenever those were registered. With glibc
//! it is a destructor of the main thread: the C library runs those of the thread that ends the
//! process before everything that was registered with `atexit`. Where another thread calls
//! `exit`, and with other C libraries, it is registered with `atexit`, anew after every call that may
//! have set something up, since what was registered last runs first.
//!
//! A call pays for two stores and a load of its own thread's memory. That this suffices, although
//! a store may pass a later load, is due to `membarrier(2)`, by which the handler makes all threads
//! take a full barrier; where the kernel has none, every call takes its own.

use crate::error::{Error, Result};
use crate::raw::call::check;
use core::ops::Deref;
use level_zero_sys as sys;

/// The driver's functions, for the time of a few calls in a row.
#[derive(Debug)]
pub(crate) struct Calls {
    api: &'static sys::Api,
    #[cfg(unix)]
    _busy: unix::Busy,
}

impl Calls {
    /// The functions themselves, to [`enter`] with again.
    pub(crate) fn table(&self) -> &'static sys::Api {
        self.api
    }
}

impl Deref for Calls {
    type Target = sys::Api;

    #[inline]
    fn deref(&self) -> &sys::Api {
        self.api
    }
}

/// Announces calls; `None` where the process is ending.
#[inline]
pub(crate) fn enter(api: &'static sys::Api) -> Option<Calls> {
    Some(Calls {
        api,
        #[cfg(unix)]
        _busy: unix::Busy::announce()?,
    })
}

/// A driver is being loaded and set up for as long as this lives.
#[derive(Debug)]
pub(crate) struct Setup {
    #[cfg(unix)]
    _busy: unix::Busy,
}

/// Announces that a driver is loaded and set up.
pub(crate) fn set_up() -> Result<Setup> {
    #[cfg(unix)]
    unix::prepare();
    Ok(Setup {
        #[cfg(unix)]
        _busy: unix::Busy::announce().ok_or_else(|| barred("zeInit"))?,
    })
}

/// Makes the handler run before whatever destructors the driver has registered up to now.
///
/// Drivers register some when they are loaded and more when first used, and the last registered run
/// first; so this is called after every call that may set something up.
pub(crate) fn watch() {
    #[cfg(unix)]
    unix::watch();
}

/// Whether this is the thread that ends the process, after calls were barred.
pub(crate) fn ends_here() -> bool {
    #[cfg(unix)]
    return unix::ends_here();
    #[cfg(not(unix))]
    false
}

/// The error of a call that was not made since the process is ending.
#[cold]
pub(crate) fn barred(call: &'static str) -> Error {
    Error::Exiting { call }
}

/// Announces a call, makes it, and checks its result.
pub(crate) fn run(
    api: &'static sys::Api,
    call: &'static str,
    make: impl FnOnce(&sys::Api) -> sys::ze_result_t,
) -> Result<()> {
    let calls = enter(api).ok_or_else(|| barred(call))?;
    check(call, make(&calls))
}

#[cfg(unix)]
mod unix {
    use crate::raw::barrier;
    use crate::raw::lock::lock;
    use core::cell::Cell;
    use core::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering, compiler_fence, fence};
    use std::sync::Mutex;
    use std::time::{Duration, Instant};

    /// How long the end of the process waits for calls that do not return.
    const PATIENCE: Duration = Duration::from_secs(2);

    /// The handler is registered anew until the driver cannot have anything new to set up.
    const MOST_REGISTRATIONS: u32 = 64;

    /// How many calls a thread is in.
    #[derive(Debug)]
    #[repr(align(64))]
    struct Slot(AtomicUsize);

    /// What calls have to know, in one byte: [`EXITING`] and [`ASYMMETRIC`].
    static STATE: AtomicU8 = AtomicU8::new(0);
    /// The handler has run: no more calls.
    const EXITING: u8 = 1;
    /// The handler makes the other threads take a barrier.
    const ASYMMETRIC: u8 = 2;
    static REGISTRATIONS: AtomicU32 = AtomicU32::new(0);
    static PROCESS: AtomicU32 = AtomicU32::new(0);
    /// All slots, and those that no thread has now.
    static SLOTS: Mutex<Slots> = Mutex::new(Slots {
        all: Vec::new(),
        free: Vec::new(),
    });
    /// The slot of threads whose own is given back already; several may be in it.
    static LATE: Slot = Slot(AtomicUsize::new(0));

    struct Slots {
        all: Vec<&'static Slot>,
        free: Vec<&'static Slot>,
    }

    thread_local! {
        /// Without a destructor, so that it can be read in those of others. `None` before the
        /// thread's first call, and once the slot is given back.
        static SLOT: Cell<Option<&'static Slot>> = const { Cell::new(None) };
        static GIVE_BACK: GiveBack = const { GiveBack };
        /// Whether the handler ran on this thread.
        static ENDS: Cell<bool> = const { Cell::new(false) };
    }

    pub(super) fn ends_here() -> bool {
        ENDS.get()
    }

    struct GiveBack;

    impl Drop for GiveBack {
        fn drop(&mut self) {
            if let Some(slot) = SLOT.take() {
                lock(&SLOTS).free.push(slot);
            }
        }
    }

    /// A call is announced for as long as this lives.
    #[derive(Debug)]
    pub(super) struct Busy {
        /// `None` for [`LATE`].
        slot: Option<&'static Slot>,
        /// A slot is its thread's own.
        not_send: core::marker::PhantomData<*const ()>,
    }

    impl Busy {
        #[inline]
        pub(super) fn announce() -> Option<Self> {
            let slot = match SLOT.get() {
                Some(slot) => Some(slot),
                None => first_slot(),
            };
            add(slot, 1);
            let busy = Self {
                slot,
                not_send: core::marker::PhantomData,
            };
            // From here on either the handler sees the announcement and waits, or it is seen here.
            compiler_fence(Ordering::SeqCst);
            (STATE.load(Ordering::Acquire) == ASYMMETRIC || lawful_with_barrier()).then_some(busy)
        }
    }

    impl Drop for Busy {
        #[inline]
        fn drop(&mut self) {
            add(self.slot, usize::MAX);
        }
    }

    /// Whether the process goes on, for an announcement that takes its own barrier.
    #[cold]
    fn lawful_with_barrier() -> bool {
        fence(Ordering::SeqCst);
        STATE.load(Ordering::Acquire) & EXITING == 0
    }

    /// Adds to a slot: only its own thread does, unless it is the one for all.
    #[inline]
    fn add(slot: Option<&Slot>, number: usize) {
        if let Some(slot) = slot {
            let now = slot.0.load(Ordering::Relaxed).wrapping_add(number);
            slot.0.store(now, Ordering::Release);
        } else {
            add_late(number);
        }
    }

    #[cold]
    fn add_late(number: usize) {
        LATE.0.fetch_add(number, Ordering::AcqRel);
    }

    /// The slot of a thread that has none yet; `None` for one that has given its own back.
    #[cold]
    fn first_slot() -> Option<&'static Slot> {
        GIVE_BACK.try_with(|_| ()).ok()?;
        let mut slots = lock(&SLOTS);
        let slot = slots.free.pop().unwrap_or_else(|| {
            // Never freed: the handler reads it at any time. Threads that end give it on.
            let slot: &'static Slot = Box::leak(Box::new(Slot(AtomicUsize::new(0))));
            slots.all.push(slot);
            slot
        });
        SLOT.set(Some(slot));
        Some(slot)
    }

    /// What the handler has to know, before there is anything to wait for.
    pub(super) fn prepare() {
        // In a child of a fork that sets up a driver of its own, the child.
        PROCESS.store(std::process::id(), Ordering::Relaxed);
        if STATE.load(Ordering::Relaxed) & ASYMMETRIC == 0 && barrier::is_available() {
            STATE.fetch_or(ASYMMETRIC, Ordering::Relaxed);
        }
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        main_thread::keep();
    }

    pub(super) fn watch() {
        if REGISTRATIONS.load(Ordering::Relaxed) >= MOST_REGISTRATIONS {
            return;
        }
        REGISTRATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the handler is a function of this program, which stays loaded, and unwinds never:
        // it neither allocates nor asserts. Where there is no room for it, there is no handler.
        unsafe { libc::atexit(bar) };
    }

    /// The handler as a destructor of the main thread.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    mod main_thread {
        use core::ffi::{c_int, c_void};

        unsafe extern "C" {
            /// Of glibc, from 2.18: registers a destructor of the calling thread.
            fn __cxa_thread_atexit_impl(
                destructor: unsafe extern "C" fn(*mut c_void),
                object: *mut c_void,
                library: *const c_void,
            ) -> c_int;

            /// Stands for the program or library that this code is linked into.
            static __dso_handle: c_void;
        }

        /// The dynamic linker calls it before `main`, or when it loads the library that this is in.
        #[used]
        // SAFETY: the section is an array of functions of this type, which are called once.
        #[unsafe(link_section = ".init_array")]
        static BEGIN: extern "C" fn() = begin;

        extern "C" fn begin() {
            // Another thread may load the library, and end long before the process does.
            // SAFETY: the call has no preconditions.
            let thread = unsafe { libc::syscall(libc::SYS_gettid) };
            // SAFETY: the call has no preconditions.
            let process = unsafe { libc::getpid() };
            if thread != process.into() {
                return;
            }
            // SAFETY: a static of the linker, of which the address alone is taken.
            let library = &raw const __dso_handle;
            // SAFETY: the destructor takes any object; naming the library keeps it loaded until the
            // destructor has run. Where there is no room for it, `atexit` is what there is.
            unsafe { __cxa_thread_atexit_impl(end, core::ptr::null_mut(), library) };
        }

        unsafe extern "C" fn end(_: *mut c_void) {
            super::bar();
        }

        /// Keeps the linker from leaving the function out.
        pub(super) fn keep() {
            core::hint::black_box(&BEGIN);
        }
    }

    /// Runs at exit, before the driver's destructors.
    extern "C" fn bar() {
        let state = STATE.fetch_or(EXITING, Ordering::SeqCst);
        if state & EXITING != 0 {
            return;
        }
        ENDS.set(true);
        // After a fork the other threads are the parent's, and so are their announcements.
        if PROCESS.load(Ordering::Relaxed) != std::process::id() {
            return;
        }
        if state & ASYMMETRIC != 0 {
            let _ = barrier::on_all_threads();
        }
        fence(Ordering::SeqCst);
        let own = SLOT.get();
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            // A thread that holds the lock is about to announce a call, and will be barred.
            let Ok(slots) = SLOTS.try_lock() else {
                std::thread::yield_now();
                continue;
            };
            let others = slots
                .all
                .iter()
                .filter(|slot| own.is_none_or(|own| !core::ptr::eq(own, **slot)))
                .any(|slot| slot.0.load(Ordering::Acquire) != 0);
            drop(slots);
            if !others && LATE.0.load(Ordering::Acquire) == 0 {
                return;
            }
            std::thread::yield_now();
        }
    }
}
