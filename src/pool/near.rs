//! How a thread finds what it keeps of a pool.

use super::cache::Racks;
use super::inner::PoolInner;
use crate::raw::biased::Biased;
use core::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::{Arc, Weak};

/// What a thread keeps of a pool, which others can seize.
pub(super) type Cache = Biased<Racks>;

/// How many pools a thread finds at once; of others it has to look in a map.
const WAYS: usize = 8;

/// A cache of this thread.
///
/// Invariant: while the pool of that number lives, the cache does, and it is this thread's.
#[derive(Debug, Clone, Copy)]
struct Near {
    pool: u64,
    cache: *const Cache,
}

const NOTHING: Near = Near {
    pool: 0,
    cache: core::ptr::null(),
};

thread_local! {
    /// By the pool's number. Without a destructor, so that it can be read in those of others.
    static NEAR: [Cell<Near>; WAYS] = const { [const { Cell::new(NOTHING) }; WAYS] };
    static MINE: Mine = const { Mine(RefCell::new(None)) };
}

/// All caches of this thread, by the pool's number.
struct Mine(RefCell<Option<HashMap<u64, Own>>>);

/// A cache that is this thread's until it ends.
struct Own {
    pool: Weak<PoolInner>,
    cache: Weak<Cache>,
}

impl Drop for Mine {
    fn drop(&mut self) {
        let _ = NEAR.try_with(|near| near.iter().for_each(|near| near.set(NOTHING)));
        // Giving back what a pool keeps may drop it, and with it what uses pools again: the map is closed.
        let own = self.0.borrow_mut().take();
        for own in own.into_iter().flat_map(HashMap::into_values) {
            if let (Some(pool), Some(cache)) = (own.pool.upgrade(), own.cache.upgrade()) {
                pool.orphan(cache);
            }
        }
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "it is below `WAYS`")]
fn way(pool: u64) -> usize {
    (pool % WAYS as u64) as usize
}

/// The cache of this thread in a pool, where it is found at once.
///
/// # Safety
///
/// The pool of that number must live for as long as the result is used.
#[inline]
pub(super) unsafe fn find<'a>(pool: u64) -> Option<&'a Cache> {
    let near = NEAR.with(|near| near[way(pool)].get());
    if near.pool != pool {
        return None;
    }
    // SAFETY: by the invariant of `Near`, since the pool lives.
    Some(unsafe { &*near.cache })
}

/// The cache of this thread in a pool, which is made where there is none; `None` where the thread is
/// about to end.
pub(super) fn cache(pool: &PoolInner) -> Option<&Cache> {
    // SAFETY: the pool lives as long as the reference to it, and the result no longer.
    unsafe { find(pool.number()) }.or_else(|| enrol(pool))
}

#[cold]
fn enrol(pool: &PoolInner) -> Option<&Cache> {
    let number = pool.number();
    let cache = MINE
        .try_with(|mine| {
            let mut mine = mine.0.try_borrow_mut().ok()?;
            let mine = mine.get_or_insert_default();
            if let Some(own) = mine.get(&number) {
                return own.cache.upgrade();
            }
            if mine.len() == mine.capacity() {
                mine.retain(|_, own| own.pool.strong_count() > 0);
            }
            let cache = pool.adopt();
            let own = Own {
                pool: pool.weak(),
                cache: Arc::downgrade(&cache),
            };
            mine.insert(number, own);
            Some(cache)
        })
        .ok()??;
    let near = Near {
        pool: number,
        cache: Arc::as_ptr(&cache),
    };
    NEAR.with(|all| all[way(number)].set(near));
    // SAFETY: the pool has an `Arc` of it for as long as it lives itself.
    Some(unsafe { &*near.cache })
}
