//! How sizes, parts and names are written.

use core::fmt;

/// The most characters of a name that are shown.
const LONGEST_NAME: usize = 48;

/// A size with the largest unit of which there is a whole, to a tenth; with `{:#}` all of it, if
/// that takes four digits at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bytes(pub(super) usize);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as u128;
        let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
        let Some(mut at) = units.iter().position(|(shift, _)| bytes >> shift > 0) else {
            return write!(f, "{bytes} B");
        };
        let exactly = bytes * 10_000;
        let in_unit = |value: u128, at: usize| {
            let unit = 1_u128 << units[at].0;
            (value / unit, value % unit)
        };
        let (exact, left) = in_unit(exactly, at);
        if f.alternate() && left == 0 {
            return write!(f, "{} {}", Decimal(exact), units[at].1);
        }
        let rounded = |at: usize| {
            let half = (1_u128 << units[at].0) / 2;
            in_unit(bytes * 10 + half, at).0
        };
        let mut tenths = rounded(at);
        if tenths == 10_240 && at > 0 {
            at -= 1;
            tenths = 10;
        }
        write!(f, "{} {}", Decimal(tenths * 1000), units[at].1)
    }
}

/// So many ten thousandths, without zeros at the end.
struct Decimal(u128);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = format!("{}.{:04}", self.0 / 10_000, self.0 % 10_000);
        f.write_str(number.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A part of a whole, as `12 %`. Only nothing is `0 %`, only all of it `100 %`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Percent(pub(super) usize, pub(super) usize);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self(part, whole) = self;
        match scaled(part, whole, 100) {
            0 if part > 0 => f.pad("<1 %"),
            percent => f.pad(&format!("{percent} %")),
        }
    }
}

/// How many of something, as `1 slab` or `2 slabs`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Count(pub(super) usize, pub(super) &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self(count, what) = self;
        match (count, what) {
            (1, _) => write!(f, "1 {what}"),
            _ if what.ends_with('s') => write!(f, "{count} {what}es"),
            _ => write!(f, "{count} {what}s"),
        }
    }
}

/// `part` of `whole` on a span of that length, rounded down; 0 where there is no whole.
pub(super) fn scaled(part: usize, whole: usize, span: usize) -> usize {
    let exact = (part as u128 * span as u128).checked_div(whole as u128);
    usize::try_from(exact.unwrap_or(0)).unwrap_or(usize::MAX)
}

/// A name on one line, without characters that a terminal obeys, and not longer than is read.
pub(super) fn printable(name: &str) -> String {
    let mut characters = name.escape_debug();
    let mut shown: String = characters.by_ref().take(LONGEST_NAME).collect();
    if characters.next().is_some() {
        shown.push_str("...");
    }
    shown
}

/// Tenths of a pixel, as pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Px(pub(super) usize);

impl fmt::Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 10, self.0 % 10) {
            (whole, 0) => write!(f, "{whole}"),
            (whole, tenth) => write!(f, "{whole}.{tenth}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_largest_unit_of_which_there_is_a_whole() {
        for (bytes, short, long) in [
            (0, "0 B", "0 B"),
            (1023, "1023 B", "1023 B"),
            (1024, "1 KiB", "1 KiB"),
            (1152, "1.1 KiB", "1.125 KiB"),
            (1025, "1 KiB", "1 KiB"),
            (65_536, "64 KiB", "64 KiB"),
            ((1 << 20) - 1, "1 MiB", "1 MiB"),
            ((1 << 20) + (1 << 16), "1.1 MiB", "1.0625 MiB"),
            (3 << 39, "1.5 TiB", "1.5 TiB"),
            (usize::MAX, "16777216 TiB", "16777216 TiB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), short);
            assert_eq!(format!("{:#}", Bytes(bytes)), long);
        }
    }

    #[test]
    fn only_nothing_is_none_and_only_all_is_all() {
        for (part, whole, text) in [
            (0, 0, "0 %"),
            (0, 7, "0 %"),
            (1, 1000, "<1 %"),
            (1, 3, "33 %"),
            (999, 1000, "99 %"),
            (7, 7, "100 %"),
        ] {
            assert_eq!(Percent(part, whole).to_string(), text);
        }
    }
}
