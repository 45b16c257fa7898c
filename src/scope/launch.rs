//! Launches of kernels in a scope.

use super::ScopeQueue;
use super::ground::What;
use super::lent::sealed::{LentEnd, RawSource, RawTarget};
use super::lent::{Lent, LentMut, LentSlice, LentSliceMut};
use super::track::Access;
use crate::buffer::{AtomicElement, AtomicSlice, Element};
use crate::error::Result;
use crate::kernel::{
    Arg, ArgValue, Args, Atomic, Grid, In, InOut, Kernel, Out, Pointed, RawArg, Signature, atomic,
};
use crate::placement::{HostAccess, Placement};
use core::marker::PhantomData;

/// How the arguments of a launch in a scope are borrowed: they are lent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InScope<'scope>(PhantomData<fn(&'scope ()) -> &'scope ()>, Never);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Never {}

impl<'scope> ScopeQueue<'scope> {
    /// Runs a kernel over a grid.
    ///
    /// As [`Queue::launch`](crate::Queue::launch), without waiting, on what was lent to the scope: an
    /// `In` takes `&lent`, an `InOut` or `Out` takes `&mut lent`.
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// # use ze_area::{Context, InOut};
    /// # let context = Context::new()?;
    /// # let gpu = context.first_device()?;
    /// # let module = context.module(gpu).file("tests/kernels/kernels.spv");
    /// # if matches!(&module, Err(error) if error.to_string().contains("install-opencl-cpu")) { return Ok(()); }
    /// # let module = module?;
    /// // SAFETY: that is its signature, and the rule keeps each item to an element.
    /// let twice = unsafe {
    ///     module.kernel_where::<(InOut<u32>,)>("twice", |l| l.is_line_within(&[0]))
    /// }?;
    /// let mut x = context.device_area(gpu).mmap_from_slice(&[1_u32; 1024])?;
    /// let mut output = vec![0; 1024];
    ///
    /// let queue = context.queue(gpu)?;
    /// queue.scope(|q| {
    ///     let mut x = q.lend_mut(&mut x);
    ///     let mut output = q.lend_mut(&mut output);
    ///     for _ in 0..10 {
    ///         q.launch(&twice, 1024, (&mut x,))?;
    ///     }
    ///     q.copy(&x, &mut output)
    /// })?;
    /// assert_eq!(output[0], 1024);
    /// # }
    /// # Ok::<(), ze_area::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As of [`Queue::launch`](crate::Queue::launch).
    #[doc(alias = "zeCommandListAppendLaunchKernel")]
    pub fn launch<S: Signature>(
        &self,
        kernel: &Kernel<S>,
        grid: impl Into<Grid>,
        args: impl Args<InScope<'scope>, S>,
    ) -> Result<()> {
        let mut args = args;
        self.queue
            .arm(kernel, grid.into(), &mut args, |armed, values| {
                let pointed = values.iter().filter_map(|value| match value {
                    ArgValue::Pointer(pointed) => Some(pointed),
                    ArgValue::Local { .. } | ArgValue::Value(_) => None,
                });
                let atomic = pointed.clone().any(|pointed| pointed.atomic);
                let accesses = pointed.map(|pointed| Access {
                    track: pointed.track,
                    writes: pointed.writes,
                });
                self.ground.keep(armed.kernel());
                let what = What {
                    name: armed.kernel().name(),
                    bytes: 0,
                    // Nothing else says what comes before what is used as atomics.
                    ordered: atomic,
                };
                self.ground
                    .enqueue(self.line, what, accesses, |list, signal| {
                        // SAFETY: the arguments are lent to the scope, exclusively where the kernel may
                        // write, so they are borrowed until the scope is over, when this is done; what
                        // uses them otherwise is done before. The scope keeps kernel and event. The rest
                        // is as `arm` has checked.
                        unsafe { list.launch(&armed, signal) }
                    })
            })
    }
}

/// A lent argument without its type.
fn pointed<'a, T>(lent: &LentEnd<'a, T>, writes: bool) -> ArgValue<'a> {
    ArgValue::Pointer(Pointed {
        address: lent.end.pointer.cast(),
        len: lent.end.len,
        writes,
        home: lent.end.home,
        track: lent.track,
        atomic: false,
    })
}

macro_rules! read {
    ($([$($generics:tt)*] $type:ty;)*) => {$(
        impl<'scope, $($generics)* T: Element, P: Placement> RawArg<InScope<'scope>, In<T>>
            for &$type
        {
            fn value(&mut self) -> ArgValue<'_> {
                pointed(&RawSource::end(*self), false)
            }
        }

        impl<'scope, $($generics)* T: Element, P: Placement> Arg<InScope<'scope>, In<T>>
            for &$type
        {
        }
    )*};
}

macro_rules! written {
    ($parameter:ident: $([$($generics:tt)*] $type:ty;)*) => {$(
        impl<'scope, $($generics)* T: Element, P: Placement> RawArg<InScope<'scope>, $parameter<T>>
            for &mut $type
        {
            fn value(&mut self) -> ArgValue<'_> {
                pointed(&RawTarget::end_mut(*self), true)
            }
        }

        impl<'scope, $($generics)* T: Element, P: Placement> Arg<InScope<'scope>, $parameter<T>>
            for &mut $type
        {
        }
    )*};
}

read! {
    [] Lent<'scope, T, P>;
    [] LentMut<'scope, T, P>;
    ['a,] LentSlice<'a, 'scope, T, P>;
    ['a,] LentSliceMut<'a, 'scope, T, P>;
}

written! {
    Out:
    [] LentMut<'scope, T, P>;
    ['a,] LentSliceMut<'a, 'scope, T, P>;
}

written! {
    InOut:
    [] LentMut<'scope, T, P>;
    ['a,] LentSliceMut<'a, 'scope, T, P>;
}

// What outlives `'scope` for every scope is borrowed until the scope is over.
impl<'scope, 'env: 'scope, T: AtomicElement, P: HostAccess> RawArg<InScope<'scope>, Atomic<T>>
    for AtomicSlice<'env, T, P>
{
    fn value(&mut self) -> ArgValue<'_> {
        atomic(self)
    }
}

impl<'scope, 'env: 'scope, T: AtomicElement, P: HostAccess> Arg<InScope<'scope>, Atomic<T>>
    for AtomicSlice<'env, T, P>
{
}
