//! The map as text for a terminal.

use super::figures::{Bytes, Count, Percent};
use super::{Class, MOST_CLASSES, PoolMap, SlabMap, SlotState, SpareMap, Tally, largest, plus};
use core::fmt;
use core::slice::Chunks;

/// The most columns of a bar.
const COLUMNS: usize = 64;
/// The most lines for classes and their slabs, where the map is shortened.
const LINES: usize = 190;

/// A bar for each slab, by class; shortened but with `{:#}`.
impl fmt::Display for PoolMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Summary(self))?;
        if self.slabs.is_empty() && self.spare.is_empty() {
            return Ok(());
        }
        write!(f, "\n# live   + cached   . free   = spare for any class")?;
        write!(f, "   1-9 that many tenths live")?;

        let most = if f.alternate() {
            usize::MAX
        } else {
            MOST_CLASSES
        };
        let (classes, others) = largest(self.classes(), most);
        let groups: Vec<_> = classes.iter().map(Group::of).collect();
        let spare = Spare(&self.spare);
        let share = if f.alternate() {
            usize::MAX
        } else {
            let lines = groups.iter().map(Group::lines).chain([spare.lines()]);
            share(&lines.collect::<Vec<_>>())
        };

        let mut shortened = !others.is_empty();
        for group in &groups {
            shortened |= group.write(f, share)?;
        }
        if !others.is_empty() {
            let tally = others.iter().map(|class| class.tally);
            let tally = tally.fold(Tally::default(), Tally::and);
            write!(
                f,
                "\n... {} with fewer bytes: {}",
                Count(others.len(), "more class"),
                Figures(&tally)
            )?;
        }
        shortened |= spare.write(f, share)?;
        if shortened {
            write!(f, "\n(shortened; formatted with {{:#}} it is complete)")?;
        }
        Ok(())
    }
}

/// The map in one line.
pub(super) struct Summary<'a>(pub(super) &'a PoolMap);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let map = self.0;
        write!(f, "{}, {}: ", map.title(), map.placement)?;
        let held = map.held_bytes();
        let slabs = plus(map.slabs.len(), map.spare.len());
        if slabs == 0 {
            return write!(f, "holds nothing");
        }
        write!(f, "{} held in {}", Bytes(held), Count(slabs, "slab"))?;
        for state in SlotState::ALL {
            let bytes = map.bytes(state);
            write!(f, ", {} {}", Bytes(bytes), state.name())?;
            if state == SlotState::Live {
                write!(f, " ({})", Percent(bytes, held))?;
            }
        }
        for (bytes, what) in [
            (map.spare_bytes(), "spare"),
            (map.remainder_bytes(), "in remainders"),
        ] {
            if bytes > 0 {
                write!(f, ", {} {what}", Bytes(bytes))?;
            }
        }
        Ok(())
    }
}

/// What is said of several slabs.
struct Figures<'a>(&'a Tally);

impl fmt::Display for Figures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tally = self.0;
        let (live, all) = (tally.live(), tally.all());
        write!(
            f,
            "{}, {}, {live} of {} live ({})",
            Count(tally.slabs, "slab"),
            Bytes(tally.bytes),
            Count(all, "slot"),
            Percent(live, all)
        )?;
        match tally.slots[SlotState::Cached as usize] {
            0 => Ok(()),
            cached => write!(f, ", {cached} cached"),
        }
    }
}

/// The lines that each group may have, if all are to fit: groups with fewer leave theirs to the
/// others.
fn share(lines: &[usize]) -> usize {
    let fits = |share: usize| {
        let shown = lines.iter().map(|&lines| match lines {
            0 => 0,
            // One to say what follows, one to say how much is missing.
            _ if lines > share => share + 2,
            _ => lines + 1,
        });
        shown.sum::<usize>() <= LINES
    };
    (1..=LINES).rev().find(|&share| fits(share)).unwrap_or(1)
}

/// A class and the lines of its slabs.
struct Group<'a> {
    class: &'a Class<'a>,
    /// Slabs that have a line of their own.
    wide: Vec<&'a SlabMap>,
    /// Slabs of one slot.
    single: Vec<&'a SlabMap>,
    /// Slots in a column of `wide`.
    slots: usize,
}

impl<'a> Group<'a> {
    fn of(class: &'a Class<'a>) -> Self {
        let (single, wide): (Vec<_>, Vec<_>) =
            class.slabs.iter().partition(|slab| slab.slots.len() == 1);
        let slots = wide.iter().map(|slab| slab.slots.len()).max().unwrap_or(0);
        Self {
            class,
            wide,
            single,
            slots: slots.div_ceil(COLUMNS).max(1),
        }
    }

    fn singles(&self) -> Chunks<'_, &'a SlabMap> {
        self.single.chunks(COLUMNS)
    }

    fn lines(&self) -> usize {
        self.wide.len() + self.singles().len()
    }

    /// Writes it with at most so many lines of slabs, and says whether that left some out.
    fn write(&self, f: &mut fmt::Formatter<'_>, most: usize) -> Result<bool, fmt::Error> {
        let class = self.class;
        let size = Bytes(class.slot_bytes);
        write!(f, "\n{size:#} slots: {}", Figures(&class.tally))?;
        if self.slots > 1 {
            write!(f, "; {} a column", Count(self.slots, "slot"))?;
        }
        for slab in self.wide.iter().take(most) {
            let bar: String = slab.slots.chunks(self.slots).map(column).collect();
            write_bar(f, slab.address, &bar)?;
            write!(f, " {}/{}", slab.count(SlotState::Live), slab.slots.len())?;
        }
        let left = most.saturating_sub(self.wide.len());
        for slabs in self.singles().take(left) {
            let bar: String = slabs.iter().map(|slab| column(&slab.slots)).collect();
            write_bar(f, slabs[0].address, &bar)?;
            let live = slabs.iter().map(|slab| slab.count(SlotState::Live));
            write!(f, " {}/{}", live.sum::<usize>(), slabs.len())?;
        }

        let shown = self.wide.iter().take(most);
        let shown = shown.chain(self.single.iter().take(left.saturating_mul(COLUMNS)));
        let shown = shown.fold((0, 0, 0), |(slabs, live, all), slab| {
            let alive = slab.count(SlotState::Live);
            (slabs + 1, live + alive, all + slab.slots.len())
        });
        let slabs = class.slabs.len() - shown.0;
        if slabs > 0 {
            let (live, all) = (class.tally.live() - shown.1, class.tally.all() - shown.2);
            let (slabs, percent) = (Count(slabs, "more slab"), Percent(live, all));
            write!(f, "\n  ... {slabs}, {percent} live")?;
        }
        Ok(slabs > 0)
    }
}

/// The slabs of no class.
struct Spare<'a>(&'a [SpareMap]);

impl Spare<'_> {
    fn lines(&self) -> usize {
        self.0.len().div_ceil(COLUMNS)
    }

    /// Writes it with at most so many lines of slabs, and says whether that left some out.
    fn write(&self, f: &mut fmt::Formatter<'_>, most: usize) -> Result<bool, fmt::Error> {
        if self.0.is_empty() {
            return Ok(false);
        }
        let sum = |slabs: &[SpareMap]| Bytes(slabs.iter().map(SpareMap::bytes).fold(0, plus));
        let slabs = Count(self.0.len(), "slab");
        write!(f, "\nspare for any class: {slabs}, {}", sum(self.0))?;
        for slabs in self.0.chunks(COLUMNS).take(most) {
            write_bar(f, slabs[0].address, &"=".repeat(slabs.len()))?;
            write!(f, " {}", sum(slabs))?;
        }
        let left = self.0.get(most.saturating_mul(COLUMNS)..).unwrap_or(&[]);
        if !left.is_empty() {
            let slabs = Count(left.len(), "more slab");
            write!(f, "\n  ... {slabs}, {}", sum(left))?;
        }
        Ok(!left.is_empty())
    }
}

fn write_bar(f: &mut fmt::Formatter<'_>, address: usize, bar: &str) -> fmt::Result {
    write!(f, "\n  {address:#014x} [{bar}]")
}

/// The character of a slot, or of several.
fn column(slots: &[SlotState]) -> char {
    let count = |state| slots.iter().filter(|&&slot| slot == state).count();
    match count(SlotState::Live) {
        0 if count(SlotState::Cached) > 0 => '+',
        0 => '.',
        live if live == slots.len() => '#',
        live => {
            let tenths = (live * 10 + slots.len() / 2) / slots.len();
            ['1', '2', '3', '4', '5', '6', '7', '8', '9'][tenths.clamp(1, 9) - 1]
        }
    }
}
