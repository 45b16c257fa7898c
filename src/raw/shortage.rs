//! No memory: what was missing, and the error that says so.

use crate::error::{Error, Holder, Holders, LimitOf, ResultCode};
use crate::raw::budget::Budget;
use crate::raw::context::Ledger;
use crate::raw::keeper::Keepers;
use level_zero_sys as sys;
use std::sync::Arc;

/// Why an attempt to allocate failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// For want of memory: idle memory that is given back may help.
    Short(Shortage),
    /// For a reason that stays.
    Other(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// What was asked for and is not there.
#[derive(Debug)]
pub(crate) struct Shortage {
    /// What was asked for.
    pub(crate) bytes: usize,
    /// How much of it only to align.
    pub(crate) padding: usize,
    pub(crate) of: Short,
}

/// What there is too little of.
#[derive(Debug)]
pub(crate) enum Short {
    /// The driver's memory; its code.
    Memory(sys::ze_result_t),
    /// The context's limit; what was taken of it.
    Limit(u64),
}

impl Shortage {
    /// Gives idle memory of the context back where that may help; whether to try once more.
    pub(crate) fn relieve(&self, ledger: &Ledger) -> bool {
        let context = ledger.context();
        let hopeless = matches!(self.of, Short::Limit(_))
            && context
                .budget()
                .is_some_and(|budget| self.bytes as u64 > budget.limit());
        !hopeless && context.keepers().relieve()
    }

    #[cold]
    pub(crate) fn into_error(self, ledger: &Arc<Ledger>) -> Error {
        let context = ledger.context();
        let placement = ledger.kind();
        let Self { bytes, padding, of } = self;
        match of {
            Short::Memory(code) => Error::OutOfMemory {
                call: placement.call(),
                code: ResultCode::from(code),
                placement,
                requested: bytes,
                padding,
                live_bytes: ledger.live_bytes(),
                live_buffers: ledger.live_buffers(),
            },
            Short::Limit(taken) => {
                let budget = context.budget();
                Error::LimitReached {
                    of: Box::new(LimitOf::Context),
                    limit: budget.map_or(u64::MAX, Budget::limit),
                    placement,
                    requested: bytes,
                    padding,
                    held_bytes: taken,
                    holders: budget
                        .map_or_else(Holders::default, |b| holders(context.keepers(), b)),
                }
            }
        }
    }
}

/// Who holds what is taken: keepers by their names, areas what is left.
fn holders(keepers: &Keepers, budget: &Budget) -> Holders {
    let keepers = keepers.holders();
    let mut all = Vec::new();
    for share in budget.shares() {
        let placement = share.placement;
        let (mut bytes, mut buffers) = (share.bytes, share.buffers);
        for (holder, allocations) in &keepers {
            if holder.placement() == placement {
                // Counted at another moment than the share.
                bytes = bytes.saturating_sub(holder.bytes());
                buffers = buffers.saturating_sub(*allocations);
            }
        }
        let (lost, times) = (share.lost_bytes, share.lost_buffers);
        all.push(Holder::new("buffers of areas", placement, bytes, buffers));
        all.push(Holder::new("lost in failed frees", placement, lost, times));
    }
    all.extend(keepers.into_iter().map(|(holder, _)| holder));
    Holders::largest(all)
}
