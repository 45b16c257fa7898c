//! The pool as one who keeps memory of its context.

use super::inner::PoolInner;
use crate::error::{Error, Holder, Holders, LimitOf};
use crate::raw::keeper::Keeper;

impl Keeper for PoolInner {
    fn give_back(&self) -> usize {
        self.trim()
    }

    fn holder(&self) -> Holder {
        let stats = self.stats();
        let name = match self.name() {
            "" => "a pool without a name",
            name => name,
        };
        Holder::new(name, self.kind(), stats.held_bytes, stats.live_buffers)
    }

    fn allocations(&self) -> u64 {
        let stats = self.stats();
        stats.driver_allocations.saturating_sub(stats.driver_frees)
    }
}

impl PoolInner {
    /// The error for a request that the pool's limit leaves no room for.
    #[cold]
    pub(super) fn limit_reached(&self, requested: usize, slab: usize) -> Error {
        let mut central = self.lock();
        let mut holders: Vec<Holder> = central
            .counts()
            .into_iter()
            .map(|count| {
                let name = format!("buffers of up to {} bytes", count.bytes);
                let bytes = count.live() * count.bytes as u64;
                Holder::new(name, self.kind(), bytes, count.live())
            })
            .collect();
        let (bytes, buffers) = (central.single_bytes as u64, central.singles);
        drop(central);
        holders.push(Holder::new("larger buffers", self.kind(), bytes, buffers));
        Error::LimitReached {
            of: Box::new(LimitOf::Pool {
                name: self.name().into(),
                slab,
            }),
            limit: self.limit(),
            placement: self.kind(),
            requested,
            padding: 0,
            held_bytes: self.held(),
            holders: Holders::largest(holders),
        }
    }
}
