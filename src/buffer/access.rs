//! The host's access to buffers in shared and host memory.
//!
//! The common methods of slices stand on the buffer itself, not only behind `Deref`: for a buffer
//! in device memory the compiler then says what to do instead.

use super::{ZeBuffer, ZeSlice, ZeSliceMut};
use crate::placement::{HostAccess, Placement};
use core::ops::{Deref, DerefMut, Index, IndexMut};
use core::slice::{self, SliceIndex};

impl<T, P: Placement> ZeBuffer<T, P> {
    /// The elements.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[T]
    where
        P: HostAccess,
    {
        // SAFETY: by the struct's invariants the elements are values that the host can read, and
        // who writes them borrows the buffer exclusively.
        unsafe { slice::from_raw_parts(self.pointer.as_ptr(), self.len) }
    }

    /// The elements, to be changed.
    #[inline]
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [T]
    where
        P: HostAccess,
    {
        // SAFETY: as in `as_slice`, and the borrow is exclusive.
        unsafe { slice::from_raw_parts_mut(self.pointer.as_ptr(), self.len) }
    }
}

impl<'a, T, P: Placement> ZeSlice<'a, T, P> {
    /// The elements, for as long as the view's buffer is borrowed.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &'a [T]
    where
        P: HostAccess,
    {
        // SAFETY: by the struct's invariants the elements are values that the host can read, and
        // are borrowed for `'a`.
        unsafe { slice::from_raw_parts(self.pointer.as_ptr(), self.len) }
    }
}

impl<T, P: Placement> ZeSliceMut<'_, T, P> {
    /// The elements.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[T]
    where
        P: HostAccess,
    {
        // SAFETY: as of `ZeSlice`.
        unsafe { slice::from_raw_parts(self.pointer.as_ptr(), self.len) }
    }

    /// The elements, to be changed.
    #[inline]
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [T]
    where
        P: HostAccess,
    {
        // SAFETY: as of `ZeSlice`, and the borrow is exclusive.
        unsafe { slice::from_raw_parts_mut(self.pointer.as_ptr(), self.len) }
    }
}

/// What all three read-only views of elements have.
///
/// Where a `for` is refused the compiler has no message but the lines of `IntoIterator` here, so they
/// say in a comment what to do.
macro_rules! host_read {
    ([$($generics:tt)*] $type:ty) => {
        impl<$($generics)* T, P: Placement> $type {
            /// The element or elements at `index`, `None` where it is out of bounds.
            #[inline]
            #[must_use]
            pub fn get<I: SliceIndex<[T]>>(&self, index: I) -> Option<&I::Output>
            where
                P: HostAccess,
            {
                self.as_slice().get(index)
            }

            /// The elements, one after the other.
            #[inline]
            pub fn iter(&self) -> slice::Iter<'_, T>
            where
                P: HostAccess,
            {
                self.as_slice().iter()
            }

            /// The first element, `None` where there are none.
            #[must_use]
            pub fn first(&self) -> Option<&T>
            where
                P: HostAccess,
            {
                self.as_slice().first()
            }

            /// The last element, `None` where there are none.
            #[must_use]
            pub fn last(&self) -> Option<&T>
            where
                P: HostAccess,
            {
                self.as_slice().last()
            }

            /// A copy of the elements.
            ///
            /// [`Queue::to_vec`](crate::Queue::to_vec) does so for device memory.
            #[must_use]
            pub fn to_vec(&self) -> Vec<T>
            where
                P: HostAccess,
                T: Clone,
            {
                self.as_slice().to_vec()
            }
        }

        impl<$($generics)* T, P: HostAccess> Deref for $type {
            type Target = [T];

            #[inline]
            fn deref(&self) -> &[T] {
                self.as_slice()
            }
        }

        impl<$($generics)* T, P: HostAccess> AsRef<[T]> for $type {
            #[inline]
            fn as_ref(&self) -> &[T] {
                self.as_slice()
            }
        }

        impl<$($generics)* T, P: Placement, I: SliceIndex<[T]>> Index<I> for $type
        where
            P: HostAccess,
        {
            type Output = I::Output;

            #[inline]
            #[track_caller]
            fn index(&self, index: I) -> &I::Output {
                &self.as_slice()[index]
            }
        }

        impl<'item, $($generics)* T, P: Placement> IntoIterator for &'item $type
        where
            P: HostAccess, // not `Device`: copy to `Host` or `Shared` memory first
        {
            type Item = &'item T;
            type IntoIter = slice::Iter<'item, T>;

            #[inline]
            fn into_iter(self) -> Self::IntoIter {
                self.as_slice().iter()
            }
        }

        impl<$($generics)* T: PartialEq<U>, U, P: HostAccess> PartialEq<[U]> for $type {
            fn eq(&self, other: &[U]) -> bool {
                self.as_slice() == other
            }
        }

        impl<$($generics)* T: PartialEq<U>, U, P: HostAccess> PartialEq<&[U]> for $type {
            fn eq(&self, other: &&[U]) -> bool {
                self.as_slice() == *other
            }
        }

        impl<$($generics)* T: PartialEq<U>, U, P: HostAccess> PartialEq<Vec<U>> for $type {
            fn eq(&self, other: &Vec<U>) -> bool {
                self.as_slice() == other.as_slice()
            }
        }

        impl<$($generics)* T: PartialEq<U>, U, P: HostAccess, const N: usize> PartialEq<[U; N]>
            for $type
        {
            fn eq(&self, other: &[U; N]) -> bool {
                self.as_slice() == other
            }
        }
    };
}

/// What both views have that can change the elements.
macro_rules! host_write {
    ([$($generics:tt)*] $type:ty) => {
        impl<$($generics)* T, P: Placement> $type {
            /// The element or elements at `index`, to be changed; `None` where it is out of
            /// bounds.
            #[inline]
            #[must_use]
            pub fn get_mut<I: SliceIndex<[T]>>(&mut self, index: I) -> Option<&mut I::Output>
            where
                P: HostAccess,
            {
                self.as_mut_slice().get_mut(index)
            }

            /// Copies elements from a slice of the same length.
            ///
            /// [`Queue::copy`](crate::Queue::copy) does so for device memory.
            ///
            /// # Panics
            ///
            /// Where the lengths differ, as of [`slice::copy_from_slice`].
            #[inline]
            #[track_caller]
            pub fn copy_from_slice(&mut self, source: &[T])
            where
                P: HostAccess,
                T: Copy,
            {
                self.as_mut_slice().copy_from_slice(source);
            }

            /// Sets all elements to `value`.
            ///
            /// [`Queue::fill`](crate::Queue::fill) does so for device memory.
            #[inline]
            pub fn fill(&mut self, value: T)
            where
                P: HostAccess,
                T: Clone,
            {
                self.as_mut_slice().fill(value);
            }

            /// The elements, one after the other, to be changed.
            #[inline]
            pub fn iter_mut(&mut self) -> slice::IterMut<'_, T>
            where
                P: HostAccess,
            {
                self.as_mut_slice().iter_mut()
            }
        }

        impl<$($generics)* T, P: HostAccess> DerefMut for $type {
            #[inline]
            fn deref_mut(&mut self) -> &mut [T] {
                self.as_mut_slice()
            }
        }

        impl<$($generics)* T, P: HostAccess> AsMut<[T]> for $type {
            #[inline]
            fn as_mut(&mut self) -> &mut [T] {
                self.as_mut_slice()
            }
        }

        impl<$($generics)* T, P: Placement, I: SliceIndex<[T]>> IndexMut<I> for $type
        where
            P: HostAccess,
        {
            #[inline]
            #[track_caller]
            fn index_mut(&mut self, index: I) -> &mut I::Output {
                &mut self.as_mut_slice()[index]
            }
        }

        impl<'item, $($generics)* T, P: Placement> IntoIterator for &'item mut $type
        where
            P: HostAccess, // not `Device`: copy to `Host` or `Shared` memory first
        {
            type Item = &'item mut T;
            type IntoIter = slice::IterMut<'item, T>;

            #[inline]
            fn into_iter(self) -> Self::IntoIter {
                self.as_mut_slice().iter_mut()
            }
        }
    };
}

host_read!([] ZeBuffer<T, P>);
host_write!([] ZeBuffer<T, P>);
host_read!(['a,] ZeSlice<'a, T, P>);
host_read!(['a,] ZeSliceMut<'a, T, P>);
host_write!(['a,] ZeSliceMut<'a, T, P>);

/// Buffers are equal where their elements are, wherever they live.
impl<T, U, P, Q> PartialEq<ZeBuffer<U, Q>> for ZeBuffer<T, P>
where
    T: PartialEq<U>,
    P: HostAccess,
    Q: HostAccess,
{
    fn eq(&self, other: &ZeBuffer<U, Q>) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<T: Eq, P: HostAccess> Eq for ZeBuffer<T, P> {}
