//! Kernels of the runtime, and their launches.

use super::*;

/// What an argument of a launch is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Bytes(Box<[u8]>),
    /// Room in the memory of each group.
    Local(usize),
    Pointer(usize),
}

/// The sizes of a launch, in items.
#[derive(Clone, Copy)]
pub(crate) struct Range {
    pub(crate) offset: [usize; 3],
    pub(crate) global: [usize; 3],
    pub(crate) group: [usize; 3],
}

/// A kernel of the runtime, released in the end.
pub(crate) struct Kernel {
    pub(super) runtime: &'static Runtime,
    pub(super) raw: Raw,
    /// Held from the first argument that is set until the launch has taken them.
    pub(super) arguments: Mutex<()>,
}

// SAFETY: as for `Runtime`; arguments are set under the lock.
unsafe impl Send for Kernel {}
// SAFETY: as above.
unsafe impl Sync for Kernel {}

impl Kernel {
    /// Runs, and waits for the end.
    ///
    /// With `together`, no other kernel runs meanwhile, so that as many groups as the device has
    /// compute units run at one time.
    ///
    /// # Safety
    ///
    /// What the kernel reads and writes for these arguments is there, and nobody else's, until it
    /// ends.
    pub(crate) unsafe fn run(
        &self,
        values: &[Value],
        range: &Range,
        together: bool,
    ) -> Result<(), Failure> {
        let _inside = enter()?;
        let turns = &self.runtime.turns;
        let _alone = together.then(|| registry::write(turns));
        let _shared = (!together).then(|| registry::read(turns));
        // SAFETY: as the caller says.
        let event = unsafe { self.enqueue(values, range) }?;
        let functions = &self.runtime.functions;
        // SAFETY: one event.
        let waited = check(unsafe { (functions.clWaitForEvents)(1, &raw const event) });
        let mut status: Code = SUCCESS;
        // SAFETY: room for a status.
        let known = check(unsafe {
            (functions.clGetEventInfo)(
                event,
                EVENT_COMMAND_EXECUTION_STATUS,
                size_of::<Code>(),
                (&raw mut status).cast(),
                null_mut(),
            )
        });
        // SAFETY: an event, used no more.
        unsafe { (functions.clReleaseEvent)(event) };
        process_end::reached(Stage::Launch);
        waited?;
        known?;
        // Complete is 0, what failed is below.
        if status < 0 {
            return Err(Failure(status));
        }
        Ok(())
    }

    /// # Safety
    ///
    /// As for [`run`](Self::run).
    unsafe fn enqueue(&self, values: &[Value], range: &Range) -> Result<Raw, Failure> {
        let functions = &self.runtime.functions;
        let _arguments = lock(&self.arguments);
        for (index, value) in (0..).zip(values) {
            check(match value {
                // SAFETY: a kernel, under its lock; as many bytes as said, which the call copies.
                Value::Bytes(bytes) => unsafe {
                    (functions.clSetKernelArg)(self.raw, index, bytes.len(), bytes.as_ptr().cast())
                },
                // SAFETY: as above; null asks for room.
                Value::Local(size) => unsafe {
                    (functions.clSetKernelArg)(self.raw, index, *size, null())
                },
                Value::Pointer(address) => {
                    let pointer = std::ptr::with_exposed_provenance::<c_void>(*address);
                    // SAFETY: as above; the device reaches any address of the process.
                    unsafe { (functions.clSetKernelArgSVMPointer)(self.raw, index, pointer) }
                }
            })?;
        }
        let mut event = null_mut();
        // SAFETY:
        // - a queue and a kernel of one context, whose arguments are set
        // - three sizes each
        // - what the kernel does is as the caller says
        check(unsafe {
            (functions.clEnqueueNDRangeKernel)(
                self.runtime.queue,
                self.raw,
                3,
                range.offset.as_ptr(),
                range.global.as_ptr(),
                range.group.as_ptr(),
                0,
                null(),
                &raw mut event,
            )
        })?;
        created(event, SUCCESS)
    }

    fn number<T: Default>(&self, what: u32) -> T {
        let Ok(_inside) = enter() else {
            return T::default();
        };
        let mut value = T::default();
        let runtime = self.runtime;
        // SAFETY: room for a `T`, which is what the specification says the value is.
        let code = unsafe {
            (runtime.functions.clGetKernelWorkGroupInfo)(
                self.raw,
                runtime.device,
                what,
                size_of::<T>(),
                (&raw mut value).cast(),
                null_mut(),
            )
        };
        check(code).map_or_else(|_| T::default(), |()| value)
    }

    pub(crate) fn max_group_size(&self) -> usize {
        self.number(KERNEL_WORK_GROUP_SIZE)
    }

    pub(crate) fn local_memory(&self) -> u64 {
        self.number(KERNEL_LOCAL_MEM_SIZE)
    }

    pub(crate) fn private_memory(&self) -> u64 {
        self.number(KERNEL_PRIVATE_MEM_SIZE)
    }

    pub(crate) fn preferred_multiple(&self) -> usize {
        self.number(KERNEL_PREFERRED_MULTIPLE)
    }

    fn sub_groups(&self, what: u32, group: &[usize]) -> usize {
        let Ok(_inside) = enter() else {
            return 0;
        };
        let runtime = self.runtime;
        let input: *const c_void = if group.is_empty() {
            null()
        } else {
            group.as_ptr().cast()
        };
        let mut value = 0_usize;
        // SAFETY: sizes as said, or none; room for a number.
        let code = unsafe {
            (runtime.functions.clGetKernelSubGroupInfo)(
                self.raw,
                runtime.device,
                what,
                size_of_val(group),
                input,
                size_of::<usize>(),
                (&raw mut value).cast(),
                null_mut(),
            )
        };
        check(code).map_or(0, |()| value)
    }

    /// The size of sub-groups in groups of that size.
    pub(crate) fn sub_group_size(&self, group: [usize; 3]) -> usize {
        self.sub_groups(KERNEL_MAX_SUB_GROUP_SIZE_FOR_NDRANGE, &group)
    }

    pub(crate) fn max_sub_groups(&self) -> usize {
        self.sub_groups(KERNEL_MAX_NUM_SUB_GROUPS, &[])
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        if let Ok(_inside) = enter() {
            // SAFETY: a kernel, used no more.
            unsafe { (self.runtime.functions.clReleaseKernel)(self.raw) };
        }
    }
}
