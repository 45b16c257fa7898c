//! Devices: what they are, what memory they have, what their limits are.

mod properties;

pub use properties::{
    AccessCaps, ComputeLimits, DeviceKind, Memory, MemoryAccess, Properties, QueueGroup,
    QueueGroupFlags,
};

use crate::driver::DriverInner;
use crate::error::{Error, Result};
use crate::raw::handle::{DeviceHandle, Handle};
use crate::raw::home::Home;
use core::fmt;
use level_zero_sys as sys;
use std::sync::Arc;

/// A device of a driver: a GPU, or a tile (sub-device) of one.
///
/// Cheap to clone. Its properties are read once, when the driver is opened. The type is called so
/// to keep it apart from [`Device`](crate::Device), the placement.
#[derive(Clone)]
#[doc(alias = "ze_device_handle_t")]
pub struct ZeDevice {
    inner: Arc<DeviceInner>,
}

struct DeviceInner {
    driver: Arc<DriverInner>,
    handle: DeviceHandle,
    /// The handle of the device that this one is a part of.
    root: Option<DeviceHandle>,
    properties: Properties,
    memories: Vec<Memory>,
    queue_groups: Vec<QueueGroup>,
    access: MemoryAccess,
    compute: ComputeLimits,
    sub_devices: Vec<ZeDevice>,
}

impl ZeDevice {
    /// The root devices of a driver, with their sub-devices.
    pub(crate) fn all(driver: &Arc<DriverInner>) -> Result<Vec<Self>> {
        let handles = driver.list(
            "zeDeviceGet",
            &core::ptr::null_mut(),
            |api, count, entries| {
                // SAFETY: the driver is live; there is room for as many entries as the count says.
                unsafe { (api.zeDeviceGet)(driver.handle.as_raw(), count, entries) }
            },
        )?;
        handles
            .into_iter()
            .filter_map(Handle::new)
            .map(|handle| Self::new(driver, handle, None))
            .collect()
    }

    fn new(
        driver: &Arc<DriverInner>,
        handle: DeviceHandle,
        root: Option<DeviceHandle>,
    ) -> Result<Self> {
        let sub_devices = if root.is_some() {
            Vec::new()
        } else {
            driver
                .list(
                    "zeDeviceGetSubDevices",
                    &core::ptr::null_mut(),
                    |api, count, entries| {
                        // SAFETY: the device is live; there is room for as many entries as the count says.
                        unsafe { (api.zeDeviceGetSubDevices)(handle.as_raw(), count, entries) }
                    },
                )?
                .into_iter()
                .filter_map(Handle::new)
                .map(|sub| Self::new(driver, sub, Some(handle)))
                .collect::<Result<_>>()?
        };
        Ok(Self {
            inner: Arc::new(DeviceInner {
                properties: properties::properties(driver, handle)?,
                memories: properties::memories(driver, handle)?,
                queue_groups: properties::queue_groups(driver, handle)?,
                access: properties::access(driver, handle)?,
                compute: properties::compute(driver, handle)?,
                driver: Arc::clone(driver),
                handle,
                root,
                sub_devices,
            }),
        })
    }

    /// What the device is.
    #[must_use]
    #[doc(alias = "zeDeviceGetProperties")]
    pub fn properties(&self) -> &Properties {
        &self.inner.properties
    }

    /// The device's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.properties.name
    }

    /// The most bytes in one allocation, without relaxed limits.
    #[must_use]
    pub fn max_alloc_size(&self) -> u64 {
        self.inner.properties.max_alloc_size
    }

    /// The device's memories, in the order of their ordinals.
    #[must_use]
    #[doc(alias = "zeDeviceGetMemoryProperties")]
    pub fn memories(&self) -> &[Memory] {
        &self.inner.memories
    }

    /// The device's groups of queues, in the order of their ordinals.
    #[must_use]
    #[doc(alias = "zeDeviceGetCommandQueueGroupProperties")]
    pub fn queue_groups(&self) -> &[QueueGroup] {
        &self.inner.queue_groups
    }

    /// How the device reaches each kind of memory.
    #[must_use]
    #[doc(alias = "zeDeviceGetMemoryAccessProperties")]
    pub fn memory_access(&self) -> &MemoryAccess {
        &self.inner.access
    }

    /// The limits of kernels on the device.
    #[must_use]
    #[doc(alias = "zeDeviceGetComputeProperties")]
    pub fn compute_limits(&self) -> &ComputeLimits {
        &self.inner.compute
    }

    /// The parts of the device that can be used by themselves; empty where it has none.
    #[must_use]
    #[doc(alias = "zeDeviceGetSubDevices")]
    pub fn sub_devices(&self) -> &[Self] {
        &self.inner.sub_devices
    }

    /// Whether the device is a part of another.
    #[must_use]
    pub fn is_sub_device(&self) -> bool {
        self.inner.root.is_some()
    }

    /// The device's handle, for calls that this library does not make.
    #[must_use]
    pub fn as_raw(&self) -> sys::ze_device_handle_t {
        self.inner.handle.as_raw()
    }

    pub(crate) fn handle(&self) -> DeviceHandle {
        self.inner.handle
    }

    /// The handle of the whole device that this one is, or is a part of.
    pub(crate) fn root(&self) -> DeviceHandle {
        self.inner.root.unwrap_or(self.inner.handle)
    }

    pub(crate) fn driver(&self) -> &Arc<DriverInner> {
        &self.inner.driver
    }

    /// Whether the two are known to be one without a look at them.
    #[inline]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Whether the device is `other` or a part of it.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        self == other
            || (self.inner.root == Some(other.inner.handle)
                && self.inner.driver.is(&other.inner.driver))
    }

    /// Whether the memory was allocated on this device, a part of it, or the device that it is a
    /// part of.
    pub(crate) fn has(&self, memory: &Home) -> bool {
        let own = memory.device().is_some_and(|on| {
            on == self.handle()
                || on == self.root()
                || self.sub_devices().iter().any(|sub| sub.handle() == on)
        });
        own && self.driver().is(memory.context().driver())
    }

    /// The first group of queues that can copy and fill: one that also computes, where there is
    /// one, since such queues have no limits on patterns.
    pub(crate) fn copy_group(&self) -> Result<&QueueGroup> {
        let groups = &self.inner.queue_groups;
        groups
            .iter()
            .find(|group| group.flags.contains(QueueGroupFlags::COMPUTE) && group.queues > 0)
            .or_else(|| {
                groups
                    .iter()
                    .find(|group| group.flags.contains(QueueGroupFlags::COPY) && group.queues > 0)
            })
            .ok_or_else(|| Error::DriverFault {
                call: "zeDeviceGetCommandQueueGroupProperties",
                what: format!("reported no queue of {} that can copy", self.name()),
            })
    }
}

impl PartialEq for ZeDevice {
    fn eq(&self, other: &Self) -> bool {
        self.inner.handle == other.inner.handle && self.inner.driver.is(&other.inner.driver)
    }
}

impl Eq for ZeDevice {}

impl fmt::Debug for ZeDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZeDevice")
            .field("name", &self.name())
            .field("sub_device_id", &self.inner.properties.sub_device_id)
            .finish_non_exhaustive()
    }
}
