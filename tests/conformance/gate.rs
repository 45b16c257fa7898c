//! A queue that is held by a kernel until the host lets it go on: what is started meanwhile is not
//! done, for certain.

use crate::drivers::{Subject, Work};
use crate::modules::compiled;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use ze_area::{Atomic, Context, InOut, Kernel, Module, Queue, ScopeQueue};

/// `hold`, `tally` and `step`.
pub(crate) const GATES: &[u8] = include_bytes!("../kernels/gates.spv");

pub(crate) type Hold = Kernel<(Atomic<u32>, InOut<u32>)>;

/// The CPU driver has few threads for a process, and a kernel that waits takes one.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// For whoever lets a kernel wait for the host.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The module of [`GATES`]; `None`, with a note, where the driver has no compiler.
pub(crate) fn gates(subject: &Subject, context: &Context) -> Option<Module> {
    compiled(subject, context.module(subject.device()).spirv(GATES))
}

pub(crate) fn hold(module: &Module) -> Hold {
    // SAFETY: that is its signature; launches have one item, and it uses two atomics and one element.
    unsafe { module.kernel("hold") }.unwrap()
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < Duration::from_secs(60), "never {what}");
        std::thread::yield_now();
    }
}

/// Lets the kernel go on, also where a test fails.
pub(crate) struct Gate<'a>(pub(crate) &'a [AtomicU32]);

impl Gate<'_> {
    pub(crate) fn open(&self) {
        self.0[0].store(1, Ordering::Release);
    }
}

impl Drop for Gate<'_> {
    fn drop(&mut self) {
        self.open();
    }
}

/// Runs `body` while a kernel holds the queue, until the body opens the gate. What it does in the scope
/// that it gets follows the kernel.
///
/// Not on drivers that run no kernels.
pub(crate) fn while_held(
    subject: &Subject,
    context: &Context,
    queue: &Queue,
    body: impl FnOnce(&ScopeQueue<'_>, &Gate<'_>),
) {
    let Some(module) = gates(subject, context) else {
        return;
    };
    if !subject.executes(Work::Other, "what is not done yet") {
        return;
    }
    let _turn = turn();
    let hold = hold(&module);
    let mut gate = context.host_area().mmap::<u32>(2).unwrap();
    let mut held = context.device_area(subject.device()).mmap(1).unwrap();
    let atomics = gate.as_atomics();
    queue
        .scope(|q| {
            let gate = Gate(atomics.as_slice());
            let mut lent = q.lend_mut(&mut held);
            q.launch(&hold, 1, (atomics, &mut lent))?;
            until("running", || gate.0[1].load(Ordering::Acquire) == 1);
            body(q, &gate);
            Ok(())
        })
        .unwrap();
    assert_eq!(queue.to_vec(&held).unwrap(), [1]);
}
