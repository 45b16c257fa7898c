//! Whether rows of memory meet, in a time that does not grow with their number: a region may have
//! billions of them.

/// Rows of one width, at even distances: `start + row * pitch`.
///
/// Invariant: `count` and `width` are above 0; rows do not overlap each other.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    pub(crate) start: usize,
    pub(crate) count: usize,
    pub(crate) pitch: usize,
    pub(crate) width: usize,
}

impl Rows {
    /// Past the last byte.
    pub(crate) fn end(&self) -> usize {
        self.start + (self.count - 1) * self.pitch + self.width
    }

    /// Whether a row shares a byte with one that starts at an address and is as wide.
    fn meets(&self, row: i128) -> bool {
        let [start, count, pitch, width] = self.wide();
        // The last row that starts at or before it, and the one after that.
        let before = if count > 1 {
            (row - start).div_euclid(pitch)
        } else {
            0
        };
        [before, before + 1].into_iter().any(|index| {
            let index = index.clamp(0, count - 1);
            (start + index * pitch - row).abs() < width
        })
    }

    fn wide(&self) -> [i128; 4] {
        [self.start, self.count, self.pitch, self.width].map(|value| value as i128)
    }
}

/// Whether a row of one shares a byte with a row of the other, which are as many and as wide.
pub(crate) fn rows_overlap(left: &Rows, right: &Rows) -> bool {
    if left.end() <= right.start || right.end() <= left.start {
        return false;
    }
    let [start, count, pitch, width] = left.wide();
    let [other, _, other_pitch, _] = right.wide();
    let last = other + (count - 1) * other_pitch;
    if left.meets(other) || left.meets(last) {
        return true;
    }
    if count == 1 {
        return false;
    }
    // Of the right rows, the last that starts before a left row ends has this distance to that end:
    // (offset + index * pitch) modulo the other pitch. They meet if it is less than two widths. Only
    // those left rows count for which there is such a right row; the ends were looked at above.
    let offset = start - other + width - 1;
    let first = if offset < 0 {
        (-offset + pitch - 1) / pitch
    } else {
        0
    };
    let end = (count * other_pitch - offset + pitch - 1).div_euclid(pitch);
    let end = end.min(count);
    if first >= end {
        return false;
    }
    let near = 2 * width - 1;
    if near >= other_pitch {
        return true;
    }
    let offset = (offset + first * pitch).rem_euclid(other_pitch) + other_pitch;
    let number = end - first;
    // How many numbers are at most so far above a multiple of the other pitch.
    let all = floor_sum(number, other_pitch, pitch, offset);
    all > floor_sum(number, other_pitch, pitch, offset - near)
}

/// The sum of `(step * index + offset) / divisor`, rounded down, for each index below `count`, by the
/// steps of Euclid's algorithm. Nothing is negative, and the divisor is not 0.
fn floor_sum(mut count: i128, mut divisor: i128, mut step: i128, mut offset: i128) -> i128 {
    let mut sum = 0;
    loop {
        sum += count * (count - 1) / 2 * (step / divisor) + count * (offset / divisor);
        (step, offset) = (step % divisor, offset % divisor);
        let most = step * count + offset;
        if most < divisor {
            return sum;
        }
        (count, offset) = (most / divisor, most % divisor);
        (divisor, step) = (step, divisor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_small_regions_are_told_apart() {
        let mut met = [0; 2];
        for width in 1..4 {
            for pitch in width..9 {
                for other_pitch in width..9 {
                    for count in 1..6 {
                        for start in 0..60 {
                            let left = Rows {
                                start,
                                count,
                                pitch,
                                width,
                            };
                            let right = Rows {
                                start: 25,
                                pitch: other_pitch,
                                ..left
                            };
                            let starts = |rows: Rows| {
                                (0..count).map(move |row| rows.start + row * rows.pitch)
                            };
                            let found = starts(left)
                                .any(|one| starts(right).any(|other| one.abs_diff(other) < width));
                            assert_eq!(
                                rows_overlap(&left, &right),
                                found,
                                "{width} {pitch} {other_pitch} {count} {start}"
                            );
                            met[usize::from(found)] += 1;
                        }
                    }
                }
            }
        }
        assert!(met[0] > 1000 && met[1] > 1000);
    }

    #[test]
    fn billions_of_rows_take_no_time() {
        let left = Rows {
            start: 1 << 30,
            count: u32::MAX as usize,
            pitch: 4,
            width: 1,
        };
        for (shift, pitch, found) in [(2, 4, false), (0, 4, true), (2, 8, false), (2, 7, true)] {
            let right = Rows {
                start: left.start + shift,
                pitch,
                ..left
            };
            assert_eq!(rows_overlap(&left, &right), found, "{shift} {pitch}");
            assert_eq!(rows_overlap(&right, &left), found, "{shift} {pitch}");
        }
    }
}
