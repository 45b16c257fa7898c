//! Buffers whose elements nobody wrote yet.

use super::{Element, ZeBuffer};
use crate::error::{Error, Returned};
use crate::placement::{HostAccess, Placement};
use core::mem::MaybeUninit;

impl<T: Element, P: Placement> ZeBuffer<MaybeUninit<T>, P> {
    /// Takes the elements as written.
    ///
    /// # Safety
    ///
    /// All elements must have been written: by a copy, a kernel, or the host.
    #[inline]
    #[must_use]
    pub unsafe fn assume_init(self) -> ZeBuffer<T, P> {
        let len = self.len();
        // SAFETY: `MaybeUninit<T>` has the layout of `T`; the caller vouches for the values.
        unsafe { self.with_elements(len) }
    }

    /// Writes all elements from a slice on the host.
    ///
    /// [`Queue::init`](crate::Queue::init) does so for device memory.
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// let context = ze_area::Context::new()?;
    /// let fresh = context.host_area().mmap_uninit::<u16>(2)?;
    /// let buffer = fresh.write_from_slice(&[7, 8])?;
    /// assert_eq!(buffer[1], 8);
    /// # }
    /// # Ok::<(), ze_area::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::LengthMismatch`] with the buffer, unwritten.
    pub fn write_from_slice(mut self, elements: &[T]) -> Result<ZeBuffer<T, P>, Returned<Self>>
    where
        P: HostAccess,
    {
        if elements.len() != self.len() {
            let error = Error::LengthMismatch {
                source_len: elements.len(),
                target_len: self.len(),
            };
            return Err(Returned {
                error,
                buffer: self,
            });
        }
        let slots = self.as_mut_slice().as_mut_ptr().cast::<T>();
        // SAFETY: there are as many slots, which are borrowed exclusively, so apart from the slice.
        unsafe { slots.copy_from_nonoverlapping(elements.as_ptr(), elements.len()) };
        // SAFETY: all elements are written.
        Ok(unsafe { self.assume_init() })
    }
}
