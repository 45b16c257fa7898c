//! The sizes that a pool hands out.

/// How many sizes there are between a power of two and the next, from 16 granules on.
const STEPS: u32 = 8;
/// Up to here every multiple of the granule is a size of its own.
const EXACT: u32 = 16;

/// A size of a pool's buffers, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Class(u32);

impl Class {
    /// That of buffers which are not kept: each has memory of its own, given back when it is freed.
    pub(super) const SINGLE: Self = Self(u32::MAX);

    #[inline]
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }

    pub(super) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Sizes in one scale: 1 to 16 granules, then eight to each doubling, so that at most an eighth of a
/// request is added to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Scale {
    /// The granule is two to the power of this.
    shift: u32,
}

impl Scale {
    /// The number of the smallest size that has room for that many bytes, which are above 0.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "both are below 16")]
    fn number(self, bytes: usize) -> u32 {
        // From 0: 1 to `granule` bytes are 0.
        let granules = (bytes - 1) >> self.shift;
        if granules < EXACT as usize {
            return granules as u32;
        }
        let doubling = granules.ilog2();
        let step = (granules >> (doubling - STEPS.ilog2())) as u32 - STEPS;
        EXACT + (doubling - EXACT.ilog2()) * STEPS + step
    }

    /// The size of that number in bytes.
    fn bytes(self, number: u32) -> usize {
        if number < EXACT {
            return (number as usize + 1) << self.shift;
        }
        let (doubling, step) = ((number - EXACT) / STEPS, (number - EXACT) % STEPS);
        ((STEPS + step + 1) as usize) << (doubling + 1 + self.shift)
    }
}

/// All sizes of a pool: small ones, of which several lie in a slab, and large ones, each with memory of
/// its own, which are multiples of what a driver gives at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Classes {
    small: Scale,
    large: Scale,
    /// The largest small size in bytes; 0 where there are none.
    small_bytes: usize,
    /// How many small sizes there are.
    small_count: u32,
    /// How many sizes there are.
    count: u32,
    /// The largest size in bytes.
    largest: usize,
}

impl Classes {
    /// Small sizes from `granule` to below `slab`, large ones from there to `largest`.
    ///
    /// `granule` and `slab` are powers of two.
    pub(super) fn new(granule: usize, slab: usize, largest: usize) -> Self {
        let small = Scale {
            shift: granule.ilog2(),
        };
        let large = Scale {
            shift: slab.max(granule).ilog2(),
        };
        // A buffer of the size of a slab is no small one.
        let small_count = if granule < slab {
            small.number(slab)
        } else {
            0
        };
        let small_bytes = match small_count {
            0 => 0,
            count => small.bytes(count - 1),
        };
        let mut classes = Self {
            small,
            large,
            small_bytes,
            small_count,
            count: 0,
            largest: 0,
        };
        if largest > small_bytes {
            let number = large.number(largest);
            classes.count = small_count + number + 1;
            classes.largest = large.bytes(number);
        } else if largest > 0 {
            classes.count = small.number(largest) + 1;
            classes.small_bytes = small.bytes(classes.count - 1);
            classes.small_count = classes.count;
            classes.largest = classes.small_bytes;
        } else {
            (classes.small_bytes, classes.small_count) = (0, 0);
        }
        classes
    }

    /// The class of the smallest size with room for that many bytes, which are above 0.
    #[inline]
    pub(super) fn of(&self, bytes: usize) -> Class {
        if bytes <= self.small_bytes {
            Class(self.small.number(bytes))
        } else if bytes <= self.largest {
            Class(self.small_count + self.large.number(bytes))
        } else {
            Class::SINGLE
        }
    }

    /// The size of a class.
    pub(super) fn bytes(&self, class: Class) -> usize {
        if self.is_small(class) {
            self.small.bytes(class.0)
        } else {
            self.large.bytes(class.0 - self.small_count)
        }
    }

    pub(super) fn is_small(&self, class: Class) -> bool {
        class.0 < self.small_count
    }

    pub(super) fn count(&self) -> usize {
        self.count as usize
    }

    /// All classes, the smallest first.
    pub(super) fn all(&self) -> impl Iterator<Item = Class> + use<> {
        (0..self.count).map(Class)
    }

    /// How many bytes of the driver's memory a slab of that class takes, and how many slots it has.
    ///
    /// As few slabs as leave at most an eighth unused.
    pub(super) fn slab(&self, class: Class) -> (usize, usize) {
        let bytes = self.bytes(class);
        if !self.is_small(class) {
            return (bytes, 1);
        }
        let slab = 1_usize << self.large.shift;
        let mut whole = slab;
        while whole % bytes > whole / 8 {
            whole += slab;
        }
        (whole, whole / bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1 << 10;
    const MIB: usize = 1 << 20;

    fn usual() -> Classes {
        Classes::new(64, 64 * KIB, 64 * MIB)
    }

    #[test]
    fn every_size_has_room_for_what_it_is_of_and_little_more() {
        let classes = usual();
        for bytes in (1..300 * KIB).chain((300 * KIB..=64 * MIB).step_by(4093)) {
            let class = classes.of(bytes);
            let size = classes.bytes(class);
            assert!(size >= bytes, "{bytes} in {size}");
            assert!(class.index() < classes.count());
            let granule = if bytes < 64 * KIB { 64 } else { 64 * KIB };
            assert!(
                size - bytes < granule || size - bytes <= bytes / 8,
                "{bytes} in {size}"
            );
            assert_eq!(size % granule.min(64), 0);
            if let Some(smaller) = class.0.checked_sub(1) {
                assert!(classes.bytes(Class(smaller)) < bytes, "{bytes} in {size}");
            }
        }
        assert_eq!(classes.of(64 * MIB + 1), Class::SINGLE);
    }

    #[test]
    fn sizes_rise_and_are_multiples_of_what_they_are_aligned_to() {
        for (granule, slab, largest) in [
            (64, 64 * KIB, 64 * MIB),
            (1, 64 * KIB, MIB),
            (4096, 64 * KIB, 4 * MIB),
            (64 * KIB, 64 * KIB, 64 * MIB),
            (2 * MIB, 64 * KIB, 64 * MIB),
            (64, 2 * MIB, 64 * MIB),
            (64, 64 * KIB, 1000),
            (64, 64 * KIB, 64 * KIB),
            (64, 64 * KIB, 0),
        ] {
            let classes = Classes::new(granule, slab, largest);
            let mut last = 0;
            for class in classes.all() {
                let size = classes.bytes(class);
                assert!(size > last, "{size} after {last}");
                assert_eq!(size % granule, 0);
                assert_eq!(classes.of(size), class);
                let (whole, slots) = classes.slab(class);
                assert!(slots >= 1 && slots * size <= whole);
                assert!(whole - slots * size <= whole / 8, "{size}: {whole}");
                assert!(slots == 1 || classes.is_small(class));
                last = size;
            }
            assert!(last >= largest);
            assert_eq!(classes.of(last + 1), Class::SINGLE);
            if largest == 0 {
                assert_eq!(classes.count(), 0);
            }
        }
    }
}
