//! Areas of host memory.

use super::sealed::{Inside, RawArea};
use super::{
    Align, Alignment, Area, DeviceMemFlags, FreePolicy, HostMemFlags, RuntimeAlign,
    inherent_area_methods, probe_free_policy,
};
use crate::buffer::{BufferMemory, Element, Upload, ZeBuffer};
use crate::context::Context;
use crate::device::ZeDevice;
use crate::error::Result;
use crate::placement::{Host, PlacementKind};
use crate::pool::Pool;
use crate::queue::{Queue, Source};
use crate::raw::allocation::{Allocation, Recipe, allocate};
use crate::raw::immediate::ImmediateList;
use core::fmt;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use std::sync::Arc;

/// An area of host memory that devices reach.
///
/// Made by [`Context::host_area`]. The settings are methods that give a new area and leave this one
/// as it is. The defaults are AML's: [`BIAS_CACHED`](HostMemFlags::BIAS_CACHED), 64 bytes.
///
/// ```
/// # #[cfg(feature = "cpu")] {
/// use ze_area::{Context, Host, ZeBuffer};
///
/// let area = Context::new()?.host_area().align::<128>();
/// let mut buffer: ZeBuffer<u32, Host> = area.mmap(4)?;
/// buffer[2] = 7;
/// assert_eq!(buffer.to_vec(), [0, 0, 7, 0]);
/// # }
/// # Ok::<(), ze_area::Error>(())
/// ```
#[derive(Clone)]
#[doc(alias = "ze_host_mem_alloc_desc_t")]
pub struct HostArea<A: Alignment = Align<64>> {
    context: Context,
    align: A,
    recipe: Recipe,
}

impl HostArea {
    pub(crate) fn new(context: &Context) -> Self {
        let smallest = context.devices().iter().map(ZeDevice::max_alloc_size).min();
        Self {
            context: context.clone(),
            align: Align,
            recipe: Recipe {
                device: None,
                ordinal: 0,
                device_flags: DeviceMemFlags::empty(),
                host_flags: HostMemFlags::BIAS_CACHED,
                relaxed: false,
                policy: FreePolicy::Immediate,
                max_alloc_size: smallest.unwrap_or(u64::MAX),
                refused: None,
            },
        }
    }
}

impl<A: Alignment> HostArea<A> {
    inherent_area_methods!(Host, A);

    fn with<B: Alignment>(&self, align: B, recipe: Recipe) -> HostArea<B> {
        HostArea {
            context: self.context.clone(),
            align,
            recipe,
        }
    }

    /// An allocation of its own.
    #[inline]
    fn own(&self, bytes: usize, align: usize) -> Result<(NonNull<u8>, Allocation)> {
        let ledger = self.context.ledger(PlacementKind::Host);
        allocate::<Host>(ledger, &self.recipe, bytes, align.max(self.align.bytes()))
    }

    /// What the driver is asked for.
    pub(crate) fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// A pool over this area, with the usual settings; others are [`Pool::builder`]'s.
    ///
    /// # Errors
    ///
    /// As of [`PoolBuilder::build`](crate::PoolBuilder::build): of an area with the usual
    /// [`FreePolicy`] there are none.
    pub fn pool(&self) -> Result<Pool<A, Host>> {
        Pool::builder(self).build()
    }

    /// The same area with another alignment: a power of two, checked at compile time.
    ///
    /// The promise holds on every driver: where one ignores the alignment, more is allocated and
    /// the buffer is placed inside.
    #[must_use]
    pub fn align<const N: usize>(&self) -> HostArea<Align<N>>
    where
        Align<N>: Alignment,
    {
        self.with(Align, self.recipe.clone())
    }

    /// The same area with an alignment that is known only at run time.
    ///
    /// # Errors
    ///
    /// [`Error::BadAlignment`](crate::Error::BadAlignment) unless it is a power of two.
    pub fn runtime_align(&self, bytes: usize) -> Result<HostArea<RuntimeAlign>> {
        Ok(self.with(RuntimeAlign::new(bytes)?, self.recipe.clone()))
    }

    /// The same area with other hints.
    #[must_use]
    pub fn flags(&self, flags: HostMemFlags) -> Self {
        self.with(
            self.align,
            Recipe {
                host_flags: flags,
                ..self.recipe.clone()
            },
        )
    }

    /// The same area with or without the driver's limit on one allocation.
    #[must_use]
    #[doc(alias = "ze_relaxed_allocation_limits_exp_desc_t")]
    pub fn relaxed_limits(&self, relaxed: bool) -> Self {
        self.with(
            self.align,
            Recipe {
                relaxed,
                ..self.recipe.clone()
            },
        )
    }

    /// The same area with another way of freeing.
    ///
    /// Whether the driver has it is found out by allocating and freeing one byte.
    ///
    /// # Errors
    ///
    /// [`Error::FreePolicyUnsupported`](crate::Error::FreePolicyUnsupported) where it has not, and what allocating one byte can meet.
    #[doc(alias = "zeMemFreeExt")]
    pub fn free_policy(&self, policy: FreePolicy) -> Result<Self> {
        let area = self.with(
            self.align,
            Recipe {
                policy,
                ..self.recipe.clone()
            },
        );
        probe_free_policy(policy, || area.own(1, 1))?;
        Ok(area)
    }
}

impl<A: Alignment> fmt::Debug for HostArea<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostArea")
            .field("align", &self.align.bytes())
            .field("flags", &self.recipe.host_flags)
            .field("relaxed_limits", &self.recipe.relaxed)
            .field("free_policy", &self.recipe.policy)
            .finish_non_exhaustive()
    }
}

impl<A: Alignment> RawArea for HostArea<A> {
    #[inline]
    fn allocate(
        &self,
        _: Inside,
        bytes: usize,
        align: usize,
    ) -> Result<(NonNull<u8>, BufferMemory)> {
        let (start, allocation) = self.own(bytes, align)?;
        Ok((start, BufferMemory::Own(allocation)))
    }

    fn upload_list(&self, _: Inside) -> Result<Arc<ImmediateList>> {
        self.context.upload_list(self.context.first_device()?)
    }
}

impl<A: Alignment> Area for HostArea<A> {
    type Placement = Host;
    type Align = A;

    fn context(&self) -> &Context {
        &self.context
    }

    fn alignment(&self) -> A {
        self.align
    }
}
