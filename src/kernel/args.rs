//! What a launch is given: [`Arg`] for one parameter, [`Args`] for all.

use super::signature::{Local, Nullable, Pointer, for_tuples};
use crate::buffer::{Element, Upload};
use core::fmt;
use core::marker::PhantomData;
use sealed::{ArgValue, Pointed, RawArg, RawArgs};

pub(crate) mod sealed {
    use crate::raw::home::Home;
    use crate::scope::track::Track;
    use core::ffi::c_void;

    /// An argument without its type.
    #[derive(Debug)]
    pub enum ArgValue<'a> {
        Pointer(Pointed<'a>),
        Local { len: usize, element_size: usize },
        Value(&'a [u8]),
    }

    /// What a pointer points to: `len` elements at `address`, borrowed, exclusively if `writes`.
    ///
    /// Without a home there are no elements, and the kernel is given null.
    #[derive(Debug)]
    pub struct Pointed<'a> {
        pub(crate) address: *mut c_void,
        pub(crate) len: usize,
        pub(crate) writes: bool,
        pub(crate) home: Option<&'a Home>,
        /// Who else uses it, where the launch is in a scope.
        pub(crate) track: Option<&'a Track>,
        /// Whether others may use it at once.
        pub(crate) atomic: bool,
    }

    impl Pointed<'_> {
        pub(crate) const NULL: Self = Self {
            address: core::ptr::null_mut(),
            len: 0,
            writes: false,
            home: None,
            track: None,
            atomic: false,
        };
    }

    #[diagnostic::on_unimplemented(
        message = "`{Self}` is no argument for the parameter `{P}` of a kernel"
    )]
    pub trait RawArg<M, P> {
        fn value(&mut self) -> ArgValue<'_>;
    }

    #[diagnostic::on_unimplemented(message = "`{Self}` are not the arguments of a kernel `{S}`")]
    pub trait RawArgs<M, S> {
        /// Hands the arguments on as plain values, in the order of the parameters, on the stack.
        fn with<R>(&mut self, take: impl FnOnce(&[ArgValue<'_>]) -> R) -> R;
    }
}

/// What can be handed over for the parameter `P`, borrowed as `M` says: by the call
/// ([`Now`](crate::Now)), by a scope ([`InScope`](crate::InScope)), or not at all
/// ([`Owned`](crate::Owned)).
///
/// Sealed: these are all there are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no argument for the parameter `{P}` of a kernel",
    label = "not an argument for `{P}`",
    note = "`In<T>` takes `&ZeBuffer<T, _>` or a view of one, `Out<T>` and `InOut<T>` take `&mut ZeBuffer<T, _>` or `&mut ZeSliceMut<T, _>`, with the same `T`",
    note = "in a scope they take the handle of what was lent: `let (x, mut y) = (q.lend(&x), q.lend_mut(&mut y));`, then `&x` and `&mut y`; `start_launch` takes buffers by value",
    note = "`Local<T>` takes `local::<T>(len)`, `Nullable<X>` an `Option` of what `X` takes, and a parameter by value a value of exactly its type",
    note = "slices and `Vec`s of the host are no arguments: copy them to a buffer first, `area.mmap_from_slice(&data)?`"
)]
pub trait Arg<M, P>: RawArg<M, P> {}

/// What can be handed over to a kernel of the signature `S`: a tuple with an [`Arg`] for each
/// parameter, borrowed as `M` says.
///
/// Sealed: these are all there are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` are not the arguments of a kernel `{S}`",
    label = "not one argument for each parameter",
    note = "arguments are a tuple with as many members as the signature; of one argument `(&mut buffer,)`"
)]
pub trait Args<M, S>: RawArgs<M, S> {}

impl<M, T: Upload> RawArg<M, T> for T {
    fn value(&mut self) -> ArgValue<'_> {
        ArgValue::Value(bytemuck::bytes_of(self))
    }
}

#[diagnostic::do_not_recommend]
impl<M, T: Upload> Arg<M, T> for T {}

impl<M, X: Pointer, A: Arg<M, X>> RawArg<M, Nullable<X>> for Option<A> {
    fn value(&mut self) -> ArgValue<'_> {
        match self {
            Some(argument) => argument.value(),
            None => ArgValue::Pointer(Pointed::NULL),
        }
    }
}

impl<M, X: Pointer, A: Arg<M, X>> Arg<M, Nullable<X>> for Option<A> {}

/// Local memory for a launch, made by [`local`].
pub struct LocalMemory<T> {
    len: usize,
    marker: PhantomData<fn() -> T>,
}

/// Local memory of `len` elements for each group of a launch: what a [`Local`] takes.
#[must_use]
pub fn local<T: Element>(len: usize) -> LocalMemory<T> {
    LocalMemory {
        len,
        marker: PhantomData,
    }
}

impl<T> Clone for LocalMemory<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for LocalMemory<T> {}

impl<T> fmt::Debug for LocalMemory<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalMemory")
            .field("element", &core::any::type_name::<T>())
            .field("len", &self.len)
            .finish()
    }
}

impl<M, T: Element> RawArg<M, Local<T>> for LocalMemory<T> {
    fn value(&mut self) -> ArgValue<'_> {
        ArgValue::Local {
            len: self.len,
            element_size: size_of::<T>(),
        }
    }
}

impl<M, T: Element> Arg<M, Local<T>> for LocalMemory<T> {}

/// The arguments' types, each with that of its parameter.
macro_rules! arguments {
    ($($parameter:ident)*) => { arguments! { @ [$($parameter)*] [B0 B1 B2 B3 B4 B5 B6 B7 B8 B9 B10 B11 B12 B13 B14 B15] [] } };
    (@ [] [$($spare:ident)*] [$($parameter:ident: $argument:ident)*]) => {
        impl<M, $($parameter, $argument: Arg<M, $parameter>),*> RawArgs<M, ($($parameter,)*)>
            for ($($argument,)*)
        {
            #[allow(non_snake_case, reason = "variables are named as their types")]
            fn with<R>(&mut self, take: impl FnOnce(&[ArgValue<'_>]) -> R) -> R {
                let ($($argument,)*) = self;
                take(&[$($argument.value()),*])
            }
        }

        impl<M, $($parameter, $argument: Arg<M, $parameter>),*> Args<M, ($($parameter,)*)>
            for ($($argument,)*)
        {
        }
    };
    (@ [$first:ident $($rest:ident)*] [$name:ident $($names:ident)*] [$($done:tt)*]) => {
        arguments! { @ [$($rest)*] [$($names)*] [$($done)* $first: $name] }
    };
}

for_tuples!(arguments);
