//! What a pool holds at one moment: as data, as text, as a picture.

mod cell;
mod figures;
mod svg;
#[cfg(test)]
mod tests;
mod text;

use crate::placement::PlacementKind;
use core::cmp::Reverse;
use figures::printable;

/// The most classes that a shortened text and a picture show one by one.
const MOST_CLASSES: usize = 60;

/// What a slot of a slab is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SlotState {
    /// A buffer is in it.
    Live,
    /// Idle, and kept for the next buffer, by a thread or for all threads.
    Cached,
    /// Not handed out.
    Free,
}

impl SlotState {
    const ALL: [Self; 3] = [Self::Live, Self::Cached, Self::Free];

    const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Cached => "cached",
            Self::Free => "free",
        }
    }
}

/// A slab of a [`PoolMap`]: memory of one allocation of the driver, in slots of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlabMap {
    address: usize,
    bytes: usize,
    slot_bytes: usize,
    slots: Vec<SlotState>,
}

impl SlabMap {
    /// A slab of `bytes` whose slots lie side by side from its beginning.
    pub(crate) const fn new(
        address: usize,
        bytes: usize,
        slot_bytes: usize,
        slots: Vec<SlotState>,
    ) -> Self {
        Self {
            address,
            bytes,
            slot_bytes,
            slots,
        }
    }

    /// The address of its first byte.
    #[must_use]
    pub const fn address(&self) -> usize {
        self.address
    }

    /// Its size in bytes. What is left of it behind the last slot is no slot's.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The size of a slot in bytes.
    #[must_use]
    pub const fn slot_bytes(&self) -> usize {
        self.slot_bytes
    }

    /// What its slots are used for, in the order of their addresses.
    #[must_use]
    pub fn slots(&self) -> &[SlotState] {
        &self.slots
    }

    /// How many of its slots are in that state.
    #[must_use]
    pub fn count(&self, state: SlotState) -> usize {
        self.slots.iter().filter(|&&slot| slot == state).count()
    }
}

/// A slab of a [`PoolMap`] that has no slots: the pool keeps it for the next class that needs one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpareMap {
    address: usize,
    bytes: usize,
}

impl SpareMap {
    pub(crate) const fn new(address: usize, bytes: usize) -> Self {
        Self { address, bytes }
    }

    /// The address of its first byte.
    #[must_use]
    pub const fn address(&self) -> usize {
        self.address
    }

    /// Its size in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What a pool held at one moment: its slabs, and what each of their slots was used for.
///
/// Printed it is text for a terminal, with a bar for each slab, and at most about 200 lines; with
/// `{:#}` it is complete. [`to_svg`](Self::to_svg) makes a picture of it.
///
/// In the text a column is a slot, `#` live, `+` cached, `.` free, or several where a slab has more
/// than 64: then a digit says how many tenths of them are live. Slabs with one slot each stand side
/// by side behind the address of the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolMap {
    name: String,
    placement: PlacementKind,
    /// By size of their slots, then by address.
    slabs: Vec<SlabMap>,
    /// By address.
    spare: Vec<SpareMap>,
    /// Of `slabs`.
    tally: Tally,
}

impl PoolMap {
    /// The map of these slabs, in any order.
    pub(crate) fn new(
        name: String,
        placement: PlacementKind,
        mut slabs: Vec<SlabMap>,
        mut spare: Vec<SpareMap>,
    ) -> Self {
        slabs.sort_by_key(|slab| (slab.slot_bytes, slab.address));
        spare.sort_by_key(SpareMap::address);
        let tally = Tally::of(&slabs);
        Self {
            name,
            placement,
            slabs,
            spare,
            tally,
        }
    }

    /// The name that the pool was given; empty where it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the memory lives.
    #[must_use]
    pub const fn placement(&self) -> PlacementKind {
        self.placement
    }

    /// The slabs that have slots, by the size of these, then by address.
    #[must_use]
    pub fn slabs(&self) -> &[SlabMap] {
        &self.slabs
    }

    /// The slabs that have none, by address.
    #[must_use]
    pub fn spare(&self) -> &[SpareMap] {
        &self.spare
    }

    /// How many slots are in that state.
    #[must_use]
    pub const fn count(&self, state: SlotState) -> usize {
        self.tally.slots[state as usize]
    }

    /// Bytes of the slots in that state.
    #[must_use]
    pub const fn bytes(&self, state: SlotState) -> usize {
        self.tally.slot_bytes[state as usize]
    }

    /// Bytes of the slabs that have no slots.
    #[must_use]
    pub fn spare_bytes(&self) -> usize {
        self.spare.iter().map(SpareMap::bytes).fold(0, plus)
    }

    /// Bytes behind the last slot of slabs: too few for one more.
    #[must_use]
    pub fn remainder_bytes(&self) -> usize {
        self.tally
            .slot_bytes
            .iter()
            .fold(self.tally.bytes, |left, &bytes| left.saturating_sub(bytes))
    }

    /// Bytes that the driver gave for all of it.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        plus(self.tally.bytes, self.spare_bytes())
    }

    /// A picture of it, a file in itself, for browsers and editors of vector graphics.
    ///
    /// A rectangle is a slab, its area in proportion to its bytes; slabs too small to see are drawn
    /// several as one. A tooltip says the address, the size of the slots and what they are used for.
    /// It is light or dark as the reader's system is, and stays under about a megabyte however large
    /// the pool is.
    #[must_use]
    pub fn to_svg(&self) -> String {
        svg::Svg(self).to_string()
    }

    /// Its slabs by class, smallest slots first.
    fn classes(&self) -> Vec<Class<'_>> {
        let same = |a: &SlabMap, b: &SlabMap| a.slot_bytes == b.slot_bytes;
        self.slabs.chunk_by(same).map(Class::of).collect()
    }

    /// `pool "its name"`, as one line of text can show it.
    fn title(&self) -> String {
        if self.name.is_empty() {
            "pool".to_owned()
        } else {
            format!("pool \"{}\"", printable(&self.name))
        }
    }
}

/// The slabs of one class.
#[derive(Debug, Clone, Copy)]
struct Class<'a> {
    slot_bytes: usize,
    slabs: &'a [SlabMap],
    tally: Tally,
}

impl<'a> Class<'a> {
    fn of(slabs: &'a [SlabMap]) -> Self {
        Self {
            slot_bytes: slabs.first().map_or(0, SlabMap::slot_bytes),
            slabs,
            tally: Tally::of(slabs),
        }
    }
}

/// The classes with the most bytes, and the others, both in the order they were in.
fn largest(classes: Vec<Class<'_>>, most: usize) -> (Vec<Class<'_>>, Vec<Class<'_>>) {
    let mut order: Vec<usize> = (0..classes.len()).collect();
    order.sort_by_key(|&at| Reverse(classes[at].tally.bytes));
    let mut shown = vec![false; classes.len()];
    order.iter().take(most).for_each(|&at| shown[at] = true);
    let (large, small): (Vec<_>, Vec<_>) = classes
        .into_iter()
        .zip(shown)
        .partition(|&(_, shown)| shown);
    let only = |(class, _)| class;
    (
        large.into_iter().map(only).collect(),
        small.into_iter().map(only).collect(),
    )
}

/// Sums over slabs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    slabs: usize,
    bytes: usize,
    /// How many slots, by state.
    slots: [usize; 3],
    /// Their bytes, by state.
    slot_bytes: [usize; 3],
}

impl Tally {
    fn of(slabs: &[SlabMap]) -> Self {
        slabs.iter().fold(Self::default(), |sum, slab| {
            let slots = SlotState::ALL.map(|state| slab.count(state));
            sum.and(Self {
                slabs: 1,
                bytes: slab.bytes,
                slots,
                slot_bytes: slots.map(|count| count.saturating_mul(slab.slot_bytes)),
            })
        })
    }

    fn and(self, other: Self) -> Self {
        let each = |a: [usize; 3], b: [usize; 3]| {
            let [live, cached, free] = a;
            [plus(live, b[0]), plus(cached, b[1]), plus(free, b[2])]
        };
        Self {
            slabs: plus(self.slabs, other.slabs),
            bytes: plus(self.bytes, other.bytes),
            slots: each(self.slots, other.slots),
            slot_bytes: each(self.slot_bytes, other.slot_bytes),
        }
    }

    fn live(&self) -> usize {
        self.slots[SlotState::Live as usize]
    }

    /// Slots in any state.
    fn all(&self) -> usize {
        self.slots.iter().copied().fold(0, plus)
    }
}

/// A map has no errors to return: what is too large for a number shows as the largest.
const fn plus(a: usize, b: usize) -> usize {
    a.saturating_add(b)
}
