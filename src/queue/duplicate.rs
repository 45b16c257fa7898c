//! Copies of buffers in buffers of their own.

use super::{DriverMemory, Queue, Source};
use crate::area::sealed::{Inside, RawArea};
use crate::area::{Area, DeviceMemFlags, FreePolicy, HostMemFlags, RuntimeAlign};
use crate::buffer::{Element, Fits, ZeBuffer};
use crate::context::Context;
use crate::device::ZeDevice;
use crate::error::Result;
use crate::placement::{Placement, PlacementKind};
use crate::raw::allocation::{Allocation, Recipe, allocate};
use crate::raw::list::ImmediateList;
use core::marker::PhantomData;
use core::ptr::NonNull;
use std::sync::Arc;

/// The alignment of areas where nothing is said.
const ALIGN: usize = 64;

/// Where a copy of a buffer goes: to its placement and device.
struct Beside<P> {
    context: Context,
    recipe: Recipe,
    align: RuntimeAlign,
    placement: PhantomData<P>,
}

impl<P: Placement> Beside<P> {
    fn new(context: &Context, allocation: Option<&Allocation>, bytes: usize) -> Result<Self> {
        let device = allocation.and_then(Allocation::device);
        let max_alloc_size = device
            .and_then(|device| context.device_of(device.as_raw()))
            .map(|device| device.max_alloc_size())
            .or_else(|| context.devices().iter().map(ZeDevice::max_alloc_size).min())
            .unwrap_or(u64::MAX);
        let is_host = P::KIND == PlacementKind::Host;
        Ok(Self {
            context: context.clone(),
            recipe: Recipe {
                device,
                ordinal: 0,
                device_flags: if is_host {
                    DeviceMemFlags::empty()
                } else {
                    DeviceMemFlags::BIAS_CACHED
                },
                host_flags: if is_host {
                    HostMemFlags::BIAS_CACHED
                } else {
                    HostMemFlags::empty()
                },
                // What was allocated without the limit is copied without it.
                relaxed: bytes as u64 > max_alloc_size,
                policy: FreePolicy::Immediate,
                max_alloc_size,
                refused: None,
            },
            align: RuntimeAlign::new(ALIGN)?,
            placement: PhantomData,
        })
    }
}

#[diagnostic::do_not_recommend]
impl<P: Placement> RawArea for Beside<P> {
    fn allocate(&self, _: Inside, bytes: usize, align: usize) -> Result<(NonNull<u8>, Allocation)> {
        let ledger = self.context.ledger(P::KIND);
        allocate::<P>(ledger, &self.recipe, bytes, align.max(ALIGN))
    }

    fn upload_list(&self, _: Inside) -> Result<Arc<ImmediateList>> {
        self.context.upload_list(self.context.first_device()?)
    }
}

#[diagnostic::do_not_recommend]
impl<P: Placement> Area for Beside<P> {
    type Placement = P;
    type Align = RuntimeAlign;

    fn context(&self) -> &Context {
        &self.context
    }

    fn alignment(&self) -> RuntimeAlign {
        self.align
    }
}

impl Queue {
    /// Copies a buffer or view to a buffer of its own, in the same placement on the same device,
    /// and waits.
    ///
    /// The buffer is allocated with the defaults of areas, whatever those of `source` were: 64-byte
    /// alignment or that of the element, ordinal 0, cached. [`clone_in`](Queue::clone_in) takes an
    /// area that says otherwise.
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// # let context = ze_area::Context::new()?;
    /// # let queue = context.queue(context.first_device()?)?;
    /// use ze_area::{Device, Host, ZeBuffer};
    ///
    /// let x = context.default_device_area()?.mmap_from_slice(&[1.0_f32, 2.0, 3.0])?;
    /// let twin: ZeBuffer<f32, Device> = queue.try_clone(&x)?;
    /// let tail: ZeBuffer<f32, Host> = queue.clone_in(&context.host_area(), &x.slice(1..)?)?;
    /// assert_eq!(queue.to_vec(&twin)?, [1.0, 2.0, 3.0]);
    /// assert_eq!(tail, [2.0, 3.0]);
    /// # }
    /// # Ok::<(), ze_area::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::WrongContext`](crate::Error::WrongContext); as of [`Area::mmap`] and of
    /// [`Queue::copy`].
    pub fn try_clone<M>(&self, source: &M) -> Result<ZeBuffer<M::Element, M::Placement>>
    where
        M: DriverMemory<Element: Element>,
    {
        let end = source.end();
        self.check_context("clone", "source", end.allocation)?;
        let bytes = end.len * size_of::<M::Element>();
        let beside = Beside::<M::Placement>::new(&self.context, end.allocation, bytes)?;
        beside.mmap_copy(self, source)
    }

    /// Copies a buffer, a view or a slice of the host to a buffer of its own in `area`, and waits:
    /// what [`Area::mmap_copy`] does.
    ///
    /// # Errors
    ///
    /// As of [`Area::mmap`] and of [`Queue::copy`].
    pub fn clone_in<A, S>(&self, area: &A, source: &S) -> Result<ZeBuffer<S::Element, A::Placement>>
    where
        A: Area,
        S: Source<Element: Element> + ?Sized,
    {
        let () = Fits::<S::Element, A::Align>::AREA;
        area.mmap_copy(self, source)
    }
}
