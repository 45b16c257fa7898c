//! The calls on drivers.
#![allow(unsafe_code, reason = "calls of the C interface")]

use level_zero_sys::{
    self as sys, ze_api_version_t, ze_driver_extension_properties_t, ze_driver_handle_t,
    ze_driver_ipc_properties_t, ze_driver_properties_t, ze_result_t,
};
use std::ffi::{CStr, c_char, c_void};
use std::mem::offset_of;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::arguments::{
    Outcome, counted, descriptor, flags, handles, header, ignore_extensions, name, not_null, walk,
    write,
};
use crate::config::Config;
use crate::entry::{on_driver, on_instance};
use crate::extension;
use crate::faults::Call;
use crate::instance::Instance;
use crate::report;

static INITIALISED: AtomicBool = AtomicBool::new(false);

/// The global instance for a call that has no handle.
fn global() -> Outcome<&'static Instance> {
    Instance::global().map_err(|_| sys::ZE_RESULT_ERROR_UNINITIALIZED)
}

/// As [`global`], for a call that programs start with: what is wrong with the settings is said on
/// standard error.
fn first() -> Outcome<&'static Instance> {
    let made = Instance::global();
    report::complain(made);
    global()
}

/// `zeInit`: readies the global instance. There is no VPU: asking for those only is
/// `UNINITIALIZED`.
pub(crate) unsafe extern "C" fn init(init_flags: sys::ze_init_flags_t) -> ze_result_t {
    let instance = match first() {
        Ok(instance) => instance,
        Err(code) => return code,
    };
    on_instance(const { Call::named("zeInit") }, instance.inner(), || {
        flags(
            init_flags,
            sys::ZE_INIT_FLAG_GPU_ONLY | sys::ZE_INIT_FLAG_VPU_ONLY,
        )?;
        if init_flags == sys::ZE_INIT_FLAG_VPU_ONLY {
            return Err(sys::ZE_RESULT_ERROR_UNINITIALIZED);
        }
        INITIALISED.store(true, Ordering::Release);
        Ok(())
    })
}

/// `zeInitDrivers` (1.10): readies the global instance and returns it where GPU drivers are asked
/// for, also by all bits at once, which asks for every type. There is no NPU: asking for those only
/// is `UNINITIALIZED`.
pub(crate) unsafe extern "C" fn init_drivers(
    count: *mut u32,
    drivers: *mut ze_driver_handle_t,
    desc: *mut sys::ze_init_driver_type_desc_t,
) -> ze_result_t {
    let instance = match first() {
        Ok(instance) => instance,
        Err(code) => return code,
    };
    let call = const { Call::named("zeInitDrivers") };
    on_instance(call, instance.inner(), || {
        not_null(count)?;
        // SAFETY: the caller keeps the contract of the C call.
        let desc = unsafe { descriptor(desc, sys::ZE_STRUCTURE_TYPE_INIT_DRIVER_TYPE_DESC) }?;
        // SAFETY: as above. What programs say there about themselves changes nothing.
        unsafe { ignore_extensions(desc.pNext) }?;
        let known = sys::ZE_INIT_DRIVER_TYPE_FLAG_GPU | sys::ZE_INIT_DRIVER_TYPE_FLAG_NPU;
        if desc.flags == 0 {
            return Err(sys::ZE_RESULT_ERROR_INVALID_ENUMERATION);
        }
        if desc.flags != u32::MAX {
            flags(desc.flags, known)?;
        }
        if desc.flags & sys::ZE_INIT_DRIVER_TYPE_FLAG_GPU == 0 {
            return Err(sys::ZE_RESULT_ERROR_UNINITIALIZED);
        }
        INITIALISED.store(true, Ordering::Release);
        // SAFETY: as above.
        unsafe { handles(count, drivers, &[instance.inner().driver]) }
    })
}

/// `zeDriverGet`: the global instance.
pub(crate) unsafe extern "C" fn get(
    count: *mut u32,
    drivers: *mut ze_driver_handle_t,
) -> ze_result_t {
    let instance = match global() {
        Ok(instance) => instance,
        Err(code) => return code,
    };
    on_instance(
        const { Call::named("zeDriverGet") },
        instance.inner(),
        || {
            if !INITIALISED.load(Ordering::Acquire) {
                return Err(sys::ZE_RESULT_ERROR_UNINITIALIZED);
            }
            // SAFETY: the caller keeps the contract of the C call, which is that of `handles`.
            unsafe { handles(count, drivers, &[instance.inner().driver]) }
        },
    )
}

/// `zeDriverGetApiVersion`
pub(crate) unsafe extern "C" fn get_api_version(
    driver: ze_driver_handle_t,
    version: *mut ze_api_version_t,
) -> ze_result_t {
    on_driver(
        const { Call::named("zeDriverGetApiVersion") },
        driver,
        |_| {
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { write(version, sys::ZE_API_VERSION_1_4) }
        },
    )
}

/// `zeDriverGetProperties`, with the free policies where they are asked for in the chain.
pub(crate) unsafe extern "C" fn get_properties(
    driver: ze_driver_handle_t,
    properties: *mut ze_driver_properties_t,
) -> ze_result_t {
    on_driver(
        const { Call::named("zeDriverGetProperties") },
        driver,
        |inner| {
            let stype = sys::ZE_STRUCTURE_TYPE_DRIVER_PROPERTIES;
            // SAFETY: the caller keeps the contract of the C call.
            let header = unsafe { header(properties, &[stype]) }?;
            let fill = |stype, structure: *const c_void| {
                if stype == sys::ZE_STRUCTURE_TYPE_DRIVER_MEMORY_FREE_EXT_PROPERTIES {
                    let field =
                        offset_of!(sys::ze_driver_memory_free_ext_properties_t, freePolicies);
                    let policies = structure.cast_mut().wrapping_byte_add(field).cast::<u32>();
                    // SAFETY: the structure has the type that its `stype` says, and is there to be
                    // written: a chain of properties is in and out.
                    unsafe { write(policies, inner.config.free_policies) }?;
                }
                Ok(())
            };
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { walk(header.pNext, fill) }?;
            let filled = ze_driver_properties_t {
                stype,
                pNext: header.pNext.cast_mut(),
                uuid: sys::ze_driver_uuid_t {
                    id: *b"level-zero-cpu\0\x01",
                },
                driverVersion: 1,
            };
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { write(properties, filled) }
        },
    )
}

/// `zeDriverGetIpcProperties`: device memory can be shared with other processes.
pub(crate) unsafe extern "C" fn get_ipc_properties(
    driver: ze_driver_handle_t,
    properties: *mut ze_driver_ipc_properties_t,
) -> ze_result_t {
    on_driver(
        const { Call::named("zeDriverGetIpcProperties") },
        driver,
        |_| {
            let stype = sys::ZE_STRUCTURE_TYPE_DRIVER_IPC_PROPERTIES;
            // SAFETY: the caller keeps the contract of the C call.
            let header = unsafe { header(properties, &[stype]) }?;
            // SAFETY: as above.
            unsafe { ignore_extensions(header.pNext) }?;
            let filled = ze_driver_ipc_properties_t {
                stype,
                pNext: header.pNext.cast_mut(),
                flags: sys::ZE_IPC_PROPERTY_FLAG_MEMORY,
            };
            // SAFETY: as above.
            unsafe { write(properties, filled) }
        },
    )
}

/// `zeDriverGetExtensionProperties`
pub(crate) unsafe extern "C" fn get_extension_properties(
    driver: ze_driver_handle_t,
    count: *mut u32,
    properties: *mut ze_driver_extension_properties_t,
) -> ze_result_t {
    on_driver(
        const { Call::named("zeDriverGetExtensionProperties") },
        driver,
        |inner| {
            let extensions = extensions(&inner.config);
            let put = |index: usize| {
                let (extension, version) = extensions[index];
                let filled = ze_driver_extension_properties_t {
                    name: name(extension),
                    version,
                };
                // SAFETY: the caller has room for as many as the count says.
                let slot = unsafe { properties.add(index) };
                // SAFETY: as above.
                unsafe { write(slot, filled) }
            };
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { counted(count, extensions.len(), !properties.is_null(), put) }
        },
    )
}

fn extensions(config: &Config) -> Vec<(&'static str, u32)> {
    let mut extensions = Vec::new();
    if config.relaxed_limits {
        extensions.push((
            "ZE_experimental_relaxed_allocation_limits",
            sys::ZE_RELAXED_ALLOCATION_LIMITS_EXP_VERSION_1_0.0,
        ));
    }
    if config.free_policies != 0 {
        extensions.push((
            "ZE_extension_memory_free_policies",
            sys::ZE_MEMORY_FREE_POLICIES_EXT_VERSION_1_0.0,
        ));
    }
    extensions.push((
        "ZE_experimental_event_query_timestamps",
        sys::ZE_EVENT_QUERY_TIMESTAMPS_EXP_VERSION_1_0.0,
    ));
    extensions.push((
        "ZE_extension_device_memory_properties",
        sys::ZE_DEVICE_MEMORY_PROPERTIES_EXT_VERSION_1_0.0,
    ));
    extensions.extend([
        (
            "ZE_extension_linkage_inspection",
            sys::ZE_LINKAGE_INSPECTION_EXT_VERSION_1_0.0,
        ),
        (
            "ZE_experimental_global_offset",
            sys::ZE_GLOBAL_OFFSET_EXP_VERSION_1_0.0,
        ),
        (
            "ZE_experimental_scheduling_hints",
            sys::ZE_SCHEDULING_HINTS_EXP_VERSION_1_0.0,
        ),
    ]);
    extensions
}

/// `zeDriverGetExtensionFunctionAddress`: what is beyond Level Zero, as the documentation of the
/// crate lists it. Any other name is `INVALID_ARGUMENT`.
pub(crate) unsafe extern "C" fn get_extension_function_address(
    driver: ze_driver_handle_t,
    name: *const c_char,
    address: *mut *mut c_void,
) -> ze_result_t {
    on_driver(
        const { Call::named("zeDriverGetExtensionFunctionAddress") },
        driver,
        |_| {
            not_null(name)?;
            not_null(address)?;
            // SAFETY: not null, so the caller says it is a string.
            let name = unsafe { CStr::from_ptr(name) };
            let function = extension::function(name);
            let function = function.ok_or(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)?;
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { write(address, function) }
        },
    )
}
