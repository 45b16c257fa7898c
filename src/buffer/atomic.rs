//! Views through which host and device use the same elements at the same time.

use super::view::resolve;
use super::{Upload, ZeBuffer, ZeSliceMut};
use crate::context::Context;
use crate::device::{AccessCaps, ZeDevice};
use crate::error::Result;
use crate::placement::{HostAccess, Placement, PlacementKind};
use crate::raw::home::Home;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, RangeBounds};
use core::sync::atomic;

mod sealed {
    #[diagnostic::on_unimplemented(
        message = "`{Self}` has no atomic operations",
        note = "`u8`, `i8` and so on to `i64` are all there are, as far as the target has atomic types of their size"
    )]
    pub trait Sealed {}
}

/// Elements that can be used as atomics: the integers that the target has atomic types for.
///
/// Sealed: these are all there are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no atomic operations",
    label = "not an integer that the target has an atomic type for",
    note = "for `f32` take the bits: `buffer.cast_mut::<u32>()?.into_atomics()`, with `f32::to_bits` and `f32::from_bits`"
)]
pub trait AtomicElement: Upload + sealed::Sealed {
    /// The atomic type of the same size, as `AtomicU32` of `u32`.
    type Atomic: fmt::Debug + Send + Sync + 'static;
}

macro_rules! atomic {
    ($($bits:literal: $($integer:ty => $atomic:ident),*;)*) => {$($(
        #[cfg(target_has_atomic = $bits)]
        #[diagnostic::do_not_recommend]
        impl sealed::Sealed for $integer {}

        #[cfg(target_has_atomic = $bits)]
        #[diagnostic::do_not_recommend]
        impl AtomicElement for $integer {
            type Atomic = atomic::$atomic;
        }
    )*)*};
}

atomic! {
    "8": u8 => AtomicU8, i8 => AtomicI8;
    "16": u16 => AtomicU16, i16 => AtomicI16;
    "32": u32 => AtomicU32, i32 => AtomicI32;
    "64": u64 => AtomicU64, i64 => AtomicI64;
}

/// That every `T` of a buffer can be used as its atomic type: on some 32-bit targets `AtomicU64`
/// is aligned to more than `u64`.
struct Layout<T>(PhantomData<T>);

impl<T: AtomicElement> Layout<T> {
    const SAME: () = {
        assert!(size_of::<T::Atomic>() == size_of::<T>());
        assert!(
            align_of::<T::Atomic>() <= align_of::<T>(),
            "on this target the atomic type is aligned to more than the integer: use 32 bits"
        );
    };
}

/// A part of a buffer as atomics, so that threads of the host and kernels use it at the same time.
///
/// Made by [`ZeBuffer::as_atomics`] from an exclusive borrow: while the view or a copy of it lives,
/// there is no other way to the elements. It dereferences to a slice of atomics.
///
/// ```
/// # #[cfg(feature = "cpu")] {
/// use std::sync::atomic::Ordering;
/// use ze_area::Context;
///
/// let context = Context::new()?;
/// let mut buffer = context.host_area().mmap::<u32>(2)?;
/// let counters = buffer.as_atomics();
/// std::thread::scope(|scope| {
///     for _ in 0..4 {
///         scope.spawn(|| counters[1].fetch_add(1, Ordering::Relaxed));
///     }
/// });
/// assert_eq!(buffer, [0, 4]);
/// # }
/// # Ok::<(), ze_area::Error>(())
/// ```
///
/// # What holds between host and device
///
/// The host's operations are those of `core::sync::atomic`. For a kernel to take part in them, it
/// has to use atomic operations too, of the same size and with the scope of all devices (in OpenCL
/// C `memory_scope_all_svm_devices`, in SPIR-V `CrossDevice`), and the device has to have
/// [concurrent atomics](AccessCaps::CONCURRENT_ATOMIC) on that memory, which
/// [`is_concurrent_on`](AtomicSlice::is_concurrent_on) says. Then the orderings mean what they mean
/// between threads. Many GPUs do not have them.
///
/// The compiler of the CPU driver has no atomic operations on generic pointers, which those of OpenCL C
/// 2.0 are: `atomic_load_explicit` ends in `Error::BuildFailed` with «Symbols not found: `atomic_xchg…PU3AS4…`».
/// Use those of OpenCL C 1.2 on `global volatile uint *` (`atomic_or(p, 0)` loads, `atomic_xchg` stores),
/// or compile as OpenCL C 3.0 without `__opencl_c_generic_address_space`.
///
/// Where the device has no concurrent atomics, host and kernel still may take turns: the kernel sees
/// what the host stored before the launch, and the host what the kernel stored once it is complete.
/// What either does meanwhile may be lost to the other. A kernel that writes elements without
/// atomics while the host may look at them is a data race, as of a thread that did so: not to give
/// it such a view is for whoever declares the kernel's parameters.
// Invariants: as of `ZeSliceMut` for the elements, but that all copies of the view share the
// exclusive borrow, and use it through atomics only. The home is `None` only where there are no
// elements.
pub struct AtomicSlice<'a, T: AtomicElement, P: Placement> {
    elements: &'a [T::Atomic],
    home: Option<&'a Home>,
    marker: PhantomData<P>,
}

impl<T: AtomicElement, P: Placement> Clone for AtomicSlice<'_, T, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: AtomicElement, P: Placement> Copy for AtomicSlice<'_, T, P> {}

impl<T, P: Placement> ZeBuffer<T, P> {
    /// The elements as atomics, which host and devices may use at the same time.
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// # use std::sync::atomic::Ordering;
    /// # let context = ze_area::Context::new()?;
    /// let mut flags = context.default_device_area()?.shared().mmap::<i64>(8)?;
    /// let view = flags.as_atomics();
    /// view[7].store(-1, Ordering::Release);
    /// println!("with kernels that run: {}", view.is_concurrent_on(context.first_device()?));
    /// assert_eq!(flags[7], -1); // the view is not used any more
    /// # }
    /// # Ok::<(), ze_area::Error>(())
    /// ```
    #[must_use]
    pub fn as_atomics(&mut self) -> AtomicSlice<'_, T, P>
    where
        P: HostAccess,
        T: AtomicElement,
    {
        let () = Layout::<T>::SAME;
        self.as_view_mut().into_atomics()
    }
}

impl<'a, T, P: Placement> ZeSliceMut<'a, T, P> {
    /// The elements as atomics, which host and devices may use at the same time.
    #[must_use]
    pub fn as_atomics(&mut self) -> AtomicSlice<'_, T, P>
    where
        P: HostAccess,
        T: AtomicElement,
    {
        let () = Layout::<T>::SAME;
        self.as_view_mut().into_atomics()
    }

    /// The elements as atomics, for as long as the view's buffer is borrowed.
    #[must_use]
    pub fn into_atomics(self) -> AtomicSlice<'a, T, P>
    where
        P: HostAccess,
        T: AtomicElement,
    {
        let () = Layout::<T>::SAME;
        let first = self.pointer.as_ptr().cast::<T::Atomic>();
        AtomicSlice {
            // SAFETY: by the invariants of the view, which is consumed, the elements are values that
            // the host can read and write, borrowed exclusively for `'a`; so nobody uses them but
            // through the slice and what is derived from it. The atomic type has the size and bits
            // of `T`, and is aligned to no more, as asserted.
            elements: unsafe { core::slice::from_raw_parts(first, self.len) },
            home: self.home,
            marker: PhantomData,
        }
    }
}

impl<'a, T: AtomicElement, P: Placement> AtomicSlice<'a, T, P> {
    /// The number of elements.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether there are no elements.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// The elements, for as long as the buffer is borrowed.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &'a [T::Atomic]
    where
        P: HostAccess,
    {
        self.elements
    }

    /// Where the memory lives, as a value.
    #[must_use]
    pub fn placement(&self) -> PlacementKind {
        P::KIND
    }

    /// The address of the first element, as kernels see it.
    #[inline]
    #[must_use]
    pub fn device_ptr(&self) -> *mut T {
        self.elements.as_ptr().cast::<T>().cast_mut()
    }

    /// A part of the view.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`](crate::Error::OutOfBounds).
    pub fn slice(self, range: impl RangeBounds<usize>) -> Result<Self> {
        let (start, len) = resolve(&range, self.len())?;
        let elements = self.elements.get(start..start + len).unwrap_or_default();
        Ok(Self { elements, ..self })
    }

    /// Whether the memory is of `context`. An empty view is at home everywhere.
    #[must_use]
    pub fn is_in(&self, context: &Context) -> bool {
        self.home().is_none_or(|home| context.is(home.context()))
    }

    #[inline]
    pub(crate) fn home(&self) -> Option<&'a Home> {
        self.home
    }

    /// Whether atomic operations of the host and of kernels that run on `device` meet in this
    /// memory: the device has [`CONCURRENT_ATOMIC`](AccessCaps::CONCURRENT_ATOMIC) for host memory,
    /// or for shared memory of its own, or for that of other devices, whichever this is.
    ///
    /// `false` for a device of another driver. An empty view has nothing to meet in: `true`.
    #[must_use]
    #[doc(alias = "zeDeviceGetMemoryAccessProperties")]
    pub fn is_concurrent_on(&self, device: &ZeDevice) -> bool {
        let Some(home) = self.home() else {
            return true;
        };
        let access = device.memory_access();
        let caps = match P::KIND {
            PlacementKind::Host => access.host,
            PlacementKind::Device => access.device,
            PlacementKind::Shared if device.has(home) => access.shared_single,
            PlacementKind::Shared => access.shared_cross,
        };
        device.driver().is(home.context().driver()) && caps.contains(AccessCaps::CONCURRENT_ATOMIC)
    }
}

impl<T: AtomicElement, P: HostAccess> Deref for AtomicSlice<'_, T, P> {
    type Target = [T::Atomic];

    #[inline]
    fn deref(&self) -> &[T::Atomic] {
        self.elements
    }
}

impl<'a, T: AtomicElement, P: HostAccess> IntoIterator for AtomicSlice<'a, T, P> {
    type Item = &'a T::Atomic;
    type IntoIter = core::slice::Iter<'a, T::Atomic>;

    #[inline]
    fn into_iter(self) -> Self::IntoIter {
        self.elements.iter()
    }
}

impl<T: AtomicElement, P: Placement> fmt::Debug for AtomicSlice<'_, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AtomicSlice")
            .field("placement", &P::KIND)
            .field("element", &core::any::type_name::<T>())
            .field("len", &self.len())
            .field("address", &self.elements.as_ptr())
            .finish_non_exhaustive()
    }
}
