//! Values of ranges that do not overlap.

use std::collections::BTreeMap;

/// Ranges with a value each.
///
/// Invariant: ranges are not empty and do not overlap.
pub(crate) struct Spans<T>(BTreeMap<usize, (usize, T)>);

impl<T> Default for Spans<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Clone> Spans<T> {
    /// Makes a range have a value, whatever it had.
    pub(crate) fn set(&mut self, start: usize, end: usize, value: T) {
        self.clear(start, end);
        if start < end {
            self.0.insert(start, (end, value));
        }
    }

    /// Takes the values of a range away, and returns them.
    pub(crate) fn clear(&mut self, start: usize, end: usize) -> Vec<(usize, usize, T)> {
        self.cut(start);
        self.cut(end);
        let keys: Vec<usize> = self
            .0
            .range(start..end.max(start))
            .map(|span| *span.0)
            .collect();
        let take = |start| {
            self.0
                .remove(&start)
                .map(|(end, value)| (start, end, value))
        };
        keys.into_iter().filter_map(take).collect()
    }

    /// Splits the range that an offset lies inside of.
    fn cut(&mut self, at: usize) {
        let Some((_, (end, value))) = self.0.range_mut(..at).next_back() else {
            return;
        };
        if *end > at {
            let rest = (*end, value.clone());
            *end = at;
            self.0.insert(at, rest);
        }
    }

    /// What meets a range, cut to it, in order.
    pub(crate) fn within(&self, start: usize, end: usize) -> Vec<(usize, usize, T)> {
        let first = self
            .0
            .range(..=start)
            .next_back()
            .map_or(start, |span| *span.0);
        self.0
            .range(first..end.max(first))
            .filter(|(_, (span_end, _))| *span_end > start)
            .map(|(from, (to, value))| (start.max(*from), end.min(*to), value.clone()))
            .collect()
    }

    /// Whether every offset of a range has a value.
    pub(crate) fn covers(&self, start: usize, end: usize) -> bool {
        let covered: usize = self
            .within(start, end)
            .iter()
            .map(|(from, to, _)| to - from)
            .sum();
        covered == end - start
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, usize, &T)> {
        self.0
            .iter()
            .map(|(start, (end, value))| (*start, *end, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_do_what_an_array_does() {
        let mut state = 0x9876_5432_1234_5671_u64;
        let mut random = move |bound: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).unwrap() % bound
        };
        let mut spans = Spans::default();
        let mut array = [0_usize; 40];
        for _ in 0..3000 {
            let start = random(40);
            let end = start + random(41 - start);
            let value = random(3);
            array[start..end].fill(value);
            if value == 0 {
                spans.clear(start, end);
            } else {
                spans.set(start, end, value);
            }
            let (from, to) = (random(20), 20 + random(21));
            let mut seen = [0; 40];
            for (start, end, value) in spans.within(from, to) {
                assert!(start < end);
                seen[start..end].fill(value);
            }
            assert_eq!(seen[from..to], array[from..to]);
            assert!(
                seen[..from]
                    .iter()
                    .chain(&seen[to..])
                    .all(|value| *value == 0)
            );
            assert_eq!(spans.covers(from, to), !array[from..to].contains(&0));
        }
    }
}
