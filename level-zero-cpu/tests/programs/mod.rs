//! Modules and kernels of the driver, and their calls without ceremony.
#![allow(dead_code, unused_imports, reason = "each test program uses a part")]

use level_zero_cpu::api;
use level_zero_sys::{self as sys, ze_result_t};
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use crate::setup::*;

pub(crate) use sys::{
    ZE_RESULT_ERROR_INVALID_GLOBAL_NAME as INVALID_GLOBAL_NAME,
    ZE_RESULT_ERROR_INVALID_GLOBAL_WIDTH_DIMENSION as INVALID_GLOBAL_WIDTH,
    ZE_RESULT_ERROR_INVALID_GROUP_SIZE_DIMENSION as INVALID_GROUP_SIZE,
    ZE_RESULT_ERROR_INVALID_KERNEL_ARGUMENT_INDEX as INVALID_ARGUMENT_INDEX,
    ZE_RESULT_ERROR_INVALID_KERNEL_ARGUMENT_SIZE as INVALID_ARGUMENT_SIZE,
    ZE_RESULT_ERROR_INVALID_KERNEL_NAME as INVALID_KERNEL_NAME,
    ZE_RESULT_ERROR_INVALID_MODULE_UNLINKED as UNLINKED,
    ZE_RESULT_ERROR_INVALID_NATIVE_BINARY as INVALID_NATIVE_BINARY,
    ZE_RESULT_ERROR_MODULE_BUILD_FAILURE as BUILD_FAILURE,
    ZE_RESULT_ERROR_MODULE_LINK_FAILURE as LINK_FAILURE,
};

pub(crate) const KERNELS: &[u8] = include_bytes!("../kernels/kernels.spv");
pub(crate) const GLOBALS: &[u8] = include_bytes!("../kernels/globals.spv");
pub(crate) const CONSTANTS: &[u8] = include_bytes!("../kernels/constants.spv");
pub(crate) const EXPORTER: &[u8] = include_bytes!("../kernels/exporter.spv");
pub(crate) const IMPORTER: &[u8] = include_bytes!("../kernels/importer.spv");
pub(crate) const UNRESOLVED: &[u8] = include_bytes!("../kernels/unresolved.spv");

/// A program for the tests that need one; where the machine has no runtime, the test ends here.
macro_rules! runtime_or_return {
    () => {
        if !crate::programs::runtime() {
            return;
        }
    };
}
pub(crate) use runtime_or_return;

/// Whether the machine has the runtime; a panic where it must.
pub(crate) fn runtime() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    let found = *FOUND.get_or_init(|| {
        let gpu = Gpu::new();
        let module = gpu.module(CONSTANTS);
        let found = module != Err(UNSUPPORTED_FEATURE);
        if let Ok(module) = module {
            assert_eq!(destroy_module(module), SUCCESS);
        }
        found
    });
    if !found {
        let required = std::env::var("ZE_AREA_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|word| word.trim() == "opencl"),
            "no OpenCL runtime for processors: run scripts/install-opencl-cpu"
        );
        println!("skipped: opencl: no runtime for processors; see scripts/install-opencl-cpu");
    }
    found
}

pub(crate) fn module_desc(bytes: &[u8]) -> sys::ze_module_desc_t {
    sys::ze_module_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_MODULE_DESC,
        pNext: null(),
        format: sys::ZE_MODULE_FORMAT_IL_SPIRV,
        inputSize: bytes.len(),
        pInputModule: bytes.as_ptr(),
        pBuildFlags: null(),
        pConstants: null(),
    }
}

pub(crate) fn kernel_desc(name: &CStr) -> sys::ze_kernel_desc_t {
    sys::ze_kernel_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_KERNEL_DESC,
        pNext: null(),
        flags: 0,
        pKernelName: name.as_ptr(),
    }
}

pub(crate) fn destroy_module(module: sys::ze_module_handle_t) -> ze_result_t {
    // SAFETY: used no more, or a test that using it is an error.
    unsafe { (api().zeModuleDestroy)(module) }
}

pub(crate) fn destroy_kernel(kernel: sys::ze_kernel_handle_t) -> ze_result_t {
    // SAFETY: as above.
    unsafe { (api().zeKernelDestroy)(kernel) }
}

/// The text of a log, which is destroyed.
pub(crate) fn text_of(log: sys::ze_module_build_log_handle_t) -> String {
    let mut size = 0;
    let get = api().zeModuleBuildLogGetString;
    // SAFETY: no room: the size alone.
    assert_eq!(unsafe { get(log, &raw mut size, null_mut()) }, SUCCESS);
    let mut text = vec![0xAA_u8; size];
    // SAFETY: room for as many bytes.
    let result = unsafe { get(log, &raw mut size, text.as_mut_ptr().cast::<c_char>()) };
    assert_eq!(result, SUCCESS);
    // SAFETY: used no more.
    assert_eq!(unsafe { (api().zeModuleBuildLogDestroy)(log) }, SUCCESS);
    CString::from_vec_with_nul(text)
        .unwrap()
        .into_string()
        .unwrap()
}

impl Gpu {
    pub(crate) fn module_with(
        &self,
        desc: *const sys::ze_module_desc_t,
    ) -> (Result<sys::ze_module_handle_t, ze_result_t>, String) {
        let (mut module, mut log) = (null_mut(), null_mut());
        // SAFETY: the descriptor is what tests say; the places outlive the call.
        let result = unsafe {
            (api().zeModuleCreate)(
                self.context,
                self.device(),
                desc,
                &raw mut module,
                &raw mut log,
            )
        };
        let text = if log.is_null() {
            String::new()
        } else {
            text_of(log)
        };
        let module = if result == SUCCESS {
            Ok(module)
        } else {
            Err(result)
        };
        (module, text)
    }

    pub(crate) fn module(&self, bytes: &[u8]) -> Result<sys::ze_module_handle_t, ze_result_t> {
        self.module_with(&module_desc(bytes)).0
    }

    /// Launches on the list of this driver and waits.
    pub(crate) fn launch(&self, kernel: &Kernel, groups: [u32; 3]) -> ze_result_t {
        let groups = group_count(groups);
        let (list, kernel) = (self.list, kernel.0);
        // SAFETY: tests set arguments that the kernels can use.
        unsafe {
            (api().zeCommandListAppendLaunchKernel)(
                list,
                kernel,
                &raw const groups,
                null_mut(),
                0,
                null_mut(),
            )
        }
    }
}

pub(crate) fn group_count([x, y, z]: [u32; 3]) -> sys::ze_group_count_t {
    sys::ze_group_count_t {
        groupCountX: x,
        groupCountY: y,
        groupCountZ: z,
    }
}

/// A kernel, by name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kernel(pub(crate) sys::ze_kernel_handle_t);

// SAFETY: handles may be used by any thread; a kernel by one at a time, which the tests keep to.
unsafe impl Send for Kernel {}
// SAFETY: as above.
unsafe impl Sync for Kernel {}

impl Kernel {
    pub(crate) fn new(module: sys::ze_module_handle_t, name: &CStr) -> Result<Self, ze_result_t> {
        let mut kernel = null_mut();
        let desc = kernel_desc(name);
        // SAFETY: the descriptor and the place for the handle outlive the call.
        let result = unsafe { (api().zeKernelCreate)(module, &raw const desc, &raw mut kernel) };
        if result == SUCCESS {
            Ok(Self(kernel))
        } else {
            Err(result)
        }
    }

    pub(crate) fn set_raw(&self, index: u32, size: usize, value: *const c_void) -> ze_result_t {
        // SAFETY: null, or as many bytes as the size says.
        unsafe { (api().zeKernelSetArgumentValue)(self.0, index, size, value) }
    }

    pub(crate) fn set<T: Copy>(&self, index: u32, value: T) {
        let result = self.set_raw(index, size_of::<T>(), (&raw const value).cast());
        assert_eq!(result, SUCCESS, "argument {index}");
    }

    pub(crate) fn set_local(&self, index: u32, size: usize) {
        assert_eq!(self.set_raw(index, size, null()), SUCCESS);
    }

    pub(crate) fn group_size(&self, x: u32, y: u32, z: u32) -> ze_result_t {
        // SAFETY: numbers only.
        unsafe { (api().zeKernelSetGroupSize)(self.0, x, y, z) }
    }

    pub(crate) fn destroy(self) {
        assert_eq!(destroy_kernel(self.0), SUCCESS);
    }
}

pub(crate) fn bytes_of<T: Copy>(values: &[T]) -> Vec<u8> {
    let bytes = values.as_ptr().cast::<u8>();
    // SAFETY: numbers without padding, as many bytes as they have.
    unsafe { std::slice::from_raw_parts(bytes, size_of_val(values)) }.to_vec()
}

pub(crate) fn u32s(bytes: &[u8]) -> Vec<u32> {
    let (words, []) = bytes.as_chunks::<4>() else {
        panic!("no whole words")
    };
    words.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

pub(crate) fn u64s(bytes: &[u8]) -> Vec<u64> {
    let (words, []) = bytes.as_chunks::<8>() else {
        panic!("no whole words")
    };
    words.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

/// The driver, a module and its memory, gone in the end.
pub(crate) fn finish(gpu: Gpu, modules: &[sys::ze_module_handle_t]) {
    for module in modules {
        assert_eq!(destroy_module(*module), SUCCESS);
    }
    let ledger = gpu.end();
    assert!(ledger.is_empty(), "{ledger}");
}
