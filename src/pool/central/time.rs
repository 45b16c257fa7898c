//! What is idle for long goes back to the driver.

use super::{Central, Idle};
use crate::pool::span::Blank;
use std::time::Instant;

/// After so many visits the clock is looked at.
const VISITS: u32 = 4;
/// So many magazines are given up at a time.
const MOST_FORGONE: usize = 64;

impl Central {
    /// Every so often lists what was idle all the time since the last time: of what is kept for all threads
    /// half, so that a pause does not cost all.
    pub(in crate::pool) fn tick(&mut self, freed: &mut Vec<Blank>) {
        self.visits += 1;
        if self.visits < VISITS {
            return;
        }
        self.visits = 0;
        let now = Instant::now();
        if now.duration_since(self.struck) < self.idle_after {
            return;
        }
        self.struck = now;
        self.strikes += 1;
        let _ = self.with_all(|central, all| {
            for class in central.classes.all() {
                let bytes = central.classes.bytes(class);
                for racks in all.iter_mut() {
                    let unused = racks.unused(class, bytes);
                    for slot in unused.into_iter().flatten().flatten() {
                        central.give(slot, freed);
                    }
                }
            }
        });
        self.forgo(freed);
    }

    /// Lists half of what is kept for all threads and was not needed since the last strike.
    fn forgo(&mut self, freed: &mut Vec<Blank>) {
        // What became idle before the last strike; what comes from magazines now is not of it.
        let before = self.strikes - 1;
        // Under the lock, so not all at once where it is a lot.
        let mut most = MOST_FORGONE;
        for class in self.classes.all() {
            let bytes = self.classes.bytes(class);
            let shelf = &mut self.shelves[class.index()];
            // The oldest lie at the bottom.
            let unused = shelf.low.div_ceil(2).min(most);
            let gone: Vec<_> = shelf.full.drain(..unused).collect();
            shelf.low = shelf.full.len();
            most -= gone.len();
            for magazine in gone {
                self.kept -= magazine.len() * bytes;
                for slot in magazine {
                    self.give(slot, freed);
                }
            }
        }
        let mut kept = self.kept;
        self.idle.retain(|_, same| {
            let stale = same.iter().filter(|idle| idle.since < before).count();
            let mut old = stale.div_ceil(2);
            let (gone, rest) = core::mem::take(same).into_iter().partition(|idle: &Idle| {
                let goes = old > 0 && idle.since < before;
                old -= usize::from(goes);
                goes
            });
            *same = rest;
            let gone: Vec<Idle> = gone;
            let bytes = |idle: &Idle| idle.blank.memory.bytes();
            kept -= gone.iter().map(bytes).sum::<usize>();
            freed.extend(gone.into_iter().map(|idle| idle.blank));
            !same.is_empty()
        });
        self.kept = kept;
    }
}
