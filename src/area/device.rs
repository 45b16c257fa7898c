//! Areas on a device: device memory and shared memory.

use super::sealed::{Inside, RawArea};
use super::{
    Align, Alignment, Area, DeviceMemFlags, FreePolicy, HostMemFlags, RuntimeAlign,
    inherent_area_methods, probe_free_policy,
};
use crate::buffer::{BufferMemory, Element, Upload, ZeBuffer};
use crate::context::Context;
use crate::device::ZeDevice;
use crate::error::{Error, Result};
use crate::placement::{Device, Placement, PlacementKind, Shared};
use crate::pool::Pool;
use crate::queue::{Queue, Source};
use crate::raw::allocation::{Allocation, Recipe, allocate};
use crate::raw::immediate::ImmediateList;
use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use std::sync::Arc;

/// An area of memory on a device: `P` is [`Device`], or [`Shared`] after
/// [`shared()`](DeviceArea::shared).
///
/// Made by [`Context::device_area`]. The settings are methods that give a new area and leave this
/// one as it is. The defaults are AML's: ordinal 0,
/// [`BIAS_CACHED`](DeviceMemFlags::BIAS_CACHED), 64 bytes.
///
/// ```
/// # #[cfg(feature = "cpu")] {
/// use ze_area::{Context, Device, Shared, ZeBuffer};
///
/// let context = Context::new()?;
/// let area = context.device_area(&context.devices()[0]).align::<4096>();
/// let on_device: ZeBuffer<f32, Device> = area.mmap_from_slice(&[1.0, 2.0])?;
/// let shared: ZeBuffer<f32, Shared> = area.shared().mmap(2)?;
/// assert_eq!(on_device.device_ptr().addr() % 4096, 0);
/// assert_eq!(shared[1], 0.0);
/// # }
/// # Ok::<(), ze_area::Error>(())
/// ```
#[derive(Clone)]
#[doc(alias = "ze_device_mem_alloc_desc_t")]
pub struct DeviceArea<A: Alignment = Align<64>, P: Placement = Device> {
    context: Context,
    device: ZeDevice,
    align: A,
    recipe: Recipe,
    placement: PhantomData<P>,
}

impl DeviceArea {
    pub(crate) fn new(context: &Context, device: &ZeDevice) -> Self {
        let refused = context.check_device(device).is_err();
        Self {
            context: context.clone(),
            align: Align,
            recipe: Recipe {
                device: Some(device.handle()),
                ordinal: 0,
                device_flags: DeviceMemFlags::BIAS_CACHED,
                host_flags: HostMemFlags::empty(),
                relaxed: false,
                policy: FreePolicy::Immediate,
                max_alloc_size: if refused { 0 } else { device.max_alloc_size() },
                refused: refused.then(|| device.name().into()),
            },
            device: device.clone(),
            placement: PhantomData,
        }
    }
}

impl<A: Alignment, P: Placement> DeviceArea<A, P> {
    inherent_area_methods!(P, A);

    /// The device of the area.
    #[must_use]
    pub fn device(&self) -> &ZeDevice {
        &self.device
    }

    fn with<B: Alignment, Q: Placement>(&self, align: B, recipe: Recipe) -> DeviceArea<B, Q> {
        DeviceArea {
            context: self.context.clone(),
            device: self.device.clone(),
            align,
            recipe,
            placement: PhantomData,
        }
    }

    /// An allocation of its own.
    #[inline]
    fn own(&self, bytes: usize, align: usize) -> Result<(NonNull<u8>, Allocation)> {
        const { assert!(!matches!(P::KIND, PlacementKind::Host)) };
        let ledger = self.context.ledger(P::KIND);
        allocate::<P>(ledger, &self.recipe, bytes, align.max(self.align.bytes()))
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
    pub fn pool(&self) -> Result<Pool<A, P>> {
        Pool::builder(self).build()
    }

    /// The same area with another alignment: a power of two, checked at compile time.
    ///
    /// The promise holds on every driver: where one ignores the alignment, more is allocated and
    /// the buffer is placed inside.
    #[must_use]
    pub fn align<const N: usize>(&self) -> DeviceArea<Align<N>, P>
    where
        Align<N>: Alignment,
    {
        self.with(Align, self.recipe.clone())
    }

    /// The same area with an alignment that is known only at run time.
    ///
    /// # Errors
    ///
    /// [`Error::BadAlignment`] unless it is a power of two.
    pub fn runtime_align(&self, bytes: usize) -> Result<DeviceArea<RuntimeAlign, P>> {
        Ok(self.with(RuntimeAlign::new(bytes)?, self.recipe.clone()))
    }

    /// The same area in another memory of the device: one of [`ZeDevice::memories`].
    ///
    /// # Errors
    ///
    /// [`Error::BadOrdinal`] where the device has no such memory. Drivers do not check it.
    pub fn ordinal(&self, ordinal: u32) -> Result<Self> {
        let memories = self.device.memories();
        // A driver that lists no memory at all still has its first.
        if ordinal != 0 && !memories.iter().any(|memory| memory.ordinal == ordinal) {
            return Err(Error::BadOrdinal {
                ordinal,
                count: memories.len(),
                device: self.device.name().to_owned(),
            });
        }
        Ok(self.with(
            self.align,
            Recipe {
                ordinal,
                ..self.recipe.clone()
            },
        ))
    }

    /// The same area with other hints on device memory.
    #[must_use]
    pub fn device_flags(&self, flags: DeviceMemFlags) -> Self {
        self.with(
            self.align,
            Recipe {
                device_flags: flags,
                ..self.recipe.clone()
            },
        )
    }

    /// The same area with or without the device's limit on one allocation
    /// ([`ZeDevice::max_alloc_size`]).
    ///
    /// Memory above the limit may be slower, and kernels may have to be compiled for it.
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
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// use ze_area::{Context, FreePolicy};
    ///
    /// let area = Context::new()?.default_device_area()?;
    /// // Where the driver can wait for the work that uses the memory, it is to.
    /// let area = area.free_policy(FreePolicy::Blocking).unwrap_or(area);
    /// drop(area.mmap::<f32>(16)?);
    /// # }
    /// # Ok::<(), ze_area::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::FreePolicyUnsupported`] where it has not, and what allocating one byte can meet.
    #[doc(alias = "zeMemFreeExt")]
    pub fn free_policy(&self, policy: FreePolicy) -> Result<Self> {
        let area: Self = self.with(
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

impl<A: Alignment> DeviceArea<A, Device> {
    /// The area of shared memory on the same device, with the same settings.
    #[must_use]
    pub fn shared(&self) -> DeviceArea<A, Shared> {
        self.with(self.align, self.recipe.clone())
    }
}

impl<A: Alignment> DeviceArea<A, Shared> {
    /// The same area with other hints on the memory while the host has it.
    #[must_use]
    pub fn host_flags(&self, flags: HostMemFlags) -> Self {
        self.with(
            self.align,
            Recipe {
                host_flags: flags,
                ..self.recipe.clone()
            },
        )
    }
}

impl<A: Alignment, P: Placement> fmt::Debug for DeviceArea<A, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceArea")
            .field("placement", &P::KIND)
            .field("device", &self.device.name())
            .field("align", &self.align.bytes())
            .field("ordinal", &self.recipe.ordinal)
            .field("device_flags", &self.recipe.device_flags)
            .field("host_flags", &self.recipe.host_flags)
            .field("relaxed_limits", &self.recipe.relaxed)
            .field("free_policy", &self.recipe.policy)
            .finish_non_exhaustive()
    }
}

impl<A: Alignment, P: Placement> RawArea for DeviceArea<A, P> {
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
        self.context.upload_list(&self.device)
    }
}

impl<A: Alignment, P: Placement> Area for DeviceArea<A, P> {
    type Placement = P;
    type Align = A;

    fn context(&self) -> &Context {
        &self.context
    }

    fn alignment(&self) -> A {
        self.align
    }
}
