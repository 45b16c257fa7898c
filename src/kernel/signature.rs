//! What a kernel takes, as a type: [`Signature`] and the markers that it is made of.

use crate::buffer::{Element, Upload};
use core::convert::Infallible;
use core::fmt;
use core::marker::PhantomData;
use sealed::{Kind, RawParameter, RawSignature, Shape};

pub(crate) mod sealed {
    /// What a parameter is to the driver.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Kind {
        /// A pointer to memory that the kernel leaves as it is.
        Read,
        /// A pointer to memory that the kernel may write to.
        Write,
        /// Memory of a group.
        Local,
        /// That many bytes.
        Value(usize),
    }

    /// A parameter as a value.
    #[derive(Debug)]
    pub struct Shape {
        pub(crate) kind: Kind,
        pub(crate) name: fn() -> &'static str,
    }

    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be a parameter of a kernel",
        note = "`In<T>`, `Out<T>`, `InOut<T>`, `Atomic<T>`, `Local<T>`, `Nullable<X>` and plain data by value are all there are"
    )]
    pub trait RawParameter {
        const KIND: Kind;
    }

    #[diagnostic::on_unimplemented(
        message = "`{Self}` is no signature of a kernel",
        note = "it is a tuple of up to 16 parameters, such as `(In<f32>, InOut<f32>, f32)`; of one `(InOut<f32>,)`"
    )]
    pub trait RawSignature {
        const SHAPES: &'static [Shape];
    }
}

/// A parameter of a kernel: a marker such as [`In`], or plain data ([`Upload`]) that is handed over
/// by value.
///
/// Sealed: these are all there are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a parameter of a kernel",
    label = "not a parameter",
    note = "pointers are `In<T>`, `Out<T>`, `InOut<T>`, `Atomic<T>`, `Local<T>` and `Nullable<X>` around one of the first three",
    note = "by value goes plain data without padding (`ze_area::Upload`): numbers, arrays of them, structures that derive `bytemuck::Pod`; instead of `bool` use `u8`"
)]
pub trait Parameter: RawParameter {}

/// The parameters of a kernel: a tuple of 0 to 16 of them.
///
/// Sealed: these are all there are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no signature of a kernel",
    label = "not a tuple of parameters",
    note = "it is a tuple of up to 16 parameters, such as `(In<f32>, InOut<f32>, f32)`; of one `(InOut<f32>,)`"
)]
pub trait Signature: RawSignature {}

macro_rules! marker {
    ($(#[$doc:meta])* $name:ident[$($bound:tt)*]: $kind:expr) => {
        $(#[$doc])*
        pub struct $name<T>(Infallible, PhantomData<T>);

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.0 {}
            }
        }

        impl<T: $($bound)*> RawParameter for $name<T> {
            const KIND: Kind = $kind;
        }

        impl<T: $($bound)*> Parameter for $name<T> {}
    };
}

marker!(
    /// A pointer to elements that the kernel reads: `global const T *`, `constant T *`.
    ///
    /// Takes shared references: `&ZeBuffer<T, P>`, `&ZeSlice<T, P>`, `&ZeSliceMut<T, P>`;
    /// in a scope `&lent`; in `start_launch` a `ZeBuffer<T, P>` or an `Arc` of one.
    In[Element]: Kind::Read
);
marker!(
    /// A pointer to elements that the kernel writes: `global T *`.
    ///
    /// Takes `&mut ZeBuffer<T, P>` and `&mut ZeSliceMut<T, P>`, as [`InOut`] does; it says more to
    /// the reader.
    Out[Element]: Kind::Write
);
marker!(
    /// A pointer to elements that the kernel reads and writes: `global T *`.
    ///
    /// Takes `&mut ZeBuffer<T, P>` and `&mut ZeSliceMut<T, P>`; in a scope `&mut lent`; in `start_launch`
    /// a `ZeBuffer<T, P>`.
    InOut[Element]: Kind::Write
);
marker!(
    /// A pointer to numbers that the kernel and others change at once, by atomic operations.
    ///
    /// Takes the view that `buffer.as_atomics()` gives of a Host or Shared buffer, in plain launches and
    /// in scopes: there host and kernel may use it at once, see [`AtomicSlice`](crate::AtomicSlice).
    ///
    /// On the CPU driver kernels have to use the atomic operations of OpenCL C 1.2 (`atomic_or`,
    /// `atomic_xchg`): its OpenCL runtime does not link those of OpenCL C 2.0 (`atomic_load_explicit`)
    /// as clang and llvm-spirv 14 write them.
    Atomic[Counter]: Kind::Write
);
marker!(
    /// Local memory of a group, `local T *`, of a length that is given at each launch.
    ///
    /// Takes [`local::<T>(len)`](crate::local).
    Local[Element]: Kind::Local
);
marker!(
    /// A pointer that may be null: `Nullable<In<T>>`, `Nullable<Out<T>>`, `Nullable<InOut<T>>`.
    ///
    /// Takes an `Option` of what the parameter inside takes; of `None` the type has to be named, as
    /// in `None::<&ZeBuffer<f32, Device>>`.
    Nullable[Pointer]: T::KIND
);

/// The numbers that have atomic operations on devices.
#[diagnostic::on_unimplemented(
    message = "devices have no atomic operations on `{Self}`",
    note = "those of `Atomic` are `u32`, `i32`, `u64` and `i64`"
)]
pub trait Counter: Element {}

impl Counter for u32 {}
impl Counter for i32 {}
impl Counter for u64 {}
impl Counter for i64 {}

/// The parameters that may be null.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be null",
    note = "`Nullable` goes around `In<T>`, `Out<T>` and `InOut<T>`"
)]
pub trait Pointer: Parameter {}

impl<T: Element> Pointer for In<T> {}
impl<T: Element> Pointer for Out<T> {}
impl<T: Element> Pointer for InOut<T> {}

impl<T: Upload> RawParameter for T {
    const KIND: Kind = Kind::Value(size_of::<T>());
}

#[diagnostic::do_not_recommend]
impl<T: Upload> Parameter for T {}

macro_rules! signature {
    ($($parameter:ident)*) => {
        impl<$($parameter: Parameter),*> RawSignature for ($($parameter,)*) {
            const SHAPES: &'static [Shape] = &[$(Shape {
                kind: <$parameter as RawParameter>::KIND,
                name: core::any::type_name::<$parameter>,
            }),*];
        }

        impl<$($parameter: Parameter),*> Signature for ($($parameter,)*) {}
    };
}

/// Calls a macro for the tuples of 0 to 16.
macro_rules! for_tuples {
    ($macro:ident) => {
        for_tuples! { $macro [] A0 A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13 A14 A15 }
    };
    ($macro:ident [$($done:ident)*]) => { $macro! { $($done)* } };
    ($macro:ident [$($done:ident)*] $next:ident $($rest:ident)*) => {
        $macro! { $($done)* }
        for_tuples! { $macro [$($done)* $next] $($rest)* }
    };
}

pub(super) use for_tuples;
for_tuples!(signature);
