//! What is compared: allocating and freeing one buffer, by the C calls and through an area.

use core::ffi::c_void;
use core::hint::black_box;
use ze_area::{
    Align, Area, Context, Device, DeviceArea, HostArea, Placement, PlacementKind, Shared,
};
use ze_area::{Result, sys};

/// The sizes that are measured, in bytes.
pub(crate) const SIZES: [usize; 5] = [64, 4 << 10, 64 << 10, 1 << 20, 16 << 20];

/// The alignment of areas that nothing else is asked of.
const ALIGN: usize = 64;

/// One context, and an area of each placement.
#[derive(Debug)]
pub(crate) struct Areas {
    pub(crate) device: DeviceArea,
    pub(crate) shared: DeviceArea<Align<ALIGN>, Shared>,
    pub(crate) host: HostArea,
    pub(crate) raw: Raw,
}

impl Areas {
    /// `None` where the driver has no device.
    pub(crate) fn new(context: &Context) -> Option<Self> {
        let device = context.devices().first()?;
        let area: DeviceArea<Align<ALIGN>, Device> = context.device_area(device);
        Some(Self {
            shared: area.shared(),
            device: area,
            host: context.host_area(),
            raw: Raw {
                api: context.driver().api(),
                context: context.as_raw(),
                device: device.as_raw(),
            },
        })
    }
}

/// The C calls, as a C program makes them: results checked, descriptors written once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raw {
    api: &'static sys::Api,
    context: sys::ze_context_handle_t,
    device: sys::ze_device_handle_t,
}

/// Allocates and frees `pairs` buffers by the C calls; the first code that is not success.
///
/// The context and the device of `raw` must be alive.
#[inline(never)]
pub(crate) fn raw<P: Placement>(raw: Raw, bytes: usize, pairs: u64) -> sys::ze_result_t {
    let device_desc = sys::ze_device_mem_alloc_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_DEVICE_MEM_ALLOC_DESC,
        flags: sys::ZE_DEVICE_MEM_ALLOC_FLAG_BIAS_CACHED,
        ..Default::default()
    };
    let host_desc = sys::ze_host_mem_alloc_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_HOST_MEM_ALLOC_DESC,
        ..Default::default()
    };
    let (device_desc, host_desc) = (&raw const device_desc, &raw const host_desc);
    let Raw {
        api,
        context,
        device,
    } = raw;
    for _ in 0..pairs {
        let bytes = black_box(bytes);
        let mut base: *mut c_void = core::ptr::null_mut();
        let target = &raw mut base;
        let result = match P::KIND {
            // SAFETY: the handles are live, and descriptors and target outlive the call.
            PlacementKind::Device => unsafe {
                (api.zeMemAllocDevice)(context, device_desc, bytes, ALIGN, device, target)
            },
            // SAFETY: as above.
            PlacementKind::Shared => unsafe {
                let alloc = api.zeMemAllocShared;
                alloc(
                    context,
                    device_desc,
                    host_desc,
                    bytes,
                    ALIGN,
                    device,
                    target,
                )
            },
            // SAFETY: as above.
            PlacementKind::Host => unsafe {
                (api.zeMemAllocHost)(context, host_desc, bytes, ALIGN, target)
            },
        };
        if result != sys::ZE_RESULT_SUCCESS {
            return result;
        }
        black_box(&base);
        // SAFETY: the allocation is live and ours.
        let result = unsafe { (api.zeMemFree)(context, base) };
        if result != sys::ZE_RESULT_SUCCESS {
            return result;
        }
    }
    sys::ZE_RESULT_SUCCESS
}

/// Allocates and frees `pairs` buffers through `area`.
#[inline(never)]
pub(crate) fn area<A: Area>(area: &A, bytes: usize, pairs: u64) -> Result<()> {
    for _ in 0..pairs {
        let buffer = area.mmap_uninit::<u8>(black_box(bytes))?;
        black_box(&buffer);
    }
    Ok(())
}
