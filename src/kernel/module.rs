//! Compiled modules.

use super::floor::KernelInner;
use super::handle::Kernel;
use super::launch::Launch;
use super::signature::Signature;
use crate::context::Context;
use crate::device::ZeDevice;
use crate::error::{Error, Result};
use crate::raw::handle::ModuleHandle;
use core::ffi::{CStr, c_char};
use core::fmt;
use level_zero_spirv as spirv;
use level_zero_sys as sys;
use std::sync::Arc;

/// A compiled module: kernels for one device.
///
/// Made by [`Context::module`]. Cheap to clone; the clones are the same module. It is destroyed when
/// it and its kernels are gone, in whatever order.
#[doc = include_str!("example.md")]
#[derive(Clone)]
#[doc(alias = "ze_module_handle_t")]
pub struct Module {
    inner: Arc<ModuleInner>,
}

/// A module of the driver, destroyed when dropped.
// Invariant: `handle` is a live module of `context` on `device`, which nobody else destroys.
pub(crate) struct ModuleInner {
    pub(crate) context: Context,
    pub(crate) device: ZeDevice,
    pub(super) handle: ModuleHandle,
    /// `None` of native code.
    pub(super) interface: Option<spirv::Module>,
    names: Vec<String>,
    pub(super) build_log: String,
}

impl ModuleInner {
    /// Takes over a module.
    ///
    /// # Safety
    ///
    /// The invariant of the type must hold for the arguments.
    pub(super) unsafe fn new(context: &Context, device: &ZeDevice, handle: ModuleHandle) -> Self {
        Self {
            context: context.clone(),
            device: device.clone(),
            handle,
            interface: None,
            names: Vec::new(),
            build_log: String::new(),
        }
    }

    pub(super) fn set_interface(&mut self, interface: spirv::Module) {
        let kernels = interface.kernels.iter();
        self.names = kernels.map(|kernel| kernel.name.clone()).collect();
        self.interface = Some(interface);
    }

    /// Asks the driver for the names of the kernels.
    pub(super) fn ask_names(&mut self) -> Result<()> {
        let call = "zeModuleGetKernelNames";
        let driver = self.context.inner().driver();
        let names = driver.list(call, &core::ptr::null(), |api, count, entries| {
            // SAFETY: the module is live; there is room for as many entries as the count says.
            unsafe { (api.zeModuleGetKernelNames)(self.handle.as_raw(), count, entries) }
        })?;
        let names = names
            .into_iter()
            .filter(|name: &*const c_char| !name.is_null());
        self.names = names
            .map(|name| {
                // SAFETY: the driver gave it as a name, which ends with nul and lives as long as
                // the module.
                let name = unsafe { CStr::from_ptr(name) };
                name.to_string_lossy().into_owned()
            })
            .collect();
        Ok(())
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }
}

impl Drop for ModuleInner {
    fn drop(&mut self) {
        let driver = self.context.inner().driver();
        let destroyed = driver.call("zeModuleDestroy", |api| {
            // SAFETY: the module is live and ours, by the invariant; its kernels are destroyed,
            // since each holds an `Arc` of this value.
            unsafe { (api.zeModuleDestroy)(self.handle.as_raw()) }
        });
        if let Err(error) = destroyed
            && !matches!(error, Error::Exiting { .. })
        {
            tracing::error!(%error, "a module could not be destroyed");
        }
    }
}

impl Module {
    pub(super) fn new(inner: ModuleInner) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The names of the kernels, in the order of the module.
    #[must_use]
    #[doc(alias = "zeModuleGetKernelNames")]
    pub fn kernel_names(&self) -> &[String] {
        self.inner.names()
    }

    /// The device that the module is compiled for.
    #[must_use]
    pub fn device(&self) -> &ZeDevice {
        &self.inner.device
    }

    /// The context that the module is of.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.inner.context
    }

    /// What the driver's compiler said while it made the module: warnings, or nothing.
    #[must_use]
    #[doc(alias = "zeModuleBuildLogGetString")]
    pub fn build_log(&self) -> &str {
        &self.inner.build_log
    }

    /// The compiled code, for [`ModuleBuilder::native`](crate::ModuleBuilder::native).
    ///
    /// # Errors
    ///
    /// [`Error::Call`]; [`Error::DriverFault`] for a size that is no size of a module.
    #[doc(alias = "zeModuleGetNativeBinary")]
    pub fn native_binary(&self) -> Result<Vec<u8>> {
        let call = "zeModuleGetNativeBinary";
        let driver = self.inner.context.inner().driver();
        let mut size = 0;
        driver.call(call, |api| {
            // SAFETY: the module is live; the size outlives the call, and no room is given.
            unsafe {
                (api.zeModuleGetNativeBinary)(self.as_raw(), &raw mut size, core::ptr::null_mut())
            }
        })?;
        let mut code = Vec::<u8>::new();
        if code.try_reserve_exact(size).is_err() {
            return Err(Error::DriverFault {
                call,
                what: format!("reported {size} bytes of code"),
            });
        }
        code.resize(size, 0);
        let mut filled = size;
        driver.call(call, |api| {
            // SAFETY: as above; there is room for as many bytes as the driver said.
            unsafe {
                (api.zeModuleGetNativeBinary)(self.as_raw(), &raw mut filled, code.as_mut_ptr())
            }
        })?;
        code.truncate(filled);
        Ok(code)
    }

    /// The module's handle, for calls that this library does not make. It is valid for as long as
    /// the module or one of its kernels lives.
    #[must_use]
    pub fn as_raw(&self) -> sys::ze_module_handle_t {
        self.inner.handle.as_raw()
    }

    /// A kernel of the module, with its signature, such as `(In<f32>, InOut<f32>, f32)`.
    ///
    /// The signature is compared with that of the module: how many arguments there are, which are
    /// pointers, local memory or values, and how large the values are. What pointers point to
    /// cannot be compared.
    ///
    /// Each call makes a kernel of the driver of its own. Launches of one kernel wait for each
    /// other while they are handed over, for the arguments are kept in the driver's kernel.
    ///
    /// # Errors
    ///
    /// [`Error::NoKernel`]; [`Error::SignatureMismatch`]; [`Error::Call`].
    ///
    /// # Safety
    ///
    /// The kernel has this signature, its pointers pointing to such elements; it does not write
    /// through [`In`](crate::In). In every launch, whatever the grid, the lengths of the buffers and
    /// the values, it
    ///
    /// - accesses only elements inside of its arguments,
    /// - has no data race that C would call undefined,
    /// - uses no memory but that of its arguments and its own.
    ///
    /// A kernel that believes its arguments, as one that is told its length by value, is made with
    /// [`kernel_where`](Self::kernel_where), with a rule for what is to be launched.
    #[doc(alias = "zeKernelCreate")]
    pub unsafe fn kernel<S: Signature>(&self, name: &str) -> Result<Kernel<S>> {
        KernelInner::new(&self.inner, name, S::SHAPES, None).map(Kernel::new)
    }

    /// A kernel of the module, with its signature and a rule: only launches for which the rule gives
    /// `true` are made, others are [`Error::LaunchRefused`].
    ///
    /// The rule is called for each launch, in the thread that launches.
    ///
    #[doc = include_str!("example_rule.md")]
    ///
    /// # Errors
    ///
    /// As of [`kernel`](Self::kernel).
    ///
    /// # Safety
    ///
    /// As of [`kernel`](Self::kernel), for every launch that the rule lets through.
    #[doc(alias = "zeKernelCreate")]
    pub unsafe fn kernel_where<S: Signature>(
        &self,
        name: &str,
        rule: impl Fn(&Launch<'_>) -> bool + Send + Sync + 'static,
    ) -> Result<Kernel<S>> {
        KernelInner::new(&self.inner, name, S::SHAPES, Some(Box::new(rule))).map(Kernel::new)
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module")
            .field("device", &self.device().name())
            .field("kernels", &self.kernel_names())
            .finish_non_exhaustive()
    }
}
