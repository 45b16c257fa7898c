//! Starting kernels on what they then own.

use super::Pending;
use crate::buffer::{Element, ZeBuffer};
use crate::error::Returned;
use crate::kernel::{
    Arg, ArgValue, Args, Grid, In, InOut, Kernel, Out, Pointed, RawArg, Signature,
};
use crate::placement::Placement;
use crate::queue::Queue;
use std::sync::Arc;

/// How the arguments of a launch that is started are borrowed: not at all, the launch owns them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owned {}

impl Queue {
    /// Starts a kernel over a grid; the arguments are given back when it is done.
    ///
    /// As [`launch`](Queue::launch), on what the launch then owns: an `In` takes a [`ZeBuffer`] or an
    /// `Arc` of one, an `InOut` or `Out` takes a `ZeBuffer`.
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
    /// let x = context.host_area().mmap_from_slice(&[1_u32; 1024])?;
    /// let queue = context.queue(gpu)?;
    /// let pending = queue.start_launch(&twice, 1024, (x,))?;
    /// let (x,) = pending.wait()?; // or `pending.await?`
    /// assert_eq!(x[0], 2);
    /// # }
    /// # Ok::<(), ze_area::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// With the arguments, as of [`launch`](Queue::launch).
    #[doc(alias = "zeCommandListAppendLaunchKernel")]
    pub fn start_launch<S: Signature, A: Args<Owned, S>>(
        &self,
        kernel: &Kernel<S>,
        grid: impl Into<Grid>,
        args: A,
    ) -> Result<Pending<A>, Returned<A>> {
        let mut args = args;
        let mut started = None;
        let armed = self.arm(kernel, grid.into(), &mut args, |armed, _| {
            started = Some(self.enqueue_alone(|list, signal| {
                // SAFETY: what is started owns the arguments until this is done, those that the kernel
                // may write alone, and keeps kernel and event. The rest is as `arm` has checked.
                unsafe { list.launch(&armed, Some(signal)) }
            })?);
            Ok(())
        });
        // A grid without items launches nothing, and is done when the list is.
        let event = armed.and_then(|()| match started {
            Some(event) => Ok(event),
            None => self.enqueue_alone(|list, signal| list.barrier(Some(signal), &[])),
        });
        let kept = Arc::clone(kernel.inner());
        self.pending(event, args, Some(kept))
    }
}

macro_rules! arguments {
    ($($parameter:ident, $writes:literal: $type:ty, $address:expr;)*) => {$(
        impl<T: Element, P: Placement> RawArg<Owned, $parameter<T>> for $type {
            fn value(&mut self) -> ArgValue<'_> {
                let address: fn(&mut Self) -> *mut T = $address;
                ArgValue::Pointer(Pointed {
                    address: address(self).cast(),
                    len: self.len(),
                    writes: $writes,
                    home: self.home(),
                    track: None,
                    atomic: false,
                })
            }
        }

        impl<T: Element, P: Placement> Arg<Owned, $parameter<T>> for $type {}
    )*};
}

arguments! {
    In, false: ZeBuffer<T, P>, |buffer| buffer.device_ptr().cast_mut();
    In, false: Arc<ZeBuffer<T, P>>, |buffer| buffer.device_ptr().cast_mut();
    Out, true: ZeBuffer<T, P>, ZeBuffer::device_mut_ptr;
    InOut, true: ZeBuffer<T, P>, ZeBuffer::device_mut_ptr;
}
