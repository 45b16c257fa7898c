//! The OpenCL runtime of the machine's processor, which compiles and runs kernels.
//!
//! It is loaded when it is needed first and never unloaded. Where it is:
//!
//! 1. what `LEVEL_ZERO_CPU_OPENCL` says: the path of a runtime (`libintelocl.so`) or of a loader
//!    (`libOpenCL.so.1`); nothing else is tried then
//! 2. where `scripts/install-opencl-cpu` puts it
//! 3. `libOpenCL.so.1` of the system
//!
//! Taken is the first device of the type CPU that accepts SPIR-V and reaches all memory of the
//! process.
#![allow(unsafe_code, reason = "calls a C library")]

use std::ffi::{CStr, CString, OsString, c_char, c_void};
use std::io::Write;
use std::path::PathBuf;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, RwLock};

use libloading::Library;

use crate::kernel::MAX_LOCAL_MEMORY;
use crate::process_end::{self, Inside, Stage};
use crate::registry::{self, lock};
use crate::signals::Dispositions;

mod launch;

pub(crate) use launch::{Kernel, Range, Value};

/// Where `scripts/install-opencl-cpu` puts the runtime, below the folder of a user's data or `/opt`.
const INSTALLED: &str = "level-zero-cpu/opencl/lib/libintelocl.so";
const SETTING: &str = "LEVEL_ZERO_CPU_OPENCL";

type Raw = *mut c_void;
type Code = i32;

const SUCCESS: Code = 0;
const OUT_OF_RESOURCES: Code = -5;
const OUT_OF_HOST_MEMORY: Code = -6;
const MEM_OBJECT_ALLOCATION_FAILURE: Code = -4;
/// Of a call that the library does not have.
const MISSING: Code = -59;
/// Of any call when the process ends, or was forked from the one that loaded the runtime.
const GONE: Code = -9999;

const DEVICE_TYPE_CPU: u64 = 1 << 1;
const DEVICE_MAX_COMPUTE_UNITS: u32 = 0x1002;
const DEVICE_MAX_PARAMETER_SIZE: u32 = 0x1017;
const DEVICE_SINGLE_FP_CONFIG: u32 = 0x101B;
const DEVICE_EXTENSIONS: u32 = 0x1030;
const DEVICE_DOUBLE_FP_CONFIG: u32 = 0x1032;
const DEVICE_HALF_FP_CONFIG: u32 = 0x1033;
const DEVICE_PRINTF_BUFFER_SIZE: u32 = 0x1049;
const DEVICE_LOCAL_MEM_SIZE: u32 = 0x1023;
const DEVICE_IL_VERSION: u32 = 0x105B;
const DEVICE_SVM_CAPABILITIES: u32 = 0x1053;
const SVM_FINE_GRAIN_SYSTEM: u64 = 1 << 3;
const PROGRAM_BINARY_SIZES: u32 = 0x1165;
const PROGRAM_BINARIES: u32 = 0x1166;
const PROGRAM_BUILD_LOG: u32 = 0x1183;
const KERNEL_WORK_GROUP_SIZE: u32 = 0x11B0;
const KERNEL_LOCAL_MEM_SIZE: u32 = 0x11B2;
const KERNEL_PREFERRED_MULTIPLE: u32 = 0x11B3;
const KERNEL_PRIVATE_MEM_SIZE: u32 = 0x11B4;
const KERNEL_MAX_SUB_GROUP_SIZE_FOR_NDRANGE: u32 = 0x2033;
const KERNEL_MAX_NUM_SUB_GROUPS: u32 = 0x11B9;
const QUEUE_PROPERTIES: u64 = 0x1093;
const QUEUE_OUT_OF_ORDER: u64 = 1;
const EVENT_COMMAND_EXECUTION_STATUS: u32 = 0x11D3;
const MAX_QUERY: usize = 1 << 20;

type GetVariable =
    unsafe extern "C" fn(Raw, Raw, *const c_char, *mut usize, *mut *mut c_void) -> Code;

macro_rules! functions {
    ($($name:ident($($type:ty),* $(,)?) -> $result:ty;)*) => {
        /// The calls, from the OpenCL 2.2 specification.
        #[allow(non_snake_case, reason = "named as in C")]
        struct Functions {
            $($name: unsafe extern "C" fn($($type),*) -> $result,)*
            clSetProgramSpecializationConstant:
                Option<unsafe extern "C" fn(Raw, u32, usize, *const c_void) -> Code>,
            clGetDeviceGlobalVariablePointerINTEL: Option<GetVariable>,
        }

        impl Functions {
            /// # Safety
            ///
            /// The library is OpenCL's, of version 2.1 or later, and stays loaded.
            unsafe fn load(library: &Library) -> Result<Self, String> {
                Ok(Self {
                    $($name: {
                        let name = concat!(stringify!($name), "\0");
                        // SAFETY: the specification gives the call this type.
                        let symbol = unsafe { library.get(name.as_bytes()) };
                        *symbol.map_err(|error| error.to_string())?
                    },)*
                    clSetProgramSpecializationConstant: {
                        // SAFETY: as above.
                        let symbol = unsafe { library.get(b"clSetProgramSpecializationConstant\0") };
                        symbol.ok().map(|symbol| *symbol)
                    },
                    clGetDeviceGlobalVariablePointerINTEL: {
                        // SAFETY: as above.
                        let symbol = unsafe { library.get(b"clGetDeviceGlobalVariablePointerINTEL\0") };
                        symbol.ok().map(|symbol| *symbol)
                    },
                })
            }
        }
    };
}

functions! {
    clGetPlatformIDs(u32, *mut Raw, *mut u32) -> Code;
    clGetDeviceIDs(Raw, u64, u32, *mut Raw, *mut u32) -> Code;
    clGetDeviceInfo(Raw, u32, usize, *mut c_void, *mut usize) -> Code;
    clCreateContext(*const isize, u32, *const Raw, *const c_void, *mut c_void, *mut Code) -> Raw;
    clCreateCommandQueueWithProperties(Raw, Raw, *const u64, *mut Code) -> Raw;
    clGetExtensionFunctionAddressForPlatform(Raw, *const c_char) -> Raw;
    clCreateProgramWithIL(Raw, *const c_void, usize, *mut Code) -> Raw;
    clCreateProgramWithBinary(Raw, u32, *const Raw, *const usize, *const *const u8, *mut Code, *mut Code) -> Raw;
    clBuildProgram(Raw, u32, *const Raw, *const c_char, *const c_void, *mut c_void) -> Code;
    clCompileProgram(Raw, u32, *const Raw, *const c_char, u32, *const Raw, *const *const c_char, *const c_void, *mut c_void) -> Code;
    clLinkProgram(Raw, u32, *const Raw, *const c_char, u32, *const Raw, *const c_void, *mut c_void, *mut Code) -> Raw;
    clGetProgramBuildInfo(Raw, Raw, u32, usize, *mut c_void, *mut usize) -> Code;
    clGetProgramInfo(Raw, u32, usize, *mut c_void, *mut usize) -> Code;
    clReleaseProgram(Raw) -> Code;
    clCreateKernel(Raw, *const c_char, *mut Code) -> Raw;
    clReleaseKernel(Raw) -> Code;
    clSetKernelArg(Raw, u32, usize, *const c_void) -> Code;
    clSetKernelArgSVMPointer(Raw, u32, *const c_void) -> Code;
    clGetKernelWorkGroupInfo(Raw, Raw, u32, usize, *mut c_void, *mut usize) -> Code;
    clGetKernelSubGroupInfo(Raw, Raw, u32, usize, *const c_void, usize, *mut c_void, *mut usize) -> Code;
    clEnqueueNDRangeKernel(Raw, Raw, u32, *const usize, *const usize, *const usize, u32, *const Raw, *mut Raw) -> Code;
    clWaitForEvents(u32, *const Raw) -> Code;
    clGetEventInfo(Raw, u32, usize, *mut c_void, *mut usize) -> Code;
    clReleaseEvent(Raw) -> Code;
}

/// What the device can.
pub(crate) struct Traits {
    /// The newest version, major and minor.
    pub(crate) spirv: (u8, u8),
    /// As OpenCL describes floating-point numbers; 0 where there are none.
    pub(crate) half: u64,
    pub(crate) single: u64,
    pub(crate) double: u64,
    pub(crate) int64_atomics: bool,
    pub(crate) dot_product: bool,
    /// Bytes of all arguments of a kernel.
    pub(crate) arguments: usize,
    pub(crate) printf: usize,
}

/// A device of the runtime with a context and a queue, for the rest of the process.
pub(crate) struct Runtime {
    functions: Functions,
    device: Raw,
    context: Raw,
    /// Out of order: order is made by those who wait.
    queue: Raw,
    pub(crate) compute_units: u32,
    pub(crate) traits: Traits,
    /// Shared by launches, and held alone by those whose groups wait for each other.
    turns: RwLock<()>,
}

// SAFETY: objects of OpenCL are used by any thread; all calls but those that set arguments of one
// kernel are thread-safe, by the specification.
unsafe impl Send for Runtime {}
// SAFETY: as above.
unsafe impl Sync for Runtime {}

/// What the runtime said to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure(Code);

impl Failure {
    pub(crate) fn is_gone(self) -> bool {
        self.0 == GONE
    }

    pub(crate) fn is_out_of_memory(self) -> bool {
        matches!(
            self.0,
            OUT_OF_RESOURCES | OUT_OF_HOST_MEMORY | MEM_OBJECT_ALLOCATION_FAILURE
        )
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_gone() {
            return f.write_str("the OpenCL runtime is not in this process, or the process ends");
        }
        write!(f, "the OpenCL runtime returned {}", self.0)
    }
}

fn check(code: Code) -> Result<(), Failure> {
    if code == SUCCESS {
        Ok(())
    } else {
        Err(Failure(code))
    }
}

fn enter() -> Result<Inside, Failure> {
    process_end::enter().ok_or(Failure(GONE))
}

fn created(object: Raw, code: Code) -> Result<Raw, Failure> {
    check(code)?;
    if object.is_null() {
        Err(Failure(OUT_OF_HOST_MEMORY))
    } else {
        Ok(object)
    }
}

/// The places to look at, the first that exists to be taken.
fn candidates() -> Vec<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(path) = set(SETTING) {
        return vec![path.into()];
    }
    let home = || set("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    let data = set("XDG_DATA_HOME").map(PathBuf::from).or_else(home);
    data.into_iter()
        .chain([PathBuf::from("/opt")])
        .map(|folder| folder.join(INSTALLED))
        .filter(|path| path.exists())
        .chain([OsString::from("libOpenCL.so.1").into()])
        .collect()
}

impl Runtime {
    /// The runtime of the process, loaded at the first call.
    pub(crate) fn find() -> Result<&'static Self, &'static str> {
        static RUNTIME: Mutex<Option<&'static Result<Runtime, String>>> = Mutex::new(None);
        let mut runtime = lock(&RUNTIME);
        // For the rest of the process.
        let found = *runtime.get_or_insert_with(|| Box::leak(Box::new(Self::load())));
        found.as_ref().map_err(String::as_str)
    }

    /// As [`find`](Self::find). Where there is none, that is said on standard error, once.
    pub(crate) fn get() -> Option<&'static Self> {
        static TOLD: AtomicBool = AtomicBool::new(false);
        let reasons = match Self::find() {
            Ok(runtime) => return Some(runtime),
            Err(reasons) => reasons,
        };
        if !TOLD.swap(true, Ordering::Relaxed) {
            // Nothing is to be done where nobody listens.
            let _ = writeln!(
                std::io::stderr(),
                "level-zero-cpu: no kernels without the OpenCL runtime for processors, the package \
                 intel-opencl-rt of PyPI, which scripts/install-opencl-cpu installs ({reasons})"
            );
        }
        None
    }

    fn load() -> Result<Self, String> {
        // The runtime catches all signals of a crash, and prints instead of ending as the program
        // would without it.
        let dispositions = Dispositions::now();
        let mut reasons = Vec::new();
        let mut found = None;
        for path in candidates() {
            match Self::open(&path) {
                Ok(runtime) => {
                    found = Some(runtime);
                    break;
                }
                Err(reason) => reasons.push(format!("{}: {reason}", path.display())),
            }
        }
        dispositions.restore();
        process_end::reached(Stage::Load);
        found.ok_or_else(|| reasons.join("; "))
    }

    fn open(path: &std::path::Path) -> Result<Self, String> {
        // SAFETY: what is at these places is a runtime of OpenCL or its loader, or the user says so;
        // their initialisers have no preconditions.
        let library = unsafe { Library::new(path) }.map_err(|error| error.to_string())?;
        // SAFETY: as above; it stays loaded, as follows.
        let functions = unsafe { Functions::load(&library) };
        // Never unloaded, for it leaves threads behind.
        std::mem::forget(library);
        let functions = functions?;
        Self::choose(functions)
    }

    fn choose(mut functions: Functions) -> Result<Self, String> {
        let mut count = 0;
        // SAFETY: the count is where the call puts it.
        let code = unsafe { (functions.clGetPlatformIDs)(0, null_mut(), &raw mut count) };
        // A loader without any runtime answers with an error of its own.
        check(code).map_err(|failure| format!("no platforms: {failure}"))?;
        let mut platforms = vec![null_mut(); count as usize];
        // SAFETY: there is room for as many as are asked for.
        let code =
            unsafe { (functions.clGetPlatformIDs)(count, platforms.as_mut_ptr(), null_mut()) };
        check(code).map_err(|failure| failure.to_string())?;
        for platform in platforms {
            let mut device = null_mut();
            let kind = DEVICE_TYPE_CPU;
            // SAFETY: the platform is one; there is room for one device.
            let code = unsafe {
                (functions.clGetDeviceIDs)(platform, kind, 1, &raw mut device, null_mut())
            };
            if check(code).is_err() {
                continue;
            }
            if let Some(traits) = functions.suits(device) {
                functions.extend(platform);
                return Self::on(functions, device, traits).map_err(|failure| failure.to_string());
            }
        }
        Err("no processor that takes SPIR-V and reaches all memory of the process".into())
    }

    fn on(functions: Functions, device: Raw, traits: Traits) -> Result<Self, Failure> {
        let mut code = SUCCESS;
        // SAFETY: one device, no properties, nobody to be notified.
        let context = unsafe {
            (functions.clCreateContext)(
                null(),
                1,
                &raw const device,
                null(),
                null_mut(),
                &raw mut code,
            )
        };
        let context = created(context, code)?;
        let properties = [QUEUE_PROPERTIES, QUEUE_OUT_OF_ORDER, 0];
        // SAFETY: the list of properties ends with 0.
        let queue = unsafe {
            (functions.clCreateCommandQueueWithProperties)(
                context,
                device,
                properties.as_ptr(),
                &raw mut code,
            )
        };
        let queue = created(queue, code)?;
        Ok(Self {
            compute_units: functions.device_number(device, DEVICE_MAX_COMPUTE_UNITS)?,
            functions,
            device,
            context,
            queue,
            traits,
            turns: RwLock::new(()),
        })
    }

    /// A program from SPIR-V that was checked.
    pub(crate) fn program(&'static self, spirv: &[u32]) -> Result<Program, Failure> {
        let _inside = enter()?;
        let mut code = SUCCESS;
        // SAFETY: as many bytes as said; the call copies them.
        let raw = unsafe {
            (self.functions.clCreateProgramWithIL)(
                self.context,
                spirv.as_ptr().cast(),
                size_of_val(spirv),
                &raw mut code,
            )
        };
        Ok(Program {
            runtime: self,
            raw: created(raw, code)?,
        })
    }

    /// A program from what [`Program::binary`] gave.
    pub(crate) fn program_from_binary(&'static self, binary: &[u8]) -> Result<Program, Failure> {
        let _inside = enter()?;
        let (len, bytes) = (binary.len(), binary.as_ptr());
        let (mut status, mut code) = (SUCCESS, SUCCESS);
        // SAFETY: one device, one binary of the length said, which the call copies.
        let raw = unsafe {
            (self.functions.clCreateProgramWithBinary)(
                self.context,
                1,
                &raw const self.device,
                &raw const len,
                &raw const bytes,
                &raw mut status,
                &raw mut code,
            )
        };
        let program = Program {
            runtime: self,
            raw: created(raw, code)?,
        };
        check(status)?;
        Ok(program)
    }

    /// One program from several that were compiled.
    pub(crate) fn link(&'static self, programs: &[Program]) -> Result<Program, Failure> {
        let _inside = enter()?;
        let raw: Vec<Raw> = programs.iter().map(|program| program.raw).collect();
        let count = u32::try_from(raw.len()).map_err(|_| Failure(OUT_OF_HOST_MEMORY))?;
        let mut code = SUCCESS;
        // SAFETY: one device, as many programs as said, nobody to be notified.
        let linked = unsafe {
            (self.functions.clLinkProgram)(
                self.context,
                1,
                &raw const self.device,
                c"".as_ptr(),
                count,
                raw.as_ptr(),
                null(),
                null_mut(),
                &raw mut code,
            )
        };
        // The runtime may give a program also where it failed.
        let program = created(linked, SUCCESS).map(|raw| Program { runtime: self, raw });
        check(code)?;
        program
    }
}

impl Functions {
    /// Calls of extensions that the library does not export may still be there.
    fn extend(&mut self, platform: Raw) {
        if self.clGetDeviceGlobalVariablePointerINTEL.is_none() {
            let name = c"clGetDeviceGlobalVariablePointerINTEL";
            // SAFETY: a platform, and a name that ends with zero.
            let address =
                unsafe { (self.clGetExtensionFunctionAddressForPlatform)(platform, name.as_ptr()) };
            // SAFETY: the extension gives the call this type, and null is `None`.
            self.clGetDeviceGlobalVariablePointerINTEL =
                unsafe { std::mem::transmute::<Raw, Option<GetVariable>>(address) };
        }
    }

    fn device_number<T: Default>(&self, device: Raw, what: u32) -> Result<T, Failure> {
        let mut value = T::default();
        // SAFETY: room for a `T`, which is what the specification says the value is.
        check(unsafe {
            (self.clGetDeviceInfo)(
                device,
                what,
                size_of::<T>(),
                (&raw mut value).cast(),
                null_mut(),
            )
        })?;
        Ok(value)
    }

    fn device_text(&self, device: Raw, what: u32) -> Result<String, Failure> {
        let text = bytes(|len, room, needed| {
            // SAFETY: room for as many bytes as said, or none.
            unsafe { (self.clGetDeviceInfo)(device, what, len, room, needed) }
        });
        text.map(|text| String::from_utf8_lossy(&text).into_owned())
    }

    /// What the device can, if that is what this driver needs.
    fn suits(&self, device: Raw) -> Option<Traits> {
        let svm: u64 = self.device_number(device, DEVICE_SVM_CAPABILITIES).ok()?;
        let local: u64 = self.device_number(device, DEVICE_LOCAL_MEM_SIZE).ok()?;
        if svm & SVM_FINE_GRAIN_SYSTEM == 0 || local < u64::from(MAX_LOCAL_MEMORY) {
            return None;
        }
        let extensions = self.device_text(device, DEVICE_EXTENSIONS).ok()?;
        let has = |name| {
            let trimmed = extensions.trim_end_matches('\0');
            trimmed.split(' ').any(|extension| extension == name)
        };
        // What the device does not know, it cannot.
        let config = |what| self.device_number(device, what).unwrap_or(0);
        Some(Traits {
            spirv: newest_spirv(&self.device_text(device, DEVICE_IL_VERSION).ok()?)?,
            half: config(DEVICE_HALF_FP_CONFIG),
            single: config(DEVICE_SINGLE_FP_CONFIG),
            double: config(DEVICE_DOUBLE_FP_CONFIG),
            int64_atomics: has("cl_khr_int64_base_atomics"),
            dot_product: has("cl_khr_integer_dot_product"),
            arguments: self.device_number(device, DEVICE_MAX_PARAMETER_SIZE).ok()?,
            printf: self.device_number(device, DEVICE_PRINTF_BUFFER_SIZE).ok()?,
        })
    }
}

/// The newest of the versions in a list as `SPIR-V_1.0 SPIR-V_1.2`.
fn newest_spirv(list: &str) -> Option<(u8, u8)> {
    let version = |word: &str| {
        let (major, minor) = word.strip_prefix("SPIR-V_")?.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    list.trim_end_matches('\0')
        .split(' ')
        .filter_map(version)
        .max()
}

/// What a query of unknown length gives.
fn bytes(
    mut query: impl FnMut(usize, *mut c_void, *mut usize) -> Code,
) -> Result<Vec<u8>, Failure> {
    let mut needed = 0;
    check(query(0, null_mut(), &raw mut needed))?;
    let mut bytes = vec![0; needed.min(MAX_QUERY)];
    check(query(bytes.len(), bytes.as_mut_ptr().cast(), null_mut()))?;
    Ok(bytes)
}

/// A program of the runtime, released in the end.
pub(crate) struct Program {
    runtime: &'static Runtime,
    raw: Raw,
}

// SAFETY: as for `Runtime`.
unsafe impl Send for Program {}
// SAFETY: as for `Runtime`.
unsafe impl Sync for Program {}

impl Program {
    /// Sets a constant before the program is built.
    pub(crate) fn specialise(&self, id: u32, value: &[u8]) -> Result<(), Failure> {
        let _inside = enter()?;
        let call = self.runtime.functions.clSetProgramSpecializationConstant;
        let call = call.ok_or(Failure(MISSING))?;
        // SAFETY: a program, and as many bytes as said, which the call copies.
        check(unsafe { call(self.raw, id, value.len(), value.as_ptr().cast()) })
    }

    /// Compiles and links.
    pub(crate) fn build(&self, options: &CStr) -> Result<(), Failure> {
        let _inside = enter()?;
        let device = &raw const self.runtime.device;
        // SAFETY: one device, options that end with zero, nobody to be notified.
        let built = check(unsafe {
            (self.runtime.functions.clBuildProgram)(
                self.raw,
                1,
                device,
                options.as_ptr(),
                null(),
                null_mut(),
            )
        });
        process_end::reached(Stage::Build);
        built
    }

    /// Compiles, to be linked.
    pub(crate) fn compile(&self, options: &CStr) -> Result<(), Failure> {
        let _inside = enter()?;
        let device = &raw const self.runtime.device;
        // SAFETY: one device, options that end with zero, no headers, nobody to be notified.
        check(unsafe {
            (self.runtime.functions.clCompileProgram)(
                self.raw,
                1,
                device,
                options.as_ptr(),
                0,
                null(),
                null(),
                null(),
                null_mut(),
            )
        })
    }

    /// What the compiler said.
    pub(crate) fn log(&self) -> String {
        let Ok(_inside) = enter() else {
            return String::new();
        };
        let log = bytes(|len, room, needed| {
            let (runtime, what) = (self.runtime, PROGRAM_BUILD_LOG);
            let call = runtime.functions.clGetProgramBuildInfo;
            // SAFETY: room for as many bytes as said, or none.
            unsafe { call(self.raw, runtime.device, what, len, room, needed) }
        });
        let log = log.unwrap_or_default();
        let text = log.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }

    /// The machine's code of a program that was built.
    pub(crate) fn binary(&self) -> Result<Vec<u8>, Failure> {
        let _inside = enter()?;
        let call = self.runtime.functions.clGetProgramInfo;
        let mut len = 0_usize;
        // SAFETY: room for one length, for there is one device.
        check(unsafe {
            call(
                self.raw,
                PROGRAM_BINARY_SIZES,
                size_of::<usize>(),
                (&raw mut len).cast(),
                null_mut(),
            )
        })?;
        let mut binary = vec![0_u8; len];
        let mut room = binary.as_mut_ptr();
        // SAFETY: room for one pointer, to room for as many bytes as the call said.
        check(unsafe {
            call(
                self.raw,
                PROGRAM_BINARIES,
                size_of::<*mut u8>(),
                (&raw mut room).cast(),
                null_mut(),
            )
        })?;
        Ok(binary)
    }

    /// Where a variable of the program lies, and its size.
    pub(crate) fn variable(&self, name: &CStr) -> Option<(usize, usize)> {
        let _inside = enter().ok()?;
        let call = self
            .runtime
            .functions
            .clGetDeviceGlobalVariablePointerINTEL?;
        let (mut size, mut address) = (0, null_mut());
        let device = self.runtime.device;
        // SAFETY: a device, a program, a name that ends with zero, room for both results.
        let code = unsafe {
            call(
                device,
                self.raw,
                name.as_ptr(),
                &raw mut size,
                &raw mut address,
            )
        };
        (code == SUCCESS && !address.is_null()).then(|| (address.expose_provenance(), size))
    }

    /// A kernel of a program that was built.
    pub(crate) fn kernel(&self, name: &str) -> Result<Kernel, Failure> {
        let _inside = enter()?;
        let name = CString::new(name).map_err(|_| Failure(MISSING))?;
        let mut code = SUCCESS;
        // SAFETY: a program, and a name that ends with zero.
        let raw = unsafe {
            (self.runtime.functions.clCreateKernel)(self.raw, name.as_ptr(), &raw mut code)
        };
        Ok(Kernel {
            runtime: self.runtime,
            raw: created(raw, code)?,
            arguments: Mutex::new(()),
        })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Ok(_inside) = enter() {
            // SAFETY: a program, used no more.
            unsafe { (self.runtime.functions.clReleaseProgram)(self.raw) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let list = "SPIR-V_1.0 SPIR-V_1.12 SPIR-V_1.2\0";
        assert_eq!(newest_spirv(list), Some((1, 12)));
        assert_eq!(newest_spirv("\0"), None);
        assert_eq!(newest_spirv("SPIR_1.2 other"), None);
    }
}
