//! The settings of a pool.

use super::class::Classes;
use super::inner::{Plan, PoolInner};
use super::{Handle, Pool, Poolable};
use crate::area::sealed::Inside;
use crate::area::{Align, Alignment, FreePolicy};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::placement::{Device, Placement, PlacementKind};
use core::fmt;
use core::marker::PhantomData;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// The least that a slot is aligned to, and the smallest size of a class.
pub(super) const LEAST: usize = 64;
/// What drivers give at least, and the smallest slab.
const PAGE: usize = 64 << 10;
/// The largest slab.
const LARGEST_SLAB: usize = 1 << 30;

/// Settings of a [`Pool`], from [`Pool::builder`].
///
/// They have the names that Intel's SYCL runtime gives the settings of its pool, where it has them.
///
/// ```
/// # #[cfg(feature = "cpu")] {
/// use ze_area::{Context, Pool};
///
/// let context = Context::new()?;
/// let pool = Pool::builder(&context.host_area())
///     .name("messages")
///     .kept_capacity(16 << 20)
///     .limit(256 << 20)
///     .zero_on_free(true)
///     .build()?;
/// let message = pool.mmap_from_slice(b"hello")?;
/// assert_eq!(message[..], *b"hello");
/// # }
/// # Ok::<(), ze_area::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct PoolBuilder<A: Alignment = Align<64>, P: Placement = Device> {
    context: Context,
    ground: super::Ground,
    align: A,
    settings: PoolSettings,
    placement: PhantomData<P>,
}

/// What a [`Pool`] was built with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolSettings {
    /// Its name in messages; empty where it has none.
    pub name: String,
    /// The size of the smallest buffers in bytes.
    pub smallest_bucket: usize,
    /// The size of the slabs in bytes that small buffers share.
    pub slab_size: usize,
    /// Buffers of more bytes have memory of their own, which is not kept.
    pub largest_pooled: usize,
    /// The most bytes that are kept for reuse, but for what threads keep.
    pub kept_capacity: usize,
    /// The most bytes that the pool holds of the driver's memory, where there is a limit.
    pub limit: Option<u64>,
    /// What was idle for that long is given back.
    pub idle_after: Duration,
    /// Whether buffers are erased when they are freed.
    pub zero_on_free: bool,
    /// Whether several buffers share a slab.
    pub share_slabs: bool,
}

impl<A: Alignment, P: Placement> PoolBuilder<A, P> {
    pub(super) fn new(area: &impl Poolable<Placement = P, Align = A>) -> Self {
        let ground = area.ground(Inside(()));
        // Where host and device cannot use a driver's allocation at once, two buffers in one would not be
        // apart: what the device writes to one could be lost while the host uses the other.
        let concurrent = crate::AccessCaps::CONCURRENT;
        let apart = matches!(P::KIND, PlacementKind::Shared)
            && !ground
                .device
                .as_ref()
                .is_some_and(|device| device.memory_access().shared_single.contains(concurrent));
        Self {
            context: area.context().clone(),
            ground,
            align: area.alignment(),
            settings: PoolSettings {
                name: String::new(),
                smallest_bucket: LEAST,
                slab_size: PAGE,
                largest_pooled: 64 << 20,
                kept_capacity: 64 << 20,
                limit: None,
                idle_after: Duration::from_secs(1),
                zero_on_free: false,
                share_slabs: !apart,
            },
            placement: PhantomData,
        }
    }

    /// A name for the pool in errors, maps and reports.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// The size of the smallest buffers in bytes, by default 64: a power of two from 64 to 1 GiB.
    ///
    /// Smaller requests are rounded up to it.
    pub fn smallest_bucket(mut self, bytes: usize) -> Self {
        self.settings.smallest_bucket = bytes;
        self
    }

    /// The size in bytes of the slabs that small buffers share, by default 64 KiB: a power of
    /// two from 64 KiB to 1 GiB.
    ///
    /// Buffers that are not smaller have memory of their own. Larger slabs take fewer calls of the driver,
    /// and more memory where few buffers of a size live.
    pub fn slab_size(mut self, bytes: usize) -> Self {
        self.settings.slab_size = bytes;
        self
    }

    /// The size of the largest buffers that are pooled, in bytes; by default 64 MiB.
    ///
    /// Larger ones go to the driver each time. With 0 all do. At most a quarter of the address space.
    pub fn largest_pooled(mut self, bytes: usize) -> Self {
        self.settings.largest_pooled = bytes;
        self
    }

    /// How many bytes are kept for reuse, by default 64 MiB.
    ///
    /// Where a program frees a lot at once and allocates it again, this wants to be as much as that: where
    /// [`driver_frees`](crate::PoolStats::driver_frees) grows from step to step, the pool gives back what it
    /// soon needs. A slab stays while one of its free buffers is kept. Threads keep more beside: the first up to a quarter of it, the next an eighth, the `n`th
    /// a `4n`th, eight threads two thirds of it together. With 0 memory goes back to the driver as soon as no
    /// buffer is in it.
    pub fn kept_capacity(mut self, bytes: usize) -> Self {
        self.settings.kept_capacity = bytes;
        self
    }

    /// The most bytes that the pool may hold of the driver's memory.
    ///
    /// What is above it is refused with [`Error::LimitReached`], after what the pool keeps was given back.
    pub fn limit(mut self, bytes: u64) -> Self {
        self.settings.limit = Some(bytes);
        self
    }

    /// After how long idle memory is given back, by default one second.
    ///
    /// Each time that has passed, half of what was not needed meanwhile goes. The pool has no thread of its
    /// own: it looks at the clock now and then when it is used, after a few thousand buffers at the latest.
    /// A program that stops using it calls [`Pool::trim`].
    pub fn idle_after(mut self, time: Duration) -> Self {
        self.settings.idle_after = time;
        self
    }

    /// Whether buffers are erased when they are freed, before anything else is put there; off by
    /// default.
    ///
    /// For programs that keep data of several tenants. Device memory is erased by the device, which costs a
    /// call for each free. Memory that cannot be erased is not used again.
    pub fn zero_on_free(mut self, erase: bool) -> Self {
        self.settings.zero_on_free = erase;
        self
    }

    /// Whether several buffers may share a slab.
    ///
    /// By default they do, but for shared memory of devices that the host cannot use at the same
    /// time (see [`AccessCaps::CONCURRENT`](crate::AccessCaps::CONCURRENT)): there drivers move an
    /// allocation as a whole, and while a kernel writes to one buffer, what the host does to another in the
    /// same slab can undo it. Say `true` there only where the host leaves all buffers of the pool alone
    /// while the device uses any.
    pub fn share_slabs(mut self, share: bool) -> Self {
        self.settings.share_slabs = share;
        self
    }

    /// Makes the pool. It takes no memory yet.
    ///
    /// # Errors
    ///
    /// [`Error::BadPoolSetting`] for sizes that are not as said; [`Error::PoolFreePolicy`] for an
    /// area with a [`FreePolicy`] other than the usual, since the driver does not free what a pool keeps;
    /// where freed memory is erased, what [`Context::queue`] can meet.
    pub fn build(self) -> Result<Pool<A, P>> {
        let settings = self.settings;
        let bad = |setting, value: usize, expected| {
            Err(Error::BadPoolSetting {
                setting,
                value,
                expected,
            })
        };
        let policy = self.ground.recipe.policy;
        if policy != FreePolicy::Immediate {
            return Err(Error::PoolFreePolicy { policy });
        }
        let bucket = settings.smallest_bucket;
        if !bucket.is_power_of_two() || !(LEAST..=LARGEST_SLAB).contains(&bucket) {
            let expected = "a power of two from 64 to 1 GiB";
            return bad("smallest_bucket", bucket, expected);
        }
        let slab = settings.slab_size;
        if !slab.is_power_of_two() || !(PAGE..=LARGEST_SLAB).contains(&slab) {
            let expected = "a power of two from 64 KiB to 1 GiB";
            return bad("slab_size", slab, expected);
        }
        if settings.largest_pooled != 0 && settings.largest_pooled < bucket {
            let expected = "at least smallest_bucket, or 0";
            return bad("largest_pooled", settings.largest_pooled, expected);
        }
        let most = isize::MAX as usize / 4;
        let expected = "at most a quarter of the address space";
        if settings.largest_pooled > most {
            return bad("largest_pooled", settings.largest_pooled, expected);
        }
        let align = self.align.bytes();
        if align > most {
            return bad("runtime_align", align, expected);
        }
        let mut granule = bucket.max(align);
        if !settings.share_slabs {
            granule = granule.max(slab);
        }
        let list = match P::KIND {
            PlacementKind::Device if settings.zero_on_free => match &self.ground.device {
                Some(device) => Some(self.context.upload_list(device)?),
                None => None,
            },
            _ => None,
        };
        let inner = PoolInner::new(Plan {
            name: settings.name.clone(),
            classes: Classes::new(granule, slab, settings.largest_pooled),
            erases: settings.zero_on_free,
            kind: P::KIND,
            list,
            kept_capacity: settings.kept_capacity,
            idle_after: settings.idle_after,
            limit: settings.limit.unwrap_or(u64::MAX),
        });
        let keeper: Weak<PoolInner> = Arc::downgrade(&inner);
        self.context.inner().register(keeper);
        Ok(Pool {
            align: self.align,
            handle: Arc::new(Handle {
                inner: Arc::clone(&inner),
                context: self.context,
                ground: self.ground,
                settings,
            }),
            inner,
            placement: PhantomData,
        })
    }
}

impl<A: Alignment, P: Placement> fmt::Debug for PoolBuilder<A, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuilder")
            .field("placement", &P::KIND)
            .field("align", &self.align.bytes())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
