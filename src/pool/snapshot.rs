//! What a pool holds at one moment.

use super::cache::Racks;
use super::central::Central;
use super::inner::PoolInner;
use super::map::{PoolMap, SlabMap, SlotState, SpareMap};
use super::span::{Cut, Slot};

impl PoolInner {
    /// A picture of the pool.
    pub(super) fn map(&self) -> PoolMap {
        let mut central = self.lock();
        // Where what threads keep cannot be had, it looks as if buffers were in it.
        let (slabs, kept) = central
            .with_all(|central, all| (slabs(central, all), kept(central)))
            .unwrap_or_else(|| (slabs(&central, &[]), kept(&central)));
        drop(central);
        PoolMap::new(self.name().to_owned(), self.kind(), slabs, kept)
    }
}

fn slabs(central: &Central, all: &[&mut Racks]) -> Vec<SlabMap> {
    let mut slots: Vec<Vec<SlotState>> = central.cuts().map(of_cut).collect();
    let mut cached = |slot: &Slot| {
        let number = slot.span().number();
        let place = central.cut_of(slot).map(|cut| cut.number_of(slot));
        if let (Some(slots), Some(place)) = (slots.get_mut(number), place) {
            slots[place] = SlotState::Cached;
        }
    };
    central.kept_slots().for_each(&mut cached);
    for rack in all.iter().flat_map(|racks| racks.iter()) {
        rack.iter().for_each(&mut cached);
    }
    central
        .cuts()
        .zip(slots)
        .filter_map(|(cut, slots)| {
            let span = cut?.span();
            let start = span.start().addr().get();
            Some(SlabMap::new(start, span.bytes(), span.slot_bytes(), slots))
        })
        .collect()
}

/// A slot that is out is live until it is found to be kept.
fn of_cut(cut: Option<&Cut>) -> Vec<SlotState> {
    let slots = cut.map_or(0, Cut::slots);
    let state = |slot| match cut {
        Some(cut) if cut.is_free(slot) => SlotState::Free,
        _ => SlotState::Live,
    };
    (0..slots).map(state).collect()
}

fn kept(central: &Central) -> Vec<SpareMap> {
    let map = |blank: &super::span::Blank| SpareMap::new(blank.start.addr().get(), blank.bytes);
    central.idle().map(map).collect()
}
