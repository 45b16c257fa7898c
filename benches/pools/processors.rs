//! Which processor a thread runs on, and how it waits there for another: two threads that share one
//! meet each other far less.

/// How often a thread looks again before it lets others run: about as long as the system lets them
/// have the processor then, so that waiting is not what is measured on a machine with other work.
const SPINS: u32 = 20_000;

/// Waits a moment; `spins` counts how often.
#[inline]
pub(crate) fn pause(spins: &mut u32) {
    *spins += 1;
    if spins.is_multiple_of(SPINS) {
        std::thread::yield_now();
    } else {
        core::hint::spin_loop();
    }
}

/// Keeps this thread on one of the processors that it may use, by its number; where that cannot be
/// had, it runs where the system likes.
#[cfg(target_os = "linux")]
pub(crate) fn pin(thread: usize) {
    // SAFETY: a set of no processors is all zero.
    let mut allowed: libc::cpu_set_t = unsafe { core::mem::zeroed() };
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: the target is as large as is said.
    if unsafe { libc::sched_getaffinity(0, size, &raw mut allowed) } != 0 {
        return;
    }
    let is_allowed = |&processor: &usize| {
        // SAFETY: it is less than the size of the set.
        unsafe { libc::CPU_ISSET(processor, &allowed) }
    };
    let processors: Vec<usize> = (0..8 * size).filter(is_allowed).collect();
    let Some(processor) = thread
        .checked_rem(processors.len())
        .and_then(|index| processors.get(index))
    else {
        return;
    };
    // SAFETY: as above.
    let mut one: libc::cpu_set_t = unsafe { core::mem::zeroed() };
    // SAFETY: it is less than the size of the set.
    unsafe { libc::CPU_SET(*processor, &mut one) };
    // SAFETY: the set is as large as is said. Where it fails nothing has changed.
    unsafe { libc::sched_setaffinity(0, size, &raw const one) };
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn pin(_: usize) {}
