//! What a thread keeps of a pool.

use super::class::Class;
use super::rack::{MOST, Magazine, Rack};

/// How many slots a magazine holds at first, where they are small.
const FIRST: usize = 16;
/// How many bytes it holds at first.
const FIRST_BYTES: usize = 64 << 10;

/// All that a thread keeps of a pool: a rack for each class.
#[derive(Debug)]
pub(super) struct Racks {
    racks: Box<[Rack]>,
    /// How many slots a magazine of each class is to hold.
    capacities: Box<[usize]>,
    /// How often each was used when the clock struck last.
    seen: Box<[u64]>,
    /// Bytes that the magazines have room for.
    room: usize,
}

impl Racks {
    pub(super) fn new(classes: usize) -> Self {
        Self {
            racks: (0..classes).map(|_| Rack::default()).collect(),
            capacities: vec![0; classes].into(),
            seen: vec![0; classes].into(),
            room: 0,
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, class: Class) -> Option<&mut Rack> {
        self.racks.get_mut(class.index())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Rack> {
        self.racks.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Rack> {
        self.racks.iter_mut()
    }

    /// A rack, and how many slots its magazines are to hold, which is more each time: up to what `most`
    /// bytes of all classes allow.
    ///
    /// They begin small and double each time that they run full or empty, so that only what is used a lot
    /// is kept a lot of.
    pub(super) fn grown(
        &mut self,
        class: Class,
        bytes: usize,
        most: usize,
    ) -> Option<(&mut Rack, usize)> {
        let capacity = self.capacities.get_mut(class.index())?;
        let rack = self.racks.get_mut(class.index())?;
        if *capacity == MOST || rack.is_between() {
            return Some((rack, *capacity));
        }
        // Powers of two all of them, so that there are few sizes of magazines.
        let wanted = match *capacity {
            0 => 1 << (FIRST_BYTES / bytes).clamp(1, FIRST).ilog2(),
            now => now * 2,
        };
        let left = most.saturating_sub(self.room);
        let more = match wanted - *capacity {
            more if more <= left / bytes / 2 => more,
            // A single slot, for who allocates and frees in turn, takes half of what it is counted for.
            _ if *capacity == 0 && bytes <= left => 1,
            _ => 0,
        };
        *capacity += more;
        self.room = self
            .room
            .saturating_add(more.saturating_mul(bytes).saturating_mul(2));
        Some((rack, *capacity))
    }

    /// The slots of a class that was not used since the clock struck last.
    pub(super) fn unused(&mut self, class: Class, bytes: usize) -> Option<[Magazine; 2]> {
        let index = class.index();
        let (rack, seen) = (self.racks.get_mut(index)?, self.seen.get_mut(index)?);
        let used = rack.taken() + rack.given();
        if core::mem::replace(seen, used) != used {
            return None;
        }
        let capacity = core::mem::take(self.capacities.get_mut(index)?);
        let room = capacity.saturating_mul(bytes).saturating_mul(2);
        self.room = self.room.saturating_sub(room);
        Some(rack.empty())
    }

    /// Forgets how much was kept.
    pub(super) fn shrink(&mut self) {
        self.room = 0;
        self.capacities.fill(0);
    }
}
