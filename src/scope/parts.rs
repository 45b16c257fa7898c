//! Parts of parts of what was lent.

use super::lent::{LentPlace, LentSlice, LentSliceMut};
use crate::buffer::resolve;
use crate::error::Result;
use core::marker::PhantomData;
use core::ops::RangeBounds;

impl<T, P: LentPlace> LentSlice<'_, '_, T, P> {
    /// A part of it.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`](crate::Error::OutOfBounds).
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Result<Self> {
        let (start, len) = resolve(&range, self.len)?;
        Ok(Self {
            // SAFETY: the part lies inside, as resolved.
            pointer: unsafe { self.pointer.add(start) },
            len,
            ..*self
        })
    }
}

impl<'a, 'scope, T, P: LentPlace> LentSliceMut<'a, 'scope, T, P> {
    /// A part of it, to be read.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`](crate::Error::OutOfBounds).
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Result<LentSlice<'_, 'scope, T, P>> {
        let (start, len) = resolve(&range, self.len)?;
        Ok(LentSlice {
            // SAFETY: the part lies inside, as resolved.
            pointer: unsafe { self.pointer.add(start) },
            len,
            home: self.home,
            track: self.track,
            marker: PhantomData,
            brand: PhantomData,
        })
    }

    /// A part of it, to be written to.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`](crate::Error::OutOfBounds).
    pub fn slice_mut(
        &mut self,
        range: impl RangeBounds<usize>,
    ) -> Result<LentSliceMut<'_, 'scope, T, P>> {
        let (start, len) = resolve(&range, self.len)?;
        // SAFETY: the part lies inside, as resolved, and the handle is borrowed exclusively.
        Ok(unsafe { self.part(start, len) })
    }

    /// The first `mid` elements and the rest, to be written to.
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// # let context = ze_area::Context::new()?;
    /// # let queue = context.queue(context.first_device()?)?;
    /// let mut x = context.host_area().mmap::<u32>(9)?;
    /// queue.scope(|q| {
    ///     let mut x = q.lend_mut(&mut x);
    ///     let (mut first, rest) = x.split_at_mut(3)?;
    ///     let (mut second, mut third) = rest.into_split_at(3)?;
    ///     q.fill(&mut first, 1)?;
    ///     q.fill(&mut second, 2)?;
    ///     q.copy(&first, &mut third)
    /// })?;
    /// assert_eq!(x, [1, 1, 1, 2, 2, 2, 1, 1, 1]);
    /// # }
    /// # Ok::<(), ze_area::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`](crate::Error::OutOfBounds) where there are fewer than `mid` elements.
    pub fn into_split_at(self, mid: usize) -> Result<(Self, Self)> {
        let (_, mid) = resolve(&(..mid), self.len)?;
        // SAFETY: the part lies inside, and the handle itself is consumed.
        let first = unsafe { self.part(0, mid) };
        // SAFETY: as above, and the part lies behind the first one.
        let second = unsafe { self.part(mid, self.len - mid) };
        Ok((first, second))
    }

    /// # Safety
    ///
    /// `start + len` must be at most the length, and parts that live at once must not overlap, nor be
    /// used with the handle itself.
    unsafe fn part<'b>(&self, start: usize, len: usize) -> LentSliceMut<'b, 'scope, T, P>
    where
        'a: 'b,
    {
        LentSliceMut {
            // SAFETY: the caller vouches that the part lies inside.
            pointer: unsafe { self.pointer.add(start) },
            len,
            home: self.home,
            track: self.track,
            marker: PhantomData,
            brand: PhantomData,
        }
    }
}
