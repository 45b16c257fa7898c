//! Spans: what the driver gave, cut into slots.

use super::class::Class;
use crate::raw::allocation::Allocation;
use core::ptr::NonNull;
use std::sync::Arc;

/// Memory of the driver that is cut into slots of one size.
///
/// A pool keeps it as long as a slot of it is out.
#[derive(Debug)]
pub(super) struct Span {
    memory: Allocation,
    /// Of the first slot.
    start: NonNull<u8>,
    /// How many bytes there are from the start on.
    bytes: usize,
    class: Class,
    slot_bytes: usize,
    /// Where the pool has the rest of what it knows of it.
    number: usize,
}

// SAFETY: the pointer is an address that the value gives out, and nothing is done with it here.
unsafe impl Send for Span {}
// SAFETY: as above.
unsafe impl Sync for Span {}

impl Span {
    #[inline]
    pub(super) fn memory(&self) -> &Allocation {
        &self.memory
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn class(&self) -> Class {
        self.class
    }

    pub(super) fn slot_bytes(&self) -> usize {
        self.slot_bytes
    }

    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }
}

/// Memory that no slot is cut of: fresh from the driver, or idle.
#[derive(Debug)]
pub(super) struct Blank {
    pub(super) memory: Allocation,
    /// What is aligned as the pool promises.
    pub(super) start: NonNull<u8>,
    /// How many bytes lie in the memory from the start on.
    pub(super) bytes: usize,
}

// SAFETY: as of `Span`.
unsafe impl Send for Blank {}

/// A slot: the right to use its bytes. There is at most one of each.
///
/// Invariant: the span is alive for as long as this is, and `start` is where one of its slots begins.
/// A slot that is dropped is lost, and so is its span.
#[derive(Debug)]
pub(crate) struct Slot {
    start: NonNull<u8>,
    span: NonNull<Span>,
}

// SAFETY: it stands for memory that any thread may use, and for a span, which any may read.
unsafe impl Send for Slot {}
// SAFETY: a shared reference gives out an address and a shared reference to the span, which is `Sync`.
unsafe impl Sync for Slot {}

impl Slot {
    #[inline]
    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    #[inline]
    pub(super) fn span(&self) -> &Span {
        // SAFETY: by the invariant the span is alive; it is changed by nobody, since it lies in an `Arc`.
        unsafe { self.span.as_ref() }
    }
}

/// A span with its free slots.
///
/// Invariant: a slot whose bit is set is not out, and each that is out has been taken from here.
#[derive(Debug)]
pub(super) struct Cut {
    span: Arc<Span>,
    slots: u32,
    free: u32,
    /// A bit for each slot: the first 64, and the rest.
    first: u64,
    more: Box<[u64]>,
    /// Where a free slot was last: the search begins here.
    hint: u32,
    /// The memory must not be used again: what the last user left there could not be erased.
    tainted: bool,
}

impl Cut {
    /// Cuts memory into `slots` slots of the class, which fit, and takes the first.
    pub(super) fn new(
        blank: Blank,
        class: Class,
        slot_bytes: usize,
        slots: usize,
        number: usize,
    ) -> (Self, Slot) {
        debug_assert!(
            slots > 0
                && slot_bytes
                    .checked_mul(slots)
                    .is_some_and(|all| all <= blank.bytes)
        );
        let word = |index: usize| match slots - index * 64 {
            64.. => u64::MAX,
            rest => (1 << rest) - 1,
        };
        let mut cut = Self {
            span: Arc::new(Span {
                memory: blank.memory,
                start: blank.start,
                bytes: blank.bytes,
                class,
                slot_bytes,
                number,
            }),
            slots: u32::try_from(slots).unwrap_or(u32::MAX),
            free: u32::try_from(slots - 1).unwrap_or(u32::MAX),
            // But the slot that is taken.
            first: word(0) & !1,
            more: (1..slots.div_ceil(64)).map(word).collect(),
            hint: 0,
            tainted: false,
        };
        let slot = cut.slot(0);
        (cut, slot)
    }

    /// The slot of that number, which must be out from now on.
    fn slot(&mut self, number: usize) -> Slot {
        let offset = number * self.span.slot_bytes;
        Slot {
            // SAFETY: as many slots as there are bits lie in the memory, which is one allocation.
            start: unsafe { self.span.start.add(offset) },
            span: NonNull::from(&*self.span),
        }
    }

    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    pub(super) fn slots(&self) -> usize {
        self.slots as usize
    }

    /// How many slots are not out.
    pub(super) fn free(&self) -> usize {
        self.free as usize
    }

    pub(super) fn is_whole(&self) -> bool {
        self.free == self.slots
    }

    pub(super) fn is_tainted(&self) -> bool {
        self.tainted
    }

    /// None of its slots is to be handed out any more.
    pub(super) fn taint(&mut self) {
        self.tainted = true;
    }

    fn word(&mut self, index: usize) -> &mut u64 {
        match index {
            0 => &mut self.first,
            _ => &mut self.more[index - 1],
        }
    }

    /// Whether the slot of that number is not out.
    pub(super) fn is_free(&self, slot: usize) -> bool {
        let word = match slot / 64 {
            0 => self.first,
            index => self.more[index - 1],
        };
        word >> (slot % 64) & 1 == 1
    }

    /// Takes the first free slot.
    pub(super) fn take(&mut self) -> Option<Slot> {
        if self.free == 0 {
            return None;
        }
        let mut index = self.hint as usize;
        while *self.word(index) == 0 {
            index = if index == self.more.len() {
                0
            } else {
                index + 1
            };
        }
        let word = self.word(index);
        let bit = word.trailing_zeros() as usize;
        *word &= *word - 1;
        self.hint = u32::try_from(index).unwrap_or(0);
        self.free -= 1;
        Some(self.slot(index * 64 + bit))
    }

    /// The number of a slot of this span.
    pub(super) fn number_of(&self, slot: &Slot) -> usize {
        (slot.start.addr().get() - self.span.start.addr().get()) / self.span.slot_bytes
    }

    /// Takes a slot of this span back.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "it is not to be used any more"
    )]
    pub(super) fn give(&mut self, slot: Slot) {
        debug_assert!(core::ptr::eq(slot.span.as_ptr(), &raw const *self.span));
        let number = self.number_of(&slot);
        debug_assert!(!self.is_free(number), "a slot is given back twice");
        *self.word(number / 64) |= 1 << (number % 64);
        self.hint = u32::try_from(number / 64).unwrap_or(0);
        self.free += 1;
    }

    /// The memory, where no slot is out.
    pub(super) fn into_blank(self) -> Option<Blank> {
        if !self.is_whole() {
            return None;
        }
        Arc::into_inner(self.span).map(|span| Blank {
            memory: span.memory,
            start: span.start,
            bytes: span.bytes,
        })
    }
}
