//! The calls on modules: compiled, linked, asked for what is in them.
#![allow(unsafe_code, reason = "calls of the C interface")]

use level_zero_spirv as spirv;
use level_zero_sys::{
    self as sys, ze_context_handle_t, ze_device_handle_t, ze_linkage_inspection_ext_desc_t,
    ze_module_build_log_handle_t, ze_module_constants_t, ze_module_desc_t, ze_module_handle_t,
    ze_module_properties_t, ze_result_t,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{CString, c_char, c_void};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use crate::arguments::{
    Outcome, counted, descriptor, flags, header, ignore_extensions, no_extensions, not_null, read,
    sized, string, write, write_optional,
};
use crate::build_log;
use crate::context::Context;
use crate::device::DeviceId;
use crate::entry::{on, on_context, on_instance, refused};
use crate::faults::Call;
use crate::fork;
use crate::native::{Native, checksum};
use crate::opencl::{Failure, Program, Runtime};
use crate::registry::{self, Children, lock};

mod linkage;

pub(crate) use linkage::{dynamic_link, inspect_linkage};

pub(crate) struct Module {
    pub(crate) context: Arc<Context>,
    handle: usize,
    pub(crate) device: DeviceId,
    pub(crate) source: Source,
    /// For callers, in the order of the kernels of the source.
    names: Vec<CString>,
    /// None as long as imports are not linked.
    program: Mutex<Option<Arc<Program>>>,
    pub(crate) uuid: [u8; 16],
    pub(crate) children: Children,
    /// Lists may have launches of its kernels even then.
    destroyed: AtomicBool,
}

/// What a module is compiled from.
pub(crate) struct Source {
    words: Vec<u32>,
    pub(crate) spirv: spirv::Module,
    /// For the compiler of the runtime.
    options: CString,
    /// Values of specialisation constants.
    constants: Vec<(u32, Box<[u8]>)>,
}

/// Variables of modules that programs were told the addresses of: first and past-the-end address,
/// by the handle of the module and of its context.
static VARIABLES: RwLock<BTreeMap<usize, Variable>> = RwLock::new(BTreeMap::new());

struct Variable {
    end: usize,
    module: usize,
    context: usize,
}

/// Whether an address lies in a variable of a live module of a context.
pub(crate) fn is_variable(address: usize, context: usize) -> bool {
    registry::read(&VARIABLES)
        .range(..=address)
        .next_back()
        .is_some_and(|(_, variable)| address < variable.end && variable.context == context)
}

impl Module {
    /// The program, or `INVALID_MODULE_UNLINKED`.
    pub(crate) fn program(&self) -> Outcome<Arc<Program>> {
        let program = lock(&self.program).clone();
        program.ok_or(sys::ZE_RESULT_ERROR_INVALID_MODULE_UNLINKED)
    }

    /// `INVALID_ARGUMENT` if it was destroyed.
    pub(crate) fn check(&self) -> Outcome {
        if self.destroyed.load(Ordering::Acquire) {
            return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
        }
        Ok(())
    }

    fn is_linked(&self) -> bool {
        lock(&self.program).is_some()
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        registry::write(&VARIABLES).retain(|_, variable| variable.module != self.handle);
    }
}

/// The code for a failure of the runtime, which is told in the log.
fn failed(failure: Failure, log: &mut String) -> ze_result_t {
    let _ = writeln!(log, "{failure}");
    if failure.is_gone() {
        sys::ZE_RESULT_ERROR_DEVICE_LOST
    } else if failure.is_out_of_memory() {
        sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY
    } else {
        sys::ZE_RESULT_ERROR_MODULE_BUILD_FAILURE
    }
}

/// Options of the runtime for the build flags of Level Zero. Flags for what processors do not have
/// are left out; what is no flag of Level Zero is for the runtime to judge.
fn options(build_flags: &[u8], log: &mut String) -> Outcome<CString> {
    let refuse = |log: &mut String, problem: &str| {
        let _ = writeln!(log, "{problem}");
        Err(sys::ZE_RESULT_ERROR_MODULE_BUILD_FAILURE)
    };
    let Ok(text) = std::str::from_utf8(build_flags) else {
        return refuse(log, "the build flags are not UTF-8");
    };
    let mut kept = Vec::new();
    let mut words = text.split_ascii_whitespace();
    while let Some(word) = words.next() {
        let level = match word.strip_prefix("-ze-opt-level") {
            Some("") => words.next(),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        };
        match (word, level) {
            ("-ze-opt-disable", _) | (_, Some("0" | "O0")) => kept.push("-cl-opt-disable"),
            // The runtime has one level of optimisation.
            (_, Some("1" | "2" | "3" | "O1" | "O2" | "O3")) => {}
            (word, _) if word.starts_with("-ze-opt-level") => {
                return refuse(log, "-ze-opt-level takes 0, 1 or 2");
            }
            (
                "-ze-opt-greater-than-4GB-buffer-required"
                | "-ze-opt-large-register-file"
                | "-ze-opt-has-buffer-offset-arg",
                _,
            ) => {}
            (word, _) if word.starts_with("-ze-") => {
                let _ = writeln!(log, "ignored: {word}");
            }
            (word, _) => kept.push(word),
        }
    }
    // A C string had no zero in it.
    CString::new(kept.join(" ")).map_err(|_| sys::ZE_RESULT_ERROR_MODULE_BUILD_FAILURE)
}

impl Source {
    /// Reads SPIR-V, and says in the log what is wrong with it.
    fn new(bytes: &[u8], options: CString, log: &mut String) -> Outcome<Self> {
        let parsed = spirv::words(bytes).and_then(|words| {
            let spirv = spirv::Module::parse(&words)?;
            Ok((words, spirv))
        });
        match parsed {
            Ok((words, spirv)) => Ok(Self {
                words,
                spirv,
                options,
                constants: Vec::new(),
            }),
            Err(malformed) => {
                let _ = writeln!(log, "{malformed}");
                Err(sys::ZE_RESULT_ERROR_MODULE_BUILD_FAILURE)
            }
        }
    }

    /// # Safety
    ///
    /// `constants` is null or what the C call takes.
    unsafe fn specialise(
        &mut self,
        constants: *const ze_module_constants_t,
        log: &mut String,
    ) -> Outcome {
        if constants.is_null() {
            return Ok(());
        }
        // SAFETY: as the caller says.
        let constants = unsafe { read(constants) }?;
        for index in 0..constants.numConstants as usize {
            not_null(constants.pConstantIds)?;
            not_null(constants.pConstantValues)?;
            // SAFETY: the caller has as many of both as the count says.
            let slot = unsafe { constants.pConstantIds.add(index) };
            // SAFETY: as above.
            let id = unsafe { read(slot) }?;
            // SAFETY: as above.
            let slot = unsafe { constants.pConstantValues.add(index) };
            // SAFETY: as above.
            let value = unsafe { read(slot) }?.cast::<u8>();
            let known = self.spirv.constants.iter().find(|known| known.id == id);
            let Some(known) = known else {
                let _ = writeln!(log, "there is no specialisation constant {id}");
                return Err(sys::ZE_RESULT_ERROR_MODULE_BUILD_FAILURE);
            };
            let size = usize::try_from(known.size)
                .map_err(|_| sys::ZE_RESULT_ERROR_MODULE_BUILD_FAILURE)?;
            let mut bytes = vec![0; size];
            for (offset, byte) in bytes.iter_mut().enumerate() {
                not_null(value)?;
                // SAFETY: a value has the size of its constant, as the specification says.
                let slot = unsafe { value.add(offset) };
                // SAFETY: as above.
                *byte = unsafe { read(slot) }?;
            }
            self.constants.push((id, bytes.into()));
        }
        Ok(())
    }

    fn program(&self, runtime: &'static Runtime, log: &mut String) -> Outcome<Program> {
        let program = runtime.program(&self.words);
        let program = program.map_err(|failure| failed(failure, log))?;
        for (id, value) in &self.constants {
            let set = program.specialise(*id, value);
            set.map_err(|failure| failed(failure, log))?;
        }
        Ok(program)
    }

    /// Compiles for the linker.
    fn compile(&self, runtime: &'static Runtime, log: &mut String) -> Outcome<Program> {
        let program = self.program(runtime, log)?;
        let compiled = program.compile(&self.options);
        log.push_str(&program.log());
        compiled.map_err(|failure| failed(failure, log))?;
        Ok(program)
    }

    /// Compiles and links; none where something is to be imported.
    fn build(&self, runtime: &'static Runtime, log: &mut String) -> Outcome<Option<Program>> {
        let newest = runtime.traits.spirv;
        if self.spirv.version > newest {
            let _ = writeln!(
                log,
                "SPIR-V {}.{} is newer than {}.{}, the newest that the runtime takes",
                self.spirv.version.0, self.spirv.version.1, newest.0, newest.1
            );
            return Err(sys::ZE_RESULT_ERROR_MODULE_BUILD_FAILURE);
        }
        if !self.spirv.imports.is_empty() {
            return self.compile(runtime, log).map(|_| None);
        }
        let program = self.program(runtime, log)?;
        let built = program.build(&self.options);
        log.push_str(&program.log());
        built.map_err(|failure| failed(failure, log))?;
        Ok(Some(program))
    }

    fn native(&self, program: Option<&Program>) -> Outcome<Native> {
        let code = program.map_or(Ok(Vec::new()), Program::binary);
        Ok(Native {
            spirv: self
                .words
                .iter()
                .flat_map(|word| word.to_ne_bytes())
                .collect(),
            options: self.options.as_bytes().to_vec(),
            constants: self.constants.clone(),
            code: code.map_err(|_| sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY)?,
        })
    }
}

/// What a descriptor says, read.
enum Input {
    Spirv {
        bytes: Vec<u8>,
        build_flags: Vec<u8>,
        constants: *const ze_module_constants_t,
    },
    Native(Vec<u8>),
}

impl Input {
    /// # Safety
    ///
    /// `desc` is null or what the C call takes.
    unsafe fn read(context: &Context, desc: *const ze_module_desc_t) -> Outcome<Self> {
        // SAFETY: as the caller says.
        let desc = unsafe { descriptor(desc, sys::ZE_STRUCTURE_TYPE_MODULE_DESC) }?;
        if desc.format.0 > sys::ZE_MODULE_FORMAT_NATIVE.0 {
            return Err(sys::ZE_RESULT_ERROR_INVALID_ENUMERATION);
        }
        if !desc.pNext.is_null() {
            let program = sys::ZE_STRUCTURE_TYPE_MODULE_PROGRAM_EXP_DESC;
            // SAFETY: as the caller says.
            unsafe { header(desc.pNext, &[program]) }?;
            return Err(sys::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE);
        }
        not_null(desc.pInputModule)?;
        if desc.inputSize == 0 {
            return Err(sys::ZE_RESULT_ERROR_INVALID_SIZE);
        }
        let end = context.end(desc.pInputModule.cast(), desc.inputSize)?;
        // SAFETY: the caller has as many bytes as the size says.
        let bytes = unsafe { end.to_vec(desc.inputSize) }?;
        if desc.format == sys::ZE_MODULE_FORMAT_NATIVE {
            if !desc.pConstants.is_null() {
                return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
            }
            return Ok(Self::Native(bytes));
        }
        let build_flags = if desc.pBuildFlags.is_null() {
            Vec::new()
        } else {
            // SAFETY: as the caller says.
            unsafe { string(desc.pBuildFlags) }?
        };
        Ok(Self::Spirv {
            bytes,
            build_flags,
            constants: desc.pConstants,
        })
    }

    /// # Safety
    ///
    /// The constants are null or what the C call takes.
    unsafe fn build(self, log: &mut String) -> Outcome<(Source, Option<Program>)> {
        let Some(runtime) = Runtime::get() else {
            log.push_str("there is no OpenCL runtime for processors on this machine\n");
            return Err(sys::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE);
        };
        match self {
            Self::Spirv {
                bytes,
                build_flags,
                constants,
            } => {
                let options = options(&build_flags, log)?;
                let mut source = Source::new(&bytes, options, log)?;
                // SAFETY: as the caller says.
                unsafe { source.specialise(constants, log) }?;
                let program = source.build(runtime, log)?;
                Ok((source, program))
            }
            Self::Native(bytes) => {
                let invalid = |_| sys::ZE_RESULT_ERROR_INVALID_NATIVE_BINARY;
                let native = Native::from_bytes(&bytes)?;
                let options = CString::new(native.options);
                let options = options.map_err(|_| sys::ZE_RESULT_ERROR_INVALID_NATIVE_BINARY)?;
                let mut source = Source::new(&native.spirv, options, log).map_err(invalid)?;
                source.constants = native.constants;
                if native.code.is_empty() {
                    return Ok((source, None));
                }
                let program = runtime.program_from_binary(&native.code);
                let program = program.map_err(|failure| invalid(failed(failure, log)))?;
                let built = program.build(&source.options);
                log.push_str(&program.log());
                built.map_err(|failure| invalid(failed(failure, log)))?;
                Ok((source, Some(program)))
            }
        }
    }
}

/// `zeModuleCreate`: `UNSUPPORTED_FEATURE` where the machine has no runtime for kernels. The build
/// log is made whatever comes out, once the arguments are in order.
pub(crate) unsafe extern "C" fn create(
    context: ze_context_handle_t,
    device: ze_device_handle_t,
    desc: *const ze_module_desc_t,
    module: *mut ze_module_handle_t,
    log_handle: *mut ze_module_build_log_handle_t,
) -> ze_result_t {
    on_context(
        const { Call::named("zeModuleCreate") },
        context,
        |context| {
            let device = context.device(device)?;
            not_null(module)?;
            // SAFETY: the caller keeps the contract of the C call.
            let input = unsafe { Input::read(context, desc) }?;
            let mut log = String::new();
            // SAFETY: as above.
            let built = unsafe { input.build(&mut log) };
            // SAFETY: as above.
            unsafe { build_log::make(&context.inner, &log, log_handle) }?;
            let (source, program) = built?;
            let names = source.spirv.kernels.iter();
            // Names have no zero: they ended with it in the module.
            let names = names.filter_map(|kernel| CString::new(kernel.name.as_str()).ok());
            let names = names.collect();
            let mut uuid = [0; 16];
            for (half, seed) in uuid.as_chunks_mut::<8>().0.iter_mut().zip([1_u8, 2]) {
                let bytes = source.words.iter().flat_map(|word| word.to_le_bytes());
                let bytes: Vec<u8> = std::iter::once(seed).chain(bytes).collect();
                *half = checksum(&bytes).to_le_bytes();
            }
            let context = Arc::clone(context);
            let handle = registry::add(|handle| Module {
                context,
                handle,
                device,
                source,
                names,
                program: Mutex::new(program.map(Arc::new)),
                uuid,
                children: Children::default(),
                destroyed: AtomicBool::new(false),
            });
            // SAFETY: as above.
            unsafe { write(module, handle) }
        },
    )
}

/// `zeModuleDestroy`: `HANDLE_OBJECT_IN_USE` while kernels of it are alive.
pub(crate) unsafe extern "C" fn destroy(module: ze_module_handle_t) -> ze_result_t {
    on::<Module>(const { Call::named("zeModuleDestroy") }, module, |module| {
        let removed = registry::remove::<Module>(module.handle, |_| Ok(()))?;
        removed.destroyed.store(true, Ordering::Release);
        Ok(())
    })
}

/// `zeModuleGetNativeBinary`: room for less than the whole is `INVALID_SIZE`.
pub(crate) unsafe extern "C" fn get_native_binary(
    module: ze_module_handle_t,
    size: *mut usize,
    binary: *mut u8,
) -> ze_result_t {
    on::<Module>(
        const { Call::named("zeModuleGetNativeBinary") },
        module,
        |module| {
            not_null(size)?;
            let program = lock(&module.program).clone();
            let native = module.source.native(program.as_deref())?;
            // SAFETY: the caller keeps the contract of the C call, which is that of `sized`.
            unsafe { sized(size, binary, &native.to_bytes()) }
        },
    )
}

/// `zeModuleGetGlobalPointer`: ordinary memory of the process, which the host, copies and kernels
/// of the context may use as long as the module lives. Before imports are linked,
/// `INVALID_MODULE_UNLINKED`.
pub(crate) unsafe extern "C" fn get_global_pointer(
    module: ze_module_handle_t,
    name: *const c_char,
    size: *mut usize,
    pointer: *mut *mut c_void,
) -> ze_result_t {
    on::<Module>(
        const { Call::named("zeModuleGetGlobalPointer") },
        module,
        |module| {
            // SAFETY: the caller keeps the contract of the C call.
            let name = unsafe { string(name) }?;
            let invalid = sys::ZE_RESULT_ERROR_INVALID_GLOBAL_NAME;
            let name = CString::new(name).map_err(|_| invalid)?;
            let program = module.program()?;
            let mut exports = module.source.spirv.exports.iter();
            if !exports.any(|it| !it.is_function && it.name.as_bytes() == name.as_bytes()) {
                return Err(invalid);
            }
            let (address, len) = program.variable(&name).ok_or(invalid)?;
            let variable = Variable {
                end: address.saturating_add(len),
                module: module.handle,
                context: module.context.handle,
            };
            registry::write(&VARIABLES).insert(address, variable);
            // SAFETY: as above.
            unsafe { write_optional(size, len) };
            let address = std::ptr::with_exposed_provenance_mut(address);
            // SAFETY: as above.
            unsafe { write_optional(pointer, address) };
            Ok(())
        },
    )
}

/// `zeModuleGetKernelNames`: the names live as long as the module.
pub(crate) unsafe extern "C" fn get_kernel_names(
    module: ze_module_handle_t,
    count: *mut u32,
    names: *mut *const c_char,
) -> ze_result_t {
    on::<Module>(
        const { Call::named("zeModuleGetKernelNames") },
        module,
        |module| {
            let put = |index: usize| {
                // SAFETY: the caller has room for as many as the count says.
                let slot = unsafe { names.add(index) };
                // SAFETY: as above.
                unsafe { write(slot, module.names[index].as_ptr()) }
            };
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { counted(count, module.names.len(), !names.is_null(), put) }
        },
    )
}

/// `zeModuleGetProperties`
pub(crate) unsafe extern "C" fn get_properties(
    module: ze_module_handle_t,
    properties: *mut ze_module_properties_t,
) -> ze_result_t {
    on::<Module>(
        const { Call::named("zeModuleGetProperties") },
        module,
        |module| {
            let stype = sys::ZE_STRUCTURE_TYPE_MODULE_PROPERTIES;
            // SAFETY: the caller keeps the contract of the C call.
            let header = unsafe { header(properties, &[stype]) }?;
            // SAFETY: as above.
            unsafe { ignore_extensions(header.pNext) }?;
            let filled = ze_module_properties_t {
                stype,
                pNext: header.pNext.cast_mut(),
                flags: if module.source.spirv.imports.is_empty() {
                    0
                } else {
                    sys::ZE_MODULE_PROPERTY_FLAG_IMPORTS
                },
            };
            // SAFETY: as above.
            unsafe { write(properties, filled) }
        },
    )
}

/// `zeModuleGetFunctionPointer`: `UNSUPPORTED_FEATURE` for a function that there is.
pub(crate) unsafe extern "C" fn get_function_pointer(
    module: ze_module_handle_t,
    name: *const c_char,
    function: *mut *mut c_void,
) -> ze_result_t {
    on::<Module>(
        const { Call::named("zeModuleGetFunctionPointer") },
        module,
        |module| {
            not_null(function)?;
            // SAFETY: the caller keeps the contract of the C call.
            let name = unsafe { string(name) }?;
            let spirv = &module.source.spirv;
            let exported = |symbol: &spirv::Symbol| {
                symbol.is_function && symbol.name.as_bytes() == name.as_slice()
            };
            let kernel = |kernel: &spirv::Kernel| kernel.name.as_bytes() == name.as_slice();
            Err(
                if spirv.exports.iter().any(exported) || spirv.kernels.iter().any(kernel) {
                    sys::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE
                } else {
                    sys::ZE_RESULT_ERROR_INVALID_FUNCTION_NAME
                },
            )
        },
    )
}
