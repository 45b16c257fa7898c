//! Launches of kernels that are done when the call returns.

use super::Queue;
use crate::context::Context;
use crate::device::ZeDevice;
use crate::error::{Error, Result};
use crate::kernel::{ArgValue, Args, Armed, Grid, Kernel, Now, Signature};

/// What errors call arguments.
static ARGUMENTS: [&str; 16] = [
    "argument 0",
    "argument 1",
    "argument 2",
    "argument 3",
    "argument 4",
    "argument 5",
    "argument 6",
    "argument 7",
    "argument 8",
    "argument 9",
    "argument 10",
    "argument 11",
    "argument 12",
    "argument 13",
    "argument 14",
    "argument 15",
];

impl Queue {
    /// Runs a kernel over a grid, and waits.
    ///
    /// The grid is a number of items, `n`, `[x, y]`, `[x, y, z]`, or a [`Grid`] with a group size.
    /// Where it has no items nothing is launched. The arguments are a tuple, one for each parameter
    /// of the kernel; an empty buffer is handed over as null.
    ///
    /// The launch holds the kernel until it is done: to run one at once on several queues, make
    /// several with [`Module::kernel`](crate::Module::kernel).
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// # use ze_area::{Context, Grid, In, InOut};
    /// # let context = Context::new()?;
    /// # let gpu = context.first_device()?;
    /// # let module = context.module(gpu).file("tests/kernels/kernels.spv");
    /// # if matches!(&module, Err(error) if error.to_string().contains("install-opencl-cpu")) { return Ok(()); }
    /// # let module = module?;
    /// // SAFETY: that is its signature, and the rule keeps each item to an element.
    /// let saxpy = unsafe {
    ///     module.kernel_where::<(In<f32>, InOut<f32>, f32)>("saxpy", |l| l.is_line_within(&[0, 1]))
    /// }?;
    /// let area = context.device_area(gpu);
    /// let x = area.mmap_from_slice(&[1.0_f32; 1024])?;
    /// let mut y = area.mmap_from_slice(&[10.0_f32; 1024])?;
    ///
    /// let queue = context.queue(gpu)?;
    /// queue.launch(&saxpy, 1024, (&x, &mut y, 2.0))?;
    /// queue.launch(&saxpy, Grid::from(512).group_size(64), (&x, &mut y.slice_mut(..512)?, 1.0))?;
    /// assert_eq!(queue.to_vec(&y.slice(511..513)?)?, [13.0, 12.0]);
    /// # }
    /// # Ok::<(), ze_area::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::WrongContext`] and [`Error::WrongDevice`] for a kernel or a buffer that is not of
    /// the queue's; [`Error::NoCompute`] where the queue cannot run kernels; [`Error::BadGrid`];
    /// [`Error::TooMuchLocalMemory`]; [`Error::LaunchRefused`] by the kernel's rule;
    /// [`Error::Call`]. The kernel is not run then.
    #[doc(alias = "zeCommandListAppendLaunchKernel")]
    #[doc(alias = "zeKernelSetArgumentValue")]
    pub fn launch<S: Signature>(
        &self,
        kernel: &Kernel<S>,
        grid: impl Into<Grid>,
        args: impl Args<Now, S>,
    ) -> Result<()> {
        let mut args = args;
        self.arm(kernel, grid.into(), &mut args, |armed, _| {
            // SAFETY: the arguments are borrowed until the call returns, exclusively where the
            // kernel may write, and the list is synchronous; the rest is as `arm` has checked.
            self.list.run(|list| unsafe { list.launch(&armed, None) })
        })
    }

    /// Makes a kernel ready to be launched here, and hands it on with what it was given; not where the
    /// grid has no items.
    ///
    /// What is handed on is of the queue's context and driver, can run on its lists, and was let
    /// through by the kernel's rule; all that the arguments point to is memory of the context, on
    /// the queue's device or on the host.
    pub(crate) fn arm<M, S: Signature>(
        &self,
        kernel: &Kernel<S>,
        grid: Grid,
        args: &mut impl Args<M, S>,
        run: impl FnOnce(Armed<'_>, &[ArgValue<'_>]) -> Result<()>,
    ) -> Result<()> {
        let kernel = kernel.inner();
        let module = kernel.module();
        self.check_launch(&module.context, &module.device)?;
        args.with(|values| {
            for (value, what) in values.iter().zip(&ARGUMENTS) {
                if let ArgValue::Pointer(pointed) = value
                    && let Some(home) = pointed.home
                {
                    self.check_home("launch", what, home)?;
                }
            }
            match kernel.arm(&grid, values)? {
                Some(armed) => run(armed, values),
                None => Ok(()),
            }
        })
    }

    /// Checks that a kernel of a module can run here.
    #[inline]
    fn check_launch(&self, context: &Context, device: &ZeDevice) -> Result<()> {
        if self.context.is(context.inner()) && self.device.is_same(device) && self.can_compute() {
            return Ok(());
        }
        self.check_launch_far(context, device)
    }

    #[cold]
    fn check_launch_far(&self, context: &Context, device: &ZeDevice) -> Result<()> {
        if !self.context.is(context.inner()) {
            return Err(Error::WrongContext {
                operation: "launch",
                what: "kernel",
            });
        }
        if !self.device.is_of(device) {
            return Err(self.wrong_device("launch", "kernel", device));
        }
        if !self.can_compute() {
            return Err(Error::NoCompute {
                ordinal: self.ordinal(),
                device: self.device.name().into(),
            });
        }
        Ok(())
    }
}
