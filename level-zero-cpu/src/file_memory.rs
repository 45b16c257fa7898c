//! Device memory with a file of its own: opened from another process, imported, or to be exported.
#![allow(unsafe_code, reason = "maps and fills memory")]

use level_zero_sys::{self as sys};
use std::sync::{Arc, Mutex};

use crate::FRESH_BYTE;
use crate::arena::page;
use crate::arguments::Outcome;
use crate::device::DeviceId;
use crate::doors::{Building, Doors, Opened};
use crate::heap::{FreePolicy, Heap, NotFreed};
use crate::ipc::{Export, Ticket};
use crate::pattern::Pattern;
use crate::pin::{Hold, Pin};
use crate::registry::lock;
use crate::signal::Signal;
use crate::system::{Access, File, Piece};
use crate::twin::Twin;

/// Addresses have at least the alignment that they have in the memory of a device.
const ALIGNMENT: usize = 2 << 20;

/// No address is a multiple of more.
const LARGEST: usize = 1 << 46;

/// How it came about, and so how it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `zeMemOpenIpcHandle`; ended by `zeMemCloseIpcHandle`.
    Ipc,
    /// Imported by `zeMemAllocDevice`; freed as any allocation.
    Import,
    /// Allocated to be exported; freed as any allocation.
    Export,
}

/// What is asked for.
pub(crate) struct Wish {
    pub(crate) origin: Origin,
    /// Where in the file it starts.
    pub(crate) offset: usize,
    pub(crate) size: usize,
    pub(crate) alignment: usize,
    pub(crate) context: usize,
    pub(crate) device: DeviceId,
    pub(crate) serial: u64,
}

#[derive(Default)]
struct State {
    users: u32,
    gone: bool,
    waiting: u32,
    export: Option<Export>,
}

/// One allocation.
///
/// Invariant: pages of `file` are mapped over all of `twin`, and stay there.
pub(crate) struct FileMemory {
    pub(crate) origin: Origin,
    pub(crate) address: usize,
    pub(crate) size: usize,
    pub(crate) alignment: usize,
    pub(crate) context: usize,
    pub(crate) device: DeviceId,
    pub(crate) serial: u64,
    file: File,
    /// Where in the file the mapping starts.
    first: usize,
    twin: Twin,
    doors: Doors,
    state: Mutex<State>,
    changed: Signal,
    /// What it counts as in the memory of a device.
    budget: Option<(Arc<Heap>, usize)>,
}

impl FileMemory {
    /// Maps a file that is fixed, as [`File::is_fixed`] says, and long enough.
    pub(crate) fn new(file: File, wish: &Wish) -> Outcome<Self> {
        let exhausted = |_| sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY;
        let alignment = wish.alignment.max(ALIGNMENT);
        if alignment > LARGEST {
            return Err(sys::ZE_RESULT_ERROR_UNSUPPORTED_ALIGNMENT);
        }
        let first = wish.offset / page() * page();
        let remainder = first % ALIGNMENT;
        let end = (wish.offset + wish.size)
            .checked_next_multiple_of(page())
            .ok_or(sys::ZE_RESULT_ERROR_UNSUPPORTED_SIZE)?;
        let len = end - first;
        let twin = Twin::new(len, alignment, remainder).map_err(exhausted)?;
        // SAFETY: nothing is there yet. The file is fixed and has the bytes, so the last page too.
        unsafe { twin.map(0, len, &file, first as u64) }.map_err(exhausted)?;
        Ok(Self {
            origin: wish.origin,
            address: twin.user() + (wish.offset - first),
            size: wish.size,
            alignment: wish.alignment,
            context: wish.context,
            device: wish.device,
            serial: wish.serial,
            file,
            first,
            twin,
            doors: Doors::default(),
            state: Mutex::default(),
            changed: Signal::default(),
            budget: None,
        })
    }

    /// Allocates memory of a device that can be exported.
    pub(crate) fn allocate(heap: &Arc<Heap>, wish: &Wish, pattern: Pattern) -> Outcome<Self> {
        let exhausted = sys::ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY;
        let len = wish.size.checked_next_multiple_of(page());
        let len = len.filter(|len| heap.reserve(*len)).ok_or(exhausted)?;
        let made = File::create(len)
            .map_err(|_| exhausted)
            .and_then(|file| Self::new(file, wish));
        let mut memory = match made {
            Ok(memory) => memory,
            Err(code) => {
                heap.unreserve(len);
                return Err(code);
            }
        };
        memory.budget = Some((Arc::clone(heap), len));
        // SAFETY: mapped over the size; nobody else knows it yet.
        unsafe { pattern.write(memory.twin.working(0), wish.size, FRESH_BYTE) };
        Ok(memory)
    }

    /// First and past-the-end addresses of what is mapped.
    pub(crate) fn span(&self) -> (usize, usize) {
        (self.twin.user(), self.twin.user() + self.twin.len())
    }

    pub(crate) fn holds(&self, address: usize) -> bool {
        address >= self.address && address - self.address < self.size
    }

    /// Keeps it alive, if it wholly holds a range.
    pub(crate) fn pin(self: &Arc<Self>, address: usize, len: usize) -> Option<Pin> {
        let inside = address.checked_sub(self.address)?;
        if inside >= self.size || len > self.size - inside {
            return None;
        }
        let mut state = lock(&self.state);
        if state.gone {
            return None;
        }
        state.users += 1;
        let pointer = self.twin.working(address - self.twin.user());
        Some(Pin::new(
            pointer,
            Access::Write,
            Hold::File(Arc::clone(self)),
        ))
    }

    /// Where in the file the bytes lie that the driver finds at an address.
    pub(crate) fn piece(&self, working: usize, len: usize) -> Option<Piece> {
        let at = self.first + (working - self.twin.working(0).addr());
        Some(Piece::new(self.file.identity().ok()?, at, 0, len))
    }

    pub(crate) fn unpin(&self) {
        let mut state = lock(&self.state);
        state.users -= 1;
        if state.users == 0 && state.waiting > 0 {
            self.changed.notify();
        }
    }

    /// Ends it: nothing pins it from then on. The mapping goes with the last pin.
    pub(crate) fn end(&self, policy: FreePolicy) -> Result<(), NotFreed> {
        let mut state = lock(&self.state);
        loop {
            if state.gone {
                return Err(NotFreed::Unknown);
            }
            if state.users == 0 || policy == FreePolicy::Defer {
                state.gone = true;
                if state.waiting > 0 {
                    self.changed.notify();
                }
                let export = state.export.take();
                drop(state);
                drop(export);
                return Ok(());
            }
            if policy == FreePolicy::Refuse {
                return Err(NotFreed::Busy);
            }
            state.waiting += 1;
            state = self.changed.wait(&self.state, state);
            state.waiting -= 1;
        }
    }

    /// A handle for other processes; one more use of it.
    pub(crate) fn export(&self) -> Outcome<Ticket> {
        if self.origin != Origin::Export {
            return Err(sys::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE);
        }
        let mut state = lock(&self.state);
        if state.gone {
            return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
        }
        let export = match &mut state.export {
            Some(export) => export,
            none => none.insert(Export::new(&self.file, 0, self.size)?),
        };
        export.uses += 1;
        Ok(export.ticket())
    }

    /// Takes one use of a handle back, if it is one of this memory and that its context.
    pub(crate) fn put(&self, ticket: &Ticket, context: usize) -> bool {
        if self.context != context {
            return false;
        }
        let mut state = lock(&self.state);
        let Some(export) = state.export.as_mut().filter(|export| export.is(ticket)) else {
            return false;
        };
        export.uses -= 1;
        if export.uses == 0 {
            state.export = None;
        }
        true
    }

    /// Whether a handle is one of this memory.
    pub(crate) fn is_exported(&self, ticket: &Ticket) -> bool {
        let state = lock(&self.state);
        state
            .export
            .as_ref()
            .is_some_and(|export| export.is(ticket))
    }

    /// The number of live handles, 0 or 1.
    pub(crate) fn exports(&self) -> usize {
        usize::from(lock(&self.state).export.is_some())
    }

    /// A new descriptor of the file, for the caller to close.
    pub(crate) fn descriptor(&self) -> Outcome<i32> {
        File::duplicate(self.file.raw())
            .map(File::into_raw)
            .map_err(|_| sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY)
    }

    /// Opens it to kernels, until the guard drops.
    pub(crate) fn open(self: &Arc<Self>) -> Outcome<Opened> {
        let mut opened = Opened::default();
        let whole = (0, self.twin.len());
        let range = self.doors.open(&self.twin, whole, Access::Write);
        let range = range.map_err(|_| sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY)?;
        opened.add(Arc::clone(self) as Arc<dyn Building>, range);
        Ok(opened)
    }
}

impl Building for FileMemory {
    fn close(&self, range: (usize, usize)) {
        self.doors.close(&self.twin, range);
    }
}

impl Drop for FileMemory {
    fn drop(&mut self) {
        if let Some((heap, len)) = &self.budget {
            heap.unreserve(*len);
        }
    }
}
