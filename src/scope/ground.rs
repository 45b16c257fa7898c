//! What a scope rests on: the lists that work was enqueued on, who waits for whom, and the end.

use super::profile::{Operation, Recorder};
use super::track::{Access, Stamp};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::queue::Queue;
use crate::raw::event::{Event, EventKind};
use crate::raw::handle::EventHandle;
use crate::raw::list::Locked;
use crate::raw::quiet::{Exiting, halt, quiesce, signalled};
use core::any::Any;
use core::cell::{Cell, RefCell};
use core::mem;
use std::rc::Rc;
use std::sync::Arc;

/// How many marks may be out before all lists are waited for and the marks used again.
const MOST_MARKS: usize = 512;

/// How many bytes of patterns are kept together.
const PATTERNS: usize = 4096;

/// The longest pattern of a fill.
pub(super) const LONGEST_PATTERN: usize = 1024;

/// What a scope rests on. It lives outside the scope's closure, and [`settle`](Ground::settle) runs
/// before it ends, in whatever way the closure does.
///
/// Not `Sync`: a scope belongs to the thread that opened it.
#[derive(Debug)]
pub(crate) struct Ground {
    context: Context,
    /// Where the last thing that was kept is.
    last_kept: Cell<*const ()>,
    state: RefCell<State>,
}

/// What an operation is.
#[derive(Debug, Clone, Copy)]
pub(super) struct What<'a> {
    pub(super) name: &'a str,
    pub(super) bytes: usize,
    /// Whether it comes after everything before on the same line.
    pub(super) ordered: bool,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<Line>,
    /// Events that lines wait for, signalled by others.
    marks: Vec<Event>,
    /// What operations use until they are done.
    kept: Vec<Arc<dyn Any + Send + Sync>>,
    staged: Vec<Box<[u8]>>,
    patterns: Vec<Box<[u8; PATTERNS]>>,
    /// How much of the last chunk of patterns is used, and where in it the last pattern is.
    used: usize,
    last_pattern: (usize, usize),
    /// What the operation that is being enqueued waits for on other lines, and by line up to which
    /// operation that is.
    waits: Vec<level_zero_sys::ze_event_handle_t>,
    news: Vec<(usize, u64)>,
    /// Operations that it has to wait for, on any line.
    needs: Vec<Stamp>,
    recorder: Option<Recorder>,
    /// A wait has failed: events may be in use although all is said to be done.
    doubtful: bool,
}

/// A queue in a scope.
#[derive(Debug)]
struct Line {
    queue: Rc<Queue>,
    /// The number of the last operation of this scope on the list.
    last: u64,
    /// Operations up to this number are known to be done.
    done: u64,
    /// The event to wait for the list with: there before anything is enqueued, so that waiting needs
    /// nothing that can be missing.
    end: Option<Event>,
    /// The last mark, and the number of the operation that it comes after.
    mark: Option<(u64, EventHandle)>,
    /// Whether a kernel that uses atomics is on the list, and may wait for what the host does yet.
    meets_host: bool,
    /// The mark before the first of these, and the number of the last operation before it: so that
    /// those can be waited for without the kernel.
    gate: Option<(u64, EventHandle)>,
    /// By line, up to which operation of it this one waits for.
    seen: Vec<u64>,
}

impl Line {
    /// Notes that the list was appended to, up to that operation.
    fn reach(&mut self, position: u64, error: Option<&Error>) {
        // Also where it failed: what a failed call has left behind is not known. But a call that is
        // barred at the end of the process was not made, and nothing can be waited for then.
        if !matches!(error, Some(Error::Exiting { .. })) {
            self.last = position;
        }
    }

    /// Notes that what follows waits for the operations of another line up to that one.
    fn see(&mut self, other: usize, position: u64) {
        if self.seen.len() <= other {
            self.seen.resize(other + 1, 0);
        }
        let seen = &mut self.seen[other];
        *seen = position.max(*seen);
    }
}

impl Ground {
    pub(super) fn new(context: &Context) -> Self {
        Self {
            context: context.clone(),
            last_kept: Cell::new(core::ptr::null()),
            state: RefCell::default(),
        }
    }

    /// Notes from now on when each operation ran.
    pub(super) fn record(&self) {
        self.state.borrow_mut().recorder = Some(Recorder::default());
    }

    /// What was noted, once everything is done.
    pub(super) fn recorded(&self) -> Vec<Operation> {
        let recorder = self.state.borrow_mut().recorder.take();
        recorder.map(Recorder::into_operations).unwrap_or_default()
    }

    /// The line of a queue, with the queue.
    pub(super) fn line(&self, queue: &Queue) -> Result<(usize, Rc<Queue>)> {
        if queue.context() != &self.context {
            return Err(Error::WrongContext {
                operation: "scope",
                what: "queue",
            });
        }
        let lines = &mut self.state.borrow_mut().lines;
        if let Some(line) = lines.iter().position(|line| line.queue.is(queue)) {
            return Ok((line, Rc::clone(&lines[line].queue)));
        }
        let queue = Rc::new(queue.clone());
        lines.push(Line {
            queue: Rc::clone(&queue),
            last: 0,
            done: 0,
            end: None,
            mark: None,
            meets_host: false,
            gate: None,
            seen: Vec::new(),
        });
        Ok((lines.len() - 1, queue))
    }

    /// Enqueues an operation on a line, after what it depends on.
    ///
    /// `append` gets the list, locked, and an event to signal.
    #[inline]
    pub(super) fn enqueue<'a>(
        &self,
        line: usize,
        what: What<'_>,
        accesses: impl Iterator<Item = Access<'a>> + Clone,
        append: impl FnOnce(&mut Locked<'_>, Option<EventHandle>) -> Result<()>,
    ) -> Result<()> {
        let state = &mut *self.state.borrow_mut();
        let mut fence = 0;
        let mut foreign = false;
        for access in accesses.clone() {
            access.conflicts(|stamp| {
                if stamp.line as usize == line {
                    fence = fence.max(stamp.position);
                } else {
                    foreign = true;
                }
            });
        }
        if foreign {
            self.order(state, line, accesses.clone())?;
        }
        let own = &mut state.lines[line];
        // After the above, which may have waited for this line too and used its event up.
        if own.end.is_none() {
            own.end = Some(self.context.events().take(EventKind::Plain)?);
        }
        let mut gate = None;
        if what.ordered {
            fence = own.last;
            if !own.meets_host && own.last > own.done {
                let event = self.context.events().take(EventKind::Plain)?;
                gate = Some((own.last, event.handle()));
                state.marks.push(event);
            }
        }
        let signal = match &mut state.recorder {
            Some(recorder) => Some(recorder.next(&own.queue, line, what)?),
            None => None,
        };
        let mut list = own.queue.asynchronous()?.lock();
        let mut fenced = match gate {
            // First, so that it waits for what is on this list only.
            Some((_, mark)) => list.barrier(Some(mark), &[]),
            None => Ok(()),
        };
        if foreign && !state.waits.is_empty() && fenced.is_ok() {
            fenced = list.barrier(None, &state.waits);
        }
        if fenced.is_ok() {
            fenced = list.after(fence);
        }
        if let Err(error) = fenced {
            // Nothing was appended that uses the memory: what used it last is what did before.
            let position = list.position();
            drop(list);
            own.reach(position, Some(&error));
            return Err(error);
        }
        let appended = append(&mut list, signal);
        let position = list.position();
        drop(list);
        own.gate = gate.or(own.gate);
        own.meets_host |= what.ordered;
        own.reach(position, appended.as_ref().err());
        if foreign {
            for (other, position) in state.news.drain(..) {
                own.see(other, position);
            }
        }
        let stamp = Stamp {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            position,
        };
        for access in accesses {
            access.stamp(stamp);
        }
        appended
    }

    /// Fills `state.waits` with the events that `line` has to wait for, and `state.news` with what it
    /// will have waited for then.
    #[cold]
    fn order<'a>(
        &self,
        state: &mut State,
        line: usize,
        accesses: impl Iterator<Item = Access<'a>>,
    ) -> Result<()> {
        state.waits.clear();
        state.news.clear();
        // What waits for the host is not waited for: the host is here.
        if state.marks.len() >= MOST_MARKS && !state.lines.iter().any(|line| line.meets_host) {
            self.settle_all(state)?;
        }
        state.needs.clear();
        for access in accesses {
            access.conflicts(|stamp| state.needs.push(stamp));
        }
        for index in 0..state.needs.len() {
            let stamp = state.needs[index];
            let other = stamp.line as usize;
            let news = state.news.iter().filter(|news| news.0 == other);
            let seen = news.map(|news| news.1).max().unwrap_or(0);
            let seen = seen.max(state.lines[line].seen.get(other).copied().unwrap_or(0));
            let theirs = &mut state.lines[other];
            if other == line || stamp.position <= theirs.done.max(seen) {
                continue;
            }
            let (position, event) = match (theirs.gate, theirs.mark) {
                (Some(mark), _) | (_, Some(mark)) if mark.0 >= stamp.position => mark,
                _ => {
                    let event = self.context.events().take(EventKind::Plain)?;
                    let handle = event.handle();
                    state.marks.push(event);
                    let mut list = theirs.queue.asynchronous()?.lock();
                    let position = list.position();
                    let marked = list.barrier(Some(handle), &[]);
                    let last = list.position();
                    drop(list);
                    theirs.reach(last, marked.as_ref().err());
                    marked?;
                    *theirs.mark.insert((position, handle))
                }
            };
            state.waits.push(event.as_raw());
            state.news.push((other, position));
        }
        Ok(())
    }

    /// Keeps something until the scope is over.
    #[inline]
    pub(super) fn keep<T: Any + Send + Sync>(&self, what: &Arc<T>) {
        // What is kept lives, so that nothing else comes to be where it is.
        if self.last_kept.get() != Arc::as_ptr(what).cast() {
            self.keep_another(what);
        }
    }

    fn keep_another<T: Any + Send + Sync>(&self, what: &Arc<T>) {
        let kept = &mut self.state.borrow_mut().kept;
        let address = Arc::as_ptr(what).cast::<()>();
        self.last_kept.set(address);
        let is_it = |kept: &Arc<_>| core::ptr::addr_eq(Arc::as_ptr(kept), address);
        if !kept.iter().rev().take(8).any(is_it) {
            kept.push(Arc::<T>::clone(what));
        }
    }

    /// Keeps bytes until the scope is over, and returns where they are.
    pub(super) fn stage(&self, bytes: Box<[u8]>) -> *const [u8] {
        let staged = &mut self.state.borrow_mut().staged;
        staged.push(bytes);
        staged.last().map_or(&[], |bytes| &raw const **bytes)
    }

    /// Keeps a short pattern until the scope is over, and returns where it is.
    ///
    /// At most [`LONGEST_PATTERN`] bytes.
    pub(super) fn pattern(&self, pattern: &[u8]) -> *const [u8] {
        let state = &mut *self.state.borrow_mut();
        let len = pattern.len().min(LONGEST_PATTERN);
        let pattern = &pattern[..len];
        let (start, end) = state.last_pattern;
        if let Some(chunk) = state.patterns.last()
            && &chunk[start..end] == pattern
        {
            return &raw const chunk[start..end];
        }
        if state.patterns.is_empty() || state.used + len > PATTERNS {
            state.patterns.push(Box::new([0; PATTERNS]));
            state.used = 0;
        }
        let range = state.used..state.used + len;
        state.used += len.next_multiple_of(16);
        state.last_pattern = (range.start, range.end);
        match state.patterns.last_mut() {
            Some(chunk) => {
                chunk[range.clone()].copy_from_slice(pattern);
                &raw const chunk[range]
            }
            None => core::ptr::slice_from_raw_parts(core::ptr::null(), 0),
        }
    }

    /// Waits until the operation of that stamp is done.
    pub(super) fn wait_for(&self, stamp: Stamp) -> Result<()> {
        let state = &mut *self.state.borrow_mut();
        let Some(line) = state.lines.get_mut(stamp.line as usize) else {
            return Ok(());
        };
        if stamp.position <= line.done {
            return Ok(());
        }
        let before = line.gate.filter(|gate| stamp.position <= gate.0);
        let gate = before.and_then(|(position, handle)| {
            let mark = state.marks.iter().find(|mark| mark.handle() == handle)?;
            Some((position, mark))
        });
        let waited = match gate {
            Some((position, mark)) => match signalled(mark) {
                Ok(waited) => {
                    line.done = position;
                    waited
                }
                Err(Exiting) => halt(),
            },
            None => self.settle(line),
        };
        state.doubtful |= waited.is_err();
        waited
    }

    /// Waits until everything that was enqueued in this scope is done. It is, whatever is returned.
    pub(super) fn wait(&self) -> Result<()> {
        let mut state = self.state.borrow_mut();
        let settled = self.settle_all(&mut state);
        // Nothing uses it any more.
        state.staged.clear();
        state.patterns.truncate(1);
        state.used = 0;
        state.last_pattern = (0, 0);
        self.last_kept.set(core::ptr::null());
        let kept = mem::take(&mut state.kept);
        drop(state);
        // Not with the state borrowed: what is dropped with a kernel, its rule, is the user's.
        drop(kept);
        settled
    }

    fn settle_all(&self, state: &mut State) -> Result<()> {
        let mut first = Ok(());
        for line in &mut state.lines {
            let settled = self.settle(line);
            line.mark = None;
            line.gate = None;
            first = first.and(settled);
        }
        state.doubtful |= first.is_err();
        let idle = !state.doubtful;
        if let Some(recorder) = &mut state.recorder {
            recorder.read(idle);
        }
        // All lists are done, so nobody waits for a mark any more.
        for mark in state.marks.drain(..) {
            self.context
                .events()
                .take_back(mark, EventKind::Plain, idle);
        }
        first
    }

    /// Waits until the line's operations are done. They are, whatever is returned.
    fn settle(&self, line: &mut Line) -> Result<()> {
        if line.last <= line.done {
            return Ok(());
        }
        // Both were there before anything was enqueued. The event stays: a panic on the way, of a
        // subscriber to what is traced, leads here again.
        let (Ok(list), Some(end)) = (line.queue.asynchronous(), &line.end) else {
            return Ok(());
        };
        match quiesce(list, end) {
            Ok(settled) => {
                line.done = line.last;
                line.meets_host = false;
                if let Some(end) = line.end.take() {
                    let idle = settled.is_ok();
                    self.context.events().take_back(end, EventKind::Plain, idle);
                }
                settled
            }
            Err(Exiting) => halt(),
        }
    }
}
