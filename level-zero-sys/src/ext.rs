//! Calls that came after version 1.4, the version of the headers behind the generated bindings.
//!
//! Written by hand from the specification (1.17). They are looked up as optional symbols.

use crate::bindings::*;
use core::ffi::c_void;

/// Asks [`ze_pfnInitDrivers_t`] for some kinds of drivers.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ze_init_driver_type_desc_t {
    /// [`ZE_STRUCTURE_TYPE_INIT_DRIVER_TYPE_DESC`]
    pub stype: ze_structure_type_t,
    /// Null, or an extension's structure.
    pub pNext: *const c_void,
    /// A combination of [`ZE_INIT_DRIVER_TYPE_FLAG_GPU`] and [`ZE_INIT_DRIVER_TYPE_FLAG_NPU`].
    pub flags: ze_init_driver_type_flags_t,
}

/// Flags of [`ze_init_driver_type_desc_t`].
pub type ze_init_driver_type_flags_t = u32;
/// GPU drivers.
pub const ZE_INIT_DRIVER_TYPE_FLAG_GPU: ze_init_driver_type_flags_t = 1;
/// NPU drivers.
pub const ZE_INIT_DRIVER_TYPE_FLAG_NPU: ze_init_driver_type_flags_t = 2;
/// `stype` of [`ze_init_driver_type_desc_t`].
pub const ZE_STRUCTURE_TYPE_INIT_DRIVER_TYPE_DESC: ze_structure_type_t =
    _ze_structure_type_t(0x0002_0021);
/// The address was not found in the virtual address space (1.9).
pub const ZE_RESULT_ERROR_ADDRESS_NOT_FOUND: ze_result_t = _ze_result_t(0x7800_0021);

/// Atomic access attributes of an allocation.
pub type ze_memory_atomic_attr_exp_flags_t = u32;

/// `zeInitDrivers`
pub type ze_pfnInitDrivers_t = Option<
    unsafe extern "C" fn(
        *mut u32,
        *mut ze_driver_handle_t,
        *mut ze_init_driver_type_desc_t,
    ) -> ze_result_t,
>;
/// `zeCommandListHostSynchronize`
pub type ze_pfnCommandListHostSynchronize_t =
    Option<unsafe extern "C" fn(ze_command_list_handle_t, u64) -> ze_result_t>;
/// `zeMemPutIpcHandle`
pub type ze_pfnMemPutIpcHandle_t =
    Option<unsafe extern "C" fn(ze_context_handle_t, ze_ipc_mem_handle_t) -> ze_result_t>;
/// `zeMemGetIpcHandleFromFileDescriptorExp`
pub type ze_pfnMemGetIpcHandleFromFileDescriptorExp_t =
    Option<unsafe extern "C" fn(ze_context_handle_t, u64, *mut ze_ipc_mem_handle_t) -> ze_result_t>;
/// `zeMemGetFileDescriptorFromIpcHandleExp`
pub type ze_pfnMemGetFileDescriptorFromIpcHandleExp_t =
    Option<unsafe extern "C" fn(ze_context_handle_t, ze_ipc_mem_handle_t, *mut u64) -> ze_result_t>;
/// `zeMemSetAtomicAccessAttributeExp`
pub type ze_pfnMemSetAtomicAccessAttributeExp_t = Option<
    unsafe extern "C" fn(
        ze_context_handle_t,
        ze_device_handle_t,
        *const c_void,
        usize,
        ze_memory_atomic_attr_exp_flags_t,
    ) -> ze_result_t,
>;
/// `zeMemGetAtomicAccessAttributeExp`
pub type ze_pfnMemGetAtomicAccessAttributeExp_t = Option<
    unsafe extern "C" fn(
        ze_context_handle_t,
        ze_device_handle_t,
        *const c_void,
        usize,
        *mut ze_memory_atomic_attr_exp_flags_t,
    ) -> ze_result_t,
>;
/// `zeDeviceGetRootDevice`
pub type ze_pfnDeviceGetRootDevice_t =
    Option<unsafe extern "C" fn(ze_device_handle_t, *mut ze_device_handle_t) -> ze_result_t>;
