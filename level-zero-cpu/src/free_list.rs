//! Which parts of an arena are free: best fit, neighbours joined.

use std::collections::{BTreeMap, BTreeSet};

/// Free ranges of offsets.
///
/// Invariant: `by_offset` and `by_size` hold the same ranges, which are not empty, do not overlap
/// and do not touch.
pub(crate) struct FreeList {
    by_offset: BTreeMap<usize, usize>,
    by_size: BTreeSet<(usize, usize)>,
}

/// So many ranges are tried by size alone before one is looked for that fits at any alignment.
const TRIES: usize = 32;

impl FreeList {
    pub(crate) fn new(len: usize) -> Self {
        let mut list = Self {
            by_offset: BTreeMap::new(),
            by_size: BTreeSet::new(),
        };
        if len > 0 {
            list.add(0, len);
        }
        list
    }

    /// Takes `len` bytes at an offset that, with `base` added, is a multiple of `alignment`.
    pub(crate) fn take(&mut self, len: usize, alignment: usize, base: usize) -> Option<usize> {
        debug_assert!(len > 0 && alignment.is_power_of_two());
        let fit = |&(size, start): &(usize, usize)| {
            let offset = align(start, alignment, base)?;
            (offset.checked_add(len)? <= start + size).then_some((start, size, offset))
        };
        let ample = len.saturating_add(alignment);
        let (start, size, offset) = self
            .by_size
            .range((len, 0)..)
            .take(TRIES)
            .find_map(fit)
            .or_else(|| self.by_size.range((ample, 0)..).find_map(fit))
            .or_else(|| {
                self.by_size
                    .range((len, 0)..(ample, 0))
                    .skip(TRIES)
                    .find_map(fit)
            })?;
        self.by_size.remove(&(size, start));
        let before = offset - start;
        let after = start + size - (offset + len);
        if before > 0 {
            self.by_offset.insert(start, before);
            self.by_size.insert((before, start));
        } else {
            self.by_offset.remove(&start);
        }
        if after > 0 {
            self.add(offset + len, after);
        }
        Some(offset)
    }

    /// The number of free ranges.
    pub(crate) fn ranges(&self) -> usize {
        self.by_offset.len()
    }

    /// Whether a range that is not free has a free neighbour.
    pub(crate) fn touches(&self, offset: usize, len: usize) -> bool {
        let left = self.by_offset.range(..offset).next_back();
        left.is_some_and(|(start, size)| start + size == offset)
            || self.by_offset.contains_key(&(offset + len))
    }

    /// Takes the free range that ends at an offset, if there is one, and returns its length.
    pub(crate) fn take_before(&mut self, offset: usize) -> usize {
        let left = self.by_offset.range(..offset).next_back();
        let Some((&start, &size)) = left.filter(|(start, size)| *start + *size == offset) else {
            return 0;
        };
        self.by_offset.remove(&start);
        self.by_size.remove(&(size, start));
        size
    }

    /// Takes all of what is free below an offset, in ranges of at least `least` bytes.
    pub(crate) fn take_below(&mut self, limit: usize, least: usize) -> Vec<(usize, usize)> {
        let below = self.by_offset.range(..limit);
        let found: Vec<_> = below
            .map(|(&start, &size)| (start, size))
            .filter(|(start, size)| *size.min(&(limit - start)) >= least)
            .collect();
        let take = |&(start, size): &(usize, usize)| {
            self.by_offset.remove(&start);
            self.by_size.remove(&(size, start));
            let taken = size.min(limit - start);
            if taken < size {
                self.add(limit, size - taken);
            }
            (start, taken)
        };
        found.iter().map(take).collect()
    }

    /// Gives a range back.
    pub(crate) fn give(&mut self, offset: usize, len: usize) {
        let mut start = offset;
        let mut end = offset + len;
        if let Some((&left, &size)) = self.by_offset.range(..offset).next_back() {
            debug_assert!(left + size <= offset, "freed twice");
            if left + size == offset {
                self.by_size.remove(&(size, left));
                start = left;
            }
        }
        if let Some(size) = self.by_offset.remove(&end) {
            self.by_size.remove(&(size, end));
            end += size;
        }
        self.add(start, end - start);
    }

    /// The only range, where nothing is taken.
    #[cfg(test)]
    fn whole(&self) -> Option<(usize, usize)> {
        let mut ranges = self.by_offset.iter();
        let first = ranges.next().map(|(offset, len)| (*offset, *len));
        if ranges.next().is_some() { None } else { first }
    }

    fn add(&mut self, offset: usize, len: usize) {
        self.by_offset.insert(offset, len);
        self.by_size.insert((len, offset));
    }
}

fn align(offset: usize, alignment: usize, base: usize) -> Option<usize> {
    let address = base
        .checked_add(offset)?
        .checked_next_multiple_of(alignment)?;
    Some(address - base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_join_whatever_the_order_of_giving() {
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            let mut list = FreeList::new(192);
            let taken = [0, 1, 2].map(|_| list.take(64, 64, 0).unwrap());
            assert_eq!(list.take(1, 1, 0), None);
            for index in order {
                list.give(taken[index], 64);
            }
            assert_eq!(list.whole(), Some((0, 192)));
        }
    }

    #[test]
    fn alignment_holds_for_addresses_and_gaps_stay_usable() {
        let mut list = FreeList::new(4096);
        assert_eq!(list.take(64, 1024, 64), Some(960));
        assert_eq!(list.take(960, 1, 64), Some(0));
        assert_eq!(list.take(4096, 1, 64), None);
        list.give(0, 960);
        list.give(960, 64);
        assert_eq!(list.whole(), Some((0, 4096)));
    }

    #[test]
    fn a_range_that_fits_is_found_behind_many_that_do_not() {
        let mut list = FreeList::new(1 << 20);
        let taken: Vec<_> = (0..200).map(|_| list.take(64, 64, 0).unwrap()).collect();
        let rest = list.take((1 << 20) - 200 * 64, 64, 0).unwrap();
        for odd in taken.iter().filter(|offset| *offset / 64 % 2 == 1) {
            list.give(*odd, 64);
        }
        assert_eq!(list.take(64, 128, 0), None);
        list.give(taken[180], 64);
        assert_eq!(list.take(64, 128, 0), Some(taken[180]));
        list.give(rest, (1 << 20) - 200 * 64);
    }

    #[test]
    fn neighbours_are_seen_and_taken() {
        let mut list = FreeList::new(1024);
        assert_eq!(list.take(64, 512, 256), Some(256));
        assert_eq!(list.ranges(), 2);
        assert!(list.touches(256, 64));
        assert_eq!(list.take_before(256), 256);
        assert_eq!(list.take_before(256), 0);
        assert!(list.touches(256, 64));
        assert_eq!(list.take(704, 64, 0), Some(320));
        assert!(!list.touches(256, 64));
        assert_eq!(list.ranges(), 0);
    }

    #[test]
    fn what_is_free_below_an_offset_is_taken_and_comes_back() {
        let mut list = FreeList::new(4096);
        let taken: Vec<_> = (0..8).map(|_| list.take(256, 64, 0).unwrap()).collect();
        list.give(taken[1], 256);
        list.give(taken[4], 256);
        list.give(taken[5], 256);
        let out = list.take_below(2560, 512);
        assert_eq!(out, [(1024, 512), (2048, 512)]);
        assert_eq!(list.take_below(2560, 512), []);
        assert_eq!(list.take(1536, 64, 0), Some(2560));
        list.give(2560, 1536);
        for (start, len) in out {
            list.give(start, len);
        }
        for kept in [0, 2, 3, 6, 7] {
            list.give(taken[kept], 256);
        }
        assert_eq!(list.whole(), Some((0, 4096)));
    }

    #[test]
    fn random_use_never_overlaps_and_ends_whole() {
        let mut state = 0x1234_5678_9abc_def1_u64;
        let mut random = move |bound: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).unwrap() % bound
        };
        let mut list = FreeList::new(1 << 16);
        let mut live: Vec<(usize, usize)> = Vec::new();
        for _ in 0..20_000 {
            if live.is_empty() || random(2) == 0 {
                let len = 64 * (1 + random(32));
                let alignment = 1 << random(12);
                if let Some(offset) = list.take(len, alignment, 1 << 21) {
                    assert_eq!(offset % alignment, 0);
                    assert!(
                        live.iter()
                            .all(|(o, l)| offset + len <= *o || o + l <= offset)
                    );
                    live.push((offset, len));
                }
            } else {
                let (offset, len) = live.swap_remove(random(live.len()));
                list.give(offset, len);
            }
        }
        for (offset, len) in live {
            list.give(offset, len);
        }
        assert_eq!(list.whole(), Some((0, 1 << 16)));
    }
}
