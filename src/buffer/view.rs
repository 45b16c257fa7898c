//! Views: a part of a buffer, borrowed.

use super::ZeBuffer;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::placement::{Placement, PlacementKind};
use crate::raw::home::Home;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Bound, RangeBounds};
use core::ptr::NonNull;

/// A part of a [`ZeBuffer`], borrowed: what `&[T]` is to `Vec<T>`, in any placement.
///
/// Made by [`ZeBuffer::slice`]. Where the host has access it dereferences to `[T]`.
// Invariants: as of `ZeBuffer` for `len` elements at `pointer`, which are borrowed for `'a`; the
// home is that of the memory, `None` only where there are no elements.
pub struct ZeSlice<'a, T, P: Placement> {
    pub(super) pointer: NonNull<T>,
    pub(super) len: usize,
    pub(super) home: Option<&'a Home>,
    pub(super) marker: PhantomData<(&'a [T], P)>,
}

/// A part of a [`ZeBuffer`], borrowed exclusively: what `&mut [T]` is to `Vec<T>`, in any
/// placement.
///
/// Made by [`ZeBuffer::slice_mut`]. Where the host has access it dereferences to `[T]`.
// Invariants: as of `ZeSlice`, and the borrow is exclusive.
pub struct ZeSliceMut<'a, T, P: Placement> {
    pub(super) pointer: NonNull<T>,
    pub(super) len: usize,
    pub(super) home: Option<&'a Home>,
    pub(super) marker: PhantomData<(&'a mut [T], P)>,
}

// SAFETY: as `&[T]`; the rest is a reference to what is `Sync`.
unsafe impl<T: Sync, P: Placement> Send for ZeSlice<'_, T, P> {}
// SAFETY: as `&[T]`.
unsafe impl<T: Sync, P: Placement> Sync for ZeSlice<'_, T, P> {}
// SAFETY: as `&mut [T]`; the rest is a reference to what is `Sync`.
unsafe impl<T: Send, P: Placement> Send for ZeSliceMut<'_, T, P> {}
// SAFETY: as `&mut [T]`.
unsafe impl<T: Sync, P: Placement> Sync for ZeSliceMut<'_, T, P> {}

impl<T, P: Placement> Clone for ZeSlice<'_, T, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, P: Placement> Copy for ZeSlice<'_, T, P> {}

/// The offset and the length of a range in `len` elements.
pub(crate) fn resolve(range: &impl RangeBounds<usize>, len: usize) -> Result<(usize, usize)> {
    let start = match range.start_bound() {
        Bound::Included(&start) => start,
        Bound::Excluded(&before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&last) => last.saturating_add(1),
        Bound::Excluded(&end) => end,
        Bound::Unbounded => len,
    };
    if start <= end && end <= len {
        Ok((start, end - start))
    } else {
        Err(Error::OutOfBounds { start, end, len })
    }
}

impl<T, P: Placement> ZeBuffer<T, P> {
    /// All of the buffer, borrowed.
    #[must_use]
    pub fn as_view(&self) -> ZeSlice<'_, T, P> {
        ZeSlice {
            pointer: self.pointer,
            len: self.len,
            home: self.home(),
            marker: PhantomData,
        }
    }

    /// All of the buffer, borrowed exclusively.
    #[must_use]
    pub fn as_view_mut(&mut self) -> ZeSliceMut<'_, T, P> {
        ZeSliceMut {
            pointer: self.pointer,
            len: self.len,
            home: self.home(),
            marker: PhantomData,
        }
    }

    /// A part of the buffer, borrowed, in any placement.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`].
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Result<ZeSlice<'_, T, P>> {
        self.as_view().slice(range)
    }

    /// A part of the buffer, borrowed exclusively, in any placement.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`].
    pub fn slice_mut(&mut self, range: impl RangeBounds<usize>) -> Result<ZeSliceMut<'_, T, P>> {
        self.as_view_mut().into_slice(range)
    }

    /// The first `mid` elements and the rest, both borrowed exclusively, in any placement.
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// # let context = ze_area::Context::new()?;
    /// # let queue = context.queue(context.first_device()?)?;
    /// let mut buffer = context.default_device_area()?.mmap_from_slice(&[1, 2, 3, 4])?;
    /// let (first, mut second) = buffer.split_at_mut(2)?;
    /// queue.copy(&first, &mut second)?;
    /// assert_eq!(queue.to_vec(&buffer)?, [1, 2, 1, 2]);
    /// assert_eq!(queue.to_vec(&buffer.slice(1..3)?)?, [2, 1]);
    /// # }
    /// # Ok::<(), ze_area::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`] where there are fewer than `mid` elements.
    pub fn split_at_mut(
        &mut self,
        mid: usize,
    ) -> Result<(ZeSliceMut<'_, T, P>, ZeSliceMut<'_, T, P>)> {
        self.as_view_mut().into_split_at(mid)
    }
}

/// What both views have.
macro_rules! view {
    ($type:ident) => {
        impl<'a, T, P: Placement> $type<'a, T, P> {
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

            /// Where the memory lives, as a value.
            #[must_use]
            pub fn placement(&self) -> PlacementKind {
                P::KIND
            }

            /// The address of the first element, as kernels see it.
            #[inline]
            #[must_use]
            pub fn device_ptr(&self) -> *const T {
                self.pointer.as_ptr()
            }

            /// Whether the memory is of `context`. An empty view is at home everywhere.
            #[must_use]
            pub fn is_in(&self, context: &Context) -> bool {
                self.home.is_none_or(|home| context.is(home.context()))
            }

            pub(crate) fn home(&self) -> Option<&'a Home> {
                self.home
            }
        }

        impl<T, P: Placement> fmt::Debug for $type<'_, T, P> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($type))
                    .field("placement", &P::KIND)
                    .field("element", &core::any::type_name::<T>())
                    .field("len", &self.len)
                    .field("address", &self.pointer)
                    .finish_non_exhaustive()
            }
        }
    };
}

view!(ZeSlice);
view!(ZeSliceMut);

impl<'a, T, P: Placement> ZeSlice<'a, T, P> {
    /// A part of the view.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`].
    pub fn slice(self, range: impl RangeBounds<usize>) -> Result<Self> {
        let (start, len) = resolve(&range, self.len)?;
        // SAFETY: the part lies in the view, as resolved, so the invariants hold for it.
        Ok(unsafe { self.part(start, len) })
    }

    /// The first `mid` elements and the rest.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`] where there are fewer than `mid` elements.
    pub fn split_at(self, mid: usize) -> Result<(Self, Self)> {
        Ok((self.slice(..mid)?, self.slice(mid..)?))
    }

    /// # Safety
    ///
    /// `start + len` must be at most the view's length.
    unsafe fn part(self, start: usize, len: usize) -> Self {
        // SAFETY: the caller vouches that `start` lies in the view or at its end.
        let pointer = unsafe { self.pointer.add(start) };
        Self {
            pointer,
            len,
            ..self
        }
    }
}

impl<'a, T, P: Placement> ZeSlice<'a, T, P> {
    /// What the view is made of.
    pub(crate) fn into_parts(self) -> (NonNull<T>, usize, Option<&'a Home>) {
        (self.pointer, self.len, self.home)
    }
}

impl<'a, T, P: Placement> ZeSliceMut<'a, T, P> {
    /// What the view is made of.
    pub(crate) fn into_parts(self) -> (NonNull<T>, usize, Option<&'a Home>) {
        (self.pointer, self.len, self.home)
    }

    /// The address of the first element, to be written to.
    #[inline]
    #[must_use]
    pub fn device_mut_ptr(&mut self) -> *mut T {
        self.pointer.as_ptr()
    }

    /// The same part, borrowed shared.
    #[must_use]
    pub fn as_view(&self) -> ZeSlice<'_, T, P> {
        ZeSlice {
            pointer: self.pointer,
            len: self.len,
            home: self.home,
            marker: PhantomData,
        }
    }

    /// The same part, borrowed anew.
    #[must_use]
    pub fn as_view_mut(&mut self) -> ZeSliceMut<'_, T, P> {
        ZeSliceMut {
            pointer: self.pointer,
            len: self.len,
            home: self.home,
            marker: PhantomData,
        }
    }

    /// A part of the view.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`].
    pub fn into_slice(self, range: impl RangeBounds<usize>) -> Result<Self> {
        let (start, len) = resolve(&range, self.len)?;
        // SAFETY: the part lies in the view, as resolved, and the view itself is consumed.
        Ok(unsafe { self.part(start, len) })
    }

    /// The first `mid` elements and the rest.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`] where there are fewer than `mid` elements.
    pub fn into_split_at(self, mid: usize) -> Result<(Self, Self)> {
        let (_, mid) = resolve(&(..mid), self.len)?;
        let rest = self.len - mid;
        // SAFETY: the part lies in the view, which is not used again but for the other part.
        let first = unsafe { self.part(0, mid) };
        // SAFETY: the part lies in the view, behind the first one, which it does not overlap.
        let second = unsafe { self.part(mid, rest) };
        Ok((first, second))
    }

    /// # Safety
    ///
    /// `start + len` must be at most the view's length, and parts that live at once must not
    /// overlap each other, nor be used with the view itself.
    unsafe fn part(&self, start: usize, len: usize) -> Self {
        // SAFETY: the caller vouches that `start` lies in the view or at its end.
        let pointer = unsafe { self.pointer.add(start) };
        Self {
            pointer,
            len,
            home: self.home,
            marker: PhantomData,
        }
    }
}

impl<'a, T, P: Placement> From<&'a ZeBuffer<T, P>> for ZeSlice<'a, T, P> {
    fn from(buffer: &'a ZeBuffer<T, P>) -> Self {
        buffer.as_view()
    }
}

impl<'a, T, P: Placement> From<&'a mut ZeBuffer<T, P>> for ZeSliceMut<'a, T, P> {
    fn from(buffer: &'a mut ZeBuffer<T, P>) -> Self {
        buffer.as_view_mut()
    }
}
