//! What is allocated at a time, in numbered slots.

use crate::contender::{Contender, Failure};
use core::hint::black_box;

/// Slots for allocations of one contender. What is still there in the end is freed.
pub(crate) struct Live<'c, C: Contender> {
    contender: &'c C,
    slots: Vec<Option<C::Handle>>,
}

impl<'c, C: Contender> Live<'c, C> {
    pub(crate) fn new(contender: &'c C, slots: usize) -> Self {
        Self {
            contender,
            slots: (0..slots).map(|_| None).collect(),
        }
    }

    /// Allocates into a slot that is empty.
    #[inline]
    pub(crate) fn allocate(&mut self, slot: usize, bytes: usize) -> Result<(), Failure> {
        match self.contender.allocate(black_box(bytes)) {
            Ok(handle) => self.slots[slot] = Some(handle),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Frees what is in a slot, if anything.
    #[inline]
    pub(crate) fn free(&mut self, slot: usize) -> Result<(), Failure> {
        match self.slots[slot].take() {
            Some(handle) => self.contender.free(handle).map_err(Into::into),
            None => Ok(()),
        }
    }
}

impl<C: Contender> Drop for Live<'_, C> {
    fn drop(&mut self) {
        for handle in self.slots.iter_mut().filter_map(Option::take) {
            if let Err(error) = self.contender.free(handle) {
                let error: Failure = error.into();
                println!("freeing what was left: {error}");
            }
        }
    }
}
