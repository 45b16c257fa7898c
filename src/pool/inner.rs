//! A pool's inside: the fast ways in and out, and the slow ones.

use super::central::Central;
use super::class::{Class, Classes};
use super::near::{self, Cache};
use super::span::{Blank, Slot};
use super::stats::PoolStats;
use crate::error::{Error, Result};
use crate::placement::PlacementKind;
use crate::raw::immediate::ImmediateList;
use crate::raw::lock::{lock, lock_briefly};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

/// The number of the last pool; none has 0.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// How often a thread looks whether another has freed something.
const PATIENCE: u32 = 10_000;

/// What handles of a pool and its buffers share.
///
/// It lives while a handle does, and after that, by `keep`, until its last slot has come back.
#[derive(Debug)]
pub(crate) struct PoolInner {
    fixed: Fixed,
    name: String,
    /// Slots are erased before they are used again.
    erases: bool,
    kind: PlacementKind,
    this: Weak<Self>,
    /// Device memory is erased through it.
    list: Option<Arc<ImmediateList>>,
    central: Mutex<Central>,
    /// Held while no handle is left and slots are out.
    keep: Mutex<Option<Arc<Self>>>,
    /// Bytes that count towards the limit: what the driver has given, or is about to.
    reserved: AtomicU64,
    /// Bytes that the driver has given.
    held: AtomicU64,
    /// Bytes of those that are about to be freed.
    leaving: AtomicUsize,
    peak_held: AtomicU64,
    limit: u64,
    driver_allocations: AtomicU64,
    driver_frees: AtomicU64,
}

/// What all threads read all the time, in lines of the processor's cache that nobody writes.
#[derive(Debug)]
#[repr(align(128))]
struct Fixed {
    /// No other pool of this process has or had it.
    number: u64,
    classes: Classes,
}

/// How a pool is made.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) classes: Classes,
    pub(super) erases: bool,
    pub(super) kind: PlacementKind,
    pub(super) list: Option<Arc<ImmediateList>>,
    pub(super) kept_capacity: usize,
    pub(super) idle_after: std::time::Duration,
    pub(super) limit: u64,
}

impl PoolInner {
    pub(super) fn new(plan: Plan) -> Arc<Self> {
        let central = Central::new(plan.classes, plan.kept_capacity, plan.idle_after);
        Arc::new_cyclic(|this| Self {
            fixed: Fixed {
                number: NUMBERS.fetch_add(1, Ordering::Relaxed) + 1,
                classes: plan.classes,
            },
            name: plan.name,
            erases: plan.erases,
            kind: plan.kind,
            this: Weak::clone(this),
            list: plan.list,
            central: Mutex::new(central),
            keep: Mutex::new(None),
            reserved: AtomicU64::new(0),
            held: AtomicU64::new(0),
            leaving: AtomicUsize::new(0),
            peak_held: AtomicU64::new(0),
            limit: plan.limit,
            driver_allocations: AtomicU64::new(0),
            driver_frees: AtomicU64::new(0),
        })
    }

    #[inline]
    pub(super) fn number(&self) -> u64 {
        self.fixed.number
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes that the driver has given.
    pub(super) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn classes(&self) -> &Classes {
        &self.fixed.classes
    }

    pub(super) fn kind(&self) -> PlacementKind {
        self.kind
    }

    pub(super) fn weak(&self) -> Weak<Self> {
        Weak::clone(&self.this)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Central> {
        lock_briefly(&self.central)
    }

    // Threads.

    /// What this thread keeps; `None` where it is about to end, or nothing is kept by threads.
    fn cache(&self) -> Option<&Cache> {
        if self.erases {
            return None;
        }
        near::cache(self)
    }

    pub(super) fn adopt(&self) -> Arc<Cache> {
        self.lock().adopt()
    }

    /// Takes over what a thread keeps, which ends.
    pub(super) fn orphan(&self, cache: Arc<Cache>) {
        let mut freed = Vec::new();
        let mut central = self.lock();
        // SAFETY: this is the owner's thread, outside, and others seize it with the lock held only.
        let racks = unsafe { cache.by_force() };
        for class in self.fixed.classes.all() {
            if let Some(rack) = racks.get_mut(class) {
                for magazine in rack.empty() {
                    if magazine.len() * 2 > magazine.capacity() {
                        central.keep(class, magazine, &mut freed);
                    } else {
                        // Magazines of few slots would become many.
                        central.put_apart(magazine, &mut freed);
                    }
                }
            }
        }
        racks.shrink();
        central.orphan(cache);
        // Where it could not be had when the last handle went, this may be the last of the pool.
        self.leave(central, freed);
    }

    // Memory of the driver.

    /// Makes room under the limit for that many bytes; whether there is room.
    pub(super) fn reserve(&self, bytes: usize) -> bool {
        let more = |reserved: u64| {
            reserved
                .checked_add(bytes as u64)
                .filter(|&all| all <= self.limit)
        };
        self.reserved
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .is_ok()
    }

    /// What was reserved is not taken.
    pub(super) fn unreserve(&self, bytes: usize) {
        self.reserved.fetch_sub(bytes as u64, Ordering::Relaxed);
    }

    /// Leaves the middle, and frees what was listed there.
    pub(super) fn discard(&self, central: MutexGuard<'_, Central>, freed: Vec<Blank>) {
        self.driver_frees
            .fetch_add(freed.len() as u64, Ordering::Relaxed);
        self.discard_uncounted(central, freed);
    }

    fn discard_uncounted(&self, central: MutexGuard<'_, Central>, freed: Vec<Blank>) {
        // Who finds nothing left to give back sees from it that there soon is.
        let listed: usize = freed.iter().map(|blank| blank.memory.bytes()).sum();
        self.leaving.fetch_add(listed, Ordering::Relaxed);
        drop(central);
        for blank in freed {
            let bytes = blank.memory.bytes();
            drop(blank);
            self.held.fetch_sub(bytes as u64, Ordering::Relaxed);
            self.unreserve(bytes);
            self.leaving.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Waits a little while other threads free memory; whether some did.
    pub(super) fn wait_for_others(&self) -> bool {
        let before = self.leaving.load(Ordering::Relaxed);
        for _ in 0..PATIENCE {
            if self.leaving.load(Ordering::Relaxed) != before || before == 0 {
                break;
            }
            std::thread::yield_now();
        }
        before != 0
    }

    /// Gives all idle memory back; how many bytes that were.
    pub(super) fn trim(&self) -> usize {
        let mut freed = Vec::new();
        let mut central = self.lock();
        central.collect(&mut freed);
        central.give_back(&mut freed);
        let bytes = freed.iter().map(|blank| blank.memory.bytes()).sum();
        self.discard(central, freed);
        bytes
    }

    /// Gives all memory back, where no buffer lives, and begins to count anew.
    pub(super) fn reset(&self) -> Result<()> {
        let mut freed = Vec::new();
        let mut central = self.lock();
        central.collect(&mut freed);
        central.give_back(&mut freed);
        let live = !central.is_uncut();
        if !live {
            central.forget();
            self.peak_held.store(0, Ordering::Relaxed);
            self.driver_allocations.store(0, Ordering::Relaxed);
            self.driver_frees.store(0, Ordering::Relaxed);
        }
        if live {
            self.discard(central, freed);
            let stats = self.stats();
            return Err(Error::PoolInUse {
                name: self.name.clone(),
                live_buffers: stats.live_buffers,
                live_bytes: stats.live_bytes,
            });
        }
        // These are of the time before.
        self.discard_uncounted(central, freed);
        Ok(())
    }

    /// What the driver was asked for.
    pub(super) fn driver_counts(&self, stats: &mut PoolStats) {
        stats.held_bytes = self.held.load(Ordering::Relaxed);
        stats.peak_held_bytes = self.peak_held.load(Ordering::Relaxed);
        stats.driver_allocations = self.driver_allocations.load(Ordering::Relaxed);
        stats.driver_frees = self.driver_frees.load(Ordering::Relaxed);
    }

    /// No handle is left.
    pub(super) fn close(self: &Arc<Self>) {
        let mut freed = Vec::new();
        let mut central = self.lock();
        central.close();
        // Where what threads keep cannot be had, it is lost with the pool, and memory with it.
        central.collect(&mut freed);
        central.give_back(&mut freed);
        if !central.is_uncut() {
            *lock(&self.keep) = Some(Arc::clone(self));
        }
        self.discard(central, freed);
    }

    // Slots.

    /// A free slot of this thread's.
    #[inline]
    pub(super) fn take(&self, class: Class) -> Option<Slot> {
        // SAFETY: the pool lives as long as this reference.
        let cache = unsafe { near::find(self.fixed.number) }?;
        // SAFETY: it is this thread's, and what is done inside does not come here again.
        let mut racks = unsafe { cache.enter() }?;
        racks.get_mut(class)?.take()
    }

    /// A free slot that lies somewhere in the pool.
    pub(super) fn take_shared(&self, class: Class) -> Option<Slot> {
        let mut freed = Vec::new();
        // SAFETY: the pool lives as long as this reference.
        let found = unsafe { near::find(self.fixed.number) }.is_some();
        let cache = self.cache();
        // Two pools may have taken each other's place in the thread's memory.
        if !found && let Some(slot) = self.take(class) {
            return Some(slot);
        }
        let mut central = self.lock();
        let taken = match cache {
            Some(cache) => {
                // SAFETY: it is this thread's, outside; others seize it with the lock held only.
                let racks = unsafe { cache.by_force() };
                let room = central.room();
                let bytes = self.fixed.classes.bytes(class);
                racks
                    .grown(class, bytes, room)
                    .and_then(|(rack, capacity)| rack.refill(&mut central, class, capacity))
                    .or_else(|| {
                        central
                            .larger(class)
                            .find_map(|larger| racks.get_mut(larger)?.take_any())
                    })
            }
            None => {
                let slot = central
                    .full_magazine(class)
                    .and_then(|mut magazine| {
                        let slot = magazine.pop();
                        central.keep(class, magazine, &mut freed);
                        slot
                    })
                    .or_else(|| central.take(class));
                central.shelf_mut(class).taken += u64::from(slot.is_some());
                slot
            }
        };
        let taken = taken.or_else(|| {
            let slot = central.take_larger(class)?;
            central.shelf_mut(slot.span().class()).taken += 1;
            Some(slot)
        });
        central.tick(&mut freed);
        self.discard(central, freed);
        taken
    }

    /// A slot of idle memory.
    pub(super) fn take_rested(&self, class: Class) -> Option<Slot> {
        let (bytes, _) = self.fixed.classes.slab(class);
        let mut central = self.lock();
        let blank = central.rested(bytes)?;
        Some(cut(
            &mut central,
            blank,
            class,
            self.fixed.classes.bytes(class),
        ))
    }

    /// A slot of fresh memory.
    pub(super) fn take_fresh(&self, blank: Blank, class: Class, slot_bytes: usize) -> Slot {
        let mut central = self.lock();
        self.driver_allocations.fetch_add(1, Ordering::Relaxed);
        // Not before: what the driver refuses was never held.
        let bytes = blank.memory.bytes() as u64;
        let held = self.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak_held.fetch_max(held, Ordering::Relaxed);
        cut(&mut central, blank, class, slot_bytes)
    }

    /// Takes a slot back. What is returned is to be dropped when this reference is not used any more: it
    /// may be what keeps it alive.
    #[must_use]
    pub(super) fn give(&self, slot: Slot, class: Class) -> Option<Arc<Self>> {
        if self.erases && self.erased(&slot).is_err() {
            return self.give_tainted(slot, class);
        }
        self.give_shared(slot, class)
    }

    /// Keeps a slot for this thread, where it has room. Of a pool that erases no thread keeps any.
    ///
    /// By a pointer: when the slot is back, another thread may end the pool before this returns.
    ///
    /// # Safety
    ///
    /// The pool must live until the slot is given back.
    #[inline]
    pub(super) unsafe fn put(this: NonNull<Self>, slot: Slot, class: Class) -> Result<(), Slot> {
        // SAFETY: it lives, and is read without a reference that would last.
        let number = unsafe { (*this.as_ptr()).fixed.number };
        // SAFETY: the pool lives while the slot is not back.
        let Some(cache) = (unsafe { near::find(number) }) else {
            return Err(slot);
        };
        // SAFETY: it is this thread's, and what is done inside does not come here again.
        let Some(mut racks) = (unsafe { cache.enter() }) else {
            return Err(slot);
        };
        match racks.get_mut(class) {
            Some(rack) => rack.put(slot),
            None => Err(slot),
        }
    }

    #[cold]
    #[inline(never)]
    fn give_shared(&self, slot: Slot, class: Class) -> Option<Arc<Self>> {
        // Once the slot is given, another thread may drop what kept this alive.
        let this = self.this.upgrade();
        let mut freed = Vec::new();
        let cache = match class {
            Class::SINGLE => None,
            _ => self.cache(),
        };
        let mut central = self.lock();
        // Nothing is kept for a thread by a pool that is gone.
        match cache.filter(|_| !central.is_closed()) {
            Some(cache) => {
                // SAFETY: it is this thread's, outside; others seize it with the lock held only.
                let racks = unsafe { cache.by_force() };
                let room = central.room();
                let rack = racks.grown(class, self.fixed.classes.bytes(class), room);
                if let Some((rack, capacity)) = rack {
                    rack.stow(&mut central, class, capacity, slot, &mut freed);
                }
            }
            None => {
                if class != Class::SINGLE {
                    central.shelf_mut(class).given += 1;
                }
                central.give(slot, &mut freed);
            }
        }
        central.tick(&mut freed);
        self.leave(central, freed);
        this
    }

    /// Takes a slot back that is not to be used again.
    #[cold]
    fn give_tainted(&self, slot: Slot, class: Class) -> Option<Arc<Self>> {
        let this = self.this.upgrade();
        let mut freed = Vec::new();
        let mut central = self.lock();
        central.taint(&slot);
        if class != Class::SINGLE {
            central.shelf_mut(class).given += 1;
        }
        central.give(slot, &mut freed);
        self.leave(central, freed);
        this
    }

    /// Frees what is listed; the caller keeps this alive.
    fn leave(&self, central: MutexGuard<'_, Central>, freed: Vec<Blank>) {
        let last = central.is_closed() && central.is_uncut();
        self.discard(central, freed);
        if last {
            drop(lock(&self.keep).take());
        }
    }

    fn erased(&self, slot: &Slot) -> Result<()> {
        let (start, bytes) = (slot.start().as_ptr(), slot.span().slot_bytes());
        match &self.list {
            // SAFETY: the slot is live memory of the context that the list is of, and nobody else uses it.
            Some(list) => unsafe { list.fill(start.cast(), &[0], bytes) },
            None => {
                // SAFETY: the host can write to the slot, which nobody else uses; a pool of device memory
                // that erases has a list.
                unsafe { start.write_bytes(0, bytes) };
                Ok(())
            }
        }
    }
}

/// Cuts memory into slots, and takes one for a buffer.
fn cut(central: &mut Central, blank: Blank, class: Class, slot_bytes: usize) -> Slot {
    let slot = central.cut(blank, class, slot_bytes);
    if class != Class::SINGLE {
        central.shelf_mut(class).taken += 1;
    }
    slot
}
