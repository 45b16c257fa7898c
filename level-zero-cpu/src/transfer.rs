//! The ends of a transfer: checked, kept alive, and moved between.
//!
//! Each transfer is two structures: the command as it is recorded, and one execution of it, which
//! owns its ends.
#![allow(unsafe_code, reason = "copies memory")]

use level_zero_sys::{self as sys, ze_copy_region_t};
use std::ffi::c_void;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use crate::arena::meets_an_arena;
use crate::arguments::{Outcome, not_null};
use crate::context::Context;
use crate::engine::{Job, Nothing, Work};
use crate::overlap::{Rows, rows_overlap};
use crate::pin::Pin;
use crate::system::{Access, Piece};

mod region;

pub(crate) use region::{CopyRegion, Side};

/// A range that was checked: in one live allocation of a context, which stays live as long as this
/// does, or the program's own memory.
pub(crate) struct End {
    pointer: *mut u8,
    pin: Option<Pin>,
}

// SAFETY: what it points to is kept alive by the pin, or by the caller of the C call until the
// command is executed, on whatever thread.
unsafe impl Send for End {}

impl From<Pin> for End {
    fn from(pin: Pin) -> Self {
        Self {
            pointer: pin.pointer(),
            pin: Some(pin),
        }
    }
}

impl End {
    /// Valid for the range: by the pin for memory of the driver, by the word of the caller of the
    /// C call for any other.
    pub(crate) fn pointer(&self) -> *mut u8 {
        self.pointer
    }

    fn is_writable(&self) -> bool {
        self.pin
            .as_ref()
            .is_none_or(|pin| pin.access() == Access::Write)
    }

    /// The parts of two ranges, of that many bytes each, that are the same memory at different
    /// addresses.
    fn aliases(&self, len: usize, other: &Self, other_len: usize) -> Vec<[Piece; 2]> {
        match (&self.pin, &other.pin) {
            (Some(one), Some(pin)) => one.aliases(len, pin, other_len),
            _ => Vec::new(),
        }
    }

    pub(crate) fn is_host_accessible(&self) -> bool {
        self.pin.as_ref().is_none_or(Pin::is_host_accessible)
    }

    /// The bytes as the host reads them: `INVALID_ARGUMENT` where it has no access,
    /// `OUT_OF_HOST_MEMORY` where there is no room for as many.
    ///
    /// # Safety
    ///
    /// The end was made for `size` bytes, which nothing changes meanwhile.
    pub(crate) unsafe fn to_vec(&self, size: usize) -> Outcome<Vec<u8>> {
        if !self.is_host_accessible() {
            return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
        }
        let mut bytes = Vec::<u8>::new();
        let room = bytes.try_reserve_exact(size);
        room.map_err(|_| sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY)?;
        let place = bytes.as_mut_ptr();
        // SAFETY: valid for reads, as the caller says; a new vector with room for as many bytes is
        // not among them.
        unsafe { place.copy_from_nonoverlapping(self.pointer, size) };
        // SAFETY: there is room, and as many were just written.
        unsafe { bytes.set_len(size) };
        Ok(bytes)
    }
}

impl Context {
    /// The range in one live allocation of this context, or `INVALID_ARGUMENT`.
    pub(crate) fn pin(&self, pointer: *const c_void, size: usize) -> Outcome<Pin> {
        not_null(pointer)?;
        self.find_pin(pointer.addr(), size)
            .flatten()
            .ok_or(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)
    }

    /// `None` where no memory of the driver is, `Some(None)` where the range is not wholly in one
    /// allocation of this context.
    fn find_pin(&self, start: usize, size: usize) -> Option<Option<Pin>> {
        if let Some(heap) = self.inner.heap_of(start) {
            return Some(heap.pin(start, size, self.handle));
        }
        let region = self.inner.regions.find(start)?;
        Some(region.pin(start, size, self.handle))
    }

    /// As [`end`](Self::end), for a range that is written: `INVALID_ARGUMENT` also if it is
    /// read-only.
    pub(crate) fn target(&self, pointer: *const c_void, size: usize) -> Outcome<End> {
        let end = self.end(pointer, size)?;
        if end.is_writable() {
            Ok(end)
        } else {
            Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)
        }
    }

    /// The range as an end of a transfer: `INVALID_ARGUMENT` if it is neither wholly in one live
    /// allocation, or in mappings of one reservation, of this context nor wholly outside of all
    /// memory of this driver, or if virtual memory there has no access.
    pub(crate) fn end(&self, pointer: *const c_void, size: usize) -> Outcome<End> {
        not_null(pointer)?;
        let start = pointer.addr();
        let end = start
            .checked_add(size)
            .ok_or(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)?;
        if let Some(pin) = self.find_pin(start, size) {
            let pin = pin.filter(|pin| pin.access() != Access::None);
            let pin = pin.ok_or(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)?;
            return Ok(End::from(pin));
        }
        if meets_an_arena(start, end) {
            return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
        }
        Ok(End {
            pointer: pointer.cast_mut().cast(),
            pin: None,
        })
    }
}

/// Whether two ranges of one size share a byte.
fn overlap(left: usize, right: usize, size: usize) -> bool {
    left.abs_diff(right) < size
}

/// A pointer of a caller.
#[derive(Clone, Copy)]
pub(crate) struct Pointer(pub(crate) *mut c_void);

// SAFETY: a pointer that is only compared; what may be touched is an `End`.
unsafe impl Send for Pointer {}
// SAFETY: as above.
unsafe impl Sync for Pointer {}

/// A pointer of a caller, and the context that its memory is to be of.
pub(crate) struct Place {
    pub(crate) context: Arc<Context>,
    pub(crate) pointer: Pointer,
}

impl Place {
    pub(crate) fn new(context: &Arc<Context>, pointer: *const c_void) -> Outcome<Self> {
        not_null(pointer)?;
        Ok(Self {
            context: Arc::clone(context),
            pointer: Pointer(pointer.cast_mut()),
        })
    }

    pub(crate) fn end(&self, size: usize) -> Outcome<End> {
        self.context.end(self.pointer.0, size)
    }

    /// As [`end`](Self::end), to be written.
    pub(crate) fn target(&self, size: usize) -> Outcome<End> {
        self.context.target(self.pointer.0, size)
    }
}

/// A copy of a range; overlap is `OVERLAPPING_REGIONS`, which the specification leaves open for
/// plain copies and real devices do not survive.
///
/// Invariant: where the ends are not memory of this driver, they are valid for `size` bytes at each
/// execution.
pub(crate) struct Copy {
    target: Place,
    source: Pointer,
    /// The context of the source, if it is another.
    from: Option<Arc<Context>>,
    size: usize,
}

impl Copy {
    /// A copy into one context out of another, or the same.
    ///
    /// # Safety
    ///
    /// Where the ranges are not memory of this driver, `source` is valid for reads and `target` for
    /// writes of `size` bytes, until each execution of this has ended.
    pub(crate) unsafe fn new(
        (to, target): (&Arc<Context>, *mut c_void),
        (from, source): (&Arc<Context>, *const c_void),
        size: usize,
    ) -> Outcome<Self> {
        not_null(source)?;
        Ok(Self {
            target: Place::new(to, target)?,
            source: Pointer(source.cast_mut()),
            from: (!Arc::ptr_eq(to, from)).then(|| Arc::clone(from)),
            size,
        })
    }
}

impl Work for Copy {
    fn prepare(&self) -> Outcome<Box<dyn Job>> {
        if self.size == 0 {
            return Nothing.prepare();
        }
        let to = self.target.target(self.size)?;
        let context = self.from.as_ref().unwrap_or(&self.target.context);
        let from = context.end(self.source.0, self.size)?;
        let (target, source) = (self.target.pointer.0.addr(), self.source.0.addr());
        if overlap(target, source, self.size) || !to.aliases(self.size, &from, self.size).is_empty()
        {
            return Err(sys::ZE_RESULT_ERROR_OVERLAPPING_REGIONS);
        }
        Ok(Box::new(CopyJob {
            to,
            from,
            size: self.size,
        }))
    }
}

/// Invariant: both ends have `size` bytes and do not overlap.
struct CopyJob {
    to: End,
    from: End,
    size: usize,
}

impl Job for CopyJob {
    fn run(self: Box<Self>) -> Outcome {
        let (to, from) = (self.to.pointer(), self.from.pointer());
        // SAFETY:
        // - both ends are valid for `size` bytes: memory of the driver is pinned, for the rest the
        //   caller of `Copy::new` says so
        // - they do not overlap, as `prepare` has seen, nor are they one memory that was mapped twice
        unsafe { from.copy_to_nonoverlapping(to, self.size) };
        Ok(())
    }
}

/// A pattern, repeated over a range.
///
/// Invariant: as for [`Copy`]; the pattern's length is a power of two that divides `size`.
pub(crate) struct Fill {
    target: Place,
    pattern: Pattern,
    size: usize,
}

/// The bytes of a pattern; short ones, which are most, without an allocation.
#[derive(Clone)]
enum Pattern {
    Short([u8; 16], usize),
    Long(Arc<[u8]>),
}

impl Pattern {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Short(bytes, len) => bytes.get(..*len).unwrap_or(bytes),
            Self::Long(bytes) => bytes,
        }
    }
}

impl Fill {
    /// Reads the pattern.
    ///
    /// # Safety
    ///
    /// Where they are not memory of this driver, `pattern` is valid for reads of `pattern_size`
    /// bytes, and `target` for writes of `size` bytes until each execution of this has ended.
    pub(crate) unsafe fn new(
        context: &Arc<Context>,
        target: *mut c_void,
        pattern: *const c_void,
        pattern_size: usize,
        size: usize,
    ) -> Outcome<Self> {
        let target = Place::new(context, target)?;
        not_null(pattern)?;
        let largest = context.inner.config.max_fill_pattern;
        if !pattern_size.is_power_of_two()
            || pattern_size > largest
            || !size.is_multiple_of(pattern_size)
        {
            return Err(sys::ZE_RESULT_ERROR_INVALID_SIZE);
        }
        let from = context.end(pattern, pattern_size)?;
        // The pattern is read by the host, when the command is appended.
        if !from.is_host_accessible() {
            return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
        }
        // SAFETY: valid for reads: pinned, or the caller says so; not used beyond this call.
        let bytes = unsafe { slice::from_raw_parts(from.pointer(), pattern_size) };
        let mut short = [0; 16];
        let pattern = match short.get_mut(..pattern_size) {
            Some(place) => {
                place.copy_from_slice(bytes);
                Pattern::Short(short, pattern_size)
            }
            None => Pattern::Long(bytes.into()),
        };
        Ok(Self {
            target,
            pattern,
            size,
        })
    }
}

impl Work for Fill {
    fn prepare(&self) -> Outcome<Box<dyn Job>> {
        if self.size == 0 {
            return Nothing.prepare();
        }
        Ok(Box::new(FillJob {
            to: self.target.target(self.size)?,
            pattern: self.pattern.clone(),
            size: self.size,
        }))
    }
}

/// Invariant: the end has `size` bytes, which is above 0 and a multiple of the pattern's length.
struct FillJob {
    to: End,
    pattern: Pattern,
    size: usize,
}

impl Job for FillJob {
    fn run(self: Box<Self>) -> Outcome {
        let (to, size) = (self.to.pointer(), self.size);
        let pattern = self.pattern.bytes();
        if let [byte] = *pattern {
            // SAFETY: the target is valid for `size` bytes: pinned, or the caller says so.
            unsafe { to.write_bytes(byte, size) };
            return Ok(());
        }
        let mut done = pattern.len();
        // SAFETY: the target is valid for `size` bytes, which is at least one pattern. A pattern of
        // the driver's own overlaps nothing.
        unsafe { pattern.as_ptr().copy_to_nonoverlapping(to, done) };
        // A block that stays in the cache; a power of two, so it holds whole patterns.
        let block = done.max(1 << 15);
        while done < size {
            let step = done.min(block).min(size - done);
            // SAFETY: `done + step` is at most `size`.
            let next = unsafe { to.add(done) };
            // SAFETY: `step` is at most `done`, so the two do not overlap; both are in the target.
            unsafe { to.copy_to_nonoverlapping(next, step) };
            done += step;
        }
        Ok(())
    }
}

/// Ranges as the ends of transfers, of which nothing is done but to keep them: barriers and hints.
pub(crate) struct Keep {
    ranges: Vec<(Place, usize)>,
    /// Whether they must be memory of the driver.
    allocated: bool,
}

impl Keep {
    /// Ranges that a transfer might have as ends.
    pub(crate) fn ends(context: &Arc<Context>, ranges: &[(*const c_void, usize)]) -> Outcome<Self> {
        let place = |&(pointer, size)| Ok((Place::new(context, pointer)?, size));
        Ok(Self {
            ranges: ranges.iter().map(place).collect::<Outcome<_>>()?,
            allocated: false,
        })
    }

    /// A range in an allocation.
    pub(crate) fn allocated(
        context: &Arc<Context>,
        pointer: *const c_void,
        size: usize,
    ) -> Outcome<Self> {
        let mut keep = Self::ends(context, &[(pointer, size)])?;
        keep.allocated = true;
        Ok(keep)
    }
}

impl Work for Keep {
    fn prepare(&self) -> Outcome<Box<dyn Job>> {
        let end = |(place, size): &(Place, usize)| {
            if self.allocated {
                place.context.pin(place.pointer.0, *size).map(End::from)
            } else {
                place.end(*size)
            }
        };
        let ends = self.ranges.iter().map(end).collect::<Outcome<_>>()?;
        Ok(Box::new(KeepJob(ends)))
    }
}

struct KeepJob(Vec<End>);

impl Job for KeepJob {
    fn run(self: Box<Self>) -> Outcome {
        drop(self.0);
        fence(Ordering::SeqCst);
        Ok(())
    }
}
