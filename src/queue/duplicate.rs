//! Copies of buffers in buffers of their own.

use super::{DriverMemory, Queue, Source};
use crate::area::{Area, DeviceMemFlags, FreePolicy, HostMemFlags};
use crate::buffer::{BufferMemory, Element, Fits, ZeBuffer};
use crate::context::Context;
use crate::device::ZeDevice;
use crate::error::Result;
use crate::placement::{Placement, PlacementKind};
use crate::raw::allocation::{Recipe, allocate};
use crate::raw::home::Home;
use core::mem::MaybeUninit;

/// The alignment of areas where nothing is said.
const ALIGN: usize = 64;

/// What areas say of their allocations where nothing is said, for as many bytes in the placement and
/// on the device of the context that it is at home on.
fn recipe<P: Placement>(context: &Context, home: Option<&Home>, bytes: usize) -> Recipe {
    let device = home.and_then(Home::device);
    let max_alloc_size = device
        .and_then(|device| context.device_of(device.as_raw()))
        .map(|device| device.max_alloc_size())
        .or_else(|| context.devices().iter().map(ZeDevice::max_alloc_size).min())
        .unwrap_or(u64::MAX);
    let (device_flags, host_flags) = match P::KIND {
        PlacementKind::Host => (DeviceMemFlags::empty(), HostMemFlags::BIAS_CACHED),
        PlacementKind::Device | PlacementKind::Shared => {
            (DeviceMemFlags::BIAS_CACHED, HostMemFlags::empty())
        }
    };
    Recipe {
        device,
        ordinal: 0,
        device_flags,
        host_flags,
        // What was allocated without the limit is copied without it.
        relaxed: bytes as u64 > max_alloc_size,
        policy: FreePolicy::Immediate,
        max_alloc_size,
        refused: None,
    }
}

/// A buffer of `len` elements, of at most `isize::MAX` bytes, for a copy of memory of that home.
fn beside<T: Element, P: Placement>(
    context: &Context,
    home: Option<&Home>,
    len: usize,
) -> Result<ZeBuffer<MaybeUninit<T>, P>> {
    let align = ALIGN.max(align_of::<T>());
    let bytes = len * size_of::<T>();
    if bytes == 0 {
        return Ok(ZeBuffer::empty(align));
    }
    let recipe = recipe::<P>(context, home, bytes);
    let (start, allocation) = allocate::<P>(context.ledger(P::KIND), &recipe, bytes, align)?;
    // SAFETY: from `start` on the allocation, which is nobody else's, has room for the elements,
    // aligned.
    Ok(unsafe { ZeBuffer::over(start, len, BufferMemory::Own(allocation)) })
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
        let () = Fits::<M::Element>::SIZE;
        let end = source.end();
        self.check_context("clone", "source", end.home)?;
        let fresh = beside::<M::Element, M::Placement>(&self.context, end.home, end.len)?;
        Ok(self.init(fresh, source)?)
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
