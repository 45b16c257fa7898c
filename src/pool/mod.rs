//! Pools: areas that keep memory for reuse.

mod builder;
mod cache;
mod central;
mod class;
mod inner;
mod keeper;
mod map;
mod near;
mod pooled;
mod rack;
mod snapshot;
mod span;
mod stats;

pub use builder::{PoolBuilder, PoolSettings};
pub use map::{PoolMap, SlabMap, SlotState, SpareMap};
pub use pooled::PoolSlot;
pub(crate) use pooled::Pooled;
pub use stats::PoolStats;

use self::builder::LEAST;
use self::class::Class;
use self::inner::PoolInner;
use self::span::{Blank, Slot};
use crate::area::sealed::{Inside, RawArea};
use crate::area::{Align, Alignment, Area, DeviceArea, HostArea, inherent_area_methods};
use crate::buffer::{BufferMemory, Element, Upload, ZeBuffer};
use crate::context::Context;
use crate::device::ZeDevice;
use crate::error::{Error, Result};
use crate::placement::{Device, Host, Placement, Shared};
use crate::queue::{Queue, Source};
use crate::raw::allocation::{Recipe, allocate};
use crate::raw::immediate::ImmediateList;
use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use std::sync::Arc;

/// How often memory is given back for a request while others give some back too.
const MOST_TRIES: u32 = 16;

/// An area that keeps memory for reuse: allocating and freeing take nanoseconds, not a call of the driver.
///
/// Made by [`DeviceArea::pool`] and [`HostArea::pool`], or with settings by [`Pool::builder`]. It is an
/// [`Area`], and its buffers are the same [`ZeBuffer`]: dropped, they go back to the pool. They may outlive
/// it; the memory goes back to the driver when the last is dropped.
///
/// ```
/// # #[cfg(feature = "cpu")] {
/// use ze_area::{Context, Device, ZeBuffer};
///
/// let context = Context::new()?;
/// let area = context.device_area(context.first_device()?);
/// let pool = area.pool()?;
/// for step in 0..100 {
///     // The first takes memory from the driver; the others take it from the pool.
///     let scratch: ZeBuffer<f32, Device> = pool.mmap(1000)?;
/// }
/// let stats = pool.stats();
/// assert_eq!((stats.allocations, stats.driver_allocations), (100, 1));
/// # }
/// # Ok::<(), ze_area::Error>(())
/// ```
///
/// # In a struct
///
/// ```
/// use ze_area::{Area, DevicePool, HostPool, SharedPool};
///
/// struct Engine {
///     scratch: DevicePool,
///     staging: HostPool,
///     tables: SharedPool,
/// }
///
/// /// With an area or a pool, of any placement.
/// struct Table<A: Area> {
///     area: A,
/// }
/// ```
///
/// # How it works
///
/// Sizes are rounded up: to multiples of the area's alignment (at least 64 bytes), each of them up to 16, then
/// eight to a doubling, so that at most an eighth is added. Buffers below 64 KiB share slabs; larger ones have
/// memory of their own, a multiple of 64 KiB. Every thread keeps some free buffers of each class, and
/// takes and frees without a lock; it exchanges them with the others many at a time. Nothing that the pool
/// has to know lies in the memory itself, and buffers are aligned as those of the area.
///
/// Memory is kept up to [`kept_capacity`](PoolBuilder::kept_capacity) bytes. What is idle for long goes back
/// to the driver, and everything that is idle does on [`trim`](Pool::trim), when the driver is out of
/// memory, and when a limit is reached.
///
/// Cheap to clone; the clones are the same pool.
#[doc(alias = "umfPoolCreate")]
pub struct Pool<A: Alignment = Align<64>, P: Placement = Device> {
    /// The handle's own, at hand.
    inner: Arc<PoolInner>,
    handle: Arc<Handle>,
    align: A,
    placement: PhantomData<P>,
}

/// A pool of device memory.
pub type DevicePool<A = Align<64>> = Pool<A, Device>;
/// A pool of shared memory.
pub type SharedPool<A = Align<64>> = Pool<A, Shared>;
/// A pool of host memory.
pub type HostPool<A = Align<64>> = Pool<A, Host>;

/// What handles of a pool share: when the last is gone, nothing is kept any more.
struct Handle {
    inner: Arc<PoolInner>,
    context: Context,
    ground: Ground,
    settings: PoolSettings,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.inner.close();
    }
}

/// What a pool stands on.
#[derive(Debug, Clone)]
pub struct Ground {
    pub(crate) recipe: Recipe,
    pub(crate) device: Option<ZeDevice>,
}

/// An area that a pool can be made of: [`DeviceArea`], [`HostArea`].
///
/// Sealed: these two are all there are.
#[diagnostic::on_unimplemented(
    message = "no pool can be made of `{Self}`",
    note = "pools are made of areas that take memory of the driver: `DeviceArea`, `HostArea`",
    note = "a pool serves wherever an area does: clone it, it is the same pool"
)]
pub trait Poolable: Area {
    /// What the pool takes its memory by.
    #[doc(hidden)]
    fn ground(&self, inside: Inside) -> Ground;
}

impl<A: Alignment, P: Placement> Poolable for DeviceArea<A, P> {
    fn ground(&self, _: Inside) -> Ground {
        Ground {
            recipe: self.recipe().clone(),
            device: Some(self.device().clone()),
        }
    }
}

impl<A: Alignment> Poolable for HostArea<A> {
    fn ground(&self, _: Inside) -> Ground {
        Ground {
            recipe: self.recipe().clone(),
            device: None,
        }
    }
}

impl Pool {
    /// Starts a pool over an area, with other settings than the usual.
    pub fn builder<R: Poolable>(area: &R) -> PoolBuilder<R::Align, R::Placement> {
        PoolBuilder::new(area)
    }
}

impl<A: Alignment, P: Placement> Pool<A, P> {
    inherent_area_methods!(P, A);

    /// The pool's name; empty where it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.handle.settings.name
    }

    /// What the pool was built with.
    #[must_use]
    pub fn settings(&self) -> &PoolSettings {
        &self.handle.settings
    }

    /// The device that the memory is on; `None` for host memory.
    #[must_use]
    pub fn device(&self) -> Option<&ZeDevice> {
        self.handle.ground.device.as_ref()
    }

    /// Gives idle memory back to the driver, also what threads keep; how many bytes that were.
    ///
    /// That is every slab in which no buffer lives; one with a live buffer stays whole.
    ///
    /// Costs some microseconds, and a call of the driver for each piece of memory.
    #[doc(alias = "umfPoolTrimMemory")]
    pub fn trim(&self) -> usize {
        self.inner.trim()
    }

    /// Gives all memory back to the driver, and forgets the statistics.
    ///
    /// # Errors
    ///
    /// [`Error::PoolInUse`](crate::Error::PoolInUse) while buffers of the pool live: then only what is idle is given back.
    pub fn reset(&self) -> Result<()> {
        self.inner.reset()
    }

    /// What the pool has and did. Exact; costs some microseconds.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        self.inner.stats()
    }

    /// A picture of the pool: which slabs it has, and what each of their slots is used for.
    ///
    /// Exact, and as much work as there are slots.
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// # let context = ze_area::Context::new()?;
    /// let pool = context.host_area().pool()?;
    /// let messages: Vec<_> = (0..100).map(|_| pool.mmap::<u8>(1000)).collect::<Result<_, _>>()?;
    /// let map = pool.map();
    /// println!("{map}"); // for the terminal
    /// let picture: String = map.to_svg(); // for a file
    /// assert_eq!(map.bytes(ze_area::SlotState::Live), 100 * 1024);
    /// # }
    /// # Ok::<(), ze_area::Error>(())
    /// ```
    #[must_use]
    pub fn map(&self) -> PoolMap {
        self.inner.map()
    }

    /// A slot where this thread has none; `None` where it puts an error into `refused`.
    #[cold]
    #[inline(never)]
    fn slow(&self, bytes: usize, align: usize, refused: &mut Option<Error>) -> Option<Slot> {
        match self.find(bytes, align) {
            Ok(slot) => Some(slot),
            Err(error) => {
                *refused = Some(error);
                None
            }
        }
    }

    fn find(&self, bytes: usize, align: usize) -> Result<Slot> {
        let inner = &*self.inner;
        let classes = inner.classes();
        let slab_align = self.align.bytes().max(LEAST);
        let mut class = if align > slab_align {
            Class::SINGLE
        } else {
            classes.of(bytes)
        };
        if class != Class::SINGLE {
            let kept = inner
                .take_shared(class)
                .or_else(|| inner.take_rested(class));
            if let Some(slot) = kept {
                return Ok(slot);
            }
            let (slab, _) = classes.slab(class);
            let recipe = &self.handle.ground.recipe;
            // What the device refuses as a slab it may give as it is asked for.
            if slab as u64 > recipe.max_alloc_size && !recipe.relaxed {
                class = Class::SINGLE;
            }
        }
        let (whole, slot_bytes) = match class {
            Class::SINGLE => (bytes, bytes),
            _ => (classes.slab(class).0, classes.bytes(class)),
        };
        let align = align.max(slab_align);
        match self.fresh(bytes, whole, align) {
            Ok(blank) => Ok(inner.take_fresh(blank, class, slot_bytes)),
            // There may be room under the limit for the buffer where there is none for a slab.
            Err(error) if whole > bytes && matches!(error, Error::LimitReached { .. }) => {
                match self.fresh(bytes, bytes, align) {
                    Ok(blank) => Ok(inner.take_fresh(blank, Class::SINGLE, bytes)),
                    Err(_) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// `bytes` bytes of the driver's memory, for a request of `requested`.
    fn fresh(&self, requested: usize, bytes: usize, align: usize) -> Result<Blank> {
        let inner = &*self.inner;
        let ledger = self.handle.context.ledger(P::KIND);
        // What will be added to align it, where the driver is known not to.
        let padding = if ledger.ignores_alignment(align) {
            align - 1
        } else {
            0
        };
        let reserved = bytes.saturating_add(padding);
        self.reserve(requested, reserved)?;
        let allocated = allocate::<P>(ledger, &self.handle.ground.recipe, bytes, align);
        let (start, memory) = match allocated {
            Ok(allocated) => allocated,
            Err(error) => {
                inner.unreserve(reserved);
                return Err(error);
            }
        };
        // Where it has just shown.
        let added = memory.bytes().saturating_sub(reserved);
        if added > 0
            && let Err(error) = self.reserve(requested, added)
        {
            drop(memory);
            inner.unreserve(reserved);
            return Err(error);
        }
        inner.unreserve(reserved.saturating_sub(memory.bytes()));
        Ok(Blank {
            memory,
            start,
            bytes,
        })
    }

    /// Makes room under the limit.
    fn reserve(&self, requested: usize, bytes: usize) -> Result<()> {
        let inner = &*self.inner;
        if inner.reserve(bytes) {
            return Ok(());
        }
        for _ in 0..MOST_TRIES {
            inner.trim();
            // What another thread is just giving back cannot be given back here.
            let others = inner.wait_for_others();
            if inner.reserve(bytes) {
                return Ok(());
            }
            if !others {
                break;
            }
        }
        Err(inner.limit_reached(requested, bytes))
    }
}

impl<A: Alignment, P: Placement> RawArea for Pool<A, P> {
    const POOLED: bool = true;

    #[inline(always)]
    fn at_hand(&self, _: Inside, bytes: usize, align: usize) -> Option<Pooled> {
        // With most alignments this is known when it is compiled.
        if align > self.align.bytes().max(LEAST) {
            return None;
        }
        let inner = &*self.inner;
        let class = inner.classes().of(bytes);
        let slot = inner.take(class)?;
        Some(Pooled::new(slot, inner, class))
    }

    #[inline(always)]
    fn pooled(
        &self,
        _: Inside,
        bytes: usize,
        align: usize,
        refused: &mut Option<Error>,
    ) -> Option<Pooled> {
        let slot = self.slow(bytes, align.max(self.align.bytes()), refused)?;
        let class = slot.span().class();
        Some(Pooled::new(slot, &self.inner, class))
    }

    fn allocate(
        &self,
        inside: Inside,
        bytes: usize,
        align: usize,
    ) -> Result<(NonNull<u8>, BufferMemory)> {
        let mut refused = None;
        match self.pooled(inside, bytes, align, &mut refused) {
            Some(pooled) => Ok((pooled.start(), BufferMemory::Pooled(pooled))),
            None => Err(refused.unwrap_or(Error::SizeOverflow {
                len: bytes,
                element_size: 1,
            })),
        }
    }

    fn upload_list(&self, _: Inside) -> Result<Arc<ImmediateList>> {
        match &self.handle.ground.device {
            Some(device) => self.handle.context.upload_list(device),
            None => {
                let context = &self.handle.context;
                context.upload_list(context.first_device()?)
            }
        }
    }
}

impl<A: Alignment, P: Placement> Area for Pool<A, P> {
    type Placement = P;
    type Align = A;

    fn context(&self) -> &Context {
        &self.handle.context
    }

    fn alignment(&self) -> A {
        self.align
    }
}

impl<A: Alignment, P: Placement> Clone for Pool<A, P> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            handle: Arc::clone(&self.handle),
            align: self.align,
            placement: PhantomData,
        }
    }
}

impl<A: Alignment, P: Placement> fmt::Debug for Pool<A, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.handle.settings.name)
            .field("placement", &P::KIND)
            .field("align", &self.align.bytes())
            .finish_non_exhaustive()
    }
}
