//! What a thread keeps of one class.

use super::central::Central;
use super::class::Class;
use super::span::{Blank, Slot};
use core::mem::{replace, swap, take};

/// How many slots a magazine holds at most.
pub(super) const MOST: usize = 128;
/// A thread visits the middle after so many slots of a class at the latest.
const VISIT_AFTER: u64 = 1024;
/// How many empty magazines of a size are kept.
const MOST_USED: usize = 16;

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
    loaded: Magazine,
    /// Full or empty.
    spare: Magazine,
    /// Slots that went to buffers.
    taken: u64,
    /// Slots that came from the middle, less those that went there. With it those that came back from
    /// buffers need not be counted: it is all the others that are here.
    moved: u64,
}

impl Rack {
    /// Puts a slot on top, where there is room.
    #[inline]
    pub(super) fn put(&mut self, slot: Slot) -> Result<(), Slot> {
        if self.loaded.len() == self.loaded.capacity() {
            return Err(slot);
        }
        self.loaded.push(slot);
        Ok(())
    }

    /// Takes the slot on top; now and then nothing, so that the middle is visited, which looks at the
    /// clock.
    #[inline]
    pub(super) fn take(&mut self) -> Option<Slot> {
        if self.taken % VISIT_AFTER == VISIT_AFTER - 1 {
            return None;
        }
        self.take_any()
    }

    /// Takes the slot on top.
    #[inline]
    pub(super) fn take_any(&mut self) -> Option<Slot> {
        let slot = self.loaded.pop()?;
        self.taken += 1;
        Some(slot)
    }

    /// Whether the magazine is neither empty nor full.
    pub(super) fn is_between(&self) -> bool {
        (1..self.loaded.capacity()).contains(&self.loaded.len())
    }

    /// Slots that went to buffers.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Slots that came back.
    pub(super) fn given(&self) -> u64 {
        let here = self.loaded.len() + self.spare.len();
        (self.taken + here as u64).wrapping_sub(self.moved)
    }

    /// Begins to count anew.
    pub(super) fn forget(&mut self) {
        self.taken = 0;
        self.moved = (self.loaded.len() + self.spare.len()) as u64;
    }

    /// The free slots.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.loaded.iter().chain(&self.spare)
    }

    /// Both magazines; what is left has no room.
    pub(super) fn empty(&mut self) -> [Magazine; 2] {
        let both = [take(&mut self.loaded), take(&mut self.spare)];
        let moved: usize = both.iter().map(Vec::len).sum();
        self.moved = self.moved.wrapping_sub(moved as u64);
        both
    }

    /// A slot where the magazine is empty, also of the middle.
    pub(super) fn refill(
        &mut self,
        central: &mut Central,
        class: Class,
        capacity: usize,
    ) -> Option<Slot> {
        if let Some(slot) = self.take_any() {
            return Some(slot);
        }
        swap(&mut self.loaded, &mut self.spare);
        if let Some(slot) = self.take_any() {
            return Some(slot);
        }
        if let Some(mut magazine) = central.full_magazine(class) {
            if magazine.capacity() <= capacity {
                self.moved = self.moved.wrapping_add(magazine.len() as u64);
                let empty = replace(&mut self.loaded, magazine);
                central.used.keep(empty);
                return self.take_any();
            }
            // Of a thread that may keep more than this one.
            let slot = magazine.pop()?;
            self.make_room(capacity, &mut central.used);
            while self.loaded.len() < self.loaded.capacity() {
                let Some(slot) = magazine.pop() else {
                    break;
                };
                self.loaded.push(slot);
            }
            central.put_back(class, magazine);
            self.taken += 1;
            let moved = 1 + self.loaded.len() as u64;
            self.moved = self.moved.wrapping_add(moved);
            return Some(slot);
        }
        let slot = central.take(class)?;
        self.make_room(capacity, &mut central.used);
        // What is left of spans that are cut already costs nothing.
        while self.loaded.len() < self.loaded.capacity() {
            let Some(slot) = central.take(class) else {
                break;
            };
            self.loaded.push(slot);
        }
        self.taken += 1;
        let moved = 1 + self.loaded.len() as u64;
        self.moved = self.moved.wrapping_add(moved);
        Some(slot)
    }

    /// Puts a slot where the magazine is full, also into the middle.
    pub(super) fn stow(
        &mut self,
        central: &mut Central,
        class: Class,
        capacity: usize,
        slot: Slot,
        freed: &mut Vec<Blank>,
    ) {
        let Err(slot) = self.put(slot) else {
            return;
        };
        if self.spare.is_empty() {
            swap(&mut self.loaded, &mut self.spare);
        } else {
            let full = replace(&mut self.spare, take(&mut self.loaded));
            self.moved = self.moved.wrapping_sub(full.len() as u64);
            central.keep(class, full, freed);
        }
        self.make_room(capacity, &mut central.used);
        if let Err(slot) = self.put(slot) {
            self.moved = self.moved.wrapping_sub(1);
            central.give(slot, freed);
        }
    }

    /// Gives an empty magazine the size that it is to have; `used` has some.
    fn make_room(&mut self, capacity: usize, used: &mut Used) {
        if self.loaded.is_empty() && self.loaded.capacity() != capacity {
            let other = used.magazine(capacity);
            used.keep(replace(&mut self.loaded, other));
        }
    }
}

/// Empty magazines by the power of two that is their size, so that they are not made anew each time.
#[derive(Debug, Default)]
pub(super) struct Used([Vec<Magazine>; MOST.ilog2() as usize + 1]);

impl Used {
    /// Those of a size.
    fn of(&mut self, capacity: usize) -> Option<&mut Vec<Magazine>> {
        if !capacity.is_power_of_two() {
            return None;
        }
        self.0.get_mut(capacity.ilog2() as usize)
    }

    /// An empty magazine.
    fn magazine(&mut self, capacity: usize) -> Magazine {
        self.of(capacity)
            .and_then(Vec::pop)
            .unwrap_or_else(|| Vec::with_capacity(capacity))
    }

    /// Keeps an empty magazine.
    pub(super) fn keep(&mut self, magazine: Magazine) {
        if magazine.is_empty()
            && let Some(same) = self.of(magazine.capacity())
            && same.len() < MOST_USED
        {
            same.push(magazine);
        }
    }
}
