//! Reserved addresses, and physical memory that is mapped there.
#![allow(unsafe_code, reason = "maps memory")]

use level_zero_sys::{self as sys, ze_memory_access_attribute_t};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::arguments::Outcome;
use crate::context::Context;
use crate::device::DeviceId;
use crate::doors::{Building, Doors, Opened};
use crate::heap::Heap;
use crate::pattern::Pattern;
use crate::pin::{Hold, Pin};
use crate::registry::lock;
use crate::spans::Spans;
use crate::system::{Access, File, Piece};
use crate::twin::Twin;

/// Addresses, offsets and sizes are multiples of this.
pub(crate) const PAGE: usize = 64 << 10;

const REFUSED: sys::ze_result_t = sys::ZE_RESULT_ERROR_INVALID_ARGUMENT;
const IN_USE: sys::ze_result_t = sys::ZE_RESULT_ERROR_HANDLE_OBJECT_IN_USE;
const EXHAUSTED: sys::ze_result_t = sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY;

/// Pages of a device without an address.
pub(crate) struct PhysicalMemory {
    pub(crate) context: Arc<Context>,
    pub(crate) device: DeviceId,
    pub(crate) size: usize,
    file: File,
    heap: Arc<Heap>,
    use_: Mutex<Use>,
}

#[derive(Default)]
struct Use {
    /// Bytes of addresses that it is mapped at.
    mapped: usize,
    destroyed: bool,
}

impl PhysicalMemory {
    /// Pages with the pattern of fresh memory.
    pub(crate) fn new(
        context: &Arc<Context>,
        heap: &Arc<Heap>,
        device: DeviceId,
        size: usize,
    ) -> Outcome<Self> {
        let exhausted = sys::ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY;
        if !heap.reserve(size) {
            return Err(exhausted);
        }
        let pattern = Pattern::new(context.inner.config.fill_limit);
        let file = File::create(size).and_then(|file| {
            pattern.write_file(&file, size)?;
            Ok(file)
        });
        let Ok(file) = file else {
            heap.unreserve(size);
            return Err(exhausted);
        };
        Ok(Self {
            context: Arc::clone(context),
            device,
            size,
            file,
            heap: Arc::clone(heap),
            use_: Mutex::default(),
        })
    }

    /// Forbids mappings from now on, unless there are some.
    pub(crate) fn destroy(&self) -> Outcome {
        let mut use_ = lock(&self.use_);
        if use_.mapped > 0 {
            return Err(IN_USE);
        }
        use_.destroyed = true;
        Ok(())
    }

    fn take(&self, len: usize) -> Outcome {
        let mut use_ = lock(&self.use_);
        if use_.destroyed {
            return Err(REFUSED);
        }
        use_.mapped += len;
        Ok(())
    }

    fn give(&self, len: usize) {
        lock(&self.use_).mapped -= len;
    }
}

impl Drop for PhysicalMemory {
    fn drop(&mut self) {
        self.heap.unreserve(self.size);
    }
}

/// What is mapped at a range of a reservation.
#[derive(Clone)]
struct Mapping {
    physical: Arc<PhysicalMemory>,
    /// What an offset in the physical memory is above that in the reservation, modulo 2^64: parts
    /// of a mapping have the same.
    shift: usize,
}

#[derive(Default)]
struct State {
    mapped: Spans<Mapping>,
    /// What is not in here has no access.
    access: Spans<Access>,
    /// Ranges that commands use, by a number of their own.
    pins: BTreeMap<u64, (usize, usize)>,
    next: u64,
    gone: bool,
}

impl State {
    fn is_used(&self, start: usize, end: usize) -> bool {
        self.pins.values().any(|pin| pin.0 < end && pin.1 > start)
    }

    /// Makes a pin cover all mappings around it up to a gap: programs map several pieces of
    /// physical memory side by side to have one range of addresses.
    fn widen(&mut self, id: u64) -> Option<(usize, usize)> {
        let pin = self.pins.get_mut(&id)?;
        let mut mapped: Vec<_> = self.mapped.iter().map(|span| (span.0, span.1)).collect();
        for &(from, to) in &mapped {
            if from <= pin.1 && to > pin.0 {
                pin.1 = pin.1.max(to);
            }
        }
        mapped.reverse();
        for (from, to) in mapped {
            if to >= pin.0 && from < pin.1 {
                pin.0 = pin.0.min(from);
            }
        }
        Some(*pin)
    }
}

/// Addresses that a context reserved.
pub(crate) struct VirtualMemory {
    pub(crate) context: usize,
    pub(crate) serial: u64,
    twin: Twin,
    doors: Doors,
    state: Mutex<State>,
}

/// What the access attributes of the API stand for.
pub(crate) fn access_of(attribute: ze_memory_access_attribute_t) -> Outcome<Access> {
    match attribute {
        sys::ZE_MEMORY_ACCESS_ATTRIBUTE_NONE => Ok(Access::None),
        sys::ZE_MEMORY_ACCESS_ATTRIBUTE_READONLY => Ok(Access::Read),
        sys::ZE_MEMORY_ACCESS_ATTRIBUTE_READWRITE => Ok(Access::Write),
        _ => Err(sys::ZE_RESULT_ERROR_INVALID_ENUMERATION),
    }
}

pub(crate) fn attribute_of(access: Access) -> ze_memory_access_attribute_t {
    match access {
        Access::None => sys::ZE_MEMORY_ACCESS_ATTRIBUTE_NONE,
        Access::Read => sys::ZE_MEMORY_ACCESS_ATTRIBUTE_READONLY,
        Access::Write => sys::ZE_MEMORY_ACCESS_ATTRIBUTE_READWRITE,
    }
}

impl VirtualMemory {
    /// Reserves addresses, from `start` on if it is not 0 and they are free, else elsewhere.
    pub(crate) fn new(start: usize, size: usize, context: usize, serial: u64) -> Outcome<Self> {
        let there = if start == 0 {
            None
        } else {
            Twin::new_at(start, size).ok()
        };
        let twin = match there {
            Some(twin) => twin,
            None => Twin::new(size, PAGE, 0).map_err(|_| EXHAUSTED)?,
        };
        Ok(Self {
            context,
            serial,
            twin,
            doors: Doors::default(),
            state: Mutex::default(),
        })
    }

    pub(crate) fn start(&self) -> usize {
        self.twin.user()
    }

    pub(crate) fn size(&self) -> usize {
        self.twin.len()
    }

    /// Offsets of a range, which must be in the reservation.
    fn range(&self, address: usize, len: usize) -> Outcome<(usize, usize)> {
        let start = address.checked_sub(self.start()).ok_or(REFUSED)?;
        let end = start.checked_add(len).ok_or(REFUSED)?;
        if start < self.size() && end <= self.size() {
            Ok((start, end))
        } else {
            Err(REFUSED)
        }
    }

    /// Maps a part of physical memory, where nothing is mapped yet.
    pub(crate) fn map(
        &self,
        (address, len): (usize, usize),
        physical: &Arc<PhysicalMemory>,
        offset: usize,
        access: Access,
    ) -> Outcome {
        let (start, end) = self.range(address, len)?;
        if offset > physical.size || len > physical.size - offset {
            return Err(REFUSED);
        }
        let mut state = lock(&self.state);
        if state.gone || !state.mapped.within(start, end).is_empty() {
            return Err(REFUSED);
        }
        physical.take(len)?;
        // SAFETY: nothing is mapped there, so that nobody uses it; the file has the range, by the
        // check, and keeps its length.
        let result = unsafe { self.twin.map(start, len, &physical.file, offset as u64) };
        if result.is_err() {
            physical.give(len);
            return Err(EXHAUSTED);
        }
        let mapping = Mapping {
            physical: Arc::clone(physical),
            shift: offset.wrapping_sub(start),
        };
        state.mapped.set(start, end, mapping);
        state.access.set(start, end, access);
        Ok(())
    }

    /// Takes mappings away; all of the range must be mapped, and used by no command.
    pub(crate) fn unmap(&self, address: usize, len: usize) -> Outcome {
        let (start, end) = self.range(address, len)?;
        let mut state = lock(&self.state);
        if state.gone || !state.mapped.covers(start, end) {
            return Err(REFUSED);
        }
        if state.is_used(start, end) {
            return Err(IN_USE);
        }
        // SAFETY: no command uses it, and none can begin to: pins need the lock.
        unsafe { self.twin.unmap(start, len) }.map_err(|_| EXHAUSTED)?;
        let unmapped = state.mapped.clear(start, end);
        state.access.clear(start, end);
        drop(state);
        for (from, to, mapping) in unmapped {
            mapping.physical.give(to - from);
        }
        Ok(())
    }

    /// Sets the access to pages, mapped or not; `HANDLE_OBJECT_IN_USE` while a command uses them.
    pub(crate) fn set_access(&self, address: usize, len: usize, access: Access) -> Outcome {
        let (start, end) = self.range(address, len)?;
        let mut state = lock(&self.state);
        if state.gone {
            return Err(REFUSED);
        }
        if state.is_used(start, end) {
            return Err(IN_USE);
        }
        state.access.set(start, end, access);
        Ok(())
    }

    /// The access to the first page of a range, and how much of the range has the same.
    pub(crate) fn access(&self, address: usize, len: usize) -> Outcome<(Access, usize)> {
        let (start, end) = self.range(address, len)?;
        let state = lock(&self.state);
        if state.gone {
            return Err(REFUSED);
        }
        let mut first = None;
        let mut at = start;
        for (from, to, access) in state.access.within(start, end) {
            if from > at && *first.get_or_insert(Access::None) != Access::None {
                break;
            }
            at = from;
            if *first.get_or_insert(access) != access {
                break;
            }
            at = to;
        }
        let first = first.unwrap_or(Access::None);
        if first == Access::None && state.access.within(at, end).is_empty() {
            at = end;
        }
        Ok((first, at - start))
    }

    /// Ends it: nothing is mapped there any more.
    pub(crate) fn end(&self) -> Outcome {
        let mut state = lock(&self.state);
        if state.gone {
            return Err(REFUSED);
        }
        if !state.pins.is_empty() {
            return Err(IN_USE);
        }
        // No command uses it, and none can begin to. It is unmapped with the addresses.
        state.gone = true;
        let unmapped = state.mapped.clear(0, self.size());
        drop(state);
        for (from, to, mapping) in unmapped {
            mapping.physical.give(to - from);
        }
        Ok(())
    }

    /// The device whose memory is mapped at an address.
    pub(crate) fn device_at(&self, address: usize) -> Option<DeviceId> {
        let (start, end) = self.range(address, 1).ok()?;
        let mapped = lock(&self.state).mapped.within(start, end);
        mapped
            .first()
            .map(|(_, _, mapping)| mapping.physical.device)
    }

    /// Keeps a range mapped that wholly is.
    pub(crate) fn pin(self: &Arc<Self>, address: usize, len: usize) -> Option<Pin> {
        let (start, end) = self.range(address, len.max(1)).ok()?;
        let mut state = lock(&self.state);
        if state.gone || !state.mapped.covers(start, end) {
            return None;
        }
        let spans = state.access.within(start, end);
        let has = |wanted: &[Access]| spans.iter().any(|span| wanted.contains(&span.2));
        let access = if !state.access.covers(start, end) || has(&[Access::None]) {
            Access::None
        } else if has(&[Access::Read]) {
            Access::Read
        } else {
            Access::Write
        };
        let id = state.next;
        state.next += 1;
        state.pins.insert(id, (start, end));
        let hold = Hold::Virtual(Arc::clone(self), id);
        Some(Pin::new(self.twin.working(start), access, hold))
    }

    pub(crate) fn unpin(&self, id: u64) {
        lock(&self.state).pins.remove(&id);
    }

    /// Opens to kernels what the pin covers, each page as its attribute says: all of the mappings
    /// that the range lies in, for a kernel may go anywhere in them.
    pub(crate) fn open_pinned(self: &Arc<Self>, id: u64) -> Outcome<Opened> {
        let mut state = lock(&self.state);
        let (start, end) = state.widen(id).ok_or(REFUSED)?;
        self.open(&state, start, end)
    }

    /// Keeps all mapped, and its attributes, that kernels reach from what the pin covers.
    pub(crate) fn widen(&self, id: u64) {
        lock(&self.state).widen(id);
    }

    /// Where in which physical memory the bytes lie that the driver finds at an address.
    pub(crate) fn pieces(&self, working: usize, len: usize) -> Vec<Piece> {
        let start = working - self.twin.working(0).addr();
        let mapped = lock(&self.state).mapped.within(start, start + len);
        let piece = |(from, to, mapping): (usize, usize, Mapping)| {
            let file = mapping.physical.file.identity().ok()?;
            let at = from.wrapping_add(mapping.shift);
            Some(Piece::new(file, at, from - start, to - from))
        };
        mapped.into_iter().filter_map(piece).collect()
    }

    fn open(self: &Arc<Self>, state: &State, start: usize, end: usize) -> Outcome<Opened> {
        let mut opened = Opened::default();
        for (from, to, _) in state.mapped.within(start, end) {
            for (from, to, access) in state.access.within(from, to) {
                if access == Access::None {
                    continue;
                }
                let range = self.doors.open(&self.twin, (from, to), access);
                let range = range.map_err(|_| EXHAUSTED)?;
                opened.add(Arc::clone(self) as Arc<dyn Building>, range);
            }
        }
        Ok(opened)
    }

    /// Pins all that is mapped.
    pub(crate) fn pin_all(self: &Arc<Self>) -> Vec<Pin> {
        let mapped = lock(&self.state).mapped.within(0, self.size());
        let pin = |(from, to, _): (usize, usize, _)| self.pin(self.start() + from, to - from);
        mapped.into_iter().filter_map(pin).collect()
    }
}

impl Building for VirtualMemory {
    fn close(&self, range: (usize, usize)) {
        self.doors.close(&self.twin, range);
    }
}

impl Drop for VirtualMemory {
    fn drop(&mut self) {
        // Where it is not freed: the physical memory is no longer mapped with the addresses gone.
        let unmapped = lock(&self.state).mapped.clear(0, self.size());
        for (from, to, mapping) in unmapped {
            mapping.physical.give(to - from);
        }
    }
}
