//! Fills with patterns that the driver does not take.

use crate::error::Result;
use crate::raw::immediate::ImmediateList;

/// How many bytes of a pattern are written out on the host.
const SEED: usize = 1 << 16;

/// The pattern that the driver takes for copies of a value, the shortest one: a power of two of at most
/// `longest` bytes. `None` where there is none.
pub(crate) fn lawful(value: &[u8], longest: usize) -> Option<&[u8]> {
    let pattern = match value {
        [first, rest @ ..] if rest.iter().all(|byte| byte == first) => &value[..1],
        _ => value,
    };
    let fits = pattern.len().is_power_of_two() && pattern.len() <= longest.max(1);
    fits.then_some(pattern)
}

/// How a range is filled with a pattern: the first bytes come from the host, and each step copies
/// what is there to what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Doubling {
    /// How many bytes come from the host: at least one pattern, and whole ones.
    pub(crate) seed: usize,
    /// How many bytes there are.
    bytes: usize,
}

/// A copy of the first `bytes` bytes to `offset`, which is not below `bytes`: the two do not overlap.
/// It needs what the steps before it have written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) offset: usize,
    pub(crate) bytes: usize,
}

impl Doubling {
    /// For a pattern and a range of that many bytes, both above 0; the pattern divides the range.
    pub(crate) fn new(pattern: usize, bytes: usize) -> Self {
        debug_assert!(pattern > 0 && bytes > 0 && bytes.is_multiple_of(pattern));
        let patterns = (SEED / pattern).clamp(1, bytes / pattern);
        Self {
            seed: patterns * pattern,
            bytes,
        }
    }

    pub(crate) fn steps(self) -> impl Iterator<Item = Step> {
        let end = self.bytes;
        let next = move |offset: usize| Step {
            offset,
            bytes: offset.min(end - offset),
        };
        core::iter::successors(Some(next(self.seed)), move |step| {
            Some(next(step.offset + step.bytes))
        })
        .take_while(|step| step.bytes > 0)
    }
}

/// Fills `bytes` bytes with a pattern that divides them, and waits.
///
/// # Safety
///
/// As of [`ImmediateList::fill`].
pub(super) unsafe fn by_doubling(
    list: &ImmediateList,
    target: *mut u8,
    pattern: &[u8],
    bytes: usize,
) -> Result<()> {
    let plan = Doubling::new(pattern.len(), bytes);
    let seed = pattern.repeat(plan.seed / pattern.len());
    // SAFETY: the target has as many bytes, since the seed is no larger than the range, and is the
    // caller's; the seed is ours, and as long.
    unsafe { list.copy(target.cast(), seed.as_ptr().cast(), seed.len()) }?;
    for Step { offset, bytes } in plan.steps() {
        // SAFETY: a step's offset lies in the range.
        let follows = unsafe { target.add(offset) };
        // SAFETY: a step ends in the range, which is the caller's; what it copies lies before its
        // offset, and is there, since each copy before has waited.
        unsafe { list.copy(follows.cast(), target.cast(), bytes) }?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_is_filled_with_whole_patterns() {
        for pattern in [1, 3, 7, 12, 24, SEED - 1, SEED, SEED + 1, 3 * SEED + 5] {
            for count in [1, 2, 3, 5, 4096, 5461, 5462, 21_846] {
                if pattern * count > 1 << 24 {
                    continue;
                }
                let bytes = pattern * count;
                let plan = Doubling::new(pattern, bytes);
                // Each byte as its place in the pattern.
                let mut range: Vec<Option<usize>> = vec![None; bytes];
                for (at, byte) in range[..plan.seed].iter_mut().enumerate() {
                    *byte = Some(at % pattern);
                }
                let mut done = plan.seed;
                for step in plan.steps() {
                    assert_eq!(step.offset, done);
                    range.copy_within(..step.bytes, step.offset);
                    assert!(step.bytes <= step.offset);
                    done += step.bytes;
                }
                assert_eq!(done, bytes);
                assert!((0..bytes).all(|at| range[at] == Some(at % pattern)));
            }
        }
    }

    #[test]
    fn a_gibibyte_takes_few_steps() {
        let bytes = (1 << 30) / 12 * 12;
        assert_eq!(Doubling::new(12, bytes).steps().count(), 15);
    }
}
