//! Command queues: what executes regular command lists.
#![allow(unsafe_code, reason = "calls of the C interface")]

use level_zero_sys::{
    self as sys, ze_command_list_handle_t, ze_command_queue_desc_t, ze_command_queue_handle_t,
    ze_context_handle_t, ze_device_handle_t, ze_fence_handle_t, ze_result_t,
};
use std::sync::Arc;

use crate::arguments::{Outcome, descriptor, flags, no_extensions, not_null, read, write};
use crate::command_list::CommandList;
use crate::context::Context;
use crate::device::DeviceId;
use crate::entry::{on, on_context};
use crate::faults::Call;
use crate::fence::{self, FenceUse};
use crate::registry::{self, Children};
use crate::strand::{Command, Strand};

/// A group of queues of every device.
pub(crate) struct Group {
    pub(crate) flags: u32,
    pub(crate) queues: u32,
}

/// The groups of every device: one that computes and copies, one that copies only, as programs
/// look for it. The number of a group is its ordinal.
pub(crate) const GROUPS: [Group; 2] = [
    Group {
        flags: sys::ZE_COMMAND_QUEUE_GROUP_PROPERTY_FLAG_COMPUTE
            | sys::ZE_COMMAND_QUEUE_GROUP_PROPERTY_FLAG_COPY
            | sys::ZE_COMMAND_QUEUE_GROUP_PROPERTY_FLAG_COOPERATIVE_KERNELS,
        queues: 4,
    },
    Group {
        flags: sys::ZE_COMMAND_QUEUE_GROUP_PROPERTY_FLAG_COPY,
        queues: 2,
    },
];

/// The group of an ordinal; `INVALID_ARGUMENT` if there is none.
pub(crate) fn group(ordinal: u32) -> Outcome<&'static Group> {
    let group = GROUPS.get(ordinal as usize);
    group.ok_or(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)
}

/// What a descriptor of a queue says.
pub(crate) struct Mode {
    pub(crate) ordinal: u32,
    /// Whether commands are done when the call that gives them returns.
    pub(crate) synchronous: bool,
}

impl Mode {
    /// # Safety
    ///
    /// `desc` is null or a descriptor as the C calls take it.
    pub(crate) unsafe fn read(desc: *const ze_command_queue_desc_t) -> Outcome<Self> {
        // SAFETY: as the caller says.
        let desc = unsafe { descriptor(desc, sys::ZE_STRUCTURE_TYPE_COMMAND_QUEUE_DESC) }?;
        flags(desc.flags, sys::ZE_COMMAND_QUEUE_FLAG_EXPLICIT_ONLY)?;
        if desc.mode.0 > sys::ZE_COMMAND_QUEUE_MODE_ASYNCHRONOUS.0
            || desc.priority.0 > sys::ZE_COMMAND_QUEUE_PRIORITY_PRIORITY_HIGH.0
        {
            return Err(sys::ZE_RESULT_ERROR_INVALID_ENUMERATION);
        }
        no_extensions(desc.pNext)?;
        let explicit = desc.flags & sys::ZE_COMMAND_QUEUE_FLAG_EXPLICIT_ONLY != 0;
        if desc.index >= group(desc.ordinal)?.queues || (desc.index != 0 && !explicit) {
            return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
        }
        Ok(Self {
            ordinal: desc.ordinal,
            synchronous: desc.mode == sys::ZE_COMMAND_QUEUE_MODE_SYNCHRONOUS,
        })
    }
}

/// One queue.
pub(crate) struct CommandQueue {
    pub(crate) context: Arc<Context>,
    handle: usize,
    device: DeviceId,
    mode: Mode,
    pub(crate) strand: Arc<Strand>,
    /// Its fences.
    pub(crate) children: Children,
}

impl CommandQueue {
    /// Refuses lists that this queue does not execute.
    fn check(&self, list: &CommandList) -> Outcome {
        if !Arc::ptr_eq(&self.context, &list.context) || self.device.root != list.device.root {
            Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)
        } else if self.mode.ordinal != list.ordinal {
            Err(sys::ZE_RESULT_ERROR_INVALID_COMMAND_LIST_TYPE)
        } else {
            Ok(())
        }
    }
}

/// `zeCommandQueueCreate`: an ordinal or index that the device does not have is
/// `INVALID_ARGUMENT`, as is an index other than 0 without `EXPLICIT_ONLY`. The default mode is
/// asynchronous. Priorities change nothing.
pub(crate) unsafe extern "C" fn create(
    context: ze_context_handle_t,
    device: ze_device_handle_t,
    desc: *const ze_command_queue_desc_t,
    queue: *mut ze_command_queue_handle_t,
) -> ze_result_t {
    on_context(
        const { Call::named("zeCommandQueueCreate") },
        context,
        |context| {
            let device = context.device(device)?;
            not_null(desc)?;
            not_null(queue)?;
            // SAFETY: the caller keeps the contract of the C call.
            let mode = unsafe { Mode::read(desc) }?;
            let handle = registry::add(|handle| CommandQueue {
                context: Arc::clone(context),
                handle,
                device,
                mode,
                strand: Strand::new(&context.inner.pending),
                children: Children::default(),
            });
            // SAFETY: as above.
            unsafe { write(queue, handle) }
        },
    )
}

/// `zeCommandQueueDestroy`: `HANDLE_OBJECT_IN_USE` while it executes, or fences of it are alive.
pub(crate) unsafe extern "C" fn destroy(queue: ze_command_queue_handle_t) -> ze_result_t {
    on(
        const { Call::named("zeCommandQueueDestroy") },
        queue,
        |queue: &Arc<CommandQueue>| {
            queue.strand.settle();
            let idle = |queue: &CommandQueue| queue.strand.check_idle();
            registry::remove::<CommandQueue>(queue.handle, idle).map(drop)
        },
    )
}

/// `zeCommandQueueExecuteCommandLists`: all lists, or on an error none.
///
/// An immediate list, or one for queues of another ordinal, is `INVALID_COMMAND_LIST_TYPE`; one that
/// is not closed, of another context or device, or has memory that was freed or kernels of a module
/// that was destroyed, `INVALID_ARGUMENT`; a
/// list with an event that was destroyed, and a fence of another queue,
/// `INVALID_SYNCHRONIZATION_OBJECT`; a list that an earlier call gave to a queue, and that is not
/// done, `HANDLE_OBJECT_IN_USE`. A queue that failed returns its error.
pub(crate) unsafe extern "C" fn execute_command_lists(
    queue: ze_command_queue_handle_t,
    count: u32,
    lists: *mut ze_command_list_handle_t,
    fence: ze_fence_handle_t,
) -> ze_result_t {
    on(
        const { Call::named("zeCommandQueueExecuteCommandLists") },
        queue,
        |queue: &Arc<CommandQueue>| {
            not_null(lists)?;
            if count == 0 {
                return Err(sys::ZE_RESULT_ERROR_INVALID_SIZE);
            }
            let fence = if fence.is_null() {
                None
            } else {
                let fence = fence::find(fence)?;
                if !Arc::ptr_eq(&fence.queue, queue) {
                    return Err(sys::ZE_RESULT_ERROR_INVALID_SYNCHRONIZATION_OBJECT);
                }
                Some(fence)
            };
            queue.strand.check()?;
            let mut commands = Vec::new();
            for index in 0..count as usize {
                // SAFETY: the caller has as many handles as the count says.
                let slot = unsafe { lists.add(index) };
                // SAFETY: as above.
                let list = registry::find::<CommandList>(unsafe { read(slot) }?)?;
                queue.check(&list)?;
                list.prepare(&mut commands)?;
            }
            if let Some(fence) = fence {
                if commands.is_empty() {
                    commands.push(Command::default());
                }
                if let Some(last) = commands.last_mut() {
                    last.fence = Some(FenceUse::new(&fence)?);
                }
            }
            let waits = commands.iter().any(|command| !command.waits.is_empty());
            queue.strand.submit(commands, waits, queue.mode.synchronous)
        },
    )
}

/// `zeCommandQueueSynchronize`: waits for what was given to the queue before. A queue with a command
/// that failed returns its error from then on, executes no more, and has signalled what others
/// might wait for.
pub(crate) unsafe extern "C" fn synchronize(
    queue: ze_command_queue_handle_t,
    timeout: u64,
) -> ze_result_t {
    on(
        const { Call::named("zeCommandQueueSynchronize") },
        queue,
        |queue: &Arc<CommandQueue>| queue.strand.synchronize(timeout),
    )
}
