//! The same bytes as elements of another type.

use super::element::Fits;
use super::{Element, Upload, ZeBuffer, ZeSlice, ZeSliceMut};
use crate::error::{Error, Result, Returned};
use crate::placement::Placement;
use core::marker::PhantomData;

/// The number of elements of type `U` that `len` elements of type `T` at `address` make.
fn cast_len<T, U>(address: *const T, len: usize) -> Result<usize> {
    let () = Fits::<U>::SIZE;
    let bytes = len * size_of::<T>();
    if bytes.is_multiple_of(size_of::<U>()) && address.cast::<U>().is_aligned() {
        Ok(bytes / size_of::<U>())
    } else {
        Err(Error::Cast {
            bytes,
            address: address.addr(),
            element_size: size_of::<U>(),
            element_align: align_of::<U>(),
        })
    }
}

impl<T, P: Placement> ZeBuffer<T, P> {
    /// The same bytes as elements of type `U`, borrowed.
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// let context = ze_area::Context::new()?;
    /// let buffer = context.host_area().mmap_from_slice(&[1.0_f32, -0.0])?;
    /// assert_eq!(buffer.cast::<u32>()?[..], [0x3f80_0000, 0x8000_0000]);
    /// assert!(buffer.cast::<[u32; 3]>().is_err()); // 8 bytes are no multiple of 12
    /// # }
    /// # Ok::<(), ze_area::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Cast`] where the size is no multiple of that of `U`, or the address is not aligned
    /// to it.
    pub fn cast<U: Element>(&self) -> Result<ZeSlice<'_, U, P>>
    where
        T: Upload,
    {
        let () = Fits::<U>::SIZE;
        self.as_view().cast()
    }

    /// The same bytes as elements of type `U`, borrowed exclusively.
    ///
    /// # Errors
    ///
    /// As of [`ZeBuffer::cast`].
    pub fn cast_mut<U: Upload>(&mut self) -> Result<ZeSliceMut<'_, U, P>>
    where
        T: Upload,
    {
        let () = Fits::<U>::SIZE;
        self.as_view_mut().into_cast()
    }

    /// The same memory as a buffer of elements of type `U`.
    ///
    /// # Errors
    ///
    /// As of [`ZeBuffer::cast`], with the buffer.
    pub fn into_cast<U: Element>(self) -> Result<ZeBuffer<U, P>, Returned<Self>>
    where
        T: Upload,
    {
        let () = Fits::<U>::SIZE;
        match cast_len::<T, U>(self.device_ptr(), self.len()) {
            // SAFETY: as many elements of `U` are in the same bytes, which are aligned; all bytes
            // of a `T: Upload` are written, and any are a `U: Element`.
            Ok(len) => Ok(unsafe { self.with_elements(len) }),
            Err(error) => Err(Returned {
                error,
                buffer: self,
            }),
        }
    }
}

impl<'a, T, P: Placement> ZeSlice<'a, T, P> {
    /// The same bytes as elements of type `U`.
    ///
    /// # Errors
    ///
    /// As of [`ZeBuffer::cast`].
    pub fn cast<U: Element>(self) -> Result<ZeSlice<'a, U, P>>
    where
        T: Upload,
    {
        let () = Fits::<U>::SIZE;
        let len = cast_len::<T, U>(self.pointer.as_ptr(), self.len)?;
        // The invariants hold: the same bytes, aligned; all of a `T: Upload` are written, and
        // any are a `U: Element`.
        Ok(ZeSlice {
            pointer: self.pointer.cast(),
            len,
            home: self.home,
            marker: PhantomData,
        })
    }
}

impl<'a, T, P: Placement> ZeSliceMut<'a, T, P> {
    /// The same bytes as elements of type `U`.
    ///
    /// # Errors
    ///
    /// As of [`ZeBuffer::cast`].
    pub fn into_cast<U: Upload>(self) -> Result<ZeSliceMut<'a, U, P>>
    where
        T: Upload,
    {
        let () = Fits::<U>::SIZE;
        let len = cast_len::<T, U>(self.pointer.as_ptr(), self.len)?;
        // The invariants hold: as of `ZeSlice::cast`, and what is written as `U: Upload` leaves
        // bytes that are a `T: Element`.
        Ok(ZeSliceMut {
            pointer: self.pointer.cast(),
            len,
            home: self.home,
            marker: PhantomData,
        })
    }
}
