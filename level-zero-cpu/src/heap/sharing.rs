//! Allocations that other processes or kernels get at.
#![allow(unsafe_code, reason = "fills memory that it takes back")]

use level_zero_sys::{self as sys};
use std::sync::Arc;

use super::{Allocation, Heap, State};
use crate::FREED_BYTE;
use crate::arguments::Outcome;
use crate::doors::{Building, Opened};
use crate::ipc::{Export, Ticket};
use crate::registry::lock;
use crate::system::{Access, Piece};

impl Heap {
    /// A handle for other processes of the allocation of a context that starts at an address; one
    /// more use of it.
    pub(crate) fn export(&self, address: usize, context: usize) -> Outcome<Ticket> {
        let refused = sys::ZE_RESULT_ERROR_INVALID_ARGUMENT;
        let offset = self.arena.offset_of(address).ok_or(refused)?;
        let mut state = lock(&self.state);
        let state = &mut *state;
        let allocation = state.live.get_mut(&offset);
        let allocation = allocation.filter(|found| !found.dying && found.context == context);
        let allocation = allocation.ok_or(refused)?;
        let Some((_, file)) = self.arena.hidden() else {
            return Err(sys::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE);
        };
        // One that was put back and is still open elsewhere lets nobody in any more.
        if state
            .exports
            .get(&offset)
            .is_none_or(|export| export.uses == 0)
        {
            let export = Export::new(file, offset, allocation.size)?;
            state.exports.insert(offset, export);
            allocation.exported = true;
        }
        let export = state.exports.get_mut(&offset).ok_or(refused)?;
        export.uses += 1;
        Ok(export.ticket())
    }

    /// Takes one use of a handle back, if it is one of memory of that context in this heap. Memory
    /// that is open stays so.
    pub(crate) fn put(&self, ticket: &Ticket, context: usize) -> bool {
        let mut state = lock(&self.state);
        let state = &mut *state;
        let Ok(offset) = usize::try_from(ticket.offset) else {
            return false;
        };
        let export = state.exports.get_mut(&offset);
        let Some(export) = export.filter(|export| export.uses > 0 && export.is(ticket)) else {
            return false;
        };
        let allocation = state.live.get_mut(&offset);
        let Some(allocation) = allocation.filter(|found| found.context == context) else {
            return false;
        };
        export.uses -= 1;
        if export.uses > 0 {
            return true;
        }
        export.withdraw();
        // Who has it open would not be seen later without the file of the export.
        if !export.is_open() {
            state.exports.remove(&offset);
            allocation.exported = false;
        }
        true
    }

    /// Whether a handle is one of this heap.
    pub(crate) fn is_exported(&self, ticket: &Ticket) -> bool {
        let state = lock(&self.state);
        let offset = usize::try_from(ticket.offset).ok();
        let export = offset.and_then(|offset| state.exports.get(&offset));
        export.is_some_and(|export| export.uses > 0 && export.is(ticket))
    }

    /// The number of live handles, and that of freed allocations which are still open elsewhere.
    pub(crate) fn exports(&self) -> (usize, usize) {
        let mut state = lock(&self.state);
        self.reclaim(&mut state);
        (state.exports.len(), state.lent.len())
    }

    /// Ends the export of what is freed; whether it must be kept since others have it open.
    pub(super) fn lend(&self, allocation: &Allocation) -> bool {
        let offset = allocation.address - self.arena.base();
        let mut state = lock(&self.state);
        self.reclaim(&mut state);
        let Some(export) = state.exports.remove(&offset) else {
            return false;
        };
        export.withdraw();
        if !export.is_open() {
            return false;
        }
        state.lent.push((*allocation, export));
        true
    }

    /// Makes free what others have closed.
    pub(super) fn reclaim(&self, state: &mut State) {
        let lent = std::mem::take(&mut state.lent);
        for (allocation, export) in lent {
            if export.is_open() {
                state.lent.push((allocation, export));
                continue;
            }
            let offset = allocation.address - self.arena.base();
            // SAFETY: device memory, in neither `live` nor the free list, and closed by all others:
            // nobody else uses it.
            unsafe { self.fill(offset, allocation.size, FREED_BYTE) };
            state.used -= allocation.taken.cost;
            self.give(state, allocation.taken);
        }
    }

    /// Counts bytes that lie elsewhere as memory of this device, if there is room for them.
    pub(crate) fn reserve(&self, bytes: usize) -> bool {
        let mut state = lock(&self.state);
        let fits = |state: &State| bytes <= self.budget.saturating_sub(state.used);
        if !fits(&state) {
            self.reclaim(&mut state);
        }
        if !fits(&state) {
            return false;
        }
        state.used += bytes;
        true
    }

    pub(crate) fn unreserve(&self, bytes: usize) {
        lock(&self.state).used -= bytes;
    }

    /// Where in the file of the memory the bytes lie that the driver finds at an address.
    pub(crate) fn piece(&self, working: usize, len: usize) -> Option<Piece> {
        let (twin, file) = self.arena.hidden()?;
        let at = working - twin.working(0).addr();
        Some(Piece::new(file.identity().ok()?, at, 0, len))
    }

    pub(crate) fn is_host_accessible(&self) -> bool {
        self.arena.hidden().is_none()
    }

    /// Opens the allocation at an offset to kernels.
    pub(crate) fn open_allocation(self: &Arc<Self>, key: usize) -> Outcome<Opened> {
        let size = lock(&self.state).live.get(&key).map(|found| found.size);
        let size = size.ok_or(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)?;
        self.open_range(key, key + size)
    }

    /// Opens all of it to kernels, also what is not allocated.
    pub(crate) fn open_all(self: &Arc<Self>) -> Outcome<Opened> {
        self.open_range(0, self.arena.len())
    }

    fn open_range(self: &Arc<Self>, start: usize, end: usize) -> Outcome<Opened> {
        let mut opened = Opened::default();
        if let Some((twin, _)) = self.arena.hidden() {
            let range = self.doors.open(twin, (start, end), Access::Write);
            let range = range.map_err(|_| sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY)?;
            opened.add(Arc::clone(self) as Arc<dyn Building>, range);
        }
        Ok(opened)
    }
}

impl Building for Heap {
    fn close(&self, range: (usize, usize)) {
        if let Some((twin, _)) = self.arena.hidden() {
            self.doors.close(twin, range);
        }
    }
}
