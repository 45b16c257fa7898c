//! What the threads of a pool share, behind its lock.

mod time;

use super::cache::Racks;
use super::class::{Class, Classes};
use super::near::Cache;
use super::rack::{Magazine, Used};
use super::span::{Blank, Cut, Slot};
use crate::raw::biased::Biased;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How much larger idle memory may be than what it is used for: a quarter.
const SLACK: usize = 4;

/// What is kept of one class.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// Magazines that are not empty.
    full: Vec<Magazine>,
    /// The fewest magazines that there were since the clock struck.
    low: usize,
    /// Spans with free slots; the first is used first, so that the last can become free.
    partial: BTreeSet<usize>,
    /// Slots that are out of the spans: in buffers, racks and magazines.
    pub(super) out: u64,
    /// Slots that went to buffers past the racks, and came back past them.
    pub(super) taken: u64,
    pub(super) given: u64,
}

/// Memory that is of no class now.
#[derive(Debug)]
struct Idle {
    blank: Blank,
    /// How often the clock had struck when it became idle.
    since: u64,
}

/// How many buffers of a class there were.
#[derive(Debug)]
pub(super) struct Count {
    /// The size of the class.
    pub(super) bytes: usize,
    /// Slots that went to buffers, and came back.
    pub(super) taken: u64,
    pub(super) given: u64,
}

impl Count {
    pub(super) fn live(&self) -> u64 {
        self.taken.saturating_sub(self.given)
    }
}

/// The middle of a pool: full magazines, spans, and idle memory.
#[derive(Debug)]
pub(super) struct Central {
    classes: Classes,
    shelves: Box<[Shelf]>,
    /// Spans by their number.
    cuts: Vec<Option<Cut>>,
    vacant: Vec<usize>,
    /// By size in bytes.
    idle: BTreeMap<usize, Vec<Idle>>,
    /// Bytes in full magazines and in idle memory, all of which could be given back soon.
    kept: usize,
    /// The most that `kept` may be.
    capacity: usize,
    pub(super) used: Used,
    /// What threads keep; those of threads that have ended are taken over by new ones.
    caches: Vec<Arc<Cache>>,
    orphans: Vec<Arc<Cache>>,
    /// How many spans there are, and how many bytes they have.
    spans: usize,
    span_bytes: usize,
    /// Live buffers of `Class::SINGLE`, and all that there were.
    pub(super) singles: u64,
    pub(super) single_bytes: usize,
    pub(super) singles_taken: u64,
    /// No handle of the pool is left: nothing is kept any more.
    closed: bool,
    visits: u32,
    strikes: u64,
    struck: Instant,
    idle_after: Duration,
}

impl Central {
    pub(super) fn new(classes: Classes, capacity: usize, idle_after: Duration) -> Self {
        Self {
            classes,
            shelves: (0..classes.count()).map(|_| Shelf::default()).collect(),
            cuts: Vec::new(),
            vacant: Vec::new(),
            idle: BTreeMap::new(),
            kept: 0,
            capacity,
            used: Used::default(),
            caches: Vec::new(),
            orphans: Vec::new(),
            spans: 0,
            span_bytes: 0,
            singles: 0,
            single_bytes: 0,
            singles_taken: 0,
            closed: false,
            visits: 0,
            strikes: 0,
            struck: Instant::now(),
            idle_after,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether no memory is cut: no buffer lives, and no slot is kept anywhere.
    pub(super) fn is_uncut(&self) -> bool {
        self.spans == 0
    }

    pub(super) fn shelf(&self, class: Class) -> &Shelf {
        &self.shelves[class.index()]
    }

    pub(super) fn shelf_mut(&mut self, class: Class) -> &mut Shelf {
        &mut self.shelves[class.index()]
    }

    /// Spans by their number.
    pub(super) fn cuts(&self) -> impl Iterator<Item = Option<&Cut>> {
        self.cuts.iter().map(Option::as_ref)
    }

    /// The span that a slot is of.
    pub(super) fn cut_of(&self, slot: &Slot) -> Option<&Cut> {
        self.cuts.get(slot.span().number())?.as_ref()
    }

    /// The slots that are kept for all threads.
    pub(super) fn kept_slots(&self) -> impl Iterator<Item = &Slot> {
        self.shelves.iter().flat_map(|shelf| &shelf.full).flatten()
    }

    pub(super) fn idle(&self) -> impl Iterator<Item = &Blank> {
        self.idle.values().flatten().map(|idle| &idle.blank)
    }

    /// How many bytes the racks of one thread may have room for.
    pub(super) fn room(&self) -> usize {
        self.capacity / 4 / (self.caches.len() - self.orphans.len()).max(1)
    }

    // Slots.

    /// A full magazine of the class.
    pub(super) fn full_magazine(&mut self, class: Class) -> Option<Magazine> {
        let bytes = self.classes.bytes(class);
        let shelf = &mut self.shelves[class.index()];
        let magazine = shelf.full.pop()?;
        shelf.low = shelf.low.min(shelf.full.len());
        self.kept -= magazine.len() * bytes;
        Some(magazine)
    }

    /// Takes all slots of a magazine back into their spans.
    pub(super) fn put_apart(&mut self, magazine: Magazine, freed: &mut Vec<Blank>) {
        for slot in magazine {
            self.give(slot, freed);
        }
    }

    /// Puts back what is left of a magazine that was taken.
    pub(super) fn put_back(&mut self, class: Class, magazine: Magazine) {
        if magazine.is_empty() {
            self.used.keep(magazine);
            return;
        }
        self.kept += magazine.len() * self.classes.bytes(class);
        self.shelves[class.index()].full.push(magazine);
    }

    /// Keeps a magazine, or, where too much is kept already, takes its slots back.
    pub(super) fn keep(&mut self, class: Class, magazine: Magazine, freed: &mut Vec<Blank>) {
        let bytes = magazine.len() * self.classes.bytes(class);
        if magazine.is_empty() {
            return;
        }
        if self.closed || self.kept.saturating_add(bytes) > self.capacity {
            self.put_apart(magazine, freed);
            return;
        }
        self.kept += bytes;
        self.shelves[class.index()].full.push(magazine);
    }

    /// A free slot of a span of the class.
    pub(super) fn take(&mut self, class: Class) -> Option<Slot> {
        let shelf = &mut self.shelves[class.index()];
        let number = *shelf.partial.first()?;
        let cut = self.cuts.get_mut(number)?.as_mut()?;
        let slot = cut.take()?;
        if cut.free() == 0 {
            shelf.partial.pop_first();
        }
        shelf.out += 1;
        Some(slot)
    }

    /// The classes that serve for one where nothing is left of it: large ones, a little larger.
    pub(super) fn larger(&self, class: Class) -> impl Iterator<Item = Class> + use<> {
        let classes = self.classes;
        let most = if classes.is_small(class) {
            0
        } else {
            classes.bytes(class) / SLACK * (SLACK + 1)
        };
        core::iter::successors(Some(class.next()), |class| Some(class.next()))
            .take_while(move |next| next.index() < classes.count() && classes.bytes(*next) <= most)
    }

    /// A free slot of a class a little larger.
    pub(super) fn take_larger(&mut self, class: Class) -> Option<Slot> {
        for larger in self.larger(class) {
            if let Some(mut magazine) = self.full_magazine(larger) {
                let slot = magazine.pop()?;
                self.put_back(larger, magazine);
                return Some(slot);
            }
        }
        None
    }

    /// Takes a slot back into its span.
    pub(super) fn give(&mut self, slot: Slot, freed: &mut Vec<Blank>) {
        let (number, class) = (slot.span().number(), slot.span().class());
        let Some(place) = self.cuts.get_mut(number) else {
            return;
        };
        let Some(cut) = place else {
            return;
        };
        cut.give(slot);
        if class == Class::SINGLE {
            self.singles -= 1;
            self.single_bytes -= cut.span().slot_bytes();
        } else {
            let shelf = &mut self.shelves[class.index()];
            shelf.out -= 1;
            if cut.free() == 1 && !cut.is_tainted() {
                shelf.partial.insert(number);
            }
            if cut.is_whole() {
                shelf.partial.remove(&number);
            }
        }
        if !cut.is_whole() {
            return;
        }
        let tainted = cut.is_tainted();
        self.spans -= 1;
        self.span_bytes -= cut.span().bytes();
        let blank = place.take().and_then(Cut::into_blank);
        self.vacant.push(number);
        if let Some(blank) = blank {
            if tainted || class == Class::SINGLE {
                freed.push(blank);
            } else {
                self.rest(blank, freed);
            }
        }
    }

    /// Never hands the other slots of this one's span out again.
    pub(super) fn taint(&mut self, slot: &Slot) {
        let number = slot.span().number();
        if let Some(Some(cut)) = self.cuts.get_mut(number) {
            cut.taint();
            let class = slot.span().class();
            if let Some(shelf) = self.shelves.get_mut(class.index()) {
                shelf.partial.remove(&number);
            }
        }
    }

    // Memory.

    /// Lets memory lie idle, or, where too much is kept already, lists it to be freed.
    fn rest(&mut self, blank: Blank, freed: &mut Vec<Blank>) {
        let bytes = blank.memory.bytes();
        if self.closed || self.kept.saturating_add(bytes) > self.capacity {
            freed.push(blank);
            return;
        }
        self.kept += bytes;
        let since = self.strikes;
        let same = self.idle.entry(blank.bytes).or_default();
        same.push(Idle { blank, since });
    }

    /// The idle memory that fits best.
    pub(super) fn rested(&mut self, bytes: usize) -> Option<Blank> {
        let (&size, same) = self.idle.range_mut(bytes..=bytes + bytes / SLACK).next()?;
        let idle = same.pop()?;
        if same.is_empty() {
            self.idle.remove(&size);
        }
        self.kept -= idle.blank.memory.bytes();
        Some(idle.blank)
    }

    /// Cuts memory into slots, and takes one.
    pub(super) fn cut(&mut self, blank: Blank, class: Class, slot_bytes: usize) -> Slot {
        let number = self.vacant.pop().unwrap_or_else(|| {
            self.cuts.push(None);
            self.cuts.len() - 1
        });
        let slots = if class != Class::SINGLE && self.classes.is_small(class) {
            blank.bytes / slot_bytes
        } else {
            1
        };
        let bytes = blank.bytes;
        let (cut, slot) = Cut::new(blank, class, slot_bytes, slots, number);
        let rest = cut.free() > 0;
        self.cuts[number] = Some(cut);
        self.spans += 1;
        self.span_bytes += bytes;
        if class == Class::SINGLE {
            self.singles += 1;
            self.singles_taken += 1;
            self.single_bytes += slot_bytes;
        } else {
            let shelf = &mut self.shelves[class.index()];
            shelf.out += 1;
            if rest {
                shelf.partial.insert(number);
            }
        }
        slot
    }

    /// Lists all idle memory to be freed; slots of magazines go back to their spans before.
    pub(super) fn give_back(&mut self, freed: &mut Vec<Blank>) {
        let capacity = core::mem::take(&mut self.capacity);
        for class in self.classes.all() {
            while let Some(magazine) = self.full_magazine(class) {
                for slot in magazine {
                    self.give(slot, freed);
                }
            }
        }
        for idle in core::mem::take(&mut self.idle).into_values().flatten() {
            self.kept -= idle.blank.memory.bytes();
            freed.push(idle.blank);
        }
        self.capacity = capacity;
    }

    // Threads.

    /// A cache for a thread that has none.
    pub(super) fn adopt(&mut self) -> Arc<Cache> {
        if let Some(cache) = self.orphans.pop() {
            return cache;
        }
        let cache = Arc::new(Cache::new(Racks::new(self.classes.count())));
        self.caches.push(Arc::clone(&cache));
        cache
    }

    /// Takes over the cache of a thread that ends.
    pub(super) fn orphan(&mut self, cache: Arc<Cache>) {
        self.orphans.push(cache);
    }

    /// Does something with what all threads keep; `None` where that cannot be had.
    pub(super) fn with_all<R>(
        &mut self,
        work: impl FnOnce(&mut Self, &mut [&mut Racks]) -> R,
    ) -> Option<R> {
        let caches = self.caches.clone();
        let all = caches.iter().map(|cache| &**cache);
        if !Biased::seize(all.clone()) {
            return None;
        }
        /// Also where the work panics.
        struct Release<'a>(&'a [Arc<Cache>]);
        impl Drop for Release<'_> {
            fn drop(&mut self) {
                Biased::release(self.0.iter().map(|cache| &**cache));
            }
        }
        let _release = Release(&caches);
        // SAFETY: all are seized until the function is left, and each is in the list once.
        let mut racks: Vec<_> = all.map(|cache| unsafe { cache.by_force() }).collect();
        Some(work(self, &mut racks))
    }

    /// Takes back what all threads keep; whether that could be done.
    pub(super) fn collect(&mut self, freed: &mut Vec<Blank>) -> bool {
        let collected = self.with_all(|central, all| {
            for racks in all {
                for rack in racks.iter_mut() {
                    for slot in rack.empty().into_iter().flatten() {
                        central.give(slot, freed);
                    }
                }
                racks.shrink();
            }
        });
        collected.is_some()
    }

    /// Nothing is kept from now on.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.capacity = 0;
    }

    // Counts.

    /// What there is and was of each class.
    pub(super) fn counts(&mut self) -> Vec<Count> {
        let mut counts: Vec<Count> = self
            .classes
            .all()
            .map(|class| {
                let shelf = self.shelf(class);
                Count {
                    bytes: self.classes.bytes(class),
                    taken: shelf.taken,
                    given: shelf.given,
                }
            })
            .collect();
        // What threads count is missing where it cannot be had.
        let _ = self.with_all(|_, all| {
            for racks in all {
                for (count, rack) in counts.iter_mut().zip(racks.iter()) {
                    count.taken += rack.taken();
                    count.given += rack.given();
                }
            }
        });
        counts
    }

    /// Begins to count anew; no buffer lives.
    pub(super) fn forget(&mut self) {
        let _ = self.with_all(|central, all| {
            for shelf in &mut central.shelves {
                (shelf.taken, shelf.given) = (0, 0);
            }
            for rack in all.iter_mut().flat_map(|racks| racks.iter_mut()) {
                rack.forget();
            }
            central.singles_taken = 0;
        });
    }
}
