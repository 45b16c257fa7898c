//! Allocations in one arena: made, found, kept alive while a copy runs, freed.
#![allow(unsafe_code, reason = "fills memory that it hands out and takes back")]

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use level_zero_sys as sys;

use crate::arena::{Arena, page};
use crate::arguments::Outcome;
use crate::device::DeviceId;
use crate::free_list::FreeList;
use crate::ledger::Kind;
use crate::registry::lock;
use crate::{FREED_BYTE, FRESH_BYTE};

/// Larger allocations get the pattern of fresh memory at both ends only.
const FRESH_WHOLE: usize = 64 << 20;
const FRESH_ENDS: usize = 64 << 10;
/// From this size on, freed memory goes back to the system. Less is kept, for the next allocation to
/// find its pages there: to fault them in again would cost more than all the rest.
const DISCARD: usize = 4 << 20;
/// The smallest piece of device memory.
const GRANULE: usize = 64;

/// Free ranges in host and shared memory, of all instances. Each is a mapping of its own to the
/// system, and splits what is around it.
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

struct State {
    free: FreeList,
    /// By offset of what users hold.
    live: BTreeMap<usize, Allocation>,
    used: usize,
    /// Freed ranges that could not be closed, to be tried again. They are open, and overwritten.
    quarantine: VecDeque<Taken>,
    /// What this heap added to `HOLES`.
    holes: usize,
}

/// One arena and what is in it.
pub(crate) struct Heap {
    pub(crate) kind: Kind,
    arena: Arena,
    granule: usize,
    honour_alignment: bool,
    budget: usize,
    state: Mutex<State>,
    /// Ranges of device memory that kernels use at the addresses that users have.
    exposed: Mutex<Vec<(usize, usize)>>,
}

impl Heap {
    /// Memory of `budget` bytes.
    pub(crate) fn new(kind: Kind, budget: u64, honour_alignment: bool) -> io::Result<Self> {
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
        let granule = if honour_alignment {
            granule
        } else {
            granule.max(page())
        };
        let state = State {
            free: FreeList::new(len),
            live: BTreeMap::new(),
            used: 0,
            quarantine: VecDeque::new(),
            holes: 0,
        };
        Ok(Self {
            kind,
            arena,
            granule,
            honour_alignment,
            budget,
            state: Mutex::new(state),
            exposed: Mutex::default(),
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
        if self
            .arena
            .open(taken.start, taken.end - taken.start)
            .is_err()
        {
            let mut state = lock(&self.state);
            state.used -= taken.cost;
            self.give(&mut state, taken);
            return Err(Refusal::Exhausted);
        }
        // SAFETY: open or device memory; taken from the free list, and not in `live` yet, so that
        // nobody else uses it.
        unsafe { self.fill_fresh(offset, len - shift) };
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
        let used = state
            .used
            .checked_add(len)
            .filter(|used| *used <= self.budget);
        let Some(used) = used else {
            return Err(Refusal::Exhausted);
        };
        let mut found = state.free.take(len, alignment, base);
        if found.is_none() && !state.quarantine.is_empty() {
            for taken in std::mem::take(&mut state.quarantine) {
                state.free.give(taken.start, taken.end - taken.start);
            }
            found = state.free.take(len, alignment, base);
        }
        let Some(offset) = found else {
            return Err(Refusal::Exhausted);
        };
        let mut start = offset;
        if !self.arena.is_hidden() && State::too_many_holes() {
            start -= state.free.take_before(offset);
        }
        state.used = used;
        self.count_holes(&mut state);
        Ok(Taken {
            start,
            end: offset + len,
            cost: len,
        })
    }

    fn give(&self, state: &mut State, taken: Taken) {
        state.free.give(taken.start, taken.end - taken.start);
        self.count_holes(state);
    }

    fn count_holes(&self, state: &mut State) {
        if !self.arena.is_hidden() {
            let holes = state.free.ranges();
            if holes > state.holes {
                HOLES.fetch_add(holes - state.holes, Ordering::Relaxed);
            } else if holes < state.holes {
                HOLES.fetch_sub(state.holes - holes, Ordering::Relaxed);
            }
            state.holes = holes;
        }
    }

    /// # Safety
    ///
    /// The range is open or device memory, and the caller alone uses it.
    unsafe fn fill_fresh(&self, offset: usize, len: usize) {
        if len <= FRESH_WHOLE {
            // SAFETY: as the caller says.
            unsafe { self.arena.fill(offset, len, FRESH_BYTE) };
        } else {
            // SAFETY: as the caller says.
            unsafe { self.arena.fill(offset, FRESH_ENDS, FRESH_BYTE) };
            let last = offset + len - FRESH_ENDS;
            // SAFETY: as the caller says.
            unsafe { self.arena.fill(last, FRESH_ENDS, FRESH_BYTE) };
        }
    }

    /// Frees the allocation of a context that starts at an address.
    pub(crate) fn free(
        &self,
        address: usize,
        context: usize,
        policy: FreePolicy,
    ) -> Result<(), NotFreed> {
        let offset = self.arena.offset_of(address).ok_or(NotFreed::Unknown)?;
        let allocation = loop {
            let mut state = lock(&self.state);
            let Some(allocation) = state.live.get_mut(&offset) else {
                return Err(NotFreed::Unknown);
            };
            if allocation.dying || allocation.context != context {
                return Err(NotFreed::Unknown);
            }
            if allocation.users == 0 {
                let allocation = *allocation;
                state.live.remove(&offset);
                break allocation;
            }
            match policy {
                FreePolicy::Refuse => return Err(NotFreed::Busy),
                FreePolicy::Defer => {
                    allocation.dying = true;
                    return Ok(());
                }
                FreePolicy::Wait => {}
            }
            drop(state);
            std::thread::yield_now();
        };
        self.give_back(&allocation);
        Ok(())
    }

    /// Ends the memory of an allocation that is in `live` no more.
    fn give_back(&self, allocation: &Allocation) {
        let taken = allocation.taken;
        let offset = allocation.address - self.arena.base();
        if self.arena.is_hidden() {
            // SAFETY: device memory, in neither `live` nor the free list: nobody else uses it.
            unsafe { self.end_device(offset, taken.end - offset) };
            let mut state = lock(&self.state);
            state.used -= taken.cost;
            self.give(&mut state, taken);
            return;
        }
        let mut state = lock(&self.state);
        state.used -= taken.cost;
        let retry = state.quarantine.pop_front();
        drop(state);
        // SAFETY: nobody's, as above.
        unsafe { self.close(taken, true) };
        if let Some(retry) = retry {
            // SAFETY: freed; taken from the quarantine, so that nobody else has it.
            unsafe { self.close(retry, false) };
        }
    }

    /// Closes a range and makes it free, or puts it into quarantine if that would be a hole too
    /// many.
    ///
    /// # Safety
    ///
    /// Freed host memory that the caller alone has.
    unsafe fn close(&self, taken: Taken, first: bool) {
        let len = taken.end - taken.start;
        let state = lock(&self.state);
        let allowed = !State::too_many_holes() || state.free.touches(taken.start, len);
        drop(state);
        // SAFETY: page-aligned, for host memory is taken in pages; the caller alone has it.
        if allowed && unsafe { self.arena.close(taken.start, len, len >= DISCARD) }.is_ok() {
            self.give(&mut lock(&self.state), taken);
            return;
        }
        if first {
            // SAFETY: still open, since it was not closed; the caller alone has it.
            unsafe { self.arena.fill(taken.start, len.min(DISCARD), FREED_BYTE) };
        }
        lock(&self.state).quarantine.push_back(taken);
    }

    /// # Safety
    ///
    /// Device memory that the caller alone uses.
    unsafe fn end_device(&self, offset: usize, len: usize) {
        let end = offset + len;
        let (first, last) = if len < DISCARD {
            (end, end)
        } else {
            (offset.next_multiple_of(page()), end / page() * page())
        };
        // SAFETY: as the caller says.
        unsafe { self.arena.fill(offset, first - offset, FREED_BYTE) };
        if first < last {
            // SAFETY: whole pages of what the caller alone uses.
            unsafe { self.arena.discard(first, last - first) };
        }
        // SAFETY: as the caller says.
        unsafe { self.arena.fill(last, end - last, FREED_BYTE) };
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
        Some(Pin {
            heap: Arc::clone(self),
            key,
            pointer: self.arena.working(offset),
        })
    }

    fn unpin(&self, key: usize) {
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
        }
    }

    /// Opens the pages of a range to kernels.
    fn expose(self: &Arc<Self>, offset: usize, len: usize) -> Outcome<Opened> {
        let start = offset / page() * page();
        let end = (offset + len).next_multiple_of(page());
        if self.arena.is_hidden() {
            let mut exposed = lock(&self.exposed);
            let opened = self.arena.expose(start, end - start, true);
            opened.map_err(|_| sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY)?;
            exposed.push((start, end));
        }
        Ok(Opened {
            heap: Arc::clone(self),
            start,
            end,
        })
    }

    /// Closes the pages of a range that no other kernel uses.
    fn hide(&self, start: usize, end: usize) {
        if !self.arena.is_hidden() {
            return;
        }
        let mut exposed = lock(&self.exposed);
        if let Some(own) = exposed.iter().position(|range| *range == (start, end)) {
            exposed.swap_remove(own);
        }
        let mut others: Vec<_> = exposed
            .iter()
            .filter(|(first, last)| *first < end && *last > start)
            .copied()
            .collect();
        others.sort_unstable();
        let mut at = start;
        for (first, last) in others.into_iter().chain([(end, end)]) {
            if first > at {
                // A failure leaves the pages open, which breaks nothing.
                let _ = self.arena.expose(at, first - at, false);
            }
            at = at.max(last);
        }
    }

    /// Opens all device memory to kernels.
    pub(crate) fn open_all_for_kernels(self: &Arc<Self>) -> Outcome<Opened> {
        self.expose(0, self.arena.len())
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

/// A range of an allocation that is not freed as long as this lives.
pub(crate) struct Pin {
    heap: Arc<Heap>,
    key: usize,
    pointer: *mut u8,
}

// SAFETY: the pointer is into the heap that it holds, which any thread may use; who reads and
// writes through it answers for races as with any memory.
unsafe impl Send for Pin {}

impl Pin {
    /// Valid for reads and writes of the range that was pinned, as long as `self` lives.
    pub(crate) fn pointer(&self) -> *mut u8 {
        self.pointer
    }

    /// Whether the host has access to it.
    pub(crate) fn is_host_accessible(&self) -> bool {
        !self.heap.arena.is_hidden()
    }
}

impl Pin {
    /// Lets kernels use the whole allocation at the address that users have, until the result is
    /// dropped: not before the kernels have ended.
    pub(crate) fn open_for_kernels(&self) -> Outcome<Opened> {
        let size = lock(&self.heap.state)
            .live
            .get(&self.key)
            .map_or(0, |allocation| allocation.size);
        self.heap.expose(self.key, size)
    }
}

/// Device memory that kernels may use as long as this lives.
pub(crate) struct Opened {
    heap: Arc<Heap>,
    start: usize,
    end: usize,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.heap.hide(self.start, self.end);
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.heap.unpin(self.key);
    }
}

#[cfg(test)]
mod tests;
