//! The two ends of a transfer: checked, kept alive, and moved between.
#![allow(unsafe_code, reason = "copies memory")]

use level_zero_sys::{self as sys, ze_copy_region_t};
use std::ffi::c_void;

use crate::arena::meets_an_arena;
use crate::arguments::{Outcome, not_null};
use crate::context::Context;
use crate::pin::Pin;
use crate::system::Access;

/// A range that was checked: in one live allocation of a context, which stays live as long as this
/// does, or the program's own memory.
pub(crate) struct End {
    pointer: *mut u8,
    pin: Option<Pin>,
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

    pub(crate) fn is_host_accessible(&self) -> bool {
        self.pin.as_ref().is_none_or(Pin::is_host_accessible)
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
            return Ok(End {
                pointer: pin.pointer(),
                pin: Some(pin),
            });
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

/// Copies a range; overlap is `OVERLAPPING_REGIONS`, which the specification leaves open for plain
/// copies and real devices do not survive.
///
/// # Safety
///
/// Where the ranges are not memory of this driver, `source` is valid for reads and `target` for
/// writes of `size` bytes.
pub(crate) unsafe fn copy(
    context: &Context,
    target: *mut c_void,
    source: *const c_void,
    size: usize,
) -> Outcome {
    not_null(target)?;
    not_null(source)?;
    if size == 0 {
        return Ok(());
    }
    let to = context.target(target, size)?;
    let from = context.end(source, size)?;
    if overlap(target.addr(), source.addr(), size) {
        return Err(sys::ZE_RESULT_ERROR_OVERLAPPING_REGIONS);
    }
    // SAFETY:
    // - both ends are valid for `size` bytes: memory of the driver is pinned, for the rest the
    //   caller says so
    // - they do not overlap, as just seen; different addresses of one arena are different memory
    unsafe { from.pointer().copy_to_nonoverlapping(to.pointer(), size) };
    Ok(())
}

/// Repeats a pattern over a range.
///
/// # Safety
///
/// Where they are not memory of this driver, `target` is valid for writes of `size` bytes and
/// `pattern` for reads of `pattern_size`.
pub(crate) unsafe fn fill(
    context: &Context,
    target: *mut c_void,
    pattern: *const c_void,
    pattern_size: usize,
    size: usize,
) -> Outcome {
    not_null(target)?;
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
    if size == 0 {
        return Ok(());
    }
    let to = context.target(target, size)?;
    // SAFETY: both ends are valid: pinned, or the caller says so. `copy_to` lets the pattern lie in
    // the target.
    unsafe { from.pointer().copy_to(to.pointer(), pattern_size) };
    if pattern_size == 1 {
        // SAFETY: in the target, where the byte was just written.
        let byte = unsafe { to.pointer().read() };
        // SAFETY: the target is valid for `size` bytes.
        unsafe { to.pointer().write_bytes(byte, size) };
        return Ok(());
    }
    // A block that stays in the cache; a power of two, so it holds whole patterns.
    let block = pattern_size.max(1 << 15);
    let mut done = pattern_size;
    while done < size {
        let step = done.min(block).min(size - done);
        // SAFETY: `done + step` is at most `size`.
        let next = unsafe { to.pointer().add(done) };
        // SAFETY: `step` is at most `done`, so the two do not overlap; both are in the target.
        unsafe { to.pointer().copy_to_nonoverlapping(next, step) };
        done += step;
    }
    Ok(())
}

/// One side of a region copy, in bytes from its pointer.
///
/// Invariant: rows start in ascending order and do not overlap; `extent` is past the last of them
/// and does not overflow.
struct Region {
    first: usize,
    width: usize,
    height: usize,
    depth: usize,
    pitch: usize,
    slice_pitch: usize,
    extent: usize,
}

impl Region {
    fn new(region: &ze_copy_region_t, pitch: u32, slice_pitch: u32) -> Outcome<Self> {
        let wide = u128::from;
        let flat = region.depth == 0;
        let depth = region.depth.max(1);
        // A 2D region has no slices, so no origin among them.
        if flat && region.originZ != 0 {
            return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
        }
        let row_end = wide(region.originX) + wide(region.width);
        let rows = wide(region.originY) + wide(region.height);
        let slices = wide(region.originZ) + wide(depth);
        let slice_end = if rows > 1 {
            wide(pitch) * rows
        } else {
            row_end
        };
        let rows_collide = rows > 1 && wide(pitch) < row_end;
        let slices_collide = slices > 1 && wide(slice_pitch) < slice_end;
        if rows_collide || slices_collide {
            return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
        }
        let first = wide(region.originZ) * wide(slice_pitch)
            + wide(region.originY) * wide(pitch)
            + wide(region.originX);
        let extent = first
            + wide(depth - 1) * wide(slice_pitch)
            + wide(region.height.saturating_sub(1)) * wide(pitch)
            + wide(region.width);
        let narrow =
            |value: u128| usize::try_from(value).map_err(|_| sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
        Ok(Self {
            first: narrow(first)?,
            width: region.width as usize,
            height: region.height as usize,
            depth: depth as usize,
            pitch: pitch as usize,
            slice_pitch: slice_pitch as usize,
            extent: narrow(extent)?,
        })
    }

    fn rows(&self) -> impl Iterator<Item = usize> {
        (0..self.depth).flat_map(move |slice| {
            let start = self.first + slice * self.slice_pitch;
            (0..self.height).map(move |row| start + row * self.pitch)
        })
    }
}

/// Whether any row of one region shares a byte with any row of the other: both are walked once, in
/// the order of addresses.
fn regions_overlap(target: usize, to: &Region, source: usize, from: &Region) -> bool {
    if target + to.extent <= source || source + from.extent <= target {
        return false;
    }
    let mut left = to.rows().map(|row| target + row).peekable();
    let mut right = from.rows().map(|row| source + row).peekable();
    while let (Some(&one), Some(&other)) = (left.peek(), right.peek()) {
        if overlap(one, other, to.width) {
            return true;
        }
        if one < other {
            left.next()
        } else {
            right.next()
        };
    }
    false
}

/// One side of a region copy, as the C call takes it.
pub(crate) struct Side<P> {
    pub(crate) pointer: P,
    pub(crate) region: ze_copy_region_t,
    pub(crate) pitch: u32,
    pub(crate) slice_pitch: u32,
}

/// Copies a region of rows and slices.
///
/// # Safety
///
/// As for [`copy`], for all bytes of a side from its pointer to the end of its region.
pub(crate) unsafe fn copy_region(
    context: &Context,
    target: &Side<*mut c_void>,
    source: &Side<*const c_void>,
) -> Outcome {
    let shape = |region: &ze_copy_region_t| (region.width, region.height, region.depth);
    if shape(&target.region) != shape(&source.region) {
        return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
    }
    let to = Region::new(&target.region, target.pitch, target.slice_pitch)?;
    let from = Region::new(&source.region, source.pitch, source.slice_pitch)?;
    if to.width == 0 || to.height == 0 {
        return Ok(());
    }
    let to_end = context.target(target.pointer, to.extent)?;
    let from_end = context.end(source.pointer, from.extent)?;
    if regions_overlap(target.pointer.addr(), &to, source.pointer.addr(), &from) {
        return Err(sys::ZE_RESULT_ERROR_OVERLAPPING_REGIONS);
    }
    for (write, read) in to.rows().zip(from.rows()) {
        // SAFETY: rows end before `extent`, and the end is valid for as many bytes.
        let write = unsafe { to_end.pointer().add(write) };
        // SAFETY: as above.
        let read = unsafe { from_end.pointer().add(read) };
        // SAFETY: valid as above; no rows of the two sides overlap.
        unsafe { read.copy_to_nonoverlapping(write, to.width) };
    }
    Ok(())
}
