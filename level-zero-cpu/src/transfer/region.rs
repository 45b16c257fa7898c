//! Copies of regions: rows and slices at a pitch.

use super::*;

/// One side of a region copy, in bytes from its pointer.
///
/// Invariant: rows start in ascending order and do not overlap; `extent` is past the last of them
/// and does not overflow.
pub(crate) struct Region {
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

    /// The rows of each slice, for a region at an address. Slices of one row are rows of one slice.
    fn slices(&self, base: usize) -> impl Iterator<Item = Rows> {
        let (slices, count, pitch) = if self.height == 1 {
            (1, self.depth, self.slice_pitch)
        } else {
            (self.depth, self.height, self.pitch)
        };
        (0..slices).map(move |slice| Rows {
            start: base + self.first + slice * self.slice_pitch,
            count,
            pitch,
            width: self.width,
        })
    }

    fn rows(&self) -> impl Iterator<Item = usize> {
        (0..self.depth).flat_map(move |slice| {
            let start = self.first + slice * self.slice_pitch;
            (0..self.height).map(move |row| start + row * self.pitch)
        })
    }
}

/// Whether any row of one region shares a byte with any row of the other: slices are walked once, in
/// the order of addresses.
fn regions_overlap(target: usize, to: &Region, source: usize, from: &Region) -> bool {
    if target + to.extent <= source || source + from.extent <= target {
        return false;
    }
    let mut left = to.slices(target).peekable();
    let mut right = from.slices(source).peekable();
    while let (Some(one), Some(other)) = (left.peek(), right.peek()) {
        if rows_overlap(one, other) {
            return true;
        }
        // The slice that ends first meets none that comes later.
        if one.end() < other.end() {
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

/// A copy of rows and slices.
///
/// Invariant: as for [`Copy`], for all bytes of a side from its pointer to the end of its region;
/// both regions have one shape.
pub(crate) struct CopyRegion {
    target: Place,
    to: Arc<Region>,
    source: Place,
    from: Arc<Region>,
}

impl CopyRegion {
    /// # Safety
    ///
    /// As for [`Copy::new`], for all bytes of a side from its pointer to the end of its region.
    pub(crate) unsafe fn new(
        context: &Arc<Context>,
        target: &Side<*mut c_void>,
        source: &Side<*const c_void>,
    ) -> Outcome<Self> {
        let shape = |region: &ze_copy_region_t| (region.width, region.height, region.depth);
        if shape(&target.region) != shape(&source.region) {
            return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
        }
        let region = |region, pitch, slice| Region::new(region, pitch, slice).map(Arc::new);
        Ok(Self {
            target: Place::new(context, target.pointer)?,
            to: region(&target.region, target.pitch, target.slice_pitch)?,
            source: Place::new(context, source.pointer)?,
            from: region(&source.region, source.pitch, source.slice_pitch)?,
        })
    }
}

impl Work for CopyRegion {
    fn prepare(&self) -> Outcome<Box<dyn Job>> {
        let (to, from) = (&self.to, &self.from);
        if to.width == 0 || to.height == 0 {
            return Nothing.prepare();
        }
        let job = CopyRegionJob {
            to_end: self.target.target(to.extent)?,
            from_end: self.source.end(from.extent)?,
            to: Arc::clone(to),
            from: Arc::clone(from),
        };
        let (target, source) = (self.target.pointer.0.addr(), self.source.pointer.0.addr());
        // Where both are one memory, the source is seen from where it lies relative to the target.
        let alias = |[one, other]: [Piece; 2]| {
            let seen = target
                .wrapping_add(one.inside)
                .wrapping_add(other.at.wrapping_sub(one.at))
                .wrapping_sub(other.inside);
            regions_overlap(target, to, seen, from)
        };
        let aliases = job.to_end.aliases(to.extent, &job.from_end, from.extent);
        if regions_overlap(target, to, source, from) || aliases.into_iter().any(alias) {
            return Err(sys::ZE_RESULT_ERROR_OVERLAPPING_REGIONS);
        }
        Ok(Box::new(job))
    }
}

/// Invariant: each end is valid up to the extent of its region; no rows of the two overlap, and
/// both have as many of one width.
struct CopyRegionJob {
    to_end: End,
    from_end: End,
    to: Arc<Region>,
    from: Arc<Region>,
}

impl Job for CopyRegionJob {
    fn run(self: Box<Self>) -> Outcome {
        for (write, read) in self.to.rows().zip(self.from.rows()) {
            // SAFETY: rows end before `extent`, and the end is valid for as many bytes.
            let write = unsafe { self.to_end.pointer().add(write) };
            // SAFETY: as above.
            let read = unsafe { self.from_end.pointer().add(read) };
            // SAFETY: valid as above; no rows of the two sides overlap.
            unsafe { read.copy_to_nonoverlapping(write, self.to.width) };
        }
        Ok(())
    }
}
