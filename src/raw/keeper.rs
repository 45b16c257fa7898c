//! Those that keep memory for reuse, and can be asked for it.

#[cfg(all(test, feature = "cpu"))]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]
mod tests;

use crate::error::Holder;
use crate::raw::lock::lock;
use core::cell::Cell;
use core::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

/// How often a thread looks whether another has got something back.
const PATIENCE: u32 = 10_000;

/// What keeps memory that is not in use, and can give it back.
///
/// It is asked by any thread that allocates, which holds no lock of this library. Who calls
/// [`allocate`](crate::raw::allocation::allocate) must hold none that `give_back` or `holder` take.
pub(crate) trait Keeper: Send + Sync + Debug {
    /// Gives all idle memory back to the driver; how many bytes that were.
    fn give_back(&self) -> usize;

    /// Who it is and how much it holds of the driver's memory, in how many live buffers.
    fn holder(&self) -> Holder;

    /// How many allocations of the driver that is: what the context counts as live buffers.
    fn allocations(&self) -> u64 {
        self.holder().buffers()
    }
}

/// The keepers of a context.
#[derive(Debug, Default)]
pub(crate) struct Keepers {
    registered: Mutex<Vec<Weak<dyn Keeper>>>,
    /// Bytes that were given back ever.
    returned: AtomicU64,
    /// How many threads are asking.
    asking: AtomicU64,
}

impl Keepers {
    pub(crate) fn register(&self, keeper: Weak<dyn Keeper>) {
        let mut registered = lock(&self.registered);
        // Before it grows, so that registering takes no longer the more were here before.
        if registered.len() == registered.capacity() {
            registered.retain(|keeper| keeper.strong_count() > 0);
        }
        registered.push(keeper);
    }

    /// Those that are alive. The lock is free again by then: one of these `Arc`s may become the
    /// last, and whoever is asked may register another.
    fn alive(&self) -> Vec<Arc<dyn Keeper>> {
        lock(&self.registered)
            .iter()
            .filter_map(Weak::upgrade)
            .collect()
    }

    /// Asks all for what they keep idle; how many bytes came back.
    ///
    /// A keeper that allocates while it is asked, and finds no memory, gets an error and does not
    /// ask in its turn.
    pub(crate) fn give_back(&self) -> usize {
        let Some(_asking) = Asking::begin() else {
            return 0;
        };
        self.asking.fetch_add(1, Ordering::Relaxed);
        let total = self.alive().into_iter().fold(0, |total: usize, keeper| {
            let bytes = keeper.give_back();
            self.returned.fetch_add(bytes as u64, Ordering::Relaxed);
            total.saturating_add(bytes)
        });
        self.asking.fetch_sub(1, Ordering::Relaxed);
        total
    }

    /// Asks all for what they keep idle; whether it is worth to try once more. It also is where
    /// another thread took the same way and was faster.
    pub(crate) fn relieve(&self) -> bool {
        let before = self.returned.load(Ordering::Relaxed);
        if self.give_back() > 0 {
            return true;
        }
        // What another thread is just getting back cannot be had here, but soon.
        for _ in 0..PATIENCE {
            if self.asking.load(Ordering::Relaxed) == 0 {
                break;
            }
            std::thread::yield_now();
        }
        self.returned.load(Ordering::Relaxed) != before
    }

    /// What each holds, and in how many allocations.
    pub(crate) fn holders(&self) -> Vec<(Holder, u64)> {
        let holder = |keeper: Arc<dyn Keeper>| (keeper.holder(), keeper.allocations());
        self.alive().into_iter().map(holder).collect()
    }
}

/// This thread asks keepers.
struct Asking(());

thread_local! {
    static ASKING: Cell<bool> = const { Cell::new(false) };
}

impl Asking {
    /// `None` where it does already.
    fn begin() -> Option<Self> {
        (!ASKING.replace(true)).then_some(Self(()))
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        ASKING.set(false);
    }
}
