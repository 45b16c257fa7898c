//! What a driver says of a device.

use crate::driver::DriverInner;
use crate::error::Result;
use crate::raw::call::name;
use crate::raw::handle::DeviceHandle;
use bitflags::bitflags;
use core::fmt;
use level_zero_sys as sys;

/// What a device is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "ze_device_properties_t")]
pub struct Properties {
    /// The device's name, as the driver writes it.
    pub name: String,
    /// What kind of device it is.
    pub kind: DeviceKind,
    /// The vendor's PCI number; Intel's is 0x8086.
    pub vendor_id: u32,
    /// The device's PCI number.
    pub device_id: u32,
    /// A number that is the device's own, also across processes.
    pub uuid: [u8; 16],
    /// The number of the sub-device in its device, `None` for a whole device.
    pub sub_device_id: Option<u32>,
    /// Whether the device shares its memory with the host.
    pub integrated: bool,
    /// Whether errors of its memory are corrected.
    pub ecc: bool,
    /// Whether the device can take page faults.
    pub on_demand_paging: bool,
    /// The clock of its cores, in MHz.
    pub core_clock_rate: u32,
    /// The most bytes in one allocation (`maxMemAllocSize`), without relaxed limits.
    pub max_alloc_size: u64,
    /// How many hardware contexts there can be.
    pub max_hardware_contexts: u32,
    /// Threads in an execution unit.
    pub threads_per_eu: u32,
    /// Execution units in a sub-slice.
    pub eus_per_subslice: u32,
    /// Sub-slices in a slice.
    pub subslices_per_slice: u32,
    /// Slices.
    pub slices: u32,
    /// Nanoseconds in a tick of the device's clock.
    pub timer_resolution: u64,
    /// How many bits of a timestamp of an operation count, before it starts from 0 again.
    pub kernel_timestamp_bits: u32,
}

/// The kind of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[doc(alias = "ze_device_type_t")]
pub enum DeviceKind {
    /// A graphics processor.
    Gpu,
    /// A processor.
    Cpu,
    /// A field-programmable gate array.
    Fpga,
    /// A memory-copy accelerator.
    Mca,
    /// A neural processor.
    Npu,
    /// A kind that this library does not know, with its number.
    Other(u32),
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gpu => f.pad("GPU"),
            Self::Cpu => f.pad("CPU"),
            Self::Fpga => f.pad("FPGA"),
            Self::Mca => f.pad("MCA"),
            Self::Npu => f.pad("NPU"),
            Self::Other(number) => write!(f, "kind {number:#x}"),
        }
    }
}

/// A memory of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "ze_device_memory_properties_t")]
pub struct Memory {
    /// Its number: what [`DeviceArea::ordinal`](crate::DeviceArea::ordinal) takes.
    pub ordinal: u32,
    /// Its name, as the driver writes it; often empty.
    pub name: String,
    /// Its size in bytes; 0 where the driver does not say.
    pub size: u64,
    /// Its clock in MHz; 0 where the driver does not say.
    pub max_clock_rate: u32,
    /// The width of its bus in bits; 0 where the driver does not say.
    pub max_bus_width: u32,
}

/// A group of equal queues of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "ze_command_queue_group_properties_t")]
pub struct QueueGroup {
    /// Its number.
    pub ordinal: u32,
    /// What its queues can do.
    pub flags: QueueGroupFlags,
    /// How many queues it has.
    pub queues: u32,
    /// The longest pattern that a fill takes, in bytes; `usize::MAX` where any will do.
    pub max_fill_pattern: usize,
}

bitflags! {
    /// What the queues of a group can do.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    #[doc(alias = "ze_command_queue_group_property_flags_t")]
    pub struct QueueGroupFlags: u32 {
        /// Run kernels.
        const COMPUTE = sys::ZE_COMMAND_QUEUE_GROUP_PROPERTY_FLAG_COMPUTE;
        /// Copy.
        const COPY = sys::ZE_COMMAND_QUEUE_GROUP_PROPERTY_FLAG_COPY;
        /// Run cooperative kernels.
        const COOPERATIVE_KERNELS = sys::ZE_COMMAND_QUEUE_GROUP_PROPERTY_FLAG_COOPERATIVE_KERNELS;
        /// Take metrics.
        const METRICS = sys::ZE_COMMAND_QUEUE_GROUP_PROPERTY_FLAG_METRICS;
        /// What later versions of the specification add.
        const _ = !0;
    }

    /// How a device reaches memory of some kind.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    #[doc(alias = "ze_memory_access_cap_flags_t")]
    pub struct AccessCaps: u32 {
        /// Reads and writes.
        const RW = sys::ZE_MEMORY_ACCESS_CAP_FLAG_RW;
        /// Atomic operations.
        const ATOMIC = sys::ZE_MEMORY_ACCESS_CAP_FLAG_ATOMIC;
        /// Concurrent access by others.
        const CONCURRENT = sys::ZE_MEMORY_ACCESS_CAP_FLAG_CONCURRENT;
        /// Concurrent atomic operations.
        const CONCURRENT_ATOMIC = sys::ZE_MEMORY_ACCESS_CAP_FLAG_CONCURRENT_ATOMIC;
        /// What later versions of the specification add.
        const _ = !0;
    }
}

/// The names of the flags with bars between, numbers for those without a name, «none» for none.
macro_rules! display_flags {
    ($($flags:ty),*) => {$(
        impl fmt::Display for $flags {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                if self.is_empty() {
                    return f.write_str("none");
                }
                bitflags::parser::to_writer(self, f)
            }
        }
    )*};
}

display_flags!(QueueGroupFlags, AccessCaps);

/// How a device reaches each kind of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "ze_device_memory_access_properties_t")]
pub struct MemoryAccess {
    /// Host memory.
    pub host: AccessCaps,
    /// Its own device memory.
    pub device: AccessCaps,
    /// Shared memory of this device alone.
    pub shared_single: AccessCaps,
    /// Shared memory of several devices.
    pub shared_cross: AccessCaps,
    /// Memory of the system that the driver did not allocate.
    pub shared_system: AccessCaps,
}

/// The limits of kernels on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "ze_device_compute_properties_t")]
pub struct ComputeLimits {
    /// The most work-items in a group.
    pub max_total_group_size: u32,
    /// The most work-items in a group, by dimension.
    pub max_group_size: [u32; 3],
    /// The most groups in a launch, by dimension.
    pub max_group_count: [u32; 3],
    /// The most bytes of local memory in a group.
    pub max_shared_local_memory: u32,
    /// The sizes that sub-groups can have.
    pub sub_group_sizes: Vec<u32>,
}

pub(super) fn properties(driver: &DriverInner, device: DeviceHandle) -> Result<Properties> {
    let mut raw = sys::ze_device_properties_t {
        stype: sys::ZE_STRUCTURE_TYPE_DEVICE_PROPERTIES,
        ..Default::default()
    };
    driver.call("zeDeviceGetProperties", |api| {
        // SAFETY: the device is live; the target outlives the call.
        unsafe { (api.zeDeviceGetProperties)(device.as_raw(), &raw mut raw) }
    })?;
    let has = |flag| raw.flags & flag != 0;
    Ok(Properties {
        name: name(&raw.name),
        kind: match raw.type_ {
            sys::ZE_DEVICE_TYPE_GPU => DeviceKind::Gpu,
            sys::ZE_DEVICE_TYPE_CPU => DeviceKind::Cpu,
            sys::ZE_DEVICE_TYPE_FPGA => DeviceKind::Fpga,
            sys::ZE_DEVICE_TYPE_MCA => DeviceKind::Mca,
            sys::ZE_DEVICE_TYPE_VPU => DeviceKind::Npu,
            other => DeviceKind::Other(other.0),
        },
        vendor_id: raw.vendorId,
        device_id: raw.deviceId,
        uuid: raw.uuid.id,
        sub_device_id: has(sys::ZE_DEVICE_PROPERTY_FLAG_SUBDEVICE).then_some(raw.subdeviceId),
        integrated: has(sys::ZE_DEVICE_PROPERTY_FLAG_INTEGRATED),
        ecc: has(sys::ZE_DEVICE_PROPERTY_FLAG_ECC),
        on_demand_paging: has(sys::ZE_DEVICE_PROPERTY_FLAG_ONDEMANDPAGING),
        core_clock_rate: raw.coreClockRate,
        max_alloc_size: raw.maxMemAllocSize,
        max_hardware_contexts: raw.maxHardwareContexts,
        threads_per_eu: raw.numThreadsPerEU,
        eus_per_subslice: raw.numEUsPerSubslice,
        subslices_per_slice: raw.numSubslicesPerSlice,
        slices: raw.numSlices,
        timer_resolution: raw.timerResolution,
        kernel_timestamp_bits: raw.kernelTimestampValidBits,
    })
}

pub(super) fn memories(driver: &DriverInner, device: DeviceHandle) -> Result<Vec<Memory>> {
    let empty = sys::ze_device_memory_properties_t {
        stype: sys::ZE_STRUCTURE_TYPE_DEVICE_MEMORY_PROPERTIES,
        ..Default::default()
    };
    let memories = driver.list(
        "zeDeviceGetMemoryProperties",
        &empty,
        |api, count, entries| {
            // SAFETY: the device is live; there is room for as many entries as the count says.
            unsafe { (api.zeDeviceGetMemoryProperties)(device.as_raw(), count, entries) }
        },
    )?;
    Ok((0..)
        .zip(memories)
        .map(|(ordinal, memory)| Memory {
            ordinal,
            name: name(&memory.name),
            size: memory.totalSize,
            max_clock_rate: memory.maxClockRate,
            max_bus_width: memory.maxBusWidth,
        })
        .collect())
}

pub(super) fn queue_groups(driver: &DriverInner, device: DeviceHandle) -> Result<Vec<QueueGroup>> {
    let empty = sys::ze_command_queue_group_properties_t {
        stype: sys::ZE_STRUCTURE_TYPE_COMMAND_QUEUE_GROUP_PROPERTIES,
        ..Default::default()
    };
    let groups = driver.list(
        "zeDeviceGetCommandQueueGroupProperties",
        &empty,
        |api, count, entries| {
            // SAFETY: the device is live; there is room for as many entries as the count says.
            unsafe { (api.zeDeviceGetCommandQueueGroupProperties)(device.as_raw(), count, entries) }
        },
    )?;
    Ok((0..)
        .zip(groups)
        .map(|(ordinal, group)| QueueGroup {
            ordinal,
            flags: QueueGroupFlags::from_bits_retain(group.flags),
            queues: group.numQueues,
            max_fill_pattern: group.maxMemoryFillPatternSize,
        })
        .collect())
}

pub(super) fn access(driver: &DriverInner, device: DeviceHandle) -> Result<MemoryAccess> {
    let mut raw = sys::ze_device_memory_access_properties_t {
        stype: sys::ZE_STRUCTURE_TYPE_DEVICE_MEMORY_ACCESS_PROPERTIES,
        ..Default::default()
    };
    driver.call("zeDeviceGetMemoryAccessProperties", |api| {
        // SAFETY: the device is live; the target outlives the call.
        unsafe { (api.zeDeviceGetMemoryAccessProperties)(device.as_raw(), &raw mut raw) }
    })?;
    Ok(MemoryAccess {
        host: AccessCaps::from_bits_retain(raw.hostAllocCapabilities),
        device: AccessCaps::from_bits_retain(raw.deviceAllocCapabilities),
        shared_single: AccessCaps::from_bits_retain(raw.sharedSingleDeviceAllocCapabilities),
        shared_cross: AccessCaps::from_bits_retain(raw.sharedCrossDeviceAllocCapabilities),
        shared_system: AccessCaps::from_bits_retain(raw.sharedSystemAllocCapabilities),
    })
}

pub(super) fn compute(driver: &DriverInner, device: DeviceHandle) -> Result<ComputeLimits> {
    let mut raw = sys::ze_device_compute_properties_t {
        stype: sys::ZE_STRUCTURE_TYPE_DEVICE_COMPUTE_PROPERTIES,
        ..Default::default()
    };
    driver.call("zeDeviceGetComputeProperties", |api| {
        // SAFETY: the device is live; the target outlives the call.
        unsafe { (api.zeDeviceGetComputeProperties)(device.as_raw(), &raw mut raw) }
    })?;
    let sizes = raw.subGroupSizes.iter().take(raw.numSubGroupSizes as usize);
    Ok(ComputeLimits {
        max_total_group_size: raw.maxTotalGroupSize,
        max_group_size: [raw.maxGroupSizeX, raw.maxGroupSizeY, raw.maxGroupSizeZ],
        max_group_count: [raw.maxGroupCountX, raw.maxGroupCountY, raw.maxGroupCountZ],
        max_shared_local_memory: raw.maxSharedLocalMemory,
        sub_group_sizes: sizes.copied().collect(),
    })
}
