//! Arguments of a launch that is done when the call returns.

use super::args::Arg;
use super::args::sealed::{ArgValue, Pointed, RawArg};
use super::signature::{Atomic, In, InOut, Out};
use crate::buffer::{AtomicElement, AtomicSlice, Element, ZeBuffer, ZeSlice, ZeSliceMut};
use crate::placement::{HostAccess, Placement};

/// How the arguments of a launch that waits are borrowed: for the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Now {}

macro_rules! arguments {
    ($($parameter:ident, $writes:literal: [$($generics:tt)*] $type:ty;)*) => {$(
        impl<$($generics)* T: Element, P: Placement> RawArg<Now, $parameter<T>> for $type {
            fn value(&mut self) -> ArgValue<'_> {
                ArgValue::Pointer(Pointed {
                    address: self.device_ptr().cast_mut().cast(),
                    len: self.len(),
                    writes: $writes,
                    home: self.home(),
                    track: None,
                    atomic: false,
                })
            }
        }

        impl<$($generics)* T: Element, P: Placement> Arg<Now, $parameter<T>> for $type {}
    )*};
}

arguments! {
    In, false: ['a,] &'a ZeBuffer<T, P>;
    In, false: ['a, 'b,] &'a ZeSlice<'b, T, P>;
    In, false: ['a, 'b,] &'a ZeSliceMut<'b, T, P>;
    Out, true: ['a,] &'a mut ZeBuffer<T, P>;
    Out, true: ['a, 'b,] &'a mut ZeSliceMut<'b, T, P>;
    InOut, true: ['a,] &'a mut ZeBuffer<T, P>;
    InOut, true: ['a, 'b,] &'a mut ZeSliceMut<'b, T, P>;
}

impl<T: AtomicElement, P: HostAccess> RawArg<Now, Atomic<T>> for AtomicSlice<'_, T, P> {
    fn value(&mut self) -> ArgValue<'_> {
        atomic(self)
    }
}

impl<T: AtomicElement, P: HostAccess> Arg<Now, Atomic<T>> for AtomicSlice<'_, T, P> {}

/// A view as atomics as an argument.
pub(crate) fn atomic<'a, T: AtomicElement, P: HostAccess>(
    view: &'a AtomicSlice<'_, T, P>,
) -> ArgValue<'a> {
    ArgValue::Pointer(Pointed {
        address: view.device_ptr().cast(),
        len: view.len(),
        writes: true,
        home: view.home(),
        track: None,
        atomic: true,
    })
}
