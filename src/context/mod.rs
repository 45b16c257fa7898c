//! A context: what areas, queues and buffers that work together are made from.

mod builder;
mod pointer;
mod raw;

pub use builder::ContextBuilder;
pub use pointer::PointerInfo;
pub use raw::Ownership;

use crate::area::{DeviceArea, HostArea};
use crate::device::ZeDevice;
use crate::driver::Driver;
use crate::error::{Error, Result};
use crate::kernel::ModuleBuilder;
use crate::placement::PlacementKind;
use crate::queue::{Queue, QueueBuilder};
use crate::raw::budget::Budget;
use crate::raw::context::{ContextInner, Ledger, MemoryUse};
use crate::raw::event::Events;
use crate::raw::home::Home;
use crate::raw::immediate::ImmediateList;
use crate::raw::lock::lock;
use core::fmt;
use level_zero_sys as sys;
use std::sync::{Arc, Mutex, OnceLock};

/// A context of a driver. Areas, buffers and queues that work together come from one context.
///
/// Cheap to clone; the clones are the same context. It is destroyed when it and everything made
/// from it is gone, in whatever order that is.
///
/// ```
/// # #[cfg(feature = "cpu")] {
/// use ze_area::Context;
///
/// let context = Context::new()?;
/// let device = context.devices()[0].clone();
/// let buffer = context.device_area(&device).mmap::<f32>(1024)?;
/// assert_eq!(context.memory().device.live_bytes, 4096);
/// drop(buffer);
/// assert_eq!(context.memory().device.live_bytes, 0);
/// # }
/// # Ok::<(), ze_area::Error>(())
/// ```
#[derive(Clone)]
#[doc(alias = "ze_context_handle_t")]
pub struct Context {
    shared: Arc<ContextShared>,
}

struct ContextShared {
    inner: Arc<ContextInner>,
    driver: Driver,
    devices: Vec<ZeDevice>,
    /// By placement; see [`Ledger`] on who may hold an `Arc` of one.
    ledgers: [Arc<Ledger>; 3],
    /// Lists by device, made when first needed, through which areas fill device memory.
    uploads: Mutex<Vec<(ZeDevice, Arc<ImmediateList>)>>,
    events: Events,
    /// For views of memory that this library did not allocate; made when first needed.
    foreign: OnceLock<Box<[Home]>>,
}

/// What is live in a context, by placement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryReport {
    /// Device memory.
    pub device: MemoryUse,
    /// Shared memory.
    pub shared: MemoryUse,
    /// Host memory.
    pub host: MemoryUse,
}

impl MemoryReport {
    /// The part of a placement.
    #[must_use]
    pub fn of(&self, placement: PlacementKind) -> MemoryUse {
        match placement {
            PlacementKind::Device => self.device,
            PlacementKind::Shared => self.shared,
            PlacementKind::Host => self.host,
        }
    }

    /// Whether nothing is allocated now and nothing was lost.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live_buffers() == 0 && self.leaked_bytes() == 0
    }

    /// Bytes that drops could not free, in all placements.
    #[must_use]
    pub fn leaked_bytes(&self) -> u64 {
        self.device.leaked_bytes + self.shared.leaked_bytes + self.host.leaked_bytes
    }

    /// Bytes that are allocated now in all placements.
    #[must_use]
    pub fn live_bytes(&self) -> u64 {
        self.device.live_bytes + self.shared.live_bytes + self.host.live_bytes
    }

    /// Buffers that are allocated now in all placements.
    #[must_use]
    pub fn live_buffers(&self) -> u64 {
        self.device.live_buffers + self.shared.live_buffers + self.host.live_buffers
    }

    /// How often a drop could not free, in all placements.
    #[must_use]
    pub fn failed_frees(&self) -> u64 {
        self.device.failed_frees + self.shared.failed_frees + self.host.failed_frees
    }
}

/// A table, a line for each placement.
impl fmt::Display for MemoryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "memory            live bytes  buffers      peak bytes  buffers"
        )?;
        for kind in [
            PlacementKind::Device,
            PlacementKind::Shared,
            PlacementKind::Host,
        ] {
            let part = self.of(kind);
            write!(
                f,
                "\n{kind:<12}{:>16}{:>9}{:>16}{:>9}",
                part.live_bytes, part.live_buffers, part.peak_bytes, part.peak_buffers
            )?;
            if part.failed_frees > 0 {
                let MemoryUse {
                    failed_frees,
                    leaked_bytes,
                    ..
                } = part;
                write!(
                    f,
                    "  lost: {leaked_bytes} bytes in {failed_frees} failed frees"
                )?;
            }
        }
        Ok(())
    }
}

impl Context {
    /// The driver's context as a value, for these devices or all of the driver.
    fn over(inner: ContextInner, driver: Driver, devices: Option<Vec<ZeDevice>>) -> Self {
        let inner = Arc::new(inner);
        let ledger = |kind| Arc::new(Ledger::new(Arc::clone(&inner), kind));
        Self {
            shared: Arc::new(ContextShared {
                devices: devices.unwrap_or_else(|| driver.devices().to_vec()),
                ledgers: [
                    ledger(PlacementKind::Device),
                    ledger(PlacementKind::Shared),
                    ledger(PlacementKind::Host),
                ],
                driver,
                uploads: Mutex::new(Vec::new()),
                events: Events::new(&inner),
                foreign: OnceLock::new(),
                inner,
            }),
        }
    }

    /// A context with all devices of the driver that [`Driver::find`] finds.
    ///
    /// # Errors
    ///
    /// Those of [`Driver::find`]; [`Error::Call`].
    pub fn new() -> Result<Self> {
        Self::builder().build()
    }

    /// A context with other settings.
    #[must_use]
    pub fn builder() -> ContextBuilder {
        ContextBuilder::default()
    }

    /// The context's driver.
    #[must_use]
    pub fn driver(&self) -> &Driver {
        &self.shared.driver
    }

    /// The devices that the context was made with: all root devices of the driver, or those of
    /// [`ContextBuilder::devices`].
    #[must_use]
    pub fn devices(&self) -> &[ZeDevice] {
        &self.shared.devices
    }

    /// An area of device memory: ordinal 0, [`BIAS_CACHED`](crate::DeviceMemFlags::BIAS_CACHED),
    /// 64-byte alignment, as AML's.
    ///
    /// A device that is not in the context is refused when memory is asked for.
    #[must_use]
    #[doc(alias = "aml_area_ze_device_create")]
    pub fn device_area(&self, device: &ZeDevice) -> DeviceArea {
        DeviceArea::new(self, device)
    }

    /// The area of device memory on the first device, as AML's `aml_area_ze_device`.
    ///
    /// # Errors
    ///
    /// [`Error::NoDevice`] where the driver has none.
    #[doc(alias = "aml_area_ze_device")]
    pub fn default_device_area(&self) -> Result<DeviceArea> {
        Ok(self.device_area(self.first_device()?))
    }

    /// An area of host memory that devices reach:
    /// [`BIAS_CACHED`](crate::HostMemFlags::BIAS_CACHED), 64-byte alignment, as AML's
    /// `aml_area_ze_host`.
    #[must_use]
    #[doc(alias = "aml_area_ze_host_create")]
    #[doc(alias = "aml_area_ze_host")]
    pub fn host_area(&self) -> HostArea {
        HostArea::new(self)
    }

    /// A queue on a device of the context.
    ///
    /// # Errors
    ///
    /// [`Error::DeviceNotInContext`]; [`Error::Call`].
    pub fn queue(&self, device: &ZeDevice) -> Result<Queue> {
        self.queue_builder(device).build()
    }

    /// A queue on a device of the context with other settings.
    pub fn queue_builder(&self, device: &ZeDevice) -> QueueBuilder {
        QueueBuilder::new(self, device)
    }

    /// Starts a module of kernels for a device of the context.
    ///
    /// A device that is not in the context is refused when the module is made.
    #[doc(alias = "zeModuleCreate")]
    pub fn module(&self, device: &ZeDevice) -> ModuleBuilder {
        ModuleBuilder::new(self, device)
    }

    /// What is live, by placement. Cheap: a few loads.
    #[must_use]
    pub fn memory(&self) -> MemoryReport {
        let [device, shared, host] = &self.shared.ledgers;
        MemoryReport {
            device: device.usage(),
            shared: shared.usage(),
            host: host.usage(),
        }
    }

    /// The most bytes that may be allocated at once, where the context was made with a limit:
    /// [`ContextBuilder::memory_limit`].
    #[must_use]
    pub fn memory_limit(&self) -> Option<u64> {
        self.inner().budget().map(Budget::limit)
    }

    /// Gives all memory that pools of the context keep for reuse back to the driver, and says how
    /// many bytes that were.
    ///
    /// There is no need to call it before allocating: where memory runs out, or the context's limit
    /// is reached, it is done before there is an error. It is for memory that others can use: other
    /// contexts, other processes.
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// use ze_area::Context;
    ///
    /// let context = Context::new()?;
    /// drop(context.host_area().mmap::<f32>(1000)?);
    /// assert_eq!(context.trim(), 0); // areas keep nothing: a drop frees
    /// # }
    /// # Ok::<(), ze_area::Error>(())
    /// ```
    #[expect(clippy::must_use_candidate, reason = "it is called for what it does")]
    pub fn trim(&self) -> usize {
        self.inner().give_back()
    }

    /// The device of that handle, also one that the context was not made with.
    pub(crate) fn device_of(&self, handle: sys::ze_device_handle_t) -> Option<ZeDevice> {
        self.driver().device_from_raw(handle)
    }

    /// A device as messages tell it from others of the same name.
    pub(crate) fn label(&self, device: &ZeDevice) -> String {
        let devices = self.driver().devices();
        let root = devices.iter().position(|root| device.is_of(root));
        let Some(root) = root else {
            return device.name().to_owned();
        };
        let parts = devices[root].sub_devices();
        match parts.iter().position(|part| part == device) {
            Some(part) => format!("part {part} of device {root} ({})", device.name()),
            None => format!("device {root} ({})", device.name()),
        }
    }

    /// The context's handle, for calls that this library does not make. It is valid for as long as
    /// this context or anything made from it lives.
    ///
    /// There is no `into_raw`, since clones, buffers and queues share the context. Code that is to
    /// own the context makes it, and gives it here with [`Ownership::Borrowed`].
    #[must_use]
    pub fn as_raw(&self) -> sys::ze_context_handle_t {
        self.shared.inner.handle().as_raw()
    }

    /// The first of [`devices`](Context::devices).
    ///
    /// # Errors
    ///
    /// [`Error::NoDevice`] where there is none.
    pub fn first_device(&self) -> Result<&ZeDevice> {
        let origin = || self.driver().origin().to_owned();
        self.devices()
            .first()
            .ok_or_else(|| Error::NoDevice { origin: origin() })
    }

    pub(crate) fn inner(&self) -> &Arc<ContextInner> {
        &self.shared.inner
    }

    /// The ledger of a placement. Only allocations may keep a clone of the `Arc`.
    #[inline]
    pub(crate) fn ledger(&self, kind: PlacementKind) -> &Arc<Ledger> {
        let [device, shared, host] = &self.shared.ledgers;
        match kind {
            PlacementKind::Device => device,
            PlacementKind::Shared => shared,
            PlacementKind::Host => host,
        }
    }

    pub(crate) fn contains(&self, device: &ZeDevice) -> bool {
        self.shared
            .devices
            .iter()
            .any(|listed| device.is_of(listed))
    }

    /// The error for a device that is not in the context.
    pub(crate) fn check_device(&self, device: &ZeDevice) -> Result<()> {
        if self.contains(device) {
            Ok(())
        } else {
            Err(Error::DeviceNotInContext {
                device: device.name().to_owned(),
            })
        }
    }

    /// The list through which memory of a device is filled.
    pub(crate) fn upload_list(&self, device: &ZeDevice) -> Result<Arc<ImmediateList>> {
        let mut uploads = lock(&self.shared.uploads);
        if let Some((_, list)) = uploads.iter().find(|(of, _)| of == device) {
            return Ok(Arc::clone(list));
        }
        self.check_device(device)?;
        let group = device.copy_group()?.ordinal;
        let list = Arc::new(ImmediateList::new(self.inner(), device.handle(), group)?);
        uploads.push((device.clone(), Arc::clone(&list)));
        Ok(list)
    }

    /// Events for work that is waited for.
    pub(crate) fn events(&self) -> &Events {
        &self.shared.events
    }

    /// Whether both are the same context of the driver, also where they were taken from its handle
    /// twice.
    pub(crate) fn is(&self, other: &Arc<ContextInner>) -> bool {
        let own = self.inner();
        Arc::ptr_eq(own, other)
            || (own.handle() == other.handle() && own.driver().is(other.driver()))
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("driver", &self.driver().origin())
            .field("devices", &self.devices().len())
            .field("live_bytes", &self.memory().live_bytes())
            .finish_non_exhaustive()
    }
}

impl PartialEq for Context {
    fn eq(&self, other: &Self) -> bool {
        self.is(other.inner())
    }
}

impl Eq for Context {}
