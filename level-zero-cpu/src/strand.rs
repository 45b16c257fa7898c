//! Strands: commands that run one after the other, of one queue or one immediate list.
//!
//! A strand runs on one thread at a time. Where its next command waits for an event it leaves the
//! thread: the event keeps it, and gives it to a thread again when it is signalled. So however many
//! strands wait, there is a thread for what can run.
//!
//! Locks: that of a strand, of an event, of a fence and of the threads' queue are each held alone,
//! and never while a command runs or is dropped.

use level_zero_sys::{self as sys, ze_result_t};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::arguments::Outcome;
use crate::clock::now;
use crate::command_list::ListUse;
use crate::engine::Job;
use crate::event::{Event, EventUse};
use crate::fence::FenceUse;
use crate::threads;
use crate::wait::Watched;

/// Commands that a strand runs before others have their turn.
const TURN: u32 = 32;

/// One command, to be executed once. Dropped without that, it signals nothing.
#[derive(Default)]
pub(crate) struct Command {
    /// To be waited for, in this order.
    pub(crate) waits: Vec<EventUse>,
    pub(crate) job: Option<Box<dyn Job>>,
    pub(crate) signal: Option<EventUse>,
    /// Signalled after the event.
    pub(crate) fence: Option<FenceUse>,
    /// The list whose last command this is.
    pub(crate) list: Option<ListUse>,
    /// How many of `waits` were signalled.
    pub(crate) waited: usize,
}

struct State {
    commands: VecDeque<Command>,
    /// A thread runs it, or is about to, or an event keeps it.
    active: bool,
    /// The job of the running command is done and dropped; what it signals is about to be.
    finishing: bool,
    submitted: u64,
    finished: u64,
    /// Of the first job that failed.
    error: Option<ze_result_t>,
}

pub(crate) struct Strand {
    /// Of the instance.
    pending: Arc<AtomicUsize>,
    state: Watched<State>,
}

/// What a thread does next for a strand.
enum Next {
    Run(Command),
    /// The strand has failed.
    Skip(Command),
    Wait(Arc<Event>),
    /// It is the turn of others.
    Leave,
    Rest,
}

impl Strand {
    pub(crate) fn new(pending: &Arc<AtomicUsize>) -> Arc<Self> {
        Arc::new(Self {
            pending: Arc::clone(pending),
            state: Watched::new(State {
                commands: VecDeque::new(),
                active: false,
                finishing: false,
                submitted: 0,
                finished: 0,
                error: None,
            }),
        })
    }

    /// Refuses what a strand that failed, or whose threads are gone, cannot do any more.
    pub(crate) fn check(&self) -> Outcome {
        self.state.lock().error.map_or(Ok(()), Err)
    }

    /// Adds commands: all of them, or none. `waits` is whether one has to wait for an event.
    /// `synchronous` returns when they are done, with the error of the strand if there is one then.
    pub(crate) fn submit(
        self: &Arc<Self>,
        commands: impl IntoIterator<IntoIter: ExactSizeIterator<Item = Command>>,
        waits: bool,
        synchronous: bool,
    ) -> Outcome {
        let commands = commands.into_iter();
        // What waits for nothing and is waited for can do without a thread.
        if waits || !synchronous {
            threads::ensure()?;
        }
        let mut state = self.state.lock();
        if let Some(code) = state.error {
            drop(state);
            return Err(code);
        }
        self.pending.fetch_add(commands.len(), Ordering::Relaxed);
        state.submitted += commands.len() as u64;
        state.commands.extend(commands);
        let last = state.submitted;
        let rested = !std::mem::replace(&mut state.active, true);
        drop(state);
        match (rested, synchronous) {
            (true, true) => self.run(Some(last)),
            (true, false) => threads::schedule(Arc::clone(self)),
            (false, _) => {}
        }
        if synchronous {
            return self.wait(last, u64::MAX);
        }
        Ok(())
    }

    /// Runs a job at once, on this thread, or gives it back where the strand does not rest. What
    /// [`submit`](Self::submit) does for one that waits for nothing and signals nothing, in less time.
    pub(crate) fn run_alone(self: &Arc<Self>, job: Box<dyn Job>) -> Result<Outcome, Box<dyn Job>> {
        let mut state = self.state.lock();
        if state.active || state.error.is_some() {
            return Err(job);
        }
        state.active = true;
        state.submitted += 1;
        drop(state);
        self.pending.fetch_add(1, Ordering::Relaxed);
        let outcome = run(job);
        self.pending.fetch_sub(1, Ordering::Relaxed);
        let mut state = self.state.lock();
        state.error = outcome.err();
        state.finished += 1;
        state.active = !state.commands.is_empty();
        let more = state.active;
        drop(state);
        self.state.wake();
        if more {
            // Submitted by another thread meanwhile.
            self.leave();
        }
        Ok(outcome)
    }

    /// Waits until all that was submitted before is done: `NOT_READY` when the time is over first,
    /// and the error of the strand if there is one.
    pub(crate) fn synchronize(&self, timeout: u64) -> Outcome {
        let last = self.state.lock().submitted;
        self.wait(last, timeout)
    }

    fn wait(&self, last: u64, timeout: u64) -> Outcome {
        let done =
            |state: &mut State| (state.finished >= last).then(|| state.error.map_or(Ok(()), Err));
        let outcome = self.state.wait(timeout, done);
        outcome.unwrap_or(Err(sys::ZE_RESULT_NOT_READY))
    }

    /// Waits for the last touches of a command whose end may show already, through its event or
    /// fence. Nothing that can take long happens then.
    pub(crate) fn settle(&self) {
        self.state.wait(u64::MAX, |state| {
            let last = state.submitted - state.finished == 1;
            (!(state.finishing && last)).then_some(())
        });
    }

    /// `HANDLE_OBJECT_IN_USE` while commands are not done.
    pub(crate) fn check_idle(&self) -> Outcome {
        let state = self.state.lock();
        if state.submitted == state.finished {
            Ok(())
        } else {
            Err(sys::ZE_RESULT_ERROR_HANDLE_OBJECT_IN_USE)
        }
    }

    /// Goes on, on a thread of the driver.
    pub(crate) fn resume(self: &Arc<Self>) {
        self.run(None);
    }

    /// Runs commands until there are none, one has to wait, it is the turn of others, or so many
    /// are finished.
    fn run(self: &Arc<Self>, until: Option<u64>) {
        let mut turn = TURN;
        let mut next = self.state.lock().next(until, turn);
        loop {
            let (command, skip) = match next {
                Next::Run(command) => (command, false),
                Next::Skip(command) => (command, true),
                Next::Wait(event) => {
                    if event.keep(self) {
                        // Another thread may be running it already.
                        return;
                    }
                    next = self.state.lock().next(until, turn);
                    continue;
                }
                Next::Leave => return self.leave(),
                Next::Rest => return,
            };
            self.execute(command, skip);
            turn = turn.saturating_sub(1);
            let mut state = self.state.lock();
            state.finishing = false;
            state.finished += 1;
            next = state.next(until, turn);
            drop(state);
            self.state.wake();
        }
    }

    /// Lets a thread of the driver go on.
    fn leave(self: &Arc<Self>) {
        match threads::ensure() {
            Ok(()) => threads::schedule(Arc::clone(self)),
            // Rather on this thread than never.
            Err(_) => self.run(Some(u64::MAX)),
        }
    }

    /// Does what a command says and signals, all but to count it as finished.
    ///
    /// Whoever sees a signal may destroy what the command used: so that is let go before. And
    /// whoever waits for the strand may look at the signals: so the count comes after.
    fn execute(&self, command: Command, skip: bool) {
        let Command {
            waits,
            job,
            signal,
            fence,
            list,
            waited: _,
        } = command;
        let timed = signal.as_ref().is_some_and(EventUse::is_timed);
        let start = if timed { now() } else { 0 };
        let outcome = match job {
            Some(job) if skip => {
                drop(job);
                Ok(())
            }
            Some(job) => run(job),
            None => Ok(()),
        };
        let end = if timed { now() } else { 0 };
        drop(waits);
        drop(list);
        self.pending.fetch_sub(1, Ordering::Relaxed);
        if outcome.is_err() || signal.is_some() || fence.is_some() {
            let mut state = self.state.lock();
            state.finishing = true;
            state.error = state.error.or(outcome.err());
        }
        if let Some(signal) = signal {
            signal.signal(start, end);
        }
        if let Some(fence) = fence {
            fence.signal();
        }
    }
}

/// Runs a job. A panic would be a defect of the driver; it must not take the thread with it.
fn run(job: Box<dyn Job>) -> Outcome {
    let outcome = catch_unwind(AssertUnwindSafe(|| job.run()));
    outcome.unwrap_or(Err(sys::ZE_RESULT_ERROR_UNKNOWN))
}

impl State {
    fn next(&mut self, until: Option<u64>, turn: u32) -> Next {
        let enough = match until {
            Some(last) => self.finished >= last,
            None => turn == 0,
        };
        let failed = self.error.is_some();
        match self.commands.front_mut() {
            None => {
                self.active = false;
                return Next::Rest;
            }
            Some(_) if enough => return Next::Leave,
            Some(front) if !failed => {
                if let Some(wait) = front.waits.get(front.waited) {
                    // The next time it is this strand's turn, the event was signalled.
                    front.waited += 1;
                    return Next::Wait(Arc::clone(wait.event()));
                }
            }
            Some(_) => {}
        }
        match self.commands.pop_front() {
            Some(command) if failed => Next::Skip(command),
            Some(command) => Next::Run(command),
            None => Next::Rest,
        }
    }
}

#[cfg(test)]
mod tests;
