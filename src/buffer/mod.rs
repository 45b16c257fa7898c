//! Typed buffers: [`ZeBuffer`], its views and its casts.

mod access;
mod atomic;
mod cast;
mod create;
mod element;
mod foreign;
mod memory;
mod uninit;
mod view;

pub use atomic::{AtomicElement, AtomicSlice};
pub(crate) use element::Fits;
pub use element::{Element, Upload};
pub(crate) use memory::BufferMemory;
pub(crate) use view::resolve;
pub use view::{ZeSlice, ZeSliceMut};

use crate::area::FreePolicy;
use crate::context::Context;
use crate::error::{FreeError, Returned};
use crate::placement::{Placement, PlacementKind};
use crate::pool::PoolSlot;
use crate::raw::allocation::Allocation;
use crate::raw::handle::Handle;
use crate::raw::home::Home;
use core::ffi::c_void;
use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;
use level_zero_sys as sys;

/// `len` elements of type `T` in memory of placement `P`, freed when dropped.
///
/// Made by an [area](crate::Area). Buffers in [`Shared`](crate::Shared) and [`Host`](crate::Host)
/// memory dereference to `[T]`; those in [`Device`](crate::Device) memory have no host access, and
/// code that tries does not compile:
///
/// ```compile_fail,E0277
/// # use ze_area::{Device, ZeBuffer};
/// fn first(buffer: &ZeBuffer<f32, Device>) -> f32 {
///     buffer[0]
/// }
/// ```
///
/// The buffer keeps its context, driver and library alive. Dropping it frees through `zeMemFree`
/// (or as the area's [`FreePolicy`] says), never panics, and reports a failure to `tracing` and to
/// [`Context::memory`]; [`free`](ZeBuffer::free) returns the failure instead.
///
/// ```
/// # #[cfg(feature = "cpu")] {
/// use ze_area::{Context, Shared, ZeBuffer};
///
/// let context = Context::new()?;
/// let area = context.default_device_area()?.shared();
/// let mut buffer: ZeBuffer<u32, Shared> = area.mmap_from_slice(&[3, 1, 2])?;
/// buffer[0] = 5;
/// buffer.sort();
/// assert_eq!(buffer[..], [1, 2, 5]);
/// buffer.free()?; // or drop it
/// assert!(context.memory().is_empty());
/// # }
/// # Ok::<(), ze_area::Error>(())
/// ```
///
/// Elements are such that every pattern of bytes is a value ([`Element`]), since a device may write
/// any. Memory that nobody wrote yet has elements of type `MaybeUninit<T>`.
// Invariants, on which the unsafe code of this module and its children rests:
// - `pointer` is aligned to `T`, not null, and dangling only where `len` is 0.
// - `len * size_of::<T>()` bytes from `pointer` on lie in `memory`, are at most `isize::MAX`,
//   and nobody else touches them while the value lives, but for what borrows it.
// - Where `P` has host access, the host can read and write them, and they are values of `T`:
//   `T` is `MaybeUninit`, or was written, with a `T: Element`, for which all bytes do.
// - `memory` is `None` only where `len` is 0.
pub struct ZeBuffer<T, P: Placement> {
    pointer: NonNull<T>,
    len: usize,
    memory: Option<BufferMemory>,
    marker: PhantomData<(T, P)>,
}

// SAFETY: the elements are owned as by `Vec<T>`, and the allocation is `Send`.
unsafe impl<T: Send, P: Placement> Send for ZeBuffer<T, P> {}
// SAFETY: as `Vec<T>`; the allocation is `Sync`.
unsafe impl<T: Sync, P: Placement> Sync for ZeBuffer<T, P> {}

/// A buffer taken apart by [`ZeBuffer::into_raw_parts`].
#[derive(Debug)]
pub struct RawParts<T> {
    /// The first element.
    pub pointer: *mut T,
    /// The number of elements.
    pub len: usize,
    /// Where the allocation begins: what `zeMemFree` takes. Null where there is none, as in an
    /// empty buffer and in one of a pool.
    pub base: *mut c_void,
    /// The size of the allocation in bytes; 0 where there is none.
    pub bytes: usize,
    /// The device that the memory was allocated on; null for host memory.
    pub device: sys::ze_device_handle_t,
    /// How the allocation is freed.
    pub policy: FreePolicy,
    /// The part of a pool that the buffer is; `None` for what has an allocation of its own.
    pub slot: Option<PoolSlot>,
}

impl<T, P: Placement> ZeBuffer<T, P> {
    /// The number of elements.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no elements.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The size of the elements in bytes.
    #[must_use]
    pub fn size_in_bytes(&self) -> usize {
        self.len * size_of::<T>()
    }

    /// Where the buffer lives, as a value.
    #[must_use]
    pub fn placement(&self) -> PlacementKind {
        P::KIND
    }

    /// The address of the first element, as kernels see it; dangling where the buffer is empty.
    ///
    /// Reading through it on the host is `unsafe` and, for device memory, a crash. Work that other
    /// code enqueues with it has to be complete before the buffer is freed: wait for it, or take
    /// the buffer from an area with [`FreePolicy::Blocking`], whose buffers wait themselves.
    #[inline]
    #[must_use]
    pub fn device_ptr(&self) -> *const T {
        self.pointer.as_ptr()
    }

    /// The address of the first element, to be written to; dangling where the buffer is empty.
    #[inline]
    #[must_use]
    pub fn device_mut_ptr(&mut self) -> *mut T {
        self.pointer.as_ptr()
    }

    /// Whether the buffer was made in `context`. An empty buffer is at home everywhere.
    #[must_use]
    pub fn is_in(&self, context: &Context) -> bool {
        self.home().is_none_or(|home| context.is(home.context()))
    }

    #[inline]
    pub(crate) fn home(&self) -> Option<&Home> {
        self.memory.as_ref().map(BufferMemory::home)
    }

    /// Frees the buffer now, and says whether it worked.
    ///
    /// # Errors
    ///
    /// The driver's refusal, with the buffer, which is still allocated: its drop tries once more.
    #[doc(alias = "zeMemFree")]
    #[doc(alias = "aml_area_munmap")]
    pub fn free(mut self) -> Result<(), FreeError<Self>> {
        // The rest frees when it is dropped, and cannot fail.
        let Some(BufferMemory::Own(allocation)) = self.memory.take() else {
            return Ok(());
        };
        match allocation.free() {
            Ok(()) => Ok(()),
            Err((error, allocation)) => {
                self.memory = Some(BufferMemory::Own(allocation));
                Err(Returned {
                    error,
                    buffer: self,
                })
            }
        }
    }

    /// Takes the buffer apart, without freeing it.
    ///
    /// The memory is no longer counted in [`Context::memory`], and no longer keeps the context
    /// alive: keep a clone of the [`Context`] until it is freed. A buffer of a [`Pool`](crate::Pool) has no
    /// allocation of its own: [`slot`](RawParts::slot) is what it is, which stays the pool's, and is lost
    /// to it unless the parts are put together again.
    #[must_use = "the memory is lost unless it is freed by hand or put together again"]
    pub fn into_raw_parts(mut self) -> RawParts<T> {
        let mut parts = RawParts {
            pointer: self.pointer.as_ptr(),
            len: self.len,
            base: core::ptr::null_mut(),
            bytes: 0,
            device: core::ptr::null_mut(),
            policy: FreePolicy::Immediate,
            slot: None,
        };
        let device = self.home().and_then(Home::device);
        parts.device = device.map_or(core::ptr::null_mut(), Handle::as_raw);
        match self.memory.take() {
            Some(BufferMemory::Own(allocation)) => {
                let (base, bytes, policy) = allocation.into_raw();
                parts.base = base.as_ptr().cast();
                parts.bytes = bytes;
                parts.policy = policy;
            }
            Some(BufferMemory::Pooled(pooled)) => parts.slot = Some(PoolSlot::new(pooled)),
            None => {}
        }
        parts
    }

    /// Puts a buffer together, from [`into_raw_parts`](ZeBuffer::into_raw_parts) or from an
    /// allocation that was made otherwise. The buffer owns the memory and frees it.
    ///
    /// # Safety
    ///
    /// - `parts.base` is the base pointer of a live allocation of `parts.bytes` bytes in `context`,
    ///   of placement `P`, which nobody else frees; or it is null, and `parts.slot` is that of a buffer of
    ///   this context and placement, or `None` where `parts.len` is 0.
    /// - `parts.pointer` is not null and aligned to `T`, and `parts.len` elements from it on lie in
    ///   that allocation or slot, in at most `isize::MAX` bytes, and nobody else uses them.
    /// - `T` is an [`Element`] whose bytes the memory has, or `MaybeUninit` of one.
    /// - `parts.device` is the device that it was allocated on, null for host memory.
    /// - `parts.policy` is one that the driver has.
    #[must_use]
    pub unsafe fn from_raw_parts(context: &Context, parts: RawParts<T>) -> Self {
        debug_assert!(!parts.pointer.is_null() && parts.pointer.is_aligned());
        debug_assert!(parts.len == 0 || parts.base.is_null() == parts.slot.is_some());
        let own = NonNull::new(parts.base.cast::<u8>()).map(|base| {
            let ledger = context.ledger(P::KIND);
            // SAFETY: the caller vouches that it is an allocation of this context and placement.
            let allocation = unsafe {
                Allocation::from_raw(
                    base,
                    parts.bytes,
                    ledger,
                    Handle::new(parts.device),
                    parts.policy,
                )
            };
            BufferMemory::Own(allocation)
        });
        let pooled = parts
            .slot
            .map(|slot| BufferMemory::Pooled(slot.into_inner()));
        Self {
            // SAFETY: the caller vouches that it is not null.
            pointer: unsafe { NonNull::new_unchecked(parts.pointer) },
            len: parts.len,
            memory: own.or(pooled),
            marker: PhantomData,
        }
    }

    /// The same memory with elements of another type.
    ///
    /// # Safety
    ///
    /// The struct's invariants must hold for `len` elements of type `U` at the same address.
    pub(crate) unsafe fn with_elements<U>(self, len: usize) -> ZeBuffer<U, P> {
        ZeBuffer {
            pointer: self.pointer.cast(),
            len,
            memory: self.memory,
            marker: PhantomData,
        }
    }
}

/// Shows what the buffer is, not its elements: they may be out of reach. `&buffer[..]` has them.
impl<T, P: Placement> fmt::Debug for ZeBuffer<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZeBuffer")
            .field("placement", &P::KIND)
            .field("element", &core::any::type_name::<T>())
            .field("len", &self.len)
            .field("address", &self.pointer)
            .finish_non_exhaustive()
    }
}
