//! Launches of kernels: what they use is checked and kept when they are appended, and opened to
//! kernels when they run.
#![allow(unsafe_code, reason = "calls of the C interface; runs kernels")]

use level_zero_sys::{
    self as sys, ze_command_list_handle_t, ze_event_handle_t, ze_group_count_t, ze_kernel_handle_t,
    ze_result_t,
};
use std::ffi::c_void;
use std::sync::Arc;

use crate::arguments::{Outcome, not_null, read};
use crate::command_list::CommandList;
use crate::context::Context;
use crate::engine::{self, Job, Work};
use crate::entry::on_list;
use crate::faults::Call;
use crate::kernel::{InFlight, Kernel, MAX_LOCAL_MEMORY, Settings};
use crate::ledger::Kind;
use crate::module::is_variable;
use crate::opencl::{Range, Value};
use crate::pin::Pin;
use crate::registry;
use crate::system::Access;

/// Bytes of three numbers of groups.
const GROUPS: usize = size_of::<ze_group_count_t>();

/// A kernel with all that it is launched with, but the number of groups.
#[derive(Clone)]
struct Launch {
    kernel: Arc<Kernel>,
    context: Arc<Context>,
    settings: Settings,
    values: Arc<[Value]>,
    cooperative: bool,
}

/// The same for one execution, whose memory is kept alive.
struct Ready {
    launch: Launch,
    pins: Vec<Pin>,
    _in_flight: InFlight,
}

fn groups_of(count: ze_group_count_t) -> [u32; 3] {
    [count.groupCountX, count.groupCountY, count.groupCountZ]
}

/// The items of a launch along each axis: `INVALID_ARGUMENT` for more in all than can be counted.
fn items(groups: [u32; 3], group: [u32; 3]) -> Outcome<[usize; 3]> {
    let mut items = [0; 3];
    let mut all = 1_u64;
    for (axis, (groups, size)) in items.iter_mut().zip(groups.into_iter().zip(group)) {
        // Two numbers of 32 bits do not overflow one of 64.
        let width = u64::from(groups) * u64::from(size);
        let invalid = sys::ZE_RESULT_ERROR_INVALID_ARGUMENT;
        all = all.checked_mul(width).ok_or(invalid)?;
        *axis = usize::try_from(width).map_err(|_| invalid)?;
    }
    Ok(items)
}

impl Launch {
    /// Checks what a launch needs.
    fn new(list: &CommandList, kernel: ze_kernel_handle_t, cooperative: bool) -> Outcome<Self> {
        let kernel = registry::find::<Kernel>(kernel)?;
        if !list.computes() {
            return Err(sys::ZE_RESULT_ERROR_INVALID_COMMAND_LIST_TYPE);
        }
        let module = &kernel.module;
        let device = module.device;
        let invalid = sys::ZE_RESULT_ERROR_INVALID_ARGUMENT;
        if !Arc::ptr_eq(&module.context, &list.context)
            || device.root != list.device.root
            || (device.sub.is_some() && device.sub != list.device.sub)
        {
            return Err(invalid);
        }
        let settings = kernel.settings();
        let values: Option<Arc<[Value]>> = settings.arguments.iter().cloned().collect();
        let values = values.ok_or(invalid)?;
        let local = |value: &Value| match value {
            Value::Local(size) => *size as u64,
            Value::Bytes(_) | Value::Pointer(_) => 0,
        };
        let local: u64 = values.iter().map(local).sum();
        if local + kernel.local_memory > u64::from(MAX_LOCAL_MEMORY) {
            return Err(sys::ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY);
        }
        let launch = Self {
            kernel,
            context: Arc::clone(&list.context),
            settings,
            values,
            cooperative,
        };
        launch.pins()?;
        Ok(launch)
    }

    /// Keeps alive what the arguments point to: nothing, an allocation of the context, or a
    /// variable of a module of it.
    fn pins(&self) -> Outcome<Vec<Pin>> {
        let mut pins = Vec::new();
        for value in self.values.iter() {
            match value {
                Value::Pointer(address) if *address != 0 => {
                    if is_variable(*address, self.context.handle) {
                        continue;
                    }
                    let pointer = std::ptr::without_provenance::<c_void>(*address);
                    let pin = self.context.pin(pointer, 1)?;
                    pin.widen();
                    pins.push(pin);
                }
                Value::Pointer(_) | Value::Bytes(_) | Value::Local(_) => {}
            }
        }
        Ok(pins)
    }

    fn ready(&self) -> Outcome<Ready> {
        // A kernel may be destroyed after it was recorded; its code goes with the module.
        self.kernel.module.check()?;
        Ok(Ready {
            launch: self.clone(),
            pins: self.pins()?,
            _in_flight: self.kernel.fly(),
        })
    }
}

impl Ready {
    /// Runs that many groups, and waits for their end.
    fn run(&self, groups: [u32; 3]) -> Outcome {
        if groups.contains(&0) {
            return Ok(());
        }
        let launch = &self.launch;
        let settings = &launch.settings;
        let wide = |size: u32| size as usize;
        let group = settings.group_size.map(wide);
        let global = items(groups, settings.group_size)?;
        let range = Range {
            offset: settings.offset.map(wide),
            global,
            group,
        };
        // Until the kernel has ended.
        let _opened = self
            .pins
            .iter()
            .map(Pin::open_for_kernels)
            .collect::<Outcome<Vec<_>>>()?;
        let all = settings.indirect & sys::ZE_KERNEL_INDIRECT_ACCESS_FLAG_DEVICE != 0;
        let inner = &launch.context.inner;
        let _all = all
            .then(|| inner.open_all_for_kernels(Kind::Device))
            .transpose()?;
        let kernel = &launch.kernel.compiled;
        // SAFETY:
        // - memory that arguments point to is pinned, and open as long as the kernel runs
        // - what the kernel does with it, and with what it finds in it, is as the caller of the
        //   C call says
        let ended = unsafe { kernel.run(&launch.values, &range, launch.cooperative) };
        ended.map_err(|failure| {
            if failure.is_out_of_memory() {
                sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY
            } else {
                sys::ZE_RESULT_ERROR_DEVICE_LOST
            }
        })
    }
}

/// A launch of a number of groups that is known when it is appended.
struct Direct {
    launch: Launch,
    groups: [u32; 3],
}

struct DirectJob(Ready, [u32; 3]);

impl Work for Direct {
    fn prepare(&self) -> Outcome<Box<dyn Job>> {
        Ok(Box::new(DirectJob(self.launch.ready()?, self.groups)))
    }
}

impl Job for DirectJob {
    fn run(self: Box<Self>) -> Outcome {
        self.0.run(self.1)
    }
}

/// Launches whose numbers are read from memory when they run.
struct Indirect {
    context: Arc<Context>,
    launches: Vec<Launch>,
    /// Where the number of launches is, which otherwise is all.
    count: Option<usize>,
    groups: usize,
}

struct IndirectJob {
    launches: Vec<Ready>,
    count: Option<Pin>,
    groups: Pin,
}

impl Indirect {
    /// Keeps alive what is read: allocations of the context.
    fn buffers(&self) -> Outcome<(Option<Pin>, Pin)> {
        let pin = |address: usize, size: usize| {
            let pointer = std::ptr::without_provenance::<c_void>(address);
            let pin = self.context.pin(pointer, size)?;
            if pin.access() == Access::None {
                return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
            }
            Ok(pin)
        };
        let count = self.count.map(|count| pin(count, size_of::<u32>()));
        let groups = pin(self.groups, self.launches.len() * GROUPS)?;
        Ok((count.transpose()?, groups))
    }
}

impl Work for Indirect {
    fn prepare(&self) -> Outcome<Box<dyn Job>> {
        let (count, groups) = self.buffers()?;
        let launches = self.launches.iter().map(Launch::ready);
        Ok(Box::new(IndirectJob {
            launches: launches.collect::<Outcome<_>>()?,
            count,
            groups,
        }))
    }
}

impl Job for IndirectJob {
    fn run(self: Box<Self>) -> Outcome {
        let count = match &self.count {
            // SAFETY: pinned, for as many bytes.
            Some(count) => unsafe { read(count.pointer().cast::<u32>()) }? as usize,
            None => self.launches.len(),
        };
        for (index, ready) in self.launches.iter().take(count).enumerate() {
            let slot = self.groups.pointer().wrapping_add(index * GROUPS);
            // SAFETY: pinned, for as many as there are launches.
            let groups = unsafe { read(slot.cast::<ze_group_count_t>()) }?;
            ready.run(groups_of(groups))?;
        }
        Ok(())
    }
}

/// `zeCommandListAppendLaunchKernel`: `INVALID_ARGUMENT` for a kernel of another context or device,
/// for one with an argument that was not set, and for a pointer that is neither null nor in a live
/// allocation or module of the list's context; `OUT_OF_DEVICE_MEMORY` for more local memory than
/// the device has; `INVALID_COMMAND_LIST_TYPE` for a list that only copies. No groups is nothing to
/// do, more items than 64 bits can count are `INVALID_ARGUMENT`.
pub(crate) unsafe extern "C" fn append_launch_kernel(
    list: ze_command_list_handle_t,
    kernel: ze_kernel_handle_t,
    groups: *const ze_group_count_t,
    signal: ze_event_handle_t,
    wait_count: u32,
    wait: *mut ze_event_handle_t,
) -> ze_result_t {
    on_list(
        const { Call::named("zeCommandListAppendLaunchKernel") },
        list,
        |list| {
            let launch = Launch::new(list, kernel, false)?;
            // SAFETY: the caller keeps the contract of the C call.
            let groups = groups_of(unsafe { read(groups) }?);
            if !groups.contains(&0) {
                items(groups, launch.settings.group_size)?;
            }
            let work = Box::new(Direct { launch, groups });
            // SAFETY: as above.
            unsafe { engine::append(list, work, signal, wait_count, wait) }
        },
    )
}

/// `zeCommandListAppendLaunchCooperativeKernel`: more groups than
/// `zeKernelSuggestMaxCooperativeGroupCount` says are `INVALID_ARGUMENT`.
pub(crate) unsafe extern "C" fn append_launch_cooperative_kernel(
    list: ze_command_list_handle_t,
    kernel: ze_kernel_handle_t,
    groups: *const ze_group_count_t,
    signal: ze_event_handle_t,
    wait_count: u32,
    wait: *mut ze_event_handle_t,
) -> ze_result_t {
    on_list(
        const { Call::named("zeCommandListAppendLaunchCooperativeKernel") },
        list,
        |list| {
            let launch = Launch::new(list, kernel, true)?;
            // SAFETY: the caller keeps the contract of the C call.
            let groups = groups_of(unsafe { read(groups) }?);
            let count: u128 = groups.into_iter().map(u128::from).product();
            if count > u128::from(launch.kernel.max_groups_together()) {
                return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
            }
            let work = Box::new(Direct { launch, groups });
            // SAFETY: as above.
            unsafe { engine::append(list, work, signal, wait_count, wait) }
        },
    )
}

/// `zeCommandListAppendLaunchKernelIndirect`: the numbers of groups must be in an allocation of the
/// list's context, and are read when the kernel runs.
pub(crate) unsafe extern "C" fn append_launch_kernel_indirect(
    list: ze_command_list_handle_t,
    kernel: ze_kernel_handle_t,
    groups: *const ze_group_count_t,
    signal: ze_event_handle_t,
    wait_count: u32,
    wait: *mut ze_event_handle_t,
) -> ze_result_t {
    on_list(
        const { Call::named("zeCommandListAppendLaunchKernelIndirect") },
        list,
        |list| {
            let launch = Launch::new(list, kernel, false)?;
            not_null(groups)?;
            let work = Indirect {
                context: Arc::clone(&list.context),
                launches: vec![launch],
                count: None,
                groups: groups.addr(),
            };
            work.buffers()?;
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { engine::append(list, Box::new(work), signal, wait_count, wait) }
        },
    )
}

/// `zeCommandListAppendLaunchMultipleKernelsIndirect`: the kernels run one after the other; of a
/// count above the number of kernels, as many as there are. Several times the same kernel takes
/// the same arguments.
pub(crate) unsafe extern "C" fn append_launch_multiple_kernels_indirect(
    list: ze_command_list_handle_t,
    kernel_count: u32,
    kernels: *mut ze_kernel_handle_t,
    count: *const u32,
    groups: *const ze_group_count_t,
    signal: ze_event_handle_t,
    wait_count: u32,
    wait: *mut ze_event_handle_t,
) -> ze_result_t {
    on_list(
        const { Call::named("zeCommandListAppendLaunchMultipleKernelsIndirect") },
        list,
        |list| {
            not_null(kernels)?;
            not_null(count)?;
            not_null(groups)?;
            let mut launches = Vec::new();
            for index in 0..kernel_count as usize {
                // SAFETY: the caller has as many handles as the count says.
                let slot = unsafe { kernels.add(index) };
                // SAFETY: as above.
                launches.push(Launch::new(list, unsafe { read(slot) }?, false)?);
            }
            let work = Indirect {
                context: Arc::clone(&list.context),
                launches,
                count: Some(count.addr()),
                groups: groups.addr(),
            };
            work.buffers()?;
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { engine::append(list, Box::new(work), signal, wait_count, wait) }
        },
    )
}
