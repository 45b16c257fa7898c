//! Copies of regions: rows and slices at pitches.

use super::lane::STAGE;
use super::layout::{Region, Side};
use super::sealed::{End, RawTarget};
use super::{Extent, Layout, Queue, Source, Target};
use crate::error::Result;
use crate::raw::handle::{DeviceHandle, EventHandle};
use crate::raw::immediate::ImmediateList;
use crate::raw::list::Locked;

/// Memory that a region lies in: where it begins and the device that it is on.
#[derive(Clone, Copy)]
struct Place {
    pointer: *mut u8,
    device: Option<DeviceHandle>,
    /// Whether only the host may touch it.
    host_only: bool,
}

impl Queue {
    /// Copies a region of `source` to `target`, two- or three-dimensional, and waits.
    ///
    /// Layouts and extent are in elements. Between the rows of the target nothing is written. An
    /// extent with a 0 in it copies nothing, whatever the layouts. The ends are those of
    /// [`copy`](Queue::copy), slices of the host and buffers of other devices included.
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// # let context = ze_area::Context::new()?;
    /// # let queue = context.queue(context.first_device()?)?;
    /// use ze_area::Layout;
    ///
    /// // A tile of 3 by 2 elements of an image of 6 by 4.
    /// let image = context.default_device_area()?.mmap_from_fn(6 * 4, |i| i as u8)?;
    /// let mut tile = [0_u8; 3 * 2];
    /// let (from, to) = (Layout::rows(6).at([2, 1]), Layout::rows(3));
    /// queue.copy_region(&image, from, &mut tile, to, [3, 2])?;
    /// assert_eq!(tile, [8, 9, 10, 14, 15, 16]);
    /// # }
    /// # Ok::<(), ze_area::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::BadRegion`](crate::Error::BadRegion) where the region does not lie in an end: its
    /// rows end beyond the row pitch, the rows of a slice beyond the slice pitch (where there are
    /// several slices, or another than the first), or its last element beyond the end;
    /// [`Error::WrongContext`](crate::Error::WrongContext) for a buffer of another context;
    /// [`Error::Call`](crate::Error::Call).
    #[doc(alias = "zeCommandListAppendMemoryCopyRegion")]
    pub fn copy_region<S, D>(
        &self,
        source: &S,
        from: Layout,
        target: &mut D,
        to: Layout,
        extent: impl Into<Extent>,
    ) -> Result<()>
    where
        S: Source + ?Sized,
        D: Target + RawTarget<Element = S::Element> + ?Sized,
    {
        let (source, target) = (source.end(), target.end_mut());
        self.check_context("region copy", "source", source.home)?;
        self.check_context("region copy", "target", target.home)?;
        let (from, to) = ((from, source.len), (to, target.len));
        let size = size_of::<S::Element>();
        let Some(region) = Region::new(from, to, extent.into(), size)? else {
            return Ok(());
        };
        let from = self.place(&source, &region, region.source)?;
        let to = self.place(&target, &region, region.target)?;
        // SAFETY: the ends are borrowed, the target exclusively, so they are live and do not
        // overlap; the region lies in both; the elements have one type, so those of the source are
        // values of the target's. The places are theirs.
        unsafe { self.copy_rows(to, from, region) }
    }

    fn place<T>(&self, end: &End<'_, T>, region: &Region, side: Side) -> Result<Place> {
        Ok(Place {
            pointer: end.pointer.cast(),
            device: end.device(),
            // Some drivers pin as many bytes of host memory as a region has, not as it spans, so
            // they are given only such that is without gaps.
            host_only: end.home.is_none()
                && (!region.is_packed(side) || self.context.is_of_driver(end.pointer)?),
        })
    }

    /// Copies the rows of a region, and waits.
    ///
    /// # Safety
    ///
    /// The region must lie in both places, which are live, the target exclusively the caller's, and
    /// nobody writing the source; they must not overlap. A place with a device is memory of this
    /// context on that device; every device of the context may touch one without, unless it is
    /// `host_only`. The host may touch what is `host_only`.
    unsafe fn copy_rows(&self, target: Place, source: Place, region: Region) -> Result<()> {
        if source.host_only && target.host_only {
            // SAFETY: the host may touch both places; the rest as the caller vouches.
            unsafe { by_host(target.pointer, source.pointer, region) };
            return Ok(());
        }
        let (from, to) = (self.lane(source.device)?, self.lane(target.device)?);
        let apart = matches!((&from, &to), (Some(from), Some(to)) if from.root != to.root);
        let one = from.as_ref().or(to.as_ref());
        let one = one.map_or(&*self.list, |lane| lane.list(self));
        if !apart && !source.host_only && !target.host_only {
            // SAFETY: as the caller vouches; the list is of the device that an end is on.
            return unsafe { enqueue(one, target.pointer, source.pointer, region) };
        }
        let from = from.as_ref().map_or(one, |lane| lane.list(self));
        let to = to.as_ref().map_or(one, |lane| lane.list(self));
        let mut stage = vec![0_u8; region.bytes().min(STAGE)];
        for piece in region.pieces(stage.len()) {
            let stage = stage.as_mut_ptr();
            let (gather, scatter) = (piece.gather(), piece.scatter());
            if source.host_only {
                // SAFETY: the piece is of the region, the host may touch the source, and the stage
                // is ours and has room for the piece.
                unsafe { by_host(stage, source.pointer, gather) };
            } else {
                // SAFETY: as above; the list is of the device that the source is on, and the stage
                // is host memory that no driver allocated.
                unsafe { enqueue(from, stage, source.pointer, gather) }?;
            }
            if target.host_only {
                // SAFETY: as above, with the piece in the stage.
                unsafe { by_host(target.pointer, stage, scatter) };
            } else {
                // SAFETY: as above, with the list of the device that the target is on.
                unsafe { enqueue(to, target.pointer, stage, scatter) }?;
            }
        }
        Ok(())
    }
}

/// Copies the rows of a region on a list, and waits.
///
/// # Safety
///
/// As of [`ImmediateList::copy`], for the region's rows from both pointers on.
unsafe fn enqueue(
    list: &ImmediateList,
    target: *mut u8,
    source: *const u8,
    region: Region,
) -> Result<()> {
    // SAFETY: passed on to the caller; the operations are done when the call returns.
    list.run(|list| unsafe { append(list, target, source, region, false, None) })
}

/// Appends copies of the rows of a region, `by_row` each by itself, and signals.
///
/// # Safety
///
/// As of [`Locked::copy`], for the region's rows from both pointers on.
pub(crate) unsafe fn append(
    list: &mut Locked<'_>,
    target: *mut u8,
    source: *const u8,
    region: Region,
    by_row: bool,
    signal: Option<EventHandle>,
) -> Result<()> {
    // Where there are several copies, none stands for all.
    let one_row = region.height == 1 && region.depth == 1;
    let one = one_row || !by_row && region.call().is_some() && region.calls().nth(1).is_none();
    let each = signal.filter(|_| one);
    for part in region.calls() {
        if !by_row && let Some((to, from, shape)) = part.call() {
            // SAFETY: a part's offset lies in the region.
            let target = unsafe { target.add(part.target.offset) };
            // SAFETY: as above.
            let source = unsafe { source.add(part.source.offset) };
            // SAFETY: the part's rows are rows of the region, which the caller vouches for.
            unsafe { list.copy_region((target.cast(), to), (source.cast(), from), shape, each) }?;
            continue;
        }
        for (from, to) in part.rows() {
            // SAFETY: a row's offset lies in the region.
            let target = unsafe { target.add(to) };
            // SAFETY: as above.
            let source = unsafe { source.add(from) };
            // SAFETY: the row is one of the region's, which the caller vouches for.
            unsafe { list.copy(target.cast(), source.cast(), part.width, each) }?;
        }
    }
    list.signal(signal.filter(|_| !one))
}

/// Copies the rows of a region on the host.
///
/// # Safety
///
/// The region's rows from both pointers on must be live memory that the host may touch, the
/// target's exclusively the caller's; they must not overlap.
unsafe fn by_host(target: *mut u8, source: *const u8, region: Region) {
    for (from, to) in region.rows() {
        // SAFETY: a row's offset lies in the region.
        let target = unsafe { target.add(to) };
        // SAFETY: as above.
        let source = unsafe { source.add(from) };
        // SAFETY: the row is one of the region's, which the caller vouches for.
        unsafe { target.copy_from_nonoverlapping(source, region.width) };
    }
}
