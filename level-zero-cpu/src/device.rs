//! The calls on devices.
#![allow(unsafe_code, reason = "calls of the C interface")]

use level_zero_sys::{
    self as sys, ze_command_queue_group_properties_t, ze_device_cache_properties_t,
    ze_device_compute_properties_t, ze_device_external_memory_properties_t, ze_device_handle_t,
    ze_device_image_properties_t, ze_device_memory_access_properties_t,
    ze_device_memory_properties_t, ze_device_module_properties_t, ze_device_p2p_properties_t,
    ze_device_properties_t, ze_driver_handle_t, ze_result_t, ze_structure_type_t,
};
use std::ffi::c_void;
use std::ptr::without_provenance_mut;
use std::sync::Arc;

use crate::arguments::{
    Outcome, counted, handles, header, ignore_extensions, name, not_null, walk, write,
};
use crate::clock::now;
use crate::command_queue::GROUPS;
use crate::entry::{on_device, on_driver};
use crate::faults::Call;
use crate::instance::Inner;
use crate::kernel::{MAX_GROUP_SIZE, MAX_LOCAL_MEMORY, SUB_GROUP_SIZES};
use crate::opencl::Runtime;
use crate::registry;

/// A device of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeviceId {
    pub(crate) root: u32,
    pub(crate) sub: Option<u32>,
}

/// The device of a handle.
pub(crate) struct Device {
    pub(crate) inner: Arc<Inner>,
    pub(crate) id: DeviceId,
}

/// `zeDeviceGet`: root devices.
pub(crate) unsafe extern "C" fn get(
    driver: ze_driver_handle_t,
    count: *mut u32,
    devices: *mut ze_device_handle_t,
) -> ze_result_t {
    on_driver(const { Call::named("zeDeviceGet") }, driver, |inner| {
        let roots: Vec<usize> = inner.devices.iter().map(|device| device.handle).collect();
        // SAFETY: the caller keeps the contract of the C call, which is that of `handles`.
        unsafe { handles(count, devices, &roots) }
    })
}

/// `zeDeviceGetSubDevices`: a sub-device has none.
pub(crate) unsafe extern "C" fn get_sub_devices(
    device: ze_device_handle_t,
    count: *mut u32,
    sub_devices: *mut ze_device_handle_t,
) -> ze_result_t {
    on_device(
        const { Call::named("zeDeviceGetSubDevices") },
        device,
        |device| {
            let root = match device.id.sub {
                None => device.inner.devices.get(device.id.root as usize),
                Some(_) => None,
            };
            let found = root.map_or(&[][..], |root| &root.sub_devices);
            // SAFETY: the caller keeps the contract of the C call, which is that of `handles`.
            unsafe { handles(count, sub_devices, found) }
        },
    )
}

/// `zeDeviceGetRootDevice`: null for a root device.
pub(crate) unsafe extern "C" fn get_root_device(
    device: ze_device_handle_t,
    root: *mut ze_device_handle_t,
) -> ze_result_t {
    on_device(
        const { Call::named("zeDeviceGetRootDevice") },
        device,
        |device| {
            let found = match device.id.sub {
                Some(_) => device.inner.device_handle(DeviceId {
                    root: device.id.root,
                    sub: None,
                }),
                None => 0,
            };
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { write(root, without_provenance_mut(found)) }
        },
    )
}

/// Fills a structure of properties, whose start it keeps.
///
/// # Safety
///
/// `properties` is null or a structure as the C call takes it, a `T` if it is of an accepted type.
unsafe fn fill<T: Copy>(
    properties: *mut T,
    accepted: &[ze_structure_type_t],
    make: impl FnOnce(ze_structure_type_t, *mut c_void) -> T,
) -> Outcome {
    // SAFETY: as the caller says.
    let header = unsafe { header(properties, accepted) }?;
    // SAFETY: as the caller says.
    unsafe { ignore_extensions(header.pNext) }?;
    // SAFETY: as the caller says.
    unsafe { write(properties, make(header.stype, header.pNext.cast_mut())) }
}

/// `zeDeviceGetProperties`
pub(crate) unsafe extern "C" fn get_properties(
    device: ze_device_handle_t,
    properties: *mut ze_device_properties_t,
) -> ze_result_t {
    on_device(
        const { Call::named("zeDeviceGetProperties") },
        device,
        |device| {
            let plain = sys::ZE_STRUCTURE_TYPE_DEVICE_PROPERTIES;
            let newer = sys::ZE_STRUCTURE_TYPE_DEVICE_PROPERTIES_1_2;
            // SAFETY: the caller keeps the contract of the C call.
            unsafe {
                fill(properties, &[plain, newer], |stype, next| {
                    // The type of 1.2 asks for the timer in cycles a second, the older one for
                    // nanoseconds a cycle.
                    let timer = if stype == newer { 1_000_000_000 } else { 1 };
                    describe(device, stype, next, timer)
                })
            }
        },
    )
}

fn describe(
    Device { inner, id }: &Device,
    stype: ze_structure_type_t,
    next: *mut c_void,
    timer: u64,
) -> ze_device_properties_t {
    let mut uuid = *b"zecpu\0\0\0\0\0\0\0\0\0\0\0";
    uuid[8..12].copy_from_slice(&id.root.to_le_bytes());
    uuid[12..].copy_from_slice(&id.sub.map_or(0, |sub| sub + 1).to_le_bytes());
    let text = match id.sub {
        None => format!("Level Zero CPU device {}", id.root),
        Some(sub) => format!("Level Zero CPU device {} sub-device {sub}", id.root),
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    ze_device_properties_t {
        stype,
        pNext: next,
        // What programs look for, and what this stands in for.
        type_: sys::ZE_DEVICE_TYPE_GPU,
        vendorId: 0,
        deviceId: 0,
        flags: id.sub.map_or(0, |_| sys::ZE_DEVICE_PROPERTY_FLAG_SUBDEVICE),
        subdeviceId: id.sub.unwrap_or(0),
        coreClockRate: 0,
        maxMemAllocSize: inner.config.max_allocation,
        maxHardwareContexts: u32::MAX,
        maxCommandQueuePriority: 0,
        numThreadsPerEU: 1,
        physicalEUSimdWidth: 1,
        numEUsPerSubslice: 1,
        numSubslicesPerSlice: 1,
        numSlices: u32::try_from(threads).unwrap_or(u32::MAX),
        timerResolution: timer,
        timestampValidBits: u64::BITS,
        kernelTimestampValidBits: u64::BITS,
        uuid: sys::ze_device_uuid_t { id: uuid },
        name: name(&text),
    }
}

/// `zeDeviceGetComputeProperties`: limits of this driver, which are those of GPUs of today and
/// below those of any runtime that it takes. They are the same where there is no runtime: nothing is
/// loaded for them.
pub(crate) unsafe extern "C" fn get_compute_properties(
    device: ze_device_handle_t,
    properties: *mut ze_device_compute_properties_t,
) -> ze_result_t {
    on_device(
        const { Call::named("zeDeviceGetComputeProperties") },
        device,
        |_| {
            let stype = sys::ZE_STRUCTURE_TYPE_DEVICE_COMPUTE_PROPERTIES;
            let mut sizes = [0; sys::ZE_SUBGROUPSIZE_COUNT as usize];
            sizes[..SUB_GROUP_SIZES.len()].copy_from_slice(&SUB_GROUP_SIZES);
            let make = |stype, next| ze_device_compute_properties_t {
                stype,
                pNext: next,
                maxTotalGroupSize: MAX_GROUP_SIZE,
                maxGroupSizeX: MAX_GROUP_SIZE,
                maxGroupSizeY: MAX_GROUP_SIZE,
                maxGroupSizeZ: MAX_GROUP_SIZE,
                maxGroupCountX: u32::MAX,
                maxGroupCountY: u32::MAX,
                maxGroupCountZ: u32::MAX,
                maxSharedLocalMemory: MAX_LOCAL_MEMORY,
                numSubGroupSizes: u32::try_from(SUB_GROUP_SIZES.len()).unwrap_or(0),
                subGroupSizes: sizes,
            };
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { fill(properties, &[stype], make) }
        },
    )
}

/// Floating-point numbers of OpenCL as Level Zero describes them: two flags are the other way round.
fn float_flags(config: u64) -> u32 {
    const CL_SOFT_FLOAT: u64 = 1 << 6;
    const CL_CORRECTLY_ROUNDED_DIVIDE_SQRT: u64 = 1 << 7;
    let same = sys::ZE_DEVICE_FP_FLAG_DENORM
        | sys::ZE_DEVICE_FP_FLAG_INF_NAN
        | sys::ZE_DEVICE_FP_FLAG_ROUND_TO_NEAREST
        | sys::ZE_DEVICE_FP_FLAG_ROUND_TO_ZERO
        | sys::ZE_DEVICE_FP_FLAG_ROUND_TO_INF
        | sys::ZE_DEVICE_FP_FLAG_FMA;
    let mut flags = u32::try_from(config & u64::from(same)).unwrap_or(0);
    if config & CL_SOFT_FLOAT != 0 {
        flags |= sys::ZE_DEVICE_FP_FLAG_SOFT_FLOAT;
    }
    if config & CL_CORRECTLY_ROUNDED_DIVIDE_SQRT != 0 {
        flags |= sys::ZE_DEVICE_FP_FLAG_ROUNDED_DIVIDE_SQRT;
    }
    flags
}

/// `zeDeviceGetModuleProperties`: what the runtime says, which this loads. Where there is none, all
/// is 0, as nothing can be compiled. No scheduling hints are supported.
pub(crate) unsafe extern "C" fn get_module_properties(
    device: ze_device_handle_t,
    properties: *mut ze_device_module_properties_t,
) -> ze_result_t {
    on_device(
        const { Call::named("zeDeviceGetModuleProperties") },
        device,
        |_| {
            let stype = sys::ZE_STRUCTURE_TYPE_DEVICE_MODULE_PROPERTIES;
            let traits = Runtime::find().ok().map(|runtime| &runtime.traits);
            let narrow = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
            let flag = |known: bool, flag: u32| if known { flag } else { 0 };
            let make = |stype, next| ze_device_module_properties_t {
                stype,
                pNext: next,
                spirvVersionSupported: traits.map_or(0, |traits| {
                    (u32::from(traits.spirv.0) << 16) | u32::from(traits.spirv.1)
                }),
                flags: traits.map_or(0, |traits| {
                    flag(traits.half != 0, sys::ZE_DEVICE_MODULE_FLAG_FP16)
                        | flag(traits.double != 0, sys::ZE_DEVICE_MODULE_FLAG_FP64)
                        | flag(
                            traits.int64_atomics,
                            sys::ZE_DEVICE_MODULE_FLAG_INT64_ATOMICS,
                        )
                        | flag(traits.dot_product, sys::ZE_DEVICE_MODULE_FLAG_DP4A)
                }),
                fp16flags: traits.map_or(0, |traits| float_flags(traits.half)),
                fp32flags: traits.map_or(0, |traits| float_flags(traits.single)),
                fp64flags: traits.map_or(0, |traits| float_flags(traits.double)),
                maxArgumentsSize: traits.map_or(0, |traits| narrow(traits.arguments)),
                printfBufferSize: traits.map_or(0, |traits| narrow(traits.printf)),
                nativeKernelSupported: sys::ze_native_kernel_uuid_t { id: [0; 16] },
            };
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { fill(properties, &[stype], make) }
        },
    )
}

/// `zeDeviceGetCommandQueueGroupProperties`: one group that computes, also cooperatively,
/// and copies, then one that copies.
pub(crate) unsafe extern "C" fn get_command_queue_group_properties(
    device: ze_device_handle_t,
    count: *mut u32,
    properties: *mut ze_command_queue_group_properties_t,
) -> ze_result_t {
    let call = const { Call::named("zeDeviceGetCommandQueueGroupProperties") };
    on_device(call, device, |device| {
        let put = |index: usize| {
            let stype = sys::ZE_STRUCTURE_TYPE_COMMAND_QUEUE_GROUP_PROPERTIES;
            let make = |stype, next| ze_command_queue_group_properties_t {
                stype,
                pNext: next,
                flags: GROUPS[index].flags,
                maxMemoryFillPatternSize: device.inner.config.max_fill_pattern,
                numQueues: GROUPS[index].queues,
            };
            // SAFETY: the caller has room for as many as the count says, and `index` is below it.
            let properties = unsafe { properties.add(index) };
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { fill(properties, &[stype], make) }
        };
        // SAFETY: as above.
        unsafe { counted(count, GROUPS.len(), !properties.is_null(), put) }
    })
}

/// `zeDeviceGetMemoryProperties`: one memory, which sub-devices share with their root. With
/// `ze_device_memory_ext_properties_t` in the chain, its kind.
pub(crate) unsafe extern "C" fn get_memory_properties(
    device: ze_device_handle_t,
    count: *mut u32,
    properties: *mut ze_device_memory_properties_t,
) -> ze_result_t {
    on_device(
        const { Call::named("zeDeviceGetMemoryProperties") },
        device,
        |device| {
            let size = device.inner.config.device_memory;
            let put = |_| {
                let stype = sys::ZE_STRUCTURE_TYPE_DEVICE_MEMORY_PROPERTIES;
                // SAFETY: the caller keeps the contract of the C call.
                let start = unsafe { header(properties, &[stype]) }?;
                // SAFETY: as above.
                unsafe { fill_memory_extensions(start.pNext, size) }?;
                let make = |stype, next| ze_device_memory_properties_t {
                    stype,
                    pNext: next,
                    flags: 0,
                    maxClockRate: 0,
                    maxBusWidth: 64,
                    totalSize: size,
                    name: name("host memory"),
                };
                // SAFETY: as above.
                unsafe { fill(properties, &[stype], make) }
            };
            // SAFETY: as above.
            unsafe { counted(count, 1, !properties.is_null(), put) }
        },
    )
}

/// Fills `ze_device_memory_ext_properties_t` where it is in a chain. How fast the memory is, is
/// not known: 0.
///
/// # Safety
///
/// `next` is null or a chain of structures of the API, of which those of properties may be written.
unsafe fn fill_memory_extensions(next: *const c_void, size: u64) -> Outcome {
    let fill = |stype, structure: *const c_void| {
        if stype != sys::ZE_STRUCTURE_TYPE_DEVICE_MEMORY_EXT_PROPERTIES {
            return Ok(());
        }
        let structure = structure.cast::<sys::ze_device_memory_ext_properties_t>();
        // SAFETY: a structure has the type that its `stype` says.
        let header = unsafe { header(structure, &[stype]) }?;
        let filled = sys::ze_device_memory_ext_properties_t {
            stype,
            pNext: header.pNext.cast_mut(),
            type_: sys::ZE_DEVICE_MEMORY_EXT_TYPE_DDR4,
            physicalSize: size,
            readBandwidth: 0,
            writeBandwidth: 0,
            bandwidthUnit: sys::ZE_BANDWIDTH_UNIT_BYTES_PER_NANOSEC,
        };
        // SAFETY: as above.
        unsafe { write(structure.cast_mut(), filled) }
    };
    // SAFETY: as the caller says.
    unsafe { walk(next, fill) }
}

/// `zeDeviceGetMemoryAccessProperties`: all that this driver allocates, and nothing else.
pub(crate) unsafe extern "C" fn get_memory_access_properties(
    device: ze_device_handle_t,
    properties: *mut ze_device_memory_access_properties_t,
) -> ze_result_t {
    on_device(
        const { Call::named("zeDeviceGetMemoryAccessProperties") },
        device,
        |_| {
            let stype = sys::ZE_STRUCTURE_TYPE_DEVICE_MEMORY_ACCESS_PROPERTIES;
            let all = sys::ZE_MEMORY_ACCESS_CAP_FLAG_RW
                | sys::ZE_MEMORY_ACCESS_CAP_FLAG_ATOMIC
                | sys::ZE_MEMORY_ACCESS_CAP_FLAG_CONCURRENT
                | sys::ZE_MEMORY_ACCESS_CAP_FLAG_CONCURRENT_ATOMIC;
            let make = |stype, next| ze_device_memory_access_properties_t {
                stype,
                pNext: next,
                hostAllocCapabilities: all,
                deviceAllocCapabilities: all,
                sharedSingleDeviceAllocCapabilities: all,
                sharedCrossDeviceAllocCapabilities: all,
                sharedSystemAllocCapabilities: 0,
            };
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { fill(properties, &[stype], make) }
        },
    )
}

/// `zeDeviceGetCacheProperties`: none to control.
pub(crate) unsafe extern "C" fn get_cache_properties(
    device: ze_device_handle_t,
    count: *mut u32,
    _properties: *mut ze_device_cache_properties_t,
) -> ze_result_t {
    on_device(
        const { Call::named("zeDeviceGetCacheProperties") },
        device,
        |_| {
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { counted(count, 0, false, |_| Ok(())) }
        },
    )
}

/// `zeDeviceGetImageProperties`: all limits are 0, by which the specification says that there are no
/// images and no samplers.
pub(crate) unsafe extern "C" fn get_image_properties(
    device: ze_device_handle_t,
    properties: *mut ze_device_image_properties_t,
) -> ze_result_t {
    on_device(
        const { Call::named("zeDeviceGetImageProperties") },
        device,
        |_| {
            let stype = sys::ZE_STRUCTURE_TYPE_DEVICE_IMAGE_PROPERTIES;
            let make = |stype, next| ze_device_image_properties_t {
                stype,
                pNext: next,
                maxImageDims1D: 0,
                maxImageDims2D: 0,
                maxImageDims3D: 0,
                maxImageBufferSize: 0,
                maxImageArraySlices: 0,
                maxSamplers: 0,
                maxReadImageArgs: 0,
                maxWriteImageArgs: 0,
            };
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { fill(properties, &[stype], make) }
        },
    )
}

/// `zeDeviceGetExternalMemoryProperties`: file descriptors of files in memory.
pub(crate) unsafe extern "C" fn get_external_memory_properties(
    device: ze_device_handle_t,
    properties: *mut ze_device_external_memory_properties_t,
) -> ze_result_t {
    on_device(
        const { Call::named("zeDeviceGetExternalMemoryProperties") },
        device,
        |_| {
            let stype = sys::ZE_STRUCTURE_TYPE_DEVICE_EXTERNAL_MEMORY_PROPERTIES;
            let make = |stype, next| ze_device_external_memory_properties_t {
                stype,
                pNext: next,
                memoryAllocationImportTypes: sys::ZE_EXTERNAL_MEMORY_TYPE_FLAG_OPAQUE_FD,
                memoryAllocationExportTypes: sys::ZE_EXTERNAL_MEMORY_TYPE_FLAG_OPAQUE_FD,
                imageImportTypes: 0,
                imageExportTypes: 0,
            };
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { fill(properties, &[stype], make) }
        },
    )
}

/// Devices of one instance reach each other's memory, those of different ones do not.
fn reaches(device: &Device, peer: ze_device_handle_t) -> Outcome<bool> {
    let peer = registry::device(peer)?;
    Ok(Arc::ptr_eq(&device.inner, &peer.inner))
}

/// `zeDeviceGetP2PProperties`
pub(crate) unsafe extern "C" fn get_p2p_properties(
    device: ze_device_handle_t,
    peer: ze_device_handle_t,
    properties: *mut ze_device_p2p_properties_t,
) -> ze_result_t {
    on_device(
        const { Call::named("zeDeviceGetP2PProperties") },
        device,
        |device| {
            let stype = sys::ZE_STRUCTURE_TYPE_DEVICE_P2P_PROPERTIES;
            let access =
                sys::ZE_DEVICE_P2P_PROPERTY_FLAG_ACCESS | sys::ZE_DEVICE_P2P_PROPERTY_FLAG_ATOMICS;
            let flags = if reaches(device, peer)? { access } else { 0 };
            let make = |stype, next| ze_device_p2p_properties_t {
                stype,
                pNext: next,
                flags,
            };
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { fill(properties, &[stype], make) }
        },
    )
}

/// `zeDeviceCanAccessPeer`
pub(crate) unsafe extern "C" fn can_access_peer(
    device: ze_device_handle_t,
    peer: ze_device_handle_t,
    value: *mut sys::ze_bool_t,
) -> ze_result_t {
    on_device(
        const { Call::named("zeDeviceCanAccessPeer") },
        device,
        |device| {
            let reaches = reaches(device, peer)?;
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { write(value, sys::ze_bool_t::from(reaches)) }
        },
    )
}

/// `zeDeviceGetStatus`
pub(crate) unsafe extern "C" fn get_status(device: ze_device_handle_t) -> ze_result_t {
    on_device(const { Call::named("zeDeviceGetStatus") }, device, |_| {
        Ok(())
    })
}

/// `zeDeviceGetGlobalTimestamps`: nanoseconds of one clock, for both.
pub(crate) unsafe extern "C" fn get_global_timestamps(
    device: ze_device_handle_t,
    host: *mut u64,
    own: *mut u64,
) -> ze_result_t {
    on_device(
        const { Call::named("zeDeviceGetGlobalTimestamps") },
        device,
        |_| {
            not_null(host)?;
            not_null(own)?;
            let now = now();
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { write(host, now) }?;
            // SAFETY: as above.
            unsafe { write(own, now) }
        },
    )
}
