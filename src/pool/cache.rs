//! What a thread keeps of a pool.

use super::class::Class;
use super::span::Slot;

/// How many slots a magazine holds at most.
pub(super) const MOST: usize = 128;
/// How many it holds at first, where they are small.
const FIRST: usize = 16;
/// How many bytes it holds at first.
const FIRST_BYTES: usize = 64 << 10;

/// How many empty magazines are kept.
const MOST_USED: usize = 32;

/// Free slots of one class, the last freed on top.
pub(super) type Magazine = Vec<Slot>;

/// A thread's free slots of one class.
///
/// Two magazines, so that a thread that goes back and forth over a magazine's end needs no others.
// A line of the processor's cache.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Rack {
    /// Slots are taken from and put into this one.
    pub(super) loaded: Magazine,
    /// Full or empty.
    pub(super) spare: Magazine,
    /// Slots that went to buffers.
    pub(super) taken: u64,
    /// Slots that came back.
    pub(super) given: u64,
}

impl Rack {
    /// Puts a slot on top, where there is room.
    #[inline]
    pub(super) fn put(&mut self, slot: Slot) -> Result<(), Slot> {
        if self.loaded.len() == self.loaded.capacity() {
            return Err(slot);
        }
        self.loaded.push(slot);
        self.given += 1;
        Ok(())
    }

    /// Takes the slot on top.
    #[inline]
    pub(super) fn take(&mut self) -> Option<Slot> {
        let slot = self.loaded.pop()?;
        self.taken += 1;
        Some(slot)
    }

    /// All free slots, and no room for others.
    pub(super) fn empty(&mut self) -> impl Iterator<Item = Slot> + use<> {
        let (loaded, spare) = (
            core::mem::take(&mut self.loaded),
            core::mem::take(&mut self.spare),
        );
        loaded.into_iter().chain(spare)
    }

    /// The free slots.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.loaded.iter().chain(&self.spare)
    }

    /// Gives an empty magazine the size that it is to have; `used` has some.
    pub(super) fn make_room(&mut self, capacity: usize, used: &mut Used) {
        if self.loaded.is_empty() && self.loaded.capacity() != capacity {
            let other = used.magazine(capacity);
            used.keep(core::mem::replace(&mut self.loaded, other));
        }
    }
}

/// Empty magazines of the largest size, so that those that are used a lot are not made anew each time.
#[derive(Debug, Default)]
pub(super) struct Used(Vec<Magazine>);

impl Used {
    /// An empty magazine.
    fn magazine(&mut self, capacity: usize) -> Magazine {
        match self.0.pop_if(|_| capacity == MOST) {
            Some(magazine) => magazine,
            None => Vec::with_capacity(capacity),
        }
    }

    /// Keeps an empty magazine.
    pub(super) fn keep(&mut self, magazine: Magazine) {
        if magazine.capacity() == MOST && magazine.is_empty() && self.0.len() < MOST_USED {
            self.0.push(magazine);
        }
    }
}

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
        if *capacity == MOST {
            return Some((self.racks.get_mut(class.index())?, MOST));
        }
        let wanted = match *capacity {
            0 => (FIRST_BYTES / bytes).clamp(1, FIRST),
            now => (now * 2).min(MOST),
        };
        let left = most.saturating_sub(self.room);
        let more = match (wanted - *capacity).min(left / (2 * bytes)) {
            // A single slot, for who allocates and frees in turn, takes half of what it is counted for.
            0 if *capacity == 0 && left >= bytes => 1,
            more => more,
        };
        *capacity += more;
        self.room += 2 * more * bytes;
        let capacity = *capacity;
        Some((self.racks.get_mut(class.index())?, capacity))
    }

    /// The slots of a class that was not used since the clock struck last.
    pub(super) fn unused(&mut self, class: Class, bytes: usize) -> Option<Magazine> {
        let index = class.index();
        let (rack, seen) = (self.racks.get_mut(index)?, self.seen.get_mut(index)?);
        let used = rack.taken + rack.given;
        if core::mem::replace(seen, used) != used {
            return None;
        }
        let capacity = core::mem::take(self.capacities.get_mut(index)?);
        self.room = self.room.saturating_sub(2 * capacity * bytes);
        Some(rack.empty().collect())
    }

    /// Forgets how much was kept.
    pub(super) fn shrink(&mut self) {
        self.room = 0;
        self.capacities.fill(0);
    }
}
