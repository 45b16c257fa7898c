//! What an area may ask of the driver.

use bitflags::bitflags;
use core::fmt;
use level_zero_sys as sys;

bitflags! {
    /// Hints on device memory, and on shared memory while the device has it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    #[doc(alias = "ze_device_mem_alloc_flags_t")]
    pub struct DeviceMemFlags: u32 {
        /// Keep it in the device's caches.
        const BIAS_CACHED = sys::ZE_DEVICE_MEM_ALLOC_FLAG_BIAS_CACHED;
        /// Keep it out of the device's caches.
        const BIAS_UNCACHED = sys::ZE_DEVICE_MEM_ALLOC_FLAG_BIAS_UNCACHED;
        /// Place shared memory on the device first.
        const BIAS_INITIAL_PLACEMENT = sys::ZE_DEVICE_MEM_ALLOC_FLAG_BIAS_INITIAL_PLACEMENT;
    }

    /// Hints on host memory, and on shared memory while the host has it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    #[doc(alias = "ze_host_mem_alloc_flags_t")]
    pub struct HostMemFlags: u32 {
        /// Keep it in the host's caches.
        const BIAS_CACHED = sys::ZE_HOST_MEM_ALLOC_FLAG_BIAS_CACHED;
        /// Keep it out of the host's caches.
        const BIAS_UNCACHED = sys::ZE_HOST_MEM_ALLOC_FLAG_BIAS_UNCACHED;
        /// Combine writes: fast to write in order, very slow to read.
        const BIAS_WRITE_COMBINED = sys::ZE_HOST_MEM_ALLOC_FLAG_BIAS_WRITE_COMBINED;
        /// Place shared memory on the host first.
        const BIAS_INITIAL_PLACEMENT = sys::ZE_HOST_MEM_ALLOC_FLAG_BIAS_INITIAL_PLACEMENT;
    }
}

/// How a buffer is freed.
///
/// What this library enqueues is complete before the buffers that it uses can be freed. Where a
/// buffer's address goes to other code ([`ZeBuffer::device_ptr`](crate::ZeBuffer::device_ptr)),
/// which enqueues work on it with raw handles, nothing here knows of that work. With
/// [`Blocking`](FreePolicy::Blocking) the driver waits for it:
///
/// ```
/// # #[cfg(feature = "cpu")] {
/// # use core::ptr::null_mut;
/// use ze_area::{Context, FreePolicy, sys};
///
/// let context = Context::new()?;
/// let device = context.first_device()?;
/// let area = context.device_area(device).free_policy(FreePolicy::Blocking)?;
/// let source = area.mmap_from_slice(&[1_u8; 4096])?;
/// let mut target = context.host_area().mmap::<u8>(4096)?;
///
/// // Other code has a list of its own, and does not wait.
/// let api = context.driver().api();
/// let desc = sys::ze_command_queue_desc_t {
///     stype: sys::ZE_STRUCTURE_TYPE_COMMAND_QUEUE_DESC,
///     mode: sys::ZE_COMMAND_QUEUE_MODE_ASYNCHRONOUS,
///     ..Default::default()
/// };
/// let mut list = null_mut();
/// let create = api.zeCommandListCreateImmediate;
/// unsafe { create(context.as_raw(), device.as_raw(), &desc, &mut list) };
/// let (to, from) = (target.device_mut_ptr().cast(), source.device_ptr().cast());
/// let copy = api.zeCommandListAppendMemoryCopy;
/// unsafe { copy(list, to, from, 4096, null_mut(), 0, null_mut()) };
///
/// drop(source); // waits for the copy
/// assert_eq!(target[4095], 1);
/// # // The memory is given back a little before the list is done with the copy.
/// # let wait = api.zeCommandListHostSynchronize.unwrap();
/// # unsafe { wait(list, u64::MAX) };
/// # assert_eq!(unsafe { (api.zeCommandListDestroy)(list) }, sys::ZE_RESULT_SUCCESS);
/// # }
/// # Ok::<(), ze_area::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[doc(alias = "ze_driver_memory_free_policy_ext_flags_t")]
// A word, though a byte would do: the processor stalls where a byte is written and the word that
// it lies in is read at once, as moving a buffer does.
#[repr(usize)]
pub enum FreePolicy {
    /// At once, with `zeMemFree`. The device must be done with the memory, as it is with
    /// everything that this library enqueues.
    #[default]
    Immediate,
    /// After the work that uses the memory is complete, for which the free waits (`zeMemFreeExt`):
    /// for buffers whose address other code was given.
    Blocking,
    /// After the work that uses the memory is complete, without waiting (`zeMemFreeExt`).
    Deferred,
}

impl FreePolicy {
    /// The flags for `zeMemFreeExt`, `None` for `zeMemFree`.
    #[inline]
    pub(crate) fn flags(self) -> Option<sys::ze_driver_memory_free_policy_ext_flags_t> {
        match self {
            Self::Immediate => None,
            Self::Blocking => Some(sys::ZE_DRIVER_MEMORY_FREE_POLICY_EXT_FLAG_BLOCKING_FREE),
            Self::Deferred => Some(sys::ZE_DRIVER_MEMORY_FREE_POLICY_EXT_FLAG_DEFER_FREE),
        }
    }
}

impl fmt::Display for FreePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Immediate => "immediately",
            Self::Blocking => "with blocking",
            Self::Deferred => "deferred",
        })
    }
}
