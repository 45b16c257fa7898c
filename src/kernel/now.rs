//! Arguments of a launch that is done when the call returns.

use super::args::Arg;
use super::args::sealed::{ArgValue, Pointed, RawArg};
use super::signature::{In, InOut, Out};
use crate::buffer::{Element, ZeBuffer, ZeSlice, ZeSliceMut};
use crate::placement::Placement;

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
                    allocation: self.allocation(),
                    track: None,
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
