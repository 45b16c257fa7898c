//! Makes modules.

use super::build_log::BuildLog;
use super::module::{Module, ModuleInner};
use crate::buffer::Upload;
use crate::context::Context;
use crate::device::ZeDevice;
use crate::error::{Error, Result};
use crate::raw::exit;
use crate::raw::handle::Handle;
use core::ffi::c_void;
use level_zero_spirv as spirv;
use level_zero_sys as sys;
use std::ffi::CString;
use std::path::Path;

/// What a [`Module`] is made with, from [`Context::module`].
///
/// ```no_run
/// # fn main() -> Result<(), ze_area::Error> {
/// use ze_area::Context;
///
/// let context = Context::new()?;
/// let gpu = context.first_device()?;
/// let module = context
///     .module(gpu)
///     .options("-cl-fast-relaxed-math")
///     .constant(0, 64_u32)
///     .file("kernels.spv")?;
/// println!("{:?}", module.kernel_names());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder makes a module with `.spirv(bytes)` or `.file(path)`"]
#[doc(alias = "ze_module_desc_t")]
pub struct ModuleBuilder {
    context: Context,
    device: ZeDevice,
    options: String,
    constants: Vec<Constant>,
}

/// The value of a specialisation constant.
#[derive(Debug, Clone, Copy)]
struct Constant {
    id: u32,
    size: usize,
    /// The value's bytes come first. No constant has more than 8.
    value: [u64; 1],
}

impl ModuleBuilder {
    pub(crate) fn new(context: &Context, device: &ZeDevice) -> Self {
        Self {
            context: context.clone(),
            device: device.clone(),
            options: String::new(),
            constants: Vec::new(),
        }
    }

    /// Options for the driver's compiler, such as `-cl-fast-relaxed-math` or `-ze-opt-disable`, in
    /// addition to those that were given before.
    ///
    /// On Intel's driver kernels that use buffers above 4 GiB need
    /// `-ze-opt-greater-than-4GB-buffer-required`.
    pub fn options(mut self, options: &str) -> Self {
        if !self.options.is_empty() {
            self.options.push(' ');
        }
        self.options.push_str(options);
        self
    }

    /// Gives a specialisation constant of the module a value, in place of its default.
    ///
    /// The type has to have the size of the constant; a boolean is a `u8` of 0 or 1.
    #[doc(alias = "ze_module_constants_t")]
    pub fn constant<T: Upload>(mut self, id: u32, value: T) -> Self {
        let bytes = bytemuck::bytes_of(&value);
        let mut room = [0_u64];
        if let Some(room) = bytemuck::bytes_of_mut(&mut room).get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
        }
        self.constants.retain(|constant| constant.id != id);
        self.constants.push(Constant {
            id,
            size: bytes.len(),
            value: room,
        });
        self
    }

    /// Makes the module from SPIR-V for OpenCL kernels.
    ///
    /// The bytes may come from anywhere: they are checked here as far as the interface of the
    /// kernels goes, before any driver sees them, and by the driver's compiler. The code of the
    /// kernels is vouched for where one is given its signature, [`Module::kernel`].
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSpirv`]; [`Error::BadConstant`]; [`Error::BadOptions`];
    /// [`Error::DeviceNotInContext`]; [`Error::BuildFailed`] with the compiler's log;
    /// [`Error::Call`].
    #[doc(alias = "zeModuleCreate")]
    pub fn spirv(self, bytes: &[u8]) -> Result<Module> {
        self.of_spirv(bytes, None)
    }

    /// Makes the module from a file of SPIR-V.
    ///
    /// OpenCL C is compiled to SPIR-V with clang and llvm-spirv (Debian: `clang-14`, `llvm-spirv-14`):
    ///
    /// ```text
    /// clang-14 -cc1 -triple spir64 -O2 -disable-llvm-passes -finclude-default-header \
    ///     -cl-std=CL2.0 -emit-llvm-bc kernels.cl -o kernels.bc
    /// llvm-spirv-14 --spirv-max-version=1.2 kernels.bc -o kernels.spv
    /// ```
    ///
    /// A path that is not absolute counts from the directory that the program is run in; to have the
    /// module inside of the program give `include_bytes!` to [`spirv`](Self::spirv).
    ///
    /// # Errors
    ///
    /// [`Error::ModuleFile`], and those of [`spirv`](Self::spirv).
    pub fn file(self, path: impl AsRef<Path>) -> Result<Module> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|error| Error::ModuleFile {
            path: path.into(),
            error,
        })?;
        self.of_spirv(&bytes, Some(path))
    }

    /// Makes the module from what [`Module::native_binary`] gave.
    ///
    /// # Errors
    ///
    /// [`Error::BadConstant`] where constants were given, which native code has no more; otherwise
    /// those of [`spirv`](Self::spirv).
    ///
    /// # Safety
    ///
    /// The bytes are native code for this device and version of the driver, as `native_binary`
    /// gives it: drivers take code for what it says it is.
    pub unsafe fn native(self, bytes: &[u8]) -> Result<Module> {
        self.check_constants(&[])?;
        self.build(bytes, sys::ZE_MODULE_FORMAT_NATIVE, None)
    }

    fn of_spirv(self, bytes: &[u8], path: Option<&Path>) -> Result<Module> {
        let parsed = spirv::words(bytes).and_then(|words| {
            let module = spirv::Module::parse(&words)?;
            Ok((words, module))
        });
        let (words, interface) = parsed.map_err(|malformed| Error::InvalidSpirv {
            path: path.map(Into::into),
            word: malformed.word,
            problem: malformed.problem,
        })?;
        self.check_constants(&interface.constants)?;
        // In the byte order of the machine, which is what drivers take.
        let bytes: &[u8] = bytemuck::cast_slice(&words);
        self.build(bytes, sys::ZE_MODULE_FORMAT_IL_SPIRV, Some(interface))
    }

    fn check_constants(&self, known: &[spirv::SpecConstant]) -> Result<()> {
        let fits = |constant: &&Constant| {
            let mut known = known.iter();
            known.any(|it| it.id == constant.id && it.size == constant.size as u64)
                && constant.size <= size_of::<u64>()
        };
        match self.constants.iter().find(|constant| !fits(constant)) {
            None => Ok(()),
            Some(constant) => Err(Error::BadConstant {
                id: constant.id,
                size: constant.size,
                available: known.iter().map(|it| (it.id, it.size)).collect(),
            }),
        }
    }

    fn build(
        self,
        bytes: &[u8],
        format: sys::ze_module_format_t,
        interface: Option<spirv::Module>,
    ) -> Result<Module> {
        self.context.check_device(&self.device)?;
        let options = CString::new(self.options).map_err(|error| Error::BadOptions {
            position: error.nul_position(),
        })?;
        let ids: Vec<u32> = self.constants.iter().map(|it| it.id).collect();
        let mut values: Vec<*const c_void> = self
            .constants
            .iter()
            .map(|it| it.value.as_ptr().cast())
            .collect();
        let constants = sys::ze_module_constants_t {
            numConstants: u32::try_from(ids.len()).unwrap_or(u32::MAX),
            pConstantIds: ids.as_ptr(),
            pConstantValues: values.as_mut_ptr(),
        };
        let desc = sys::ze_module_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_MODULE_DESC,
            pNext: core::ptr::null(),
            format,
            inputSize: bytes.len(),
            pInputModule: bytes.as_ptr(),
            pBuildFlags: if options.is_empty() {
                core::ptr::null()
            } else {
                options.as_ptr()
            },
            pConstants: if ids.is_empty() {
                core::ptr::null()
            } else {
                &raw const constants
            },
        };
        let inner = self.context.inner();
        let mut module = core::ptr::null_mut();
        let mut log = core::ptr::null_mut();
        let place = if inner.driver().gives_build_logs() {
            &raw mut log
        } else {
            core::ptr::null_mut()
        };
        let made = inner.driver().call("zeModuleCreate", |api| {
            // SAFETY: context and device are live handles of one driver, the device is in the
            // context, as checked. The descriptor, with all it points to, and the targets outlive
            // the call: the bytes as many as it says, options that end with nul, as many ids and
            // values as it says, each value with the size of its constant. Native code is what the
            // driver takes, as the caller of `native` vouches.
            unsafe {
                (api.zeModuleCreate)(
                    inner.handle().as_raw(),
                    self.device.as_raw(),
                    &raw const desc,
                    &raw mut module,
                    place,
                )
            }
        });
        exit::watch();
        let log = Handle::new(log).map(|handle| BuildLog {
            context: inner,
            handle,
        });
        if let Err(error) = made {
            return Err(failed(error, log.as_ref(), place.is_null()));
        }
        let module = Handle::new(module).ok_or_else(|| Error::DriverFault {
            call: "zeModuleCreate",
            what: "gave a null module".into(),
        })?;
        // SAFETY: the driver has just made the module in this context, on this device, for nobody
        // else.
        let mut module = unsafe { ModuleInner::new(&self.context, &self.device, module) };
        if let Some(log) = &log {
            module.build_log = log.text();
        }
        drop(log);
        match interface {
            Some(interface) => module.set_interface(interface),
            None => module.ask_names()?,
        }
        Ok(Module::new(module))
    }
}

/// What stands in place of a log that cannot be asked for.
const LOST: &str = "the loader loses the log of a failed build where there are several drivers: for \
                    the log run with one of them, as ZE_ENABLE_ALT_DRIVERS names it, and without \
                    ZE_ENABLE_LOADER_INTERCEPT";

/// The error of a build: with the log, where the driver or the code says that it is about the
/// module.
fn failed(error: Error, log: Option<&BuildLog<'_>>, lost: bool) -> Error {
    let Error::Call { code, .. } = error else {
        return error;
    };
    let text = log.map(BuildLog::text).unwrap_or_default();
    let of_module = [
        sys::ZE_RESULT_ERROR_MODULE_BUILD_FAILURE,
        sys::ZE_RESULT_ERROR_MODULE_LINK_FAILURE,
        sys::ZE_RESULT_ERROR_INVALID_NATIVE_BINARY,
        sys::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE,
        sys::ZE_RESULT_ERROR_DEPENDENCY_UNAVAILABLE,
    ];
    if text.is_empty() && !of_module.iter().any(|of| of.0 == code.as_raw()) {
        return error;
    }
    let log = if lost { LOST.to_owned() } else { text };
    Error::BuildFailed { code, log }
}
