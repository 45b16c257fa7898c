//! Allocations in one arena: made, found, kept alive while a copy runs, freed.
#![allow(unsafe_code, reason = "fills memory that it hands out and takes back")]

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::arena::{Arena, page};
use crate::config::Config;
use crate::device::DeviceId;
use crate::doors::Doors;
use crate::free_list::FreeList;
use crate::ipc::Export;
use crate::ledger::{Kind, WriteAfterFree};
use crate::pattern::Pattern;
use crate::pin::{Hold, Pin};
use crate::registry::lock;
use crate::signal::Signal;
use crate::system::Access;
use crate::{FREED_BYTE, FRESH_BYTE};

mod quarantine;
mod sharing;

use quarantine::{Held, Quarantine, Violations};

/// When so much freed memory may still have its pages, they go back to the system. To give them
/// back at every free would cost more than all the rest, for the next allocation faults them in
/// again.
const PURGE: usize = 256 << 20;
/// Smaller free ranges keep their pages.
const PURGED: usize = 64 << 10;
/// Host memory that stays open is opened in such steps.
const OPENED: usize = 1 << 20;
/// The smallest piece of device memory, and of what a pattern covers.
const GRANULE: usize = 64;

/// Free ranges in memory that is closed when freed, of all instances. Each is a mapping of its own
/// to the system, and splits what is around it.
static HOLES: AtomicUsize = AtomicUsize::new(0);
/// Systems allow a process 65530 mappings. With more holes than this, two mappings each, the rest
/// of the program might find none left for the stack of a thread.
const MAX_HOLES: usize = 8192;

/// A live allocation.
#[derive(Clone, Copy)]
pub(crate) struct Allocation {
    pub(crate) address: usize,
    pub(crate) size: usize,
    pub(crate) alignment: usize,
    pub(crate) context: usize,
    pub(crate) device: Option<DeviceId>,
    pub(crate) ordinal: u32,
    pub(crate) serial: u64,
    taken: Taken,
    /// Copies that run on it.
    users: u32,
    /// Freed as far as users can see; the last copy gives it back.
    dying: bool,
    /// Other processes may open it: it is in `exports`.
    exported: bool,
}

/// What the free list gave.
#[derive(Clone, Copy)]
struct Taken {
    /// Where it starts; before what users hold if there was a gap that could not stay a hole.
    start: usize,
    end: usize,
    /// What counts against the budget, which a gap does not.
    cost: usize,
}

/// What is asked for.
pub(crate) struct Request {
    pub(crate) size: usize,
    pub(crate) alignment: usize,
    pub(crate) context: usize,
    pub(crate) device: Option<DeviceId>,
    pub(crate) ordinal: u32,
    pub(crate) serial: u64,
}

/// Why there is no allocation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Exhausted,
    Alignment,
}

/// When memory that a copy still uses is freed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FreePolicy {
    Refuse,
    Wait,
    Defer,
}

/// Why an allocation is not freed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotFreed {
    /// No allocation of that context starts there.
    Unknown,
    /// A copy runs on it.
    Busy,
}

/// What becomes of freed memory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The host has no access to it anyway.
    Hidden,
    /// The host's access is taken away.
    Trap,
    /// It stays open, and is checked for a while.
    Check,
}

struct State {
    free: FreeList,
    /// By offset of what users hold.
    live: BTreeMap<usize, Allocation>,
    used: usize,
    /// Freed ranges that could not be closed, to be tried again. They are open, and overwritten.
    unclosed: VecDeque<Taken>,
    quarantine: Quarantine,
    violations: Violations,
    /// What this heap added to `HOLES`.
    holes: usize,
    /// Past the end of all that was ever taken.
    reached: usize,
    /// The host has access up to here, where freed memory stays open.
    open: usize,
    /// At most so many bytes of free ranges have pages.
    stale: usize,
    /// Whether a thread has free ranges out of the list to give their pages back.
    purging: bool,
    /// The number of threads that wait for `changed`.
    waiting: usize,
    /// What other processes may open, by offset.
    exports: BTreeMap<usize, Export>,
    /// Freed, and still open in other processes: used again when they have closed it.
    lent: Vec<(Allocation, Export)>,
}

/// One arena and what is in it.
pub(crate) struct Heap {
    pub(crate) kind: Kind,
    arena: Arena,
    ending: Ending,
    granule: usize,
    honour_alignment: bool,
    pattern: Pattern,
    budget: usize,
    state: Mutex<State>,
    /// The last pin of an allocation ended, or ranges came back to the free list.
    changed: Signal,
    /// What kernels have access to.
    doors: Doors,
}

impl Heap {
    /// Memory of `budget` bytes.
    pub(crate) fn new(kind: Kind, budget: u64, config: &Config) -> io::Result<Self> {
        let too_much = |_| io::Error::from(io::ErrorKind::OutOfMemory);
        let budget = usize::try_from(budget).map_err(too_much)?;
        let pages = budget
            .checked_next_multiple_of(page())
            .ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let (arena, len, granule) = match kind {
            Kind::Device => (Arena::device(pages)?, pages, GRANULE),
            // Alignment costs these kinds address space only, not memory, and there is plenty.
            Kind::Host | Kind::Shared => {
                let len = pages.saturating_mul(2).saturating_add(4 << 20);
                (Arena::host(len)?, len, page())
            }
        };
        let ending = match kind {
            Kind::Device => Ending::Hidden,
            Kind::Host | Kind::Shared if config.trap_freed => Ending::Trap,
            Kind::Host | Kind::Shared => Ending::Check,
        };
        let granule = if config.honour_alignment {
            granule
        } else {
            granule.max(page())
        };
        let state = State {
            free: FreeList::new(len),
            live: BTreeMap::new(),
            used: 0,
            unclosed: VecDeque::new(),
            quarantine: Quarantine::default(),
            violations: Violations::default(),
            holes: 0,
            reached: 0,
            open: 0,
            stale: 0,
            purging: false,
            waiting: 0,
            exports: BTreeMap::new(),
            lent: Vec::new(),
        };
        Ok(Self {
            kind,
            arena,
            ending,
            granule,
            honour_alignment: config.honour_alignment,
            pattern: Pattern::new(config.fill_limit),
            budget,
            state: Mutex::new(state),
            changed: Signal::default(),
            doors: Doors::default(),
        })
    }

    pub(crate) fn contains(&self, address: usize) -> bool {
        self.arena.offset_of(address).is_some()
    }

    /// Allocates, and fills with the pattern of fresh memory.
    pub(crate) fn allocate(&self, request: &Request) -> Result<usize, Refusal> {
        let (alignment, shift) = match (self.honour_alignment, request.alignment > page()) {
            (true, _) => (request.alignment.max(self.granule), 0),
            // A page past a multiple of the alignment is a multiple of a page and not of it.
            (false, true) => (request.alignment, page()),
            (false, false) => (page(), 0),
        };
        let len = request
            .size
            .checked_next_multiple_of(self.granule)
            .and_then(|len| len.checked_add(shift))
            .ok_or(Refusal::Exhausted)?;
        let taken = self.take(len, alignment)?;
        let offset = taken.end - len + shift;
        let whole = taken.end - taken.start;
        if self.ending == Ending::Trap && self.arena.open(taken.start, whole).is_err() {
            let mut state = lock(&self.state);
            state.used -= taken.cost;
            self.give(&mut state, taken);
            return Err(Refusal::Exhausted);
        }
        // SAFETY: open or device memory; taken from the free list, and not in `live` yet, so that
        // nobody else uses it.
        unsafe { self.fill(offset, request.size, FRESH_BYTE) };
        let address = self.arena.base() + offset;
        let allocation = Allocation {
            address,
            size: request.size,
            alignment: request.alignment,
            context: request.context,
            device: request.device,
            ordinal: request.ordinal,
            serial: request.serial,
            taken,
            users: 0,
            dying: false,
            exported: false,
        };
        lock(&self.state).live.insert(offset, allocation);
        Ok(address)
    }

    fn take(&self, len: usize, alignment: usize) -> Result<Taken, Refusal> {
        let base = self.arena.base();
        // Where the first multiple of the alignment is past the end, no amount of freeing helps.
        let aligned = base
            .checked_next_multiple_of(alignment)
            .ok_or(Refusal::Alignment)?;
        if !self.contains(aligned) {
            return Err(Refusal::Alignment);
        }
        let mut state = lock(&self.state);
        let mut flushed = false;
        loop {
            if let Some(taken) = self.try_take(&mut state, len, alignment) {
                return Ok(taken);
            }
            if state.purging {
                state = self.wait(state);
            } else if flushed {
                return Err(Refusal::Exhausted);
            } else {
                self.flush(&mut state);
                flushed = true;
            }
        }
    }

    fn try_take(&self, state: &mut State, len: usize, alignment: usize) -> Option<Taken> {
        let used = state.used.checked_add(len);
        let used = used.filter(|used| *used <= self.budget)?;
        let offset = state.free.take(len, alignment, self.arena.base())?;
        let end = offset + len;
        let mut start = offset;
        match self.ending {
            Ending::Hidden => {}
            Ending::Trap => {
                if State::too_many_holes() {
                    start -= state.free.take_before(offset);
                }
            }
            Ending::Check => {
                if end > state.open {
                    let open = end.next_multiple_of(OPENED).min(self.arena.len());
                    if self.arena.open(state.open, open - state.open).is_err() {
                        state.free.give(offset, len);
                        return None;
                    }
                    state.open = open;
                }
            }
        }
        state.used = used;
        state.reached = state.reached.max(end);
        state.stale = state.stale.saturating_sub(len);
        self.count_holes(state);
        Some(Taken {
            start,
            end,
            cost: len,
        })
    }

    /// Makes all free that was kept back.
    fn flush(&self, state: &mut State) {
        self.reclaim(state);
        for taken in std::mem::take(&mut state.unclosed) {
            self.give(state, taken);
        }
        while let Some(held) = state.quarantine.pop() {
            self.examine(state, &held);
            self.give(state, held.taken);
        }
    }

    fn give(&self, state: &mut State, taken: Taken) {
        let len = taken.end - taken.start;
        state.free.give(taken.start, len);
        state.stale += len;
        self.count_holes(state);
    }

    fn count_holes(&self, state: &mut State) {
        if self.ending == Ending::Trap {
            let holes = state.free.ranges();
            if holes > state.holes {
                HOLES.fetch_add(holes - state.holes, Ordering::Relaxed);
            } else if holes < state.holes {
                HOLES.fetch_sub(state.holes - holes, Ordering::Relaxed);
            }
            state.holes = holes;
        }
    }

    fn wait<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.waiting += 1;
        let mut state = self.changed.wait(&self.state, state);
        state.waiting -= 1;
        state
    }

    fn notify(&self, state: &State) {
        if state.waiting > 0 {
            self.changed.notify();
        }
    }

    /// Gives the pages of free ranges back to the system if there may be many.
    fn purge(&self, mut state: MutexGuard<'_, State>) {
        if state.stale <= PURGE || state.purging {
            return;
        }
        state.purging = true;
        state.stale = 0;
        let reached = state.reached;
        let ranges = state.free.take_below(reached, PURGED);
        drop(state);
        for &(offset, len) in &ranges {
            let start = offset.next_multiple_of(page());
            let end = (offset + len) / page() * page();
            if start < end {
                // SAFETY: whole pages of what was free and is out of the list: nobody uses it.
                unsafe { self.arena.discard(start, end - start) };
            }
        }
        let mut state = lock(&self.state);
        for (offset, len) in ranges {
            state.free.give(offset, len);
        }
        self.count_holes(&mut state);
        state.purging = false;
        self.notify(&state);
    }

    /// Writes the pattern over an allocation.
    ///
    /// # Safety
    ///
    /// The range is open or device memory, in the arena, and the caller alone uses it.
    unsafe fn fill(&self, offset: usize, size: usize, byte: u8) {
        let len = size.next_multiple_of(GRANULE);
        self.arena.check(offset, len);
        // SAFETY: in the arena by the check, and the rest as the caller says; granules are taken
        // whole.
        unsafe { self.pattern.write(self.arena.working(offset), len, byte) };
    }

    /// Frees the allocation of a context that starts at an address.
    pub(crate) fn free(
        &self,
        address: usize,
        context: usize,
        policy: FreePolicy,
    ) -> Result<(), NotFreed> {
        let offset = self.arena.offset_of(address).ok_or(NotFreed::Unknown)?;
        let mut state = lock(&self.state);
        let mut waited_for = None;
        loop {
            let Entry::Occupied(mut entry) = state.live.entry(offset) else {
                return Err(NotFreed::Unknown);
            };
            let allocation = entry.get_mut();
            // Another may start there by now, after waiting.
            let other = waited_for.is_some_and(|serial| serial != allocation.serial);
            if allocation.dying || allocation.context != context || other {
                return Err(NotFreed::Unknown);
            }
            if allocation.users == 0 {
                let allocation = entry.remove();
                drop(state);
                self.give_back(&allocation);
                return Ok(());
            }
            match policy {
                FreePolicy::Refuse => return Err(NotFreed::Busy),
                FreePolicy::Defer => {
                    allocation.dying = true;
                    if let Some(export) = state.exports.get_mut(&offset) {
                        export.end();
                    }
                    // Who waits to free it is late.
                    self.notify(&state);
                    return Ok(());
                }
                FreePolicy::Wait => waited_for = Some(allocation.serial),
            }
            state = self.wait(state);
        }
    }

    /// Ends the memory of an allocation that is in `live` no more.
    fn give_back(&self, allocation: &Allocation) {
        let taken = allocation.taken;
        let offset = allocation.address - self.arena.base();
        if allocation.exported && self.lend(allocation) {
            return;
        }
        if self.ending != Ending::Trap {
            // SAFETY: open or device memory, in neither `live` nor the free list: nobody else uses
            // it, unless the program is in error.
            unsafe { self.fill(offset, allocation.size, FREED_BYTE) };
        }
        let mut state = lock(&self.state);
        state.used -= taken.cost;
        match self.ending {
            Ending::Hidden => self.give(&mut state, taken),
            Ending::Trap => {
                let again = state.unclosed.pop_front();
                drop(state);
                // SAFETY: nobody's, as above.
                unsafe { self.close(taken, true) };
                if let Some(again) = again {
                    // SAFETY: freed; taken from the list, so that nobody else has it.
                    unsafe { self.close(again, false) };
                }
                state = lock(&self.state);
            }
            Ending::Check => {
                state.quarantine.push(Held {
                    taken,
                    offset,
                    size: allocation.size,
                });
                while let Some(held) = state.quarantine.pop_surplus() {
                    drop(state);
                    let whole = self.is_whole(&held);
                    state = lock(&self.state);
                    if !whole {
                        self.violated(&mut state, &held);
                    }
                    self.give(&mut state, held.taken);
                }
            }
        }
        self.purge(state);
    }

    /// Closes a range and makes it free, or keeps it back if that would be a hole too many.
    ///
    /// # Safety
    ///
    /// Freed memory that the caller alone has, and that is closed when freed.
    unsafe fn close(&self, taken: Taken, first: bool) {
        let len = taken.end - taken.start;
        let state = lock(&self.state);
        let allowed = !State::too_many_holes() || state.free.touches(taken.start, len);
        drop(state);
        // SAFETY: page-aligned, for such memory is taken in pages; the caller alone has it.
        if allowed && unsafe { self.arena.close(taken.start, len) }.is_ok() {
            self.give(&mut lock(&self.state), taken);
            return;
        }
        if first {
            // SAFETY: still open, since it was not closed; the caller alone has it.
            unsafe { self.fill(taken.start, len, FREED_BYTE) };
        }
        lock(&self.state).unclosed.push_back(taken);
    }

    /// Whether nobody wrote to a freed allocation that stayed open.
    fn is_whole(&self, held: &Held) -> bool {
        let len = held.size.next_multiple_of(GRANULE);
        self.arena.check(held.offset, len);
        // SAFETY: in the arena, open, and filled when it was freed.
        unsafe { self.pattern.is_freed(self.arena.working(held.offset), len) }
    }

    fn violated(&self, state: &mut State, held: &Held) {
        let address = self.arena.base() + held.offset;
        state.violations.add(address, held.size);
    }

    fn examine(&self, state: &mut State, held: &Held) {
        if !self.is_whole(held) {
            self.violated(state, held);
        }
    }

    /// How many freed allocations were written to, and the first of them; those that are kept back
    /// are looked at now.
    pub(crate) fn written_after_free(&self) -> (u64, Vec<WriteAfterFree>) {
        let mut state = lock(&self.state);
        let found: Vec<Held> = state
            .quarantine
            .iter()
            .filter(|held| !self.is_whole(held))
            .copied()
            .collect();
        for held in found {
            self.violated(&mut state, &held);
            // SAFETY: open, and in quarantine, which is locked: nobody else uses it. Filled again,
            // it counts once.
            unsafe { self.fill(held.offset, held.size, FREED_BYTE) };
        }
        (state.violations.count, state.violations.first.clone())
    }

    /// The live allocation that holds an address.
    pub(crate) fn find(&self, address: usize) -> Option<Allocation> {
        let offset = self.arena.offset_of(address)?;
        lock(&self.state).find(offset).copied()
    }

    /// Keeps the allocation alive that wholly holds a range and belongs to a context.
    pub(crate) fn pin(self: &Arc<Self>, address: usize, len: usize, context: usize) -> Option<Pin> {
        let offset = self.arena.offset_of(address)?;
        let mut state = lock(&self.state);
        let (key, allocation) = state.find_mut(offset)?;
        let inside = offset - key;
        if allocation.context != context || len > allocation.size - inside {
            return None;
        }
        allocation.users += 1;
        let pointer = self.arena.working(offset);
        let hold = Hold::Heap(Arc::clone(self), key);
        Some(Pin::new(pointer, Access::Write, hold))
    }

    pub(crate) fn unpin(&self, key: usize) {
        let mut state = lock(&self.state);
        let Some(allocation) = state.live.get_mut(&key) else {
            return;
        };
        allocation.users -= 1;
        if allocation.users == 0 && allocation.dying {
            let allocation = *allocation;
            state.live.remove(&key);
            drop(state);
            self.give_back(&allocation);
        } else if allocation.users == 0 {
            self.notify(&state);
        }
    }

    /// All that is live, in the order of addresses.
    pub(crate) fn live(&self) -> Vec<Allocation> {
        lock(&self.state)
            .live
            .values()
            .filter(|allocation| !allocation.dying)
            .copied()
            .collect()
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        if self.ending == Ending::Check {
            // The last chance to say so.
            self.written_after_free();
        }
        HOLES.fetch_sub(lock(&self.state).holes, Ordering::Relaxed);
    }
}

impl State {
    fn too_many_holes() -> bool {
        HOLES.load(Ordering::Relaxed) >= MAX_HOLES
    }

    fn find(&self, offset: usize) -> Option<&Allocation> {
        let (start, allocation) = self.live.range(..=offset).next_back()?;
        (offset - start < allocation.size && !allocation.dying).then_some(allocation)
    }

    fn find_mut(&mut self, offset: usize) -> Option<(usize, &mut Allocation)> {
        let (start, allocation) = self.live.range_mut(..=offset).next_back()?;
        (offset - start < allocation.size && !allocation.dying).then_some((*start, allocation))
    }
}

#[cfg(test)]
mod tests;
