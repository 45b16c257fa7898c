//! The driver's kernel, and what it is given before a launch.

use super::args::sealed::ArgValue;
use super::grid::Grid;
use super::launch::Launch;
use super::module::ModuleInner;
use super::plan::Plan;
use super::properties::{self, KernelProperties};
use super::signature::sealed::{Kind, Shape};
use super::verify;
use crate::error::{Error, Result};
use crate::raw::call::check;
use crate::raw::exit::barred;
use crate::raw::handle::{Handle, KernelHandle};
use crate::raw::lock::lock;
use core::ffi::c_void;
use core::fmt;
use level_zero_sys as sys;
use std::ffi::CString;
use std::sync::{Arc, Mutex, MutexGuard};

/// What decides which launches are made.
pub(super) type Rule = Box<dyn Fn(&Launch<'_>) -> bool + Send + Sync>;

/// A kernel of the driver, destroyed when dropped.
// Invariants: `handle` is a live kernel of `module`, which nobody else destroys. Its parameters are
// those of the signature that it was made with, as far as can be verified, and the rest was vouched
// for where it was made. What is set in it is set by whoever holds the lock of `state`.
pub(crate) struct KernelInner {
    module: Arc<ModuleInner>,
    handle: KernelHandle,
    name: Box<str>,
    properties: KernelProperties,
    rule: Option<Rule>,
    /// Whether an argument or the kernel itself asks for local memory.
    takes_local: bool,
    state: Mutex<State>,
}

/// What is known of the driver's kernel.
#[derive(Default)]
struct State {
    /// The group size that is set.
    group: Option<[u32; 3]>,
    /// The grid that was last cut into groups, and how.
    planned: Option<(Grid, Plan)>,
}

/// A kernel with its group size and all arguments set, locked, to be appended.
pub(crate) struct Armed<'a> {
    kernel: &'a Arc<KernelInner>,
    groups: sys::ze_group_count_t,
    _state: MutexGuard<'a, State>,
}

impl KernelInner {
    pub(super) fn new(
        module: &Arc<ModuleInner>,
        name: &str,
        declared: &[Shape],
        rule: Option<Rule>,
    ) -> Result<Self> {
        let unknown = || Error::NoKernel {
            name: name.into(),
            available: module.names().into(),
        };
        if !module.names().iter().any(|known| known == name) {
            return Err(unknown());
        }
        let interface = module.interface.as_ref().and_then(|it| it.kernel(name));
        verify::with_interface(name, declared, interface)?;
        let c_name = CString::new(name).map_err(|_| unknown())?;
        let desc = sys::ze_kernel_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_KERNEL_DESC,
            pNext: core::ptr::null(),
            flags: 0,
            pKernelName: c_name.as_ptr(),
        };
        let context = module.context.inner();
        let mut raw = core::ptr::null_mut();
        context.driver().call("zeKernelCreate", |api| {
            // SAFETY: the module is live; the descriptor with the name in it, which ends with nul,
            // and the target outlive the call.
            unsafe { (api.zeKernelCreate)(module.handle.as_raw(), &raw const desc, &raw mut raw) }
        })?;
        let handle = Handle::new(raw).ok_or_else(|| Error::DriverFault {
            call: "zeKernelCreate",
            what: "gave a null kernel".into(),
        })?;
        let mut kernel = Self {
            module: Arc::clone(module),
            handle,
            name: name.into(),
            properties: KernelProperties::default(),
            rule,
            takes_local: false,
            state: Mutex::default(),
        };
        kernel.properties = properties::query(context, handle)?;
        kernel.takes_local = kernel.properties.local_memory > 0
            || declared
                .iter()
                .any(|shape| matches!(shape.kind, Kind::Local));
        if interface.is_none() {
            verify::with_count(name, declared, kernel.properties.arguments)?;
        }
        Ok(kernel)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn properties(&self) -> &KernelProperties {
        &self.properties
    }

    pub(super) fn handle(&self) -> KernelHandle {
        self.handle
    }

    pub(crate) fn module(&self) -> &ModuleInner {
        &self.module
    }

    /// Cuts a grid into groups; `None` for one without items.
    #[inline]
    fn plan<'a>(
        &self,
        planned: &'a mut Option<(Grid, Plan)>,
        grid: &Grid,
    ) -> Result<Option<&'a Plan>> {
        if planned.as_ref().is_none_or(|(last, _)| last != grid) {
            *planned = None;
            *planned = self.plan_anew(grid)?.map(|plan| (*grid, plan));
        }
        Ok(planned.as_ref().map(|(_, plan)| plan))
    }

    fn plan_anew(&self, grid: &Grid) -> Result<Option<Plan>> {
        if grid.items.contains(&0) {
            return Ok(None);
        }
        let limits = self.module.device.compute_limits();
        let required = self.properties.required_group_size;
        match Plan::new(grid, required, limits, |items| self.suggest(items))? {
            Ok(plan) => Ok(Some(plan)),
            Err(problem) => Err(Error::BadGrid {
                kernel: self.name.clone(),
                grid: Box::new(*grid),
                problem,
            }),
        }
    }

    /// The driver's suggestion; the kernel is locked.
    fn suggest(&self, items: [u32; 3]) -> Result<[u32; 3]> {
        let call = "zeKernelSuggestGroupSize";
        let [mut x, mut y, mut z] = [0; 3];
        self.module.context.inner().driver().call(call, |api| {
            // SAFETY: the kernel is live and locked; the targets outlive the call.
            unsafe {
                (api.zeKernelSuggestGroupSize)(
                    self.handle.as_raw(),
                    items[0],
                    items[1],
                    items[2],
                    &raw mut x,
                    &raw mut y,
                    &raw mut z,
                )
            }
        })?;
        Ok([x, y, z])
    }

    /// Checks that there is as much local memory as is asked for.
    fn check_local(&self, values: &[ArgValue<'_>]) -> Result<()> {
        let mut local = self.properties.local_memory as usize;
        for value in values {
            if let ArgValue::Local { len, element_size } = *value {
                let bytes = len.checked_mul(element_size);
                let sum = bytes.and_then(|bytes| local.checked_add(bytes));
                local = sum.ok_or(Error::SizeOverflow { len, element_size })?;
            }
        }
        let limit = self.module.device.compute_limits().max_shared_local_memory;
        if local > limit as usize {
            return Err(Error::TooMuchLocalMemory {
                kernel: self.name.clone(),
                requested: local,
                limit,
            });
        }
        Ok(())
    }

    /// Asks the rule.
    fn check_rule(&self, rule: &Rule, plan: &Plan, values: &[ArgValue<'_>]) -> Result<()> {
        let launch = Launch { plan, values };
        if rule(&launch) {
            return Ok(());
        }
        Err(Error::LaunchRefused {
            kernel: self.name.clone(),
            items: Box::new(launch.global_size()),
            group: Box::new(launch.group_size()),
            lens: (0..values.len()).map(|i| launch.len(i)).collect(),
        })
    }

    /// Checks what can be checked of a launch, locks the kernel and sets group size and arguments, to
    /// be appended to a list; `None` for a grid without items.
    ///
    /// Locks are taken in this order: the kernel, then the list.
    pub(crate) fn arm(
        self: &Arc<Self>,
        grid: &Grid,
        values: &[ArgValue<'_>],
    ) -> Result<Option<Armed<'_>>> {
        let mut state = lock(&self.state);
        let Some(&plan) = self.plan(&mut state.planned, grid)? else {
            return Ok(None);
        };
        if let Some(rule) = &self.rule {
            // Not with the kernel locked: what a rule does is the user's.
            drop(state);
            self.check_rule(rule, &plan, values)?;
            // What the rule has seen is launched: the driver, asked again after other launches, might
            // suggest other groups.
            state = lock(&self.state);
        }
        let group = &mut state.group;
        if self.takes_local {
            self.check_local(values)?;
        }
        let calls = self.module.context.inner().enter();
        let Some(calls) = &calls else {
            return Err(barred("zeKernelSetArgumentValue"));
        };
        if *group != Some(plan.group) {
            *group = None;
            self.set_group_size(calls, plan.group)?;
            *group = Some(plan.group);
        }
        for (index, value) in (0_u32..).zip(values) {
            self.set_argument(calls, index, value)?;
        }
        let [x, y, z] = plan.groups;
        Ok(Some(Armed {
            kernel: self,
            groups: sys::ze_group_count_t {
                groupCountX: x,
                groupCountY: y,
                groupCountZ: z,
            },
            _state: state,
        }))
    }

    fn set_group_size(&self, api: &sys::Api, [x, y, z]: [u32; 3]) -> Result<()> {
        // SAFETY: the kernel is live and locked.
        let result = unsafe { (api.zeKernelSetGroupSize)(self.handle.as_raw(), x, y, z) };
        check("zeKernelSetGroupSize", result)
    }

    #[inline]
    fn set_argument(&self, api: &sys::Api, index: u32, value: &ArgValue<'_>) -> Result<()> {
        let address;
        let (size, at): (usize, *const c_void) = match value {
            ArgValue::Pointer(pointed) if pointed.home.is_none() => {
                (size_of::<*mut c_void>(), core::ptr::null())
            }
            ArgValue::Pointer(pointed) => {
                address = pointed.address;
                (size_of::<*mut c_void>(), (&raw const address).cast())
            }
            // Drivers refuse 0 bytes; what is not asked for is not used.
            ArgValue::Local { len, element_size } => {
                (len.max(&1) * element_size, core::ptr::null())
            }
            ArgValue::Value(bytes) => (bytes.len(), bytes.as_ptr().cast()),
        };
        // SAFETY: the kernel is live and locked; the driver copies `size` bytes from `at`, which is
        // null or has as many, and refuses what is not the argument's size.
        let result =
            unsafe { (api.zeKernelSetArgumentValue)(self.handle.as_raw(), index, size, at) };
        check("zeKernelSetArgumentValue", result)
    }
}

impl Armed<'_> {
    /// The kernel, to be kept until the work is done.
    pub(crate) fn kernel(&self) -> &Arc<KernelInner> {
        self.kernel
    }

    /// Appends the launch: the driver takes over what is set.
    ///
    /// # Safety
    ///
    /// - `api` is that of the kernel's driver, and `list` a live list that computes, of the kernel's
    ///   context, on its device or a part of it, which nobody else uses during the call.
    /// - What the arguments point to is memory that this device may touch; until the work is done
    ///   it stays borrowed as it was given.
    /// - The launch was let through by [`KernelInner::arm`].
    /// - `signal` is null or an event of the context that lives until the work is done.
    pub(crate) unsafe fn append(
        &self,
        api: &sys::Api,
        list: sys::ze_command_list_handle_t,
        signal: sys::ze_event_handle_t,
    ) -> sys::ze_result_t {
        // SAFETY: the kernel is live and locked, with all arguments set for this launch; what it
        // does with them was vouched for where it was made. The list, the memory and the event are
        // the caller's to vouch for; the counts outlive the call.
        unsafe {
            (api.zeCommandListAppendLaunchKernel)(
                list,
                self.kernel.handle.as_raw(),
                &raw const self.groups,
                signal,
                0,
                core::ptr::null_mut(),
            )
        }
    }
}

impl Drop for KernelInner {
    fn drop(&mut self) {
        let driver = self.module.context.inner().driver();
        let destroyed = driver.call("zeKernelDestroy", |api| {
            // SAFETY: the kernel is live and ours, by the invariant; launches of it are done, or
            // hold an `Arc` of this value.
            unsafe { (api.zeKernelDestroy)(self.handle.as_raw()) }
        });
        if let Err(error) = destroyed
            && !matches!(error, Error::Exiting { .. })
        {
            tracing::error!(%error, kernel = &*self.name, "a kernel could not be destroyed");
        }
    }
}

impl fmt::Debug for KernelInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelInner")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
