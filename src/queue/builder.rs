//! Settings of a queue, and making one.

use super::Queue;
use crate::context::{Context, Ownership};
use crate::device::{QueueGroup, QueueGroupFlags, ZeDevice};
use crate::error::{Error, Result};
use crate::raw::handle::Handle;
use crate::raw::immediate::ImmediateList;
use crate::raw::list::{CommandList, ListDesc};
use level_zero_sys as sys;
use std::sync::{Arc, OnceLock};

/// What a queue is to work with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Engine {
    /// Whatever copies and fills: the first group that runs kernels, since such queues have the
    /// fewest limits, or the first that copies where none does.
    #[default]
    Any,
    /// The first group that runs kernels; an error where there is none.
    Compute,
    /// The first group that copies and runs no kernels, so that it works beside those that do;
    /// where there is none, as [`Engine::Any`].
    Copy,
}

/// What a queue is to have of a device, beside others. A hint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[doc(alias = "ze_command_queue_priority_t")]
pub enum Priority {
    /// Less than others.
    #[doc(alias = "ZE_COMMAND_QUEUE_PRIORITY_PRIORITY_LOW")]
    Low,
    /// As others.
    #[default]
    #[doc(alias = "ZE_COMMAND_QUEUE_PRIORITY_NORMAL")]
    Normal,
    /// More than others.
    #[doc(alias = "ZE_COMMAND_QUEUE_PRIORITY_PRIORITY_HIGH")]
    High,
}

impl Priority {
    pub(super) const fn raw(self) -> sys::ze_command_queue_priority_t {
        match self {
            Self::Low => sys::ZE_COMMAND_QUEUE_PRIORITY_PRIORITY_LOW,
            Self::Normal => sys::ZE_COMMAND_QUEUE_PRIORITY_NORMAL,
            Self::High => sys::ZE_COMMAND_QUEUE_PRIORITY_PRIORITY_HIGH,
        }
    }
}

/// How work that a scope enqueues is carried out. What a [`Queue`] does outside of scopes is
/// complete when the call returns, in both modes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[doc(alias = "ze_command_queue_mode_t")]
pub enum QueueMode {
    /// Calls enqueue and return.
    #[default]
    #[doc(alias = "ZE_COMMAND_QUEUE_MODE_ASYNCHRONOUS")]
    Asynchronous,
    /// Each call returns when its work is complete: slower, and of use where a fault is looked for.
    #[doc(alias = "ZE_COMMAND_QUEUE_MODE_SYNCHRONOUS")]
    Synchronous,
}

/// Which group of queues.
#[derive(Debug, Clone, Copy)]
enum Group {
    Engine(Engine),
    Ordinal(u32),
}

/// Settings of a [`Queue`]; from [`Context::queue_builder`].
///
/// ```
/// # #[cfg(feature = "cpu")] {
/// use ze_area::{Context, Engine, Priority};
///
/// let context = Context::new()?;
/// let device = context.first_device()?;
/// let queue = context
///     .queue_builder(device)
///     .engine(Engine::Copy)
///     .priority(Priority::Low)
///     .build()?;
/// println!("queue group {}: {}", queue.ordinal(), queue.group().flags);
/// # }
/// # Ok::<(), ze_area::Error>(())
/// ```
#[derive(Debug, Clone)]
#[doc(alias = "ze_command_queue_desc_t")]
#[must_use = "a builder makes nothing until `build`"]
pub struct QueueBuilder {
    context: Context,
    device: ZeDevice,
    group: Group,
    index: Option<u32>,
    priority: Priority,
    mode: QueueMode,
}

impl QueueBuilder {
    pub(crate) fn new(context: &Context, device: &ZeDevice) -> Self {
        Self {
            context: context.clone(),
            device: device.clone(),
            group: Group::Engine(Engine::Any),
            index: None,
            priority: Priority::Normal,
            mode: QueueMode::Asynchronous,
        }
    }

    /// What the queue is to work with; [`Engine::Any`] where nothing is said. Overrides
    /// [`ordinal`](QueueBuilder::ordinal).
    pub fn engine(mut self, engine: Engine) -> Self {
        self.group = Group::Engine(engine);
        self
    }

    /// A certain group of [`ZeDevice::queue_groups`]. Overrides [`engine`](QueueBuilder::engine).
    pub fn ordinal(mut self, ordinal: u32) -> Self {
        self.group = Group::Ordinal(ordinal);
        self
    }

    /// A certain queue of the group, from 0; the first, or what the driver chooses, where nothing
    /// is said.
    #[doc(alias = "ZE_COMMAND_QUEUE_FLAG_EXPLICIT_ONLY")]
    pub fn index(mut self, index: u32) -> Self {
        self.index = Some(index);
        self
    }

    /// What the queue is to have of the device, beside others; [`Priority::Normal`] where nothing
    /// is said.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// How work of scopes is carried out; [`QueueMode::Asynchronous`] where nothing is said.
    pub fn mode(mut self, mode: QueueMode) -> Self {
        self.mode = mode;
        self
    }

    /// Makes the queue.
    ///
    /// # Errors
    ///
    /// [`Error::DeviceNotInContext`]; [`Error::BadQueueGroup`] for an ordinal that the device has
    /// not, or of a group that cannot copy; [`Error::BadQueueIndex`]; [`Error::NoComputeQueue`];
    /// [`Error::Call`]. Drivers check none of these but the last.
    #[doc(alias = "zeCommandListCreateImmediate")]
    pub fn build(self) -> Result<Queue> {
        let group = self.checked_group()?;
        let desc = ListDesc {
            ordinal: group.ordinal,
            index: self.index,
            mode: sys::ZE_COMMAND_QUEUE_MODE_SYNCHRONOUS,
            priority: self.priority.raw(),
        };
        let list = ImmediateList::with(self.context.inner(), self.device.handle(), desc)?;
        Ok(self.over(group, list, OnceLock::new()))
    }

    /// Takes an immediate command list that other code made, instead of making one: everything that
    /// the queue does goes to it. Its mode may be any; what it was made with is said to the builder.
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// # let context = ze_area::Context::new()?;
    /// # let gpu = context.first_device()?;
    /// use ze_area::{Ownership, sys};
    ///
    /// let desc = sys::ze_command_queue_desc_t {
    ///     stype: sys::ZE_STRUCTURE_TYPE_COMMAND_QUEUE_DESC,
    ///     mode: sys::ZE_COMMAND_QUEUE_MODE_ASYNCHRONOUS,
    ///     ..Default::default()
    /// };
    /// let api = context.driver().api();
    /// let (raw_context, raw_gpu) = (context.as_raw(), gpu.as_raw());
    /// let mut list = core::ptr::null_mut();
    /// unsafe { (api.zeCommandListCreateImmediate)(raw_context, raw_gpu, &desc, &mut list) };
    ///
    /// let builder = context.queue_builder(gpu).ordinal(0);
    /// // SAFETY: the list was just made in this context, on this device, in group 0.
    /// let queue = unsafe { builder.build_from_raw(list, Ownership::Owned) }?;
    /// let x = context.device_area(gpu).mmap_from_slice(&[1, 2, 3])?;
    /// assert_eq!(queue.to_vec(&x)?, [1, 2, 3]);
    /// # }
    /// # Ok::<(), ze_area::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NullHandle`]; those of [`build`](QueueBuilder::build). The list is then still the
    /// caller's.
    ///
    /// # Safety
    ///
    /// - `list` is null, or a live immediate command list of the builder's context on its device, in
    ///   the queue group that the builder chooses.
    /// - With [`Ownership::Owned`] nobody else destroys it; with [`Ownership::Borrowed`] nobody does
    ///   before the queue, its clones and what was started on it are gone.
    /// - Nobody else uses it while a method of the queue runs; [`Queue::with_raw`] keeps others away.
    pub unsafe fn build_from_raw(
        self,
        list: sys::ze_command_list_handle_t,
        ownership: Ownership,
    ) -> Result<Queue> {
        let handle = Handle::new(list).ok_or(Error::NullHandle {
            what: "command list",
        })?;
        let group = self.checked_group()?;
        // SAFETY: passed on to the caller.
        let list = unsafe { CommandList::from_raw(self.context.inner(), handle, ownership) };
        let list = Arc::new(list);
        let waiting = ImmediateList::waiting(Arc::clone(&list), &self.context);
        Ok(self.over(group, waiting, OnceLock::from(list)))
    }

    fn over(
        self,
        group: QueueGroup,
        list: ImmediateList,
        asynchronous: OnceLock<Arc<CommandList>>,
    ) -> Queue {
        Queue {
            list: Arc::new(list),
            asynchronous: Arc::new(asynchronous),
            waiter: Arc::default(),
            group,
            index: self.index,
            context: self.context,
            device: self.device,
            priority: self.priority,
            mode: self.mode,
        }
    }

    fn checked_group(&self) -> Result<QueueGroup> {
        self.context.check_device(&self.device)?;
        self.group().cloned()
    }

    /// The group that was asked for, with the queue that was.
    fn group(&self) -> Result<&QueueGroup> {
        let group = match self.group {
            Group::Engine(engine) => self.of_engine(engine)?,
            Group::Ordinal(ordinal) => self.of_ordinal(ordinal)?,
        };
        let index = self.index.unwrap_or(0);
        if index < group.queues {
            return Ok(group);
        }
        Err(Error::BadQueueIndex {
            index,
            ordinal: group.ordinal,
            count: group.queues,
        })
    }

    fn of_engine(&self, engine: Engine) -> Result<&QueueGroup> {
        let mut present = self
            .device
            .queue_groups()
            .iter()
            .filter(|group| group.queues > 0);
        match engine {
            Engine::Any => self.device.copy_group(),
            Engine::Compute => present
                .find(|group| group.flags.contains(QueueGroupFlags::COMPUTE))
                .ok_or_else(|| Error::NoComputeQueue {
                    device: self.device.name().to_owned(),
                }),
            Engine::Copy => {
                let copies_only = |group: &&QueueGroup| {
                    group.flags.contains(QueueGroupFlags::COPY)
                        && !group.flags.contains(QueueGroupFlags::COMPUTE)
                };
                match present.find(copies_only) {
                    Some(group) => Ok(group),
                    None => self.device.copy_group(),
                }
            }
        }
    }

    fn of_ordinal(&self, ordinal: u32) -> Result<&QueueGroup> {
        let groups = self.device.queue_groups();
        groups
            .iter()
            .find(|group| group.ordinal == ordinal)
            // Kernels copy where nothing else does; groups of media engines cannot.
            .filter(|group| {
                group
                    .flags
                    .intersects(QueueGroupFlags::COMPUTE | QueueGroupFlags::COPY)
            })
            .ok_or_else(|| Error::BadQueueGroup {
                ordinal,
                count: groups.len(),
                device: self.device.name().to_owned(),
            })
    }
}
