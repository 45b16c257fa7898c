//! One driver: its devices, its memory, its books.

use level_zero_sys::{self as sys, ze_driver_handle_t, ze_result_t};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::arguments::Outcome;
use crate::atomics::Atomics;
use crate::build_log::BuildLog;
use crate::call_log::Writer;
use crate::command_list::CommandList;
use crate::command_queue::CommandQueue;
use crate::config::Config;
use crate::context::Context;
use crate::device::DeviceId;
use crate::doors::Opened;
use crate::event::Event;
use crate::event_pool::EventPool;
use crate::faults::{CallRecord, Calls};
use crate::fence::Fence;
use crate::file_memory::Origin;
use crate::fork;
use crate::heap::Heap;
use crate::kernel::Kernel;
use crate::ledger::{Kind, Ledger, LiveAllocation};
use crate::module::Module;
use crate::regions::{Region, Regions};
use crate::registry::{self, Counts, Object, lock};
use crate::report;
use crate::virtual_memory::PhysicalMemory;

/// A driver of its own: nothing that is done through it shows in another one.
///
/// Clones are the same driver. It lives as long as one of them, or an object made from it; then its
/// memory is unmapped, and pointers into it must be used no more.
#[derive(Clone)]
pub struct Instance(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) calls: Calls,
    pub(crate) driver: usize,
    pub(crate) devices: Vec<RootDevice>,
    pub(crate) counts: Counts,
    /// Commands that were given to queues and are not done.
    pub(crate) pending: Arc<AtomicUsize>,
    serial: AtomicU64,
    host: Arc<Heap>,
    shared: Arc<Heap>,
    /// One a root device, in their order.
    device_memory: Vec<Arc<Heap>>,
    /// Memory that lies in no heap.
    pub(crate) regions: Regions,
    pub(crate) atomics: Atomics,
}

static GLOBAL: Mutex<Option<&'static io::Result<Instance>>> = Mutex::new(None);

/// The handles of a device and its sub-devices.
pub(crate) struct RootDevice {
    pub(crate) handle: usize,
    pub(crate) sub_devices: Vec<usize>,
}

impl Inner {
    pub(crate) fn device_handle(&self, id: DeviceId) -> usize {
        let root = self.devices.get(id.root as usize);
        let handle = root.and_then(|root| match id.sub {
            Some(sub) => root.sub_devices.get(sub as usize).copied(),
            None => Some(root.handle),
        });
        handle.unwrap_or(0)
    }

    /// The memory of a kind; `device` is that of device memory.
    pub(crate) fn heap(&self, kind: Kind, device: Option<DeviceId>) -> Outcome<&Arc<Heap>> {
        let heap = match kind {
            Kind::Host => Some(&self.host),
            Kind::Shared => Some(&self.shared),
            Kind::Device => device.and_then(|id| self.device_memory.get(id.root as usize)),
        };
        heap.ok_or(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)
    }

    pub(crate) fn heaps(&self) -> impl Iterator<Item = &Arc<Heap>> {
        [&self.host, &self.shared]
            .into_iter()
            .chain(&self.device_memory)
    }

    /// The memory that an address lies in.
    pub(crate) fn heap_of(&self, address: usize) -> Option<&Arc<Heap>> {
        self.heaps().find(|heap| heap.contains(address))
    }

    /// Gives kernels access to all memory of a kind at the addresses of users, until the guard
    /// drops: for kernels that go where pointers in memory lead them. Host and shared memory is
    /// accessible anyway.
    pub(crate) fn open_all_for_kernels(&self, kind: Kind) -> Outcome<Opened> {
        let mut opened = Opened::default();
        if kind != Kind::Device {
            return Ok(opened);
        }
        for heap in &self.device_memory {
            opened.join(heap.open_all()?);
        }
        for region in self.regions.all() {
            match region {
                Region::File(memory) => opened.join(memory.open()?),
                Region::Virtual(memory) => {
                    for pin in memory.pin_all() {
                        opened.join(pin.open_for_kernels()?);
                        opened.keep(pin);
                    }
                }
            }
        }
        Ok(opened)
    }

    pub(crate) fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        registry::forget(self.driver);
        for device in &self.devices {
            registry::forget(device.handle);
            for sub_device in &device.sub_devices {
                registry::forget(*sub_device);
            }
        }
    }
}

impl From<Arc<Inner>> for Instance {
    fn from(inner: Arc<Inner>) -> Self {
        Self(inner)
    }
}

impl Instance {
    /// Makes a driver; its memory is address space only until it is used.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a configuration that makes no sense, `Unsupported` where the system is
    /// not Linux or the process was forked from one that had an instance, and what the system says when it has no address space left.
    #[expect(clippy::needless_pass_by_value, reason = "kept in the instance")]
    pub fn new(config: Config) -> Result<Self, io::Error> {
        if let Some(problem) = config.problem() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        if fork::is_child() {
            // Another thread of the parent may have held any lock of this crate.
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the process was forked from one that uses the driver",
            ));
        }
        fork::watch();
        let heap = |kind, budget| Heap::new(kind, budget, &config).map(Arc::new);
        let host = heap(Kind::Host, config.host_memory)?;
        let shared = heap(Kind::Shared, config.host_memory)?;
        let device_memory = (0..config.devices)
            .map(|_| heap(Kind::Device, config.device_memory))
            .collect::<Result<Vec<_>, _>>()?;
        let writer = config.log_to.as_ref().map(Writer::open).transpose()?;
        let inner = Arc::new_cyclic(|inner| {
            let device = |root, sub| {
                registry::insert(|_| Object::Device(inner.clone(), DeviceId { root, sub }))
            };
            Inner {
                calls: Calls::new(config.faults.clone(), writer),
                driver: registry::insert(|_| Object::Driver(inner.clone())),
                devices: (0..config.devices)
                    .map(|root| RootDevice {
                        handle: device(root, None),
                        sub_devices: (0..config.sub_devices)
                            .map(|sub| device(root, Some(sub)))
                            .collect(),
                    })
                    .collect(),
                counts: Counts::default(),
                pending: Arc::default(),
                serial: AtomicU64::new(0),
                host,
                shared,
                device_memory,
                regions: Regions::default(),
                atomics: Atomics::default(),
                config: config.clone(),
            }
        });
        Ok(Self(inner))
    }

    /// The driver that `zeDriverGet` returns, made at the first use from [`Config::from_env`].
    ///
    /// # Errors
    ///
    /// What [`Instance::new`] said then, or `InvalidInput` with the message of
    /// [`ConfigError`](crate::ConfigError).
    pub fn global() -> Result<&'static Self, &'static io::Error> {
        let mut global = lock(&GLOBAL);
        let made = *global.get_or_insert_with(|| {
            let config = Config::from_env()
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error));
            let made = config.and_then(Self::new);
            if let Ok(made) = &made {
                report::at_end(made.0.config.report);
            }
            // For the rest of the process.
            Box::leak(Box::new(made))
        });
        made.as_ref()
    }

    /// [`global`](Self::global), where it was made before.
    pub(crate) fn made() -> Option<&'static Self> {
        lock(&GLOBAL).and_then(|made| made.as_ref().ok())
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// The handle of this driver, for the calls of [`api`](crate::api).
    ///
    /// It is valid as long as a clone of the instance lives, or an object made from it.
    #[must_use]
    pub fn driver_handle(&self) -> ze_driver_handle_t {
        std::ptr::without_provenance_mut(self.0.driver)
    }

    /// What is live now.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        let mut allocations = Vec::new();
        for heap in self.0.heaps() {
            allocations.extend(heap.live().into_iter().map(|allocation| LiveAllocation {
                address: allocation.address,
                size: allocation.size,
                kind: heap.kind,
                device: allocation.device.map(|device| device.root),
                sub_device: allocation.device.and_then(|device| device.sub),
                ordinal: allocation.ordinal,
                alignment: allocation.alignment,
                context: allocation.context,
                orphaned: !registry::is_context(allocation.context),
                serial: allocation.serial,
            }));
        }
        let physical_memories = self.0.counts.of::<PhysicalMemory>();
        let (mut reservations, mut ipc_opened, mut descriptors) = (0, 0, physical_memories);
        let (mut ipc_exported, mut ipc_lent) = (0, 0);
        for heap in self.0.heaps() {
            let (exported, lent) = heap.exports();
            ipc_exported += exported;
            ipc_lent += lent;
        }
        for region in self.0.regions.all() {
            let memory = match region {
                Region::Virtual(_) => {
                    reservations += 1;
                    continue;
                }
                Region::File(memory) => memory,
            };
            descriptors += 1;
            ipc_exported += memory.exports();
            if memory.origin == Origin::Ipc {
                ipc_opened += 1;
                continue;
            }
            allocations.push(LiveAllocation {
                address: memory.address,
                size: memory.size,
                kind: Kind::Device,
                device: Some(memory.device.root),
                sub_device: memory.device.sub,
                ordinal: 0,
                alignment: memory.alignment,
                context: memory.context,
                orphaned: !registry::is_context(memory.context),
                serial: memory.serial,
            });
        }
        allocations.sort_by_key(|allocation| allocation.serial);
        let (mut written_after_free, mut writes_after_free) = self.0.host.written_after_free();
        let (more, first) = self.0.shared.written_after_free();
        written_after_free += more;
        writes_after_free.extend(first);
        Ledger {
            allocations,
            contexts: self.0.counts.of::<Context>(),
            command_lists: self.0.counts.of::<CommandList>(),
            modules: self.0.counts.of::<Module>(),
            kernels: self.0.counts.of::<Kernel>(),
            build_logs: self.0.counts.of::<BuildLog>(),
            command_queues: self.0.counts.of::<CommandQueue>(),
            fences: self.0.counts.of::<Fence>(),
            event_pools: self.0.counts.of::<EventPool>(),
            events: self.0.counts.of::<Event>(),
            pending: self.0.pending.load(Ordering::Relaxed),
            reservations,
            physical_memories,
            ipc_exported,
            ipc_opened,
            ipc_lent,
            descriptors: descriptors + ipc_exported + ipc_lent,
            written_after_free,
            writes_after_free,
        }
    }

    /// Makes a use of a call on this instance return `result` without doing anything: the `nth`
    /// from now, 1 being the next. It happens once; several may be waiting. 0 is never reached.
    ///
    /// # Panics
    ///
    /// If Level Zero has no call of that name, or `result` is `ZE_RESULT_SUCCESS`: users believe it.
    pub fn fail(&self, call: &str, nth: u64, result: ze_result_t) {
        self.0.calls.fail(call, nth, result);
    }

    /// As [`fail`](Self::fail), counting calls of every name.
    ///
    /// # Panics
    ///
    /// If `result` is `ZE_RESULT_SUCCESS`.
    pub fn fail_nth(&self, nth: u64, result: ze_result_t) {
        self.0.calls.fail_nth(nth, result);
    }

    /// Takes back all failures that did not happen yet.
    pub fn clear_faults(&self) {
        self.0.calls.clear_faults();
    }

    /// How often each call was used on this instance; those never used are left out.
    ///
    /// A call counts once its handle is found to be one of this instance.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.0.calls.by_name()
    }

    /// The sum of [`calls`](Self::calls).
    #[must_use]
    pub fn total_calls(&self) -> u64 {
        self.0.calls.total()
    }

    /// Starts or stops keeping a record of each call.
    pub fn log(&self, on: bool) {
        self.0.calls.set_logging(on);
    }

    /// Takes the records kept so far, in the order in which the calls ended.
    #[must_use]
    pub fn take_log(&self) -> Vec<CallRecord> {
        self.0.calls.take_log()
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("driver", &self.driver_handle())
            .field("config", &self.0.config)
            .finish_non_exhaustive()
    }
}
