//! Command lists: immediate ones, which are queues of their own, and regular ones, which record
//! what a queue executes later.
#![allow(unsafe_code, reason = "calls of the C interface")]

use level_zero_sys::{
    self as sys, ze_command_list_desc_t, ze_command_list_handle_t, ze_command_queue_desc_t,
    ze_context_handle_t, ze_device_handle_t, ze_event_handle_t, ze_result_t,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::arguments::{Outcome, descriptor, flags, no_extensions, not_null, write};
use crate::command_queue::{GROUPS, Mode, group};
use crate::context::Context;
use crate::device::DeviceId;
use crate::engine::{Job, Work};
use crate::entry::{on_context, on_list};
use crate::event::{self, Event, EventUse};
use crate::faults::Call;
use crate::registry::{self, lock};
use crate::strand::{Command, Strand};

/// One list.
pub(crate) struct CommandList {
    pub(crate) context: Arc<Context>,
    pub(crate) handle: usize,
    pub(crate) device: DeviceId,
    /// Of the group of queues that it is for.
    pub(crate) ordinal: u32,
    body: Body,
}

enum Body {
    Immediate {
        strand: Arc<Strand>,
        synchronous: bool,
    },
    Regular {
        recording: Mutex<Recording>,
        executions: AtomicUsize,
    },
}

#[derive(Default)]
struct Recording {
    closed: bool,
    commands: Vec<Recorded>,
}

/// A command of a regular list.
struct Recorded {
    work: Box<dyn Work>,
    events: Events,
}

/// The events of a command.
pub(crate) struct Events {
    pub(crate) waits: Vec<Arc<Event>>,
    pub(crate) signal: Option<Arc<Event>>,
}

impl Events {
    /// The command for one execution.
    fn command(&self, job: Box<dyn Job>) -> Outcome<Command> {
        Ok(Command {
            job: Some(job),
            waits: self
                .waits
                .iter()
                .map(EventUse::new)
                .collect::<Result<_, _>>()?,
            signal: self.signal.as_ref().map(EventUse::new).transpose()?,
            ..Command::default()
        })
    }
}

impl CommandList {
    /// An event for a command of this list: `INVALID_SYNCHRONIZATION_OBJECT` if it is not alive, of
    /// another context, or not for the device.
    pub(crate) fn event(&self, handle: ze_event_handle_t) -> Outcome<Arc<Event>> {
        let event = event::find(handle)?;
        event.pool.check_used_by(&self.context, self.device)?;
        Ok(event)
    }

    /// Whether kernels may run on it.
    pub(crate) fn computes(&self) -> bool {
        let compute = sys::ZE_COMMAND_QUEUE_GROUP_PROPERTY_FLAG_COMPUTE;
        let group = GROUPS.get(self.ordinal as usize);
        group.is_some_and(|group| group.flags & compute != 0)
    }

    /// Records a command, or has it executed.
    pub(crate) fn add(&self, work: impl Work + 'static, events: Events) -> Outcome {
        match &self.body {
            Body::Immediate {
                strand,
                synchronous,
            } => {
                let mut job = work.prepare()?;
                if *synchronous && events.waits.is_empty() && events.signal.is_none() {
                    match strand.run_alone(job) {
                        Ok(outcome) => return outcome,
                        Err(back) => job = back,
                    }
                }
                let waits = !events.waits.is_empty();
                strand.submit([events.command(job)?], waits, *synchronous)
            }
            Body::Regular { recording, .. } => {
                let mut recording = lock(recording);
                if recording.closed {
                    return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
                }
                // What could not be executed now is refused now.
                drop(work.prepare()?);
                let work = Box::new(work);
                recording.commands.push(Recorded { work, events });
                Ok(())
            }
        }
    }

    /// The commands of one execution, added to those of others.
    pub(crate) fn prepare(self: &Arc<Self>, commands: &mut Vec<Command>) -> Outcome {
        let Body::Regular {
            recording,
            executions,
        } = &self.body
        else {
            return Err(sys::ZE_RESULT_ERROR_INVALID_COMMAND_LIST_TYPE);
        };
        let recording = lock(recording);
        if !recording.closed {
            return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
        }
        let own = |command: &&Command| {
            let list = command.list.as_ref();
            list.is_some_and(|list| Arc::ptr_eq(&list.0, self))
        };
        if executions.load(Ordering::Acquire) > commands.iter().filter(own).count() {
            return Err(sys::ZE_RESULT_ERROR_HANDLE_OBJECT_IN_USE);
        }
        let before = commands.len();
        for Recorded { work, events } in &recording.commands {
            commands.push(events.command(work.prepare()?)?);
        }
        if let Some(last) = commands[before..].last_mut() {
            last.list = Some(ListUse::new(self));
        }
        Ok(())
    }

    /// Waits for the last touches of what shows as done already.
    fn settle(&self) {
        if let Body::Immediate { strand, .. } = &self.body {
            strand.settle();
        }
    }

    fn check_idle(&self) -> Outcome {
        match &self.body {
            Body::Immediate { strand, .. } => strand.check_idle(),
            Body::Regular { executions, .. } if executions.load(Ordering::Acquire) > 0 => {
                Err(sys::ZE_RESULT_ERROR_HANDLE_OBJECT_IN_USE)
            }
            Body::Regular { .. } => Ok(()),
        }
    }

    /// Changes the state of a regular list.
    fn change(&self, change: impl FnOnce(&mut Recording) -> Outcome) -> Outcome {
        match &self.body {
            Body::Regular { recording, .. } => change(&mut lock(recording)),
            Body::Immediate { .. } => Err(sys::ZE_RESULT_ERROR_INVALID_COMMAND_LIST_TYPE),
        }
    }
}

/// An execution's claim on a list, which cannot be reset or destroyed meanwhile.
pub(crate) struct ListUse(Arc<CommandList>);

impl ListUse {
    fn new(list: &Arc<CommandList>) -> Self {
        if let Body::Regular { executions, .. } = &list.body {
            executions.fetch_add(1, Ordering::Relaxed);
        }
        Self(Arc::clone(list))
    }
}

impl Drop for ListUse {
    fn drop(&mut self) {
        if let Body::Regular { executions, .. } = &self.0.body {
            executions.fetch_sub(1, Ordering::Release);
        }
    }
}

/// `zeCommandListCreate`: an ordinal that the device does not have is `INVALID_ARGUMENT`. Flags
/// change nothing: commands always run in order.
pub(crate) unsafe extern "C" fn create(
    context: ze_context_handle_t,
    device: ze_device_handle_t,
    desc: *const ze_command_list_desc_t,
    list: *mut ze_command_list_handle_t,
) -> ze_result_t {
    on_context(
        const { Call::named("zeCommandListCreate") },
        context,
        |context| {
            let device = context.device(device)?;
            // SAFETY: the caller keeps the contract of the C call.
            let desc = unsafe { descriptor(desc, sys::ZE_STRUCTURE_TYPE_COMMAND_LIST_DESC) }?;
            not_null(list)?;
            flags(
                desc.flags,
                sys::ZE_COMMAND_LIST_FLAG_RELAXED_ORDERING
                    | sys::ZE_COMMAND_LIST_FLAG_MAXIMIZE_THROUGHPUT
                    | sys::ZE_COMMAND_LIST_FLAG_EXPLICIT_ONLY,
            )?;
            no_extensions(desc.pNext)?;
            group(desc.commandQueueGroupOrdinal)?;
            let handle = registry::add(|handle| CommandList {
                context: Arc::clone(context),
                handle,
                device,
                ordinal: desc.commandQueueGroupOrdinal,
                body: Body::Regular {
                    recording: Mutex::default(),
                    executions: AtomicUsize::new(0),
                },
            });
            // SAFETY: as above.
            unsafe { write(list, handle) }
        },
    )
}

/// `zeCommandListCreateImmediate`: descriptors as for `zeCommandQueueCreate`.
pub(crate) unsafe extern "C" fn create_immediate(
    context: ze_context_handle_t,
    device: ze_device_handle_t,
    desc: *const ze_command_queue_desc_t,
    list: *mut ze_command_list_handle_t,
) -> ze_result_t {
    on_context(
        const { Call::named("zeCommandListCreateImmediate") },
        context,
        |context| {
            let device = context.device(device)?;
            not_null(desc)?;
            not_null(list)?;
            // SAFETY: the caller keeps the contract of the C call.
            let mode = unsafe { Mode::read(desc) }?;
            let handle = registry::add(|handle| CommandList {
                context: Arc::clone(context),
                handle,
                device,
                ordinal: mode.ordinal,
                body: Body::Immediate {
                    strand: Strand::new(&context.inner.pending),
                    synchronous: mode.synchronous,
                },
            });
            // SAFETY: as above.
            unsafe { write(list, handle) }
        },
    )
}

/// `zeCommandListDestroy`: `HANDLE_OBJECT_IN_USE` while a command of it is not done.
pub(crate) unsafe extern "C" fn destroy(list: ze_command_list_handle_t) -> ze_result_t {
    on_list(
        const { Call::named("zeCommandListDestroy") },
        list,
        |list| {
            list.settle();
            registry::remove(list.handle, CommandList::check_idle).map(drop)
        },
    )
}

/// `zeCommandListClose`: an immediate list is `INVALID_COMMAND_LIST_TYPE`, one that is closed
/// `INVALID_ARGUMENT`.
pub(crate) unsafe extern "C" fn close(list: ze_command_list_handle_t) -> ze_result_t {
    on_list(const { Call::named("zeCommandListClose") }, list, |list| {
        list.change(|recording| {
            if recording.closed {
                return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
            }
            recording.closed = true;
            Ok(())
        })
    })
}

/// `zeCommandListReset`: an immediate list is `INVALID_COMMAND_LIST_TYPE`, one that a queue executes
/// `HANDLE_OBJECT_IN_USE`.
pub(crate) unsafe extern "C" fn reset(list: ze_command_list_handle_t) -> ze_result_t {
    on_list(const { Call::named("zeCommandListReset") }, list, |list| {
        list.change(|recording| {
            // Executions begin under the lock that is held here.
            list.check_idle()?;
            *recording = Recording::default();
            Ok(())
        })
    })
}

/// `zeCommandListHostSynchronize`: as `zeCommandQueueSynchronize`; a regular list is
/// `INVALID_ARGUMENT`.
pub(crate) unsafe extern "C" fn host_synchronize(
    list: ze_command_list_handle_t,
    timeout: u64,
) -> ze_result_t {
    on_list(
        const { Call::named("zeCommandListHostSynchronize") },
        list,
        |list| match &list.body {
            Body::Immediate { strand, .. } => strand.synchronize(timeout),
            Body::Regular { .. } => Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT),
        },
    )
}
