//! What a queue copies from and to.

use crate::buffer::{Element, Upload, ZeBuffer, ZeSlice, ZeSliceMut};
use crate::placement::{Placement, Shared};
use crate::raw::handle::DeviceHandle;
use crate::raw::home::Home;
use sealed::{End, RawSource, RawTarget};

pub(crate) mod sealed {
    use super::Home;

    /// One end of a copy: `len` elements at `pointer`, with their `home` where they are a buffer's.
    #[derive(Debug)]
    pub struct End<'a, T> {
        pub(crate) pointer: *mut T,
        pub(crate) len: usize,
        pub(crate) home: Option<&'a Home>,
    }

    #[diagnostic::on_unimplemented(
        message = "`{Self}` is no memory to copy from",
        note = "`ZeBuffer`, its views, slices, arrays and `Vec` are"
    )]
    pub trait RawSource {
        type Element;
        fn end(&self) -> End<'_, Self::Element>;
    }

    #[diagnostic::on_unimplemented(
        message = "`{Self}` is no memory to write to",
        note = "`ZeBuffer`, `ZeSliceMut`, slices, arrays and `Vec` are"
    )]
    pub trait RawTarget {
        type Element;
        fn end_mut(&mut self) -> End<'_, Self::Element>;
    }
}

/// What a [`Queue`](crate::Queue) copies from: a [`ZeBuffer`] or view in any placement, or a slice, array or
/// `Vec` of the host.
///
/// Sealed: these are all there are.
#[diagnostic::on_unimplemented(
    message = "a queue cannot copy from `{Self}`",
    label = "cannot be copied from",
    note = "copy from a reference to a `ZeBuffer`, a `ZeSlice`, a slice, an array or a `Vec`",
    note = "on the host the elements must be plain data without padding (`ze_area::Upload`)"
)]
pub trait Source: RawSource {
    /// The number of elements.
    fn source_len(&self) -> usize {
        self.end().len
    }
}

/// What a [`Queue`](crate::Queue) copies to: a [`ZeBuffer`] or view in any placement, or a slice, array or
/// `Vec` of the host.
///
/// Sealed: these are all there are.
#[diagnostic::on_unimplemented(
    message = "a queue cannot write to `{Self}`",
    label = "cannot be written to",
    note = "write to a mutable `ZeBuffer`, a part of one (`buffer.slice_mut(range)?`), a mutable slice, an array or a `Vec`",
    note = "on the host the elements must be plain data, for which all bytes do (`ze_area::Element`)"
)]
pub trait Target: RawTarget {}

/// What the driver allocated: a [`ZeBuffer`] or view in any placement, and no slice of the host.
///
/// Sealed: these are all there are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not memory of the driver",
    label = "not a `ZeBuffer` or a view of one",
    note = "a slice of the host has no placement to stay in: `area.mmap_from_slice(&slice)?`, or `queue.clone_in(&area, &slice)?`"
)]
pub trait DriverMemory: Source {
    /// Where the memory lives.
    type Placement: Placement;
}

/// Memory that moves between host and device: a [`ZeBuffer`] or view in [`Shared`] placement.
///
/// Sealed: these are all there are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not shared memory, and no other moves between host and device",
    label = "not in `Shared` memory",
    note = "memory of a `Device` or `Host` stays where it is, and needs no hints on where to be",
    note = "allocate what is to move in shared memory: `area.shared().mmap(len)?`"
)]
pub trait SharedMemory: DriverMemory<Placement = Shared> {}

macro_rules! host_end {
    ([$($generics:tt)*] $type:ty) => {
        impl<T: Upload, $($generics)*> RawSource for $type {
            type Element = T;

            fn end(&self) -> End<'_, T> {
                let elements: &[T] = self.as_ref();
                End { pointer: elements.as_ptr().cast_mut(), len: elements.len(), home: None }
            }
        }

        impl<T: Upload, $($generics)*> Source for $type {}

        impl<T: Element, $($generics)*> RawTarget for $type {
            type Element = T;

            fn end_mut(&mut self) -> End<'_, T> {
                let elements: &mut [T] = self.as_mut();
                End { pointer: elements.as_mut_ptr(), len: elements.len(), home: None }
            }
        }

        impl<T: Element, $($generics)*> Target for $type {}
    };
}

host_end!([][T]);
host_end!([] Vec<T>);
host_end!([const N: usize] [T; N]);

macro_rules! source_end {
    ($([$($generics:tt)*] $type:ty,)*) => {$(
        impl<$($generics)* T, P: Placement> RawSource for $type {
            type Element = T;

            fn end(&self) -> End<'_, T> {
                End {
                    pointer: self.device_ptr().cast_mut(),
                    len: self.len(),
                    home: self.home(),
                }
            }
        }

        impl<$($generics)* T, P: Placement> Source for $type {}

        impl<$($generics)* T, P: Placement> DriverMemory for $type {
            type Placement = P;
        }
    )*};
}

macro_rules! target_end {
    ($([$($generics:tt)*] $type:ty,)*) => {$(
        impl<$($generics)* T, P: Placement> RawTarget for $type {
            type Element = T;

            fn end_mut(&mut self) -> End<'_, T> {
                End {
                    pointer: self.device_mut_ptr(),
                    len: self.len(),
                    home: self.home(),
                }
            }
        }

        impl<$($generics)* T, P: Placement> Target for $type {}
    )*};
}

impl<T> SharedMemory for ZeBuffer<T, Shared> {}
impl<T> SharedMemory for ZeSlice<'_, T, Shared> {}
impl<T> SharedMemory for ZeSliceMut<'_, T, Shared> {}

source_end!([] ZeBuffer<T, P>, ['a,] ZeSlice<'a, T, P>, ['a,] ZeSliceMut<'a, T, P>,);
target_end!([] ZeBuffer<T, P>, ['a,] ZeSliceMut<'a, T, P>,);

impl<T> End<'_, T> {
    /// The device that the end's memory is on; `None` for memory of the host.
    pub(super) fn device(&self) -> Option<DeviceHandle> {
        self.home.and_then(Home::device)
    }
}
