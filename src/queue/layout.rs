//! Where a region of rows and slices lies in memory, and which calls copy it.

use crate::error::{Error, RegionBound, Result};
use crate::raw::list::Pitches;

/// How many elements a region has: in a row, rows, slices.
///
/// Made from an array: `[width, height]` or `[width, height, depth]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "ze_copy_region_t")]
pub struct Extent {
    /// Elements in a row.
    pub width: usize,
    /// Rows in a slice.
    pub height: usize,
    /// Slices.
    pub depth: usize,
}

impl From<[usize; 2]> for Extent {
    fn from([width, height]: [usize; 2]) -> Self {
        Self::from([width, height, 1])
    }
}

impl From<[usize; 3]> for Extent {
    fn from([width, height, depth]: [usize; 3]) -> Self {
        Self {
            width,
            height,
            depth,
        }
    }
}

/// Where a region begins: element of the row, row of the slice, slice.
///
/// Made from an array: `[x, y]` or `[x, y, z]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Element of the row.
    pub x: usize,
    /// Row of the slice.
    pub y: usize,
    /// Slice.
    pub z: usize,
}

impl From<[usize; 2]> for Origin {
    fn from([x, y]: [usize; 2]) -> Self {
        Self { x, y, z: 0 }
    }
}

impl From<[usize; 3]> for Origin {
    fn from([x, y, z]: [usize; 3]) -> Self {
        Self { x, y, z }
    }
}

/// How a buffer is read as rows and slices, and where in it a region begins, all in elements.
///
/// ```
/// use ze_area::Layout;
///
/// let image = Layout::rows(640); // rows begin every 640 elements
/// let tile = image.at([64, 32]); // the 64th element of the 32nd row, counted from 0
/// let volume = Layout::slices(640, 480).at([0, 0, 7]); // slices of 480 rows; the 7th
/// # let _ = (tile, volume);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub struct Layout {
    row_pitch: usize,
    /// `None` where there is one slice.
    slice_pitch: Option<usize>,
    origin: Origin,
}

impl Layout {
    /// Rows that begin every `row_pitch` elements, in one slice.
    pub const fn rows(row_pitch: usize) -> Self {
        Self {
            row_pitch,
            slice_pitch: None,
            origin: Origin { x: 0, y: 0, z: 0 },
        }
    }

    /// Rows that begin every `row_pitch` elements, in slices of `rows` rows without gaps between
    /// them; with gaps there is [`slice_pitch`](Layout::slice_pitch).
    pub const fn slices(row_pitch: usize, rows: usize) -> Self {
        Self::rows(row_pitch).slice_pitch(row_pitch.saturating_mul(rows))
    }

    /// The same rows in slices that begin every `elements` elements.
    pub const fn slice_pitch(self, elements: usize) -> Self {
        Self {
            slice_pitch: Some(elements),
            ..self
        }
    }

    /// The same rows and slices, with the region beginning elsewhere than at the first element.
    pub fn at(self, origin: impl Into<Origin>) -> Self {
        Self {
            origin: origin.into(),
            ..self
        }
    }

    /// Where a region of that extent, which is not empty, lies among `len` elements of `size`
    /// bytes.
    fn resolve(&self, end: &'static str, extent: Extent, len: usize, size: usize) -> Result<Side> {
        let within = |bound, value, limit| {
            if value <= limit {
                return Ok(());
            }
            Err(Error::BadRegion {
                end,
                bound,
                value,
                limit,
            })
        };
        let Origin { x, y, z } = self.origin;
        // What does not fit the address space is above every limit, and above the last one in
        // particular: a buffer has less than `usize::MAX` elements.
        let right = x.saturating_add(extent.width);
        let bottom = y.saturating_add(extent.height);
        let back = z.saturating_add(extent.depth);
        within(RegionBound::RowPitch, right, self.row_pitch)?;
        match self.slice_pitch {
            None => within(RegionBound::Slices, back, 1)?,
            Some(_) if back == 1 => {}
            Some(pitch) => {
                let rows = self.row_pitch.saturating_mul(bottom);
                within(RegionBound::SlicePitch, rows, pitch)?;
            }
        }
        let at = |x: usize, y: usize, z: usize| {
            self.slice_pitch
                .unwrap_or(0)
                .saturating_mul(z)
                .saturating_add(self.row_pitch.saturating_mul(y))
                .saturating_add(x)
        };
        let last = at(right, bottom - 1, back - 1);
        within(RegionBound::Len, last, len)?;
        // All that is used of these lies before the last element; what is not used may be anything.
        let bytes = |elements: usize| elements.saturating_mul(size);
        Ok(Side {
            offset: bytes(at(x, y, z)),
            row_pitch: bytes(self.row_pitch),
            slice_pitch: bytes(self.slice_pitch.unwrap_or(0)),
        })
    }
}

/// One end of a region, in bytes from where its memory begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Side {
    pub(super) offset: usize,
    pub(super) row_pitch: usize,
    pub(super) slice_pitch: usize,
}

/// A copy of rows and slices, in bytes. `width`, `height` and `depth` are above 0.
///
/// Invariant: on both sides every row lies in the memory that the region was made for, and begins at
/// `offset + z * slice_pitch + y * row_pitch`; rows of one side do not overlap each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) depth: usize,
    pub(crate) source: Side,
    pub(crate) target: Side,
}

impl Region {
    /// The region of that extent in `source` and `target`, which are a layout and the number of
    /// elements, of `size` bytes each; `None` where there is nothing to copy.
    ///
    /// # Errors
    ///
    /// [`Error::BadRegion`].
    pub(crate) fn new(
        source: (Layout, usize),
        target: (Layout, usize),
        extent: Extent,
        size: usize,
    ) -> Result<Option<Self>> {
        let Extent {
            width,
            height,
            depth,
        } = extent;
        if width == 0 || height == 0 || depth == 0 || size == 0 {
            return Ok(None);
        }
        let region = Self {
            source: source.0.resolve("source", extent, source.1, size)?,
            target: target.0.resolve("target", extent, target.1, size)?,
            // A row lies in memory of at most `isize::MAX` bytes.
            width: width.saturating_mul(size),
            height,
            depth,
        };
        Ok(Some(region.merged()))
    }

    /// The same bytes in fewer rows and slices: what follows without a gap on both sides is one row.
    fn merged(mut self) -> Self {
        // The second round is for slices that have become rows.
        for _ in 0..2 {
            if self.height > 1 && self.sides().iter().all(|side| side.row_pitch == self.width) {
                self.width *= self.height;
                self.height = 1;
            }
            if self.height == 1 && self.depth > 1 {
                self.height = self.depth;
                self.depth = 1;
                self.source.row_pitch = self.source.slice_pitch;
                self.target.row_pitch = self.target.slice_pitch;
            }
            let rows_go_on = |side: &Side| side.slice_pitch == side.row_pitch * self.height;
            if self.depth > 1 && self.sides().iter().all(rows_go_on) {
                self.height *= self.depth;
                self.depth = 1;
            }
        }
        self
    }

    fn sides(&self) -> [Side; 2] {
        [self.source, self.target]
    }

    pub(crate) fn bytes(&self) -> usize {
        self.width * self.height * self.depth
    }

    /// Whether nothing lies between the rows of a side, which is one of this region's.
    pub(crate) fn is_packed(&self, side: Side) -> bool {
        (self.height == 1 || side.row_pitch == self.width)
            && (self.depth == 1 || side.slice_pitch == self.width * self.height)
    }

    /// A side of as many rows of that width without gaps.
    fn packed(&self) -> Side {
        Side {
            offset: 0,
            row_pitch: self.width,
            slice_pitch: self.width * self.height,
        }
    }

    /// From the source to memory of [`bytes`](Region::bytes) bytes without gaps.
    pub(super) fn gather(self) -> Self {
        Self {
            target: self.packed(),
            ..self
        }
        .merged()
    }

    /// From memory of [`bytes`](Region::bytes) bytes without gaps to the target.
    pub(super) fn scatter(self) -> Self {
        Self {
            source: self.packed(),
            ..self
        }
        .merged()
    }

    /// The parts of the region of at most as many bytes of a row, rows and slices, all above 0.
    fn cut(self, width: usize, rows: usize, slices: usize) -> impl Iterator<Item = Self> {
        let steps = |end: usize, step: usize| {
            (0..end)
                .step_by(step)
                .map(move |at| (at, step.min(end - at)))
        };
        steps(self.depth, slices).flat_map(move |(z, depth)| {
            steps(self.height, rows).flat_map(move |(y, height)| {
                steps(self.width, width).map(move |(x, width)| {
                    let inside = |side: Side| Side {
                        offset: side.offset + z * side.slice_pitch + y * side.row_pitch + x,
                        ..side
                    };
                    Self {
                        width,
                        height,
                        depth,
                        source: inside(self.source),
                        target: inside(self.target),
                    }
                })
            })
        })
    }

    /// Parts of at most `limit` bytes, which is above 0.
    pub(super) fn pieces(self, limit: usize) -> impl Iterator<Item = Self> {
        let slices = limit / (self.width * self.height);
        let rows = limit / self.width;
        self.cut(limit, rows.max(1), slices.max(1))
    }

    /// Parts that a call of the driver can take: it counts bytes in 32 bits, also those from the
    /// first to the last of all. A part of one row goes by a call without that limit.
    pub(super) fn calls(self) -> impl Iterator<Item = Self> {
        const LIMIT: usize = u32::MAX as usize;
        let [one, other] = self.sides();
        let row_pitch = one.row_pitch.max(other.row_pitch);
        let slice_pitch = one.slice_pitch.max(other.slice_pitch);
        let slices = if self.depth == 1 {
            1
        } else {
            LIMIT / slice_pitch
        };
        let rows = if self.height == 1 {
            1
        } else {
            LIMIT / row_pitch
        };
        // A slice that is below the limit is not cut.
        let rows = if self.depth > 1 && slices > 0 {
            self.height
        } else {
            rows
        };
        self.cut(self.width, rows.max(1), slices.max(1))
    }

    /// The numbers of one call for the region: the pitches of target and source, and the shape;
    /// `None` where it has one row, or where they do not fit.
    pub(super) fn call(&self) -> Option<(Pitches, Pitches, [u32; 3])> {
        if self.height == 1 && self.depth == 1 {
            return None;
        }
        let narrow = |number: usize| u32::try_from(number).ok();
        let pitches = |side: Side| {
            Some(Pitches {
                row: narrow(side.row_pitch)?,
                slice: if self.depth == 1 {
                    0
                } else {
                    narrow(side.slice_pitch)?
                },
            })
        };
        Some((
            pitches(self.target)?,
            pitches(self.source)?,
            [
                narrow(self.width)?,
                narrow(self.height)?,
                narrow(self.depth)?,
            ],
        ))
    }

    /// Where each row begins in the source and in the target.
    pub(super) fn rows(self) -> impl Iterator<Item = (usize, usize)> {
        self.cut(self.width, 1, 1)
            .map(|row| (row.source.offset, row.target.offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(from: Layout, to: Layout, extent: [usize; 3]) -> Region {
        Region::new(
            (from, usize::MAX / 8),
            (to, usize::MAX / 8),
            extent.into(),
            4,
        )
        .unwrap()
        .unwrap()
    }

    fn bytes(region: Region) -> Vec<(usize, usize)> {
        let mut all: Vec<_> = region
            .rows()
            .flat_map(|(from, to)| (0..region.width).map(move |byte| (from + byte, to + byte)))
            .collect();
        all.sort_unstable();
        all
    }

    /// Each byte of the region by its coordinates.
    fn expected(from: Layout, to: Layout, [w, h, d]: [usize; 3]) -> Vec<(usize, usize)> {
        let place = |layout: Layout, x: usize, y: usize, z: usize| {
            let Origin {
                x: x0,
                y: y0,
                z: z0,
            } = layout.origin;
            (z0 + z) * layout.slice_pitch.unwrap_or(0) + (y0 + y) * layout.row_pitch + x0 + x
        };
        let mut all = Vec::new();
        for z in 0..d {
            for y in 0..h {
                for x in 0..w {
                    for byte in 0..4 {
                        let [from, to] = [from, to].map(|end| place(end, x, y, z) * 4 + byte);
                        all.push((from, to));
                    }
                }
            }
        }
        all.sort_unstable();
        all
    }

    #[test]
    fn merging_gathering_and_cutting_keep_each_byte() {
        let layouts = [
            Layout::slices(3, 2),
            Layout::slices(3, 5).at([0, 1, 2]),
            Layout::slices(7, 4).at([2, 1, 1]),
            Layout::rows(4).slice_pitch(13).at([1, 0, 0]),
        ];
        for (from, to) in layouts
            .iter()
            .flat_map(|from| layouts.map(|to| (*from, to)))
        {
            for extent in [
                [3, 2, 4],
                [3, 1, 4],
                [1, 2, 1],
                [2, 2, 2],
                [3, 2, 1],
                [1, 1, 1],
            ] {
                let expected = expected(from, to, extent);
                let whole = region(from, to, extent);
                assert_eq!(bytes(whole), expected);
                assert_eq!(whole.bytes(), expected.len());
                for limit in [1, 5, 12, 23, 24, 1000] {
                    let mut cut: Vec<_> = whole.pieces(limit).flat_map(bytes).collect();
                    cut.sort_unstable();
                    assert_eq!(cut, expected);
                    assert!(whole.pieces(limit).all(|piece| piece.bytes() <= limit));
                }
                // By way of memory without gaps.
                let mut through = Vec::new();
                for piece in whole.pieces(13) {
                    let to: Vec<_> = bytes(piece.scatter());
                    for (from, packed) in bytes(piece.gather()) {
                        let at = to.binary_search_by_key(&packed, |(from, _)| *from).unwrap();
                        through.push((from, to[at].1));
                    }
                }
                through.sort_unstable();
                assert_eq!(through, expected);
            }
        }
    }

    #[test]
    fn rows_and_slices_without_gaps_are_one_row() {
        let tight = Layout::slices(8, 4);
        assert_eq!(region(tight, tight, [8, 4, 3]).width, 8 * 4 * 3 * 4);
        let rows = region(tight, Layout::rows(8).slice_pitch(40), [8, 4, 3]);
        assert_eq!((rows.width, rows.height, rows.depth), (128, 3, 1));
        let loose = region(tight, Layout::slices(9, 4), [8, 4, 3]);
        assert_eq!((loose.width, loose.height, loose.depth), (32, 12, 1));
        let part = region(tight, Layout::slices(9, 4), [8, 3, 3]);
        assert_eq!((part.width, part.height, part.depth), (32, 3, 3));
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn a_call_counts_no_byte_beyond_32_bits() {
        const GIB: usize = 1 << 30;
        // Rows of 4 KiB in slices of 2 GiB with gaps, and of 8 GiB; rows 5 GiB apart.
        let slices = Layout::rows(1024).slice_pitch(GIB / 2 + 1024);
        let large = Layout::slices(1024, GIB / 512);
        let far = Layout::rows(5 * GIB / 4);
        for (layout, extent) in [
            (slices, [1000, GIB / 2048, 8]),
            (large, [1000, GIB / 512, 3]),
            (far, [1000, 9, 1]),
            (far.slice_pitch(50 * GIB / 4), [1000, 9, 3]),
        ] {
            let whole = region(layout, layout, extent);
            let mut all = 0;
            for call in whole.calls() {
                all += call.bytes();
                if call.height == 1 && call.depth == 1 {
                    assert!(call.call().is_none());
                    continue;
                }
                assert!(call.call().is_some());
                let last = (call.depth - 1) * call.source.slice_pitch
                    + (call.height - 1) * call.source.row_pitch
                    + call.width;
                assert!(u32::try_from(last).is_ok(), "{last} bytes");
            }
            assert_eq!(all, whole.bytes());
        }
        assert_eq!(
            region(slices, slices, [1000, GIB / 2048, 8])
                .calls()
                .count(),
            8
        );
        let small = Layout::slices(9, 9);
        assert_eq!(region(small, small, [8, 8, 8]).calls().count(), 1);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_number_and_its_limit() {
        let refused = |from: Layout, extent: [usize; 3]| {
            let fits = (Layout::slices(extent[0], extent[1]), usize::MAX / 8);
            let Err(Error::BadRegion {
                end, value, limit, ..
            }) = Region::new((from, 100), fits, extent.into(), 4)
            else {
                panic!("{from:?} {extent:?} is not refused");
            };
            assert_eq!(end, "source");
            (value, limit)
        };
        assert_eq!(refused(Layout::rows(10), [11, 1, 1]), (11, 10));
        assert_eq!(refused(Layout::rows(10).at([3, 0]), [8, 1, 1]), (11, 10));
        assert_eq!(refused(Layout::rows(10), [10, 11, 1]), (110, 100));
        assert_eq!(refused(Layout::rows(10).at([1, 1]), [9, 10, 1]), (110, 100));
        assert_eq!(refused(Layout::rows(10), [1, 1, 2]), (2, 1));
        assert_eq!(refused(Layout::rows(10).at([0, 0, 1]), [1, 1, 1]), (2, 1));
        assert_eq!(refused(Layout::slices(10, 2), [1, 3, 2]), (30, 20));
        assert_eq!(refused(Layout::slices(10, 2), [10, 2, 6]), (120, 100));
        assert_eq!(
            refused(Layout::slices(10, 2).at([0, 1, 0]), [1, 2, 2]),
            (30, 20)
        );
        const MAX: usize = usize::MAX;
        assert_eq!(refused(Layout::rows(MAX), [1, 2, 1]), (MAX, 100));
        assert_eq!(
            refused(Layout::rows(MAX).at([MAX, 0]), [1, 1, 1]),
            (MAX, 100)
        );
        assert_eq!(refused(Layout::rows(1).at([0, MAX]), [1, 1, 1]), (MAX, 100));
        assert_eq!(refused(Layout::slices(MAX, MAX), [1, 1, 2]), (MAX, 100));
        assert_eq!(
            refused(Layout::slices(1, 1).at([0, 0, MAX]), [1, 1, 1]),
            (MAX, 100)
        );
        assert_eq!(refused(Layout::rows(1), [MAX, MAX, MAX]), (MAX, 1));
    }

    #[test]
    fn an_empty_region_is_nothing_whatever_the_layouts() {
        let nowhere = (Layout::rows(0).at([7, 7, 7]), 0);
        for extent in [[0, 1, 1], [1, 0, 1], [1, 1, 0]] {
            let region = Region::new(nowhere, nowhere, extent.into(), 4);
            assert!(region.unwrap().is_none());
        }
    }
}
