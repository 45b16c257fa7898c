//! Areas: places to allocate from.

mod align;
mod device;
mod flags;
mod host;

pub use align::{Align, Alignment, RuntimeAlign};
pub use device::DeviceArea;
pub use flags::{DeviceMemFlags, FreePolicy, HostMemFlags};
pub use host::HostArea;

use crate::buffer::{Element, Fits, Upload, ZeBuffer};
use crate::context::Context;
use crate::error::Result;
use crate::placement::Placement;
use crate::queue::{Queue, Source};
use crate::raw::allocation::Allocation;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

pub(crate) mod sealed {
    use crate::buffer::BufferMemory;
    use crate::error::{Error, Result};
    use crate::pool::Pooled;
    use crate::raw::immediate::ImmediateList;
    use core::ptr::NonNull;
    use std::sync::Arc;

    /// Code that is generic over areas has the methods of [`RawArea`] in reach, and must not call
    /// them: nobody but this crate can make the value that they ask for.
    #[derive(Debug, Clone, Copy)]
    pub struct Inside(pub(crate) ());

    /// What an area does underneath; sealed, since what it returns is believed.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be made an area",
        note = "an area is believed in what it allocates, so only `ze_area` has them: `DeviceArea`, `HostArea`, `Pool`"
    )]
    pub trait RawArea {
        /// Allocates `bytes` bytes, more than 0 and at most `isize::MAX`. The pointer is aligned to
        /// the larger of `align`, a power of two, and the area's own alignment, and that many
        /// bytes from it on lie in the allocation.
        fn allocate(
            &self,
            inside: Inside,
            bytes: usize,
            align: usize,
        ) -> Result<(NonNull<u8>, BufferMemory)>;

        /// Whether it is a pool: then the next two are called, and `allocate` is not.
        const POOLED: bool = false;

        /// As [`allocate`](RawArea::allocate), where it takes no more than a few instructions.
        #[inline(always)]
        fn at_hand(&self, inside: Inside, bytes: usize, align: usize) -> Option<Pooled> {
            let _ = (inside, bytes, align);
            None
        }

        /// As [`allocate`](RawArea::allocate); `None` where it puts an error into `refused`.
        ///
        /// What it returns fits into registers, and is put together by the caller.
        #[inline(always)]
        fn pooled(
            &self,
            inside: Inside,
            bytes: usize,
            align: usize,
            refused: &mut Option<Error>,
        ) -> Option<Pooled> {
            let _ = (inside, bytes, align, refused);
            None
        }

        /// A list through which the host fills the area's memory; only asked for where the host
        /// has no access.
        fn upload_list(&self, inside: Inside) -> Result<Arc<ImmediateList>>;
    }
}

/// A place to allocate from: [`DeviceArea`], [`HostArea`], [`Pool`](crate::Pool).
///
/// All areas hand out the same [`ZeBuffer`], so code that allocates can be generic over them. The
/// areas have these methods themselves too: the trait is only needed for generic code.
///
/// ```
/// # #[cfg(feature = "cpu")] {
/// use ze_area::{Area, Context, Error, ZeBuffer};
///
/// /// Works with an area of any placement.
/// fn table<A: Area>(area: &A) -> Result<ZeBuffer<f32, A::Placement>, Error> {
///     area.mmap_from_slice(&[0.0, 0.5, 1.0])
/// }
///
/// let context = Context::new()?;
/// let on_host = table(&context.host_area())?;
/// let on_device = table(&context.device_area(&context.devices()[0]))?;
/// assert_eq!(on_host.len(), on_device.len());
/// # }
/// # Ok::<(), ze_area::Error>(())
/// ```
///
/// Sealed: only this crate implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no area to allocate from",
    note = "areas come from a context: `context.device_area(&device)`, `context.host_area()`"
)]
pub trait Area: sealed::RawArea {
    /// Where the area's memory lives.
    type Placement: Placement;
    /// What the area promises of its pointers.
    type Align: Alignment;

    /// The context that the area was made from.
    fn context(&self) -> &Context;

    /// The alignment of the area.
    fn alignment(&self) -> Self::Align;

    /// Allocates `len` elements, all bytes zero.
    ///
    /// A length of 0 gives an empty buffer without a call of the driver. A zero-sized `T`, or one
    /// whose alignment is above the area's [`Align`], does not compile.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory),
    /// [`Error::LimitReached`](crate::Error::LimitReached),
    /// [`Error::TooLarge`](crate::Error::TooLarge),
    /// [`Error::UnsupportedSize`](crate::Error::UnsupportedSize),
    /// [`Error::SizeOverflow`](crate::Error::SizeOverflow),
    /// [`Error::DeviceNotInContext`](crate::Error::DeviceNotInContext),
    /// [`Error::Call`](crate::Error::Call), [`Error::DriverFault`](crate::Error::DriverFault),
    /// [`Error::Exiting`](crate::Error::Exiting).
    #[doc(alias = "aml_area_mmap")]
    fn mmap<T: Element>(&self, len: usize) -> Result<ZeBuffer<T, Self::Placement>> {
        let () = Fits::<T, Self::Align>::AREA;
        ZeBuffer::zeroed_in(self, len)
    }

    /// Allocates `len` elements and leaves their bytes as they are.
    ///
    /// # Errors
    ///
    /// As of [`Area::mmap`].
    #[inline(always)]
    fn mmap_uninit<T: Element>(
        &self,
        len: usize,
    ) -> Result<ZeBuffer<MaybeUninit<T>, Self::Placement>> {
        let () = Fits::<T, Self::Align>::AREA;
        ZeBuffer::uninit_in(self, len)
    }

    /// Allocates a copy of `elements`.
    ///
    /// # Errors
    ///
    /// As of [`Area::mmap`].
    fn mmap_from_slice<T: Upload>(&self, elements: &[T]) -> Result<ZeBuffer<T, Self::Placement>> {
        let () = Fits::<T, Self::Align>::AREA;
        ZeBuffer::from_slice_in(self, elements)
    }

    /// Allocates `len` elements: `element(0)`, `element(1)`, and so on.
    ///
    /// Where the host has no access, they go to the device in pieces; they are never all on the
    /// host.
    ///
    /// # Errors
    ///
    /// As of [`Area::mmap`].
    fn mmap_from_fn<T: Upload>(
        &self,
        len: usize,
        element: impl FnMut(usize) -> T,
    ) -> Result<ZeBuffer<T, Self::Placement>> {
        let () = Fits::<T, Self::Align>::AREA;
        ZeBuffer::from_fn_in(self, len, element)
    }

    /// Allocates a copy of `source`, a buffer or view in any placement, or a slice of the host,
    /// which `queue` makes.
    ///
    /// # Errors
    ///
    /// As of [`Area::mmap`] and of [`Queue::copy`].
    fn mmap_copy<S>(
        &self,
        queue: &Queue,
        source: &S,
    ) -> Result<ZeBuffer<S::Element, Self::Placement>>
    where
        S: Source<Element: Element> + ?Sized,
    {
        let () = Fits::<S::Element, Self::Align>::AREA;
        let fresh = self.mmap_uninit(source.source_len())?;
        Ok(queue.init(fresh, source)?)
    }
}

/// The methods of [`Area`], on the area itself, so that using one needs no import.
macro_rules! inherent_area_methods {
    ($placement:ty, $align:ty) => {
        /// The context that the area was made from.
        #[must_use]
        pub fn context(&self) -> &Context {
            Area::context(self)
        }

        /// The alignment of the area.
        #[must_use]
        pub fn alignment(&self) -> $align {
            Area::alignment(self)
        }

        /// Allocates `len` elements, all bytes zero. See [`Area::mmap`].
        ///
        /// # Errors
        ///
        /// As of [`Area::mmap`].
        pub fn mmap<T: Element>(&self, len: usize) -> Result<ZeBuffer<T, $placement>> {
            let () = $crate::buffer::Fits::<T, $align>::AREA;
            Area::mmap(self, len)
        }

        /// Allocates `len` elements and leaves their bytes as they are. See
        /// [`Area::mmap_uninit`].
        ///
        /// # Errors
        ///
        /// As of [`Area::mmap`].
        #[inline(always)]
        pub fn mmap_uninit<T: Element>(
            &self,
            len: usize,
        ) -> Result<ZeBuffer<MaybeUninit<T>, $placement>> {
            let () = $crate::buffer::Fits::<T, $align>::AREA;
            Area::mmap_uninit(self, len)
        }

        /// Allocates a copy of `elements`. See [`Area::mmap_from_slice`].
        ///
        /// # Errors
        ///
        /// As of [`Area::mmap`].
        pub fn mmap_from_slice<T: Upload>(
            &self,
            elements: &[T],
        ) -> Result<ZeBuffer<T, $placement>> {
            let () = $crate::buffer::Fits::<T, $align>::AREA;
            Area::mmap_from_slice(self, elements)
        }

        /// Allocates `len` elements: `element(0)`, `element(1)`, and so on. See
        /// [`Area::mmap_from_fn`].
        ///
        /// # Errors
        ///
        /// As of [`Area::mmap`].
        pub fn mmap_from_fn<T: Upload>(
            &self,
            len: usize,
            element: impl FnMut(usize) -> T,
        ) -> Result<ZeBuffer<T, $placement>> {
            let () = $crate::buffer::Fits::<T, $align>::AREA;
            Area::mmap_from_fn(self, len, element)
        }

        /// Allocates a copy of `source`, which `queue` makes. See [`Area::mmap_copy`].
        ///
        /// # Errors
        ///
        /// As of [`Area::mmap_copy`].
        pub fn mmap_copy<S>(
            &self,
            queue: &Queue,
            source: &S,
        ) -> Result<ZeBuffer<S::Element, $placement>>
        where
            S: Source<Element: Element> + ?Sized,
        {
            let () = $crate::buffer::Fits::<S::Element, $align>::AREA;
            Area::mmap_copy(self, queue, source)
        }
    };
}
pub(crate) use inherent_area_methods;

/// Finds out by calling whether the driver frees by a policy: the property that lists them is
/// never filled by some drivers.
fn probe_free_policy(
    policy: FreePolicy,
    allocate: impl FnOnce() -> Result<(NonNull<u8>, Allocation)>,
) -> Result<()> {
    use crate::error::Error;
    if policy == FreePolicy::Immediate {
        return Ok(());
    }
    let (_, allocation) = allocate()?;
    let unsupported = |code| Error::FreePolicyUnsupported { policy, code };
    match allocation.free() {
        Ok(()) => Ok(()),
        Err((error, allocation)) => {
            // The probe itself is freed in the way that every driver has.
            if let Err((error, _)) = allocation.with_policy(FreePolicy::Immediate).free() {
                return Err(error);
            }
            Err(match error {
                Error::MissingCall { .. } => unsupported(None),
                Error::Call { code, .. } => unsupported(Some(code)),
                other => other,
            })
        }
    }
}
