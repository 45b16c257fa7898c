//! The driver's calls, as a C program makes them: results checked, descriptors written once.

use crate::contender::{Contender, Failure};
use core::ffi::c_void;
use core::marker::PhantomData;
use core::ptr::NonNull;
use ze_area::{Context, Placement, PlacementKind, ZeDevice, sys};

/// The alignment of areas that nothing else is asked of.
pub(crate) const ALIGN: usize = 64;

/// A context, and what is needed to allocate in it by the driver's calls.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) context: Context,
    pub(crate) device: ZeDevice,
}

impl Ground {
    pub(crate) fn new(context: Context) -> ze_area::Result<Self> {
        let device = context.first_device()?.clone();
        Ok(Self { context, device })
    }

    pub(crate) fn calls<P: Placement>(&self) -> Calls<'_, P> {
        Calls {
            api: self.context.driver().api(),
            context: self.context.as_raw(),
            device: self.device.as_raw(),
            device_desc: sys::ze_device_mem_alloc_desc_t {
                stype: sys::ZE_STRUCTURE_TYPE_DEVICE_MEM_ALLOC_DESC,
                flags: sys::ZE_DEVICE_MEM_ALLOC_FLAG_BIAS_CACHED,
                ..Default::default()
            },
            host_desc: sys::ze_host_mem_alloc_desc_t {
                stype: sys::ZE_STRUCTURE_TYPE_HOST_MEM_ALLOC_DESC,
                ..Default::default()
            },
            of: PhantomData,
        }
    }
}

/// The calls for memory of one placement. The handles are those of the ground, which is borrowed, so
/// they are live; the descriptors have no extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Calls<'g, P> {
    api: &'static sys::Api,
    context: sys::ze_context_handle_t,
    device: sys::ze_device_handle_t,
    device_desc: sys::ze_device_mem_alloc_desc_t,
    host_desc: sys::ze_host_mem_alloc_desc_t,
    of: PhantomData<(&'g Ground, P)>,
}

// SAFETY: the driver's handles may be used by every thread, and allocating and freeing too; the
// pointers of the descriptors are null.
unsafe impl<P> Sync for Calls<'_, P> {}

impl<P: Placement> Calls<'_, P> {
    /// Allocates, or gives the code of the call.
    #[inline(always)]
    pub(crate) fn allocate(&self, bytes: usize, align: usize) -> Result<Memory, sys::ze_result_t> {
        let (device_desc, host_desc) = (&raw const self.device_desc, &raw const self.host_desc);
        let mut base: *mut c_void = core::ptr::null_mut();
        let (api, target) = (self.api, &raw mut base);
        let (context, device) = (self.context, self.device);
        let result = match P::KIND {
            // SAFETY: the handles are live, and descriptors and target outlive the call.
            PlacementKind::Device => unsafe {
                (api.zeMemAllocDevice)(context, device_desc, bytes, align, device, target)
            },
            // SAFETY: as above.
            PlacementKind::Shared => unsafe {
                let alloc = api.zeMemAllocShared;
                alloc(
                    context,
                    device_desc,
                    host_desc,
                    bytes,
                    align,
                    device,
                    target,
                )
            },
            // SAFETY: as above.
            PlacementKind::Host => unsafe {
                (api.zeMemAllocHost)(context, host_desc, bytes, align, target)
            },
        };
        match NonNull::new(base) {
            Some(base) if result == sys::ZE_RESULT_SUCCESS => Ok(Memory(base)),
            _ => Err(result),
        }
    }

    /// Frees, and gives the code of the call.
    ///
    /// # Safety
    ///
    /// The memory was allocated by these calls, and nobody uses it any more.
    #[inline(always)]
    pub(crate) unsafe fn free(&self, base: NonNull<c_void>) -> sys::ze_result_t {
        // SAFETY: the context is live; the memory is the caller's.
        unsafe { (self.api.zeMemFree)(self.context, base.as_ptr()) }
    }
}

/// Where memory begins that a C program allocated.
#[derive(Debug)]
pub(crate) struct Memory(pub(crate) NonNull<c_void>);

// SAFETY: any thread may free it; nothing else is done with it.
unsafe impl Send for Memory {}

/// The driver's calls without anything before them.
pub(crate) struct Raw<'g, P>(pub(crate) Calls<'g, P>);

impl<P: Placement> Contender for Raw<'_, P> {
    type Handle = Memory;
    type Error = Failure;

    #[inline(always)]
    fn allocate(&self, bytes: usize) -> Result<Memory, Failure> {
        self.0
            .allocate(bytes, ALIGN)
            .map_err(|code| format!("zeMemAlloc returned {:#x}", code.0).into())
    }

    #[inline(always)]
    fn address(handle: &Memory) -> usize {
        handle.0.addr().get()
    }

    #[inline(always)]
    fn free(&self, handle: Memory) -> Result<(), Failure> {
        // SAFETY: `allocate` made it, and the handle is consumed.
        let code = unsafe { self.0.free(handle.0) };
        if code == sys::ZE_RESULT_SUCCESS {
            Ok(())
        } else {
            Err(format!("zeMemFree returned {:#x}", code.0).into())
        }
    }
}
