//! The calls that enqueue, doing nothing.

use core::ffi::{c_char, c_void};
use ze_area::sys;

const DONE: sys::ze_result_t = sys::ZE_RESULT_SUCCESS;

/// What handles that are never looked at point to.
static THING: u8 = 0;

fn thing<T>() -> *mut T {
    (&raw const THING).cast_mut().cast()
}

/// `api`, with calls that enqueue, wait and set arguments doing nothing, and any module having the one
/// kernel `saxpy`.
pub(crate) fn over(api: &sys::Api) -> sys::Api {
    sys::Api {
        zeCommandListAppendMemoryCopy: copy,
        zeCommandListAppendMemoryFill: fill,
        zeCommandListAppendLaunchKernel: launch,
        zeCommandListAppendBarrier: barrier,
        zeEventHostSynchronize: wait,
        zeModuleCreate: module,
        zeModuleDestroy: module_destroy,
        zeModuleGetKernelNames: names,
        zeKernelCreate: kernel,
        zeKernelDestroy: kernel_destroy,
        zeKernelGetProperties: properties,
        zeKernelSetGroupSize: group_size,
        zeKernelSetArgumentValue: argument,
        ..*api
    }
}

unsafe extern "C" fn copy(
    _: sys::ze_command_list_handle_t,
    _: *mut c_void,
    _: *const c_void,
    _: usize,
    _: sys::ze_event_handle_t,
    _: u32,
    _: *mut sys::ze_event_handle_t,
) -> sys::ze_result_t {
    DONE
}

unsafe extern "C" fn fill(
    _: sys::ze_command_list_handle_t,
    _: *mut c_void,
    _: *const c_void,
    _: usize,
    _: usize,
    _: sys::ze_event_handle_t,
    _: u32,
    _: *mut sys::ze_event_handle_t,
) -> sys::ze_result_t {
    DONE
}

unsafe extern "C" fn launch(
    _: sys::ze_command_list_handle_t,
    _: sys::ze_kernel_handle_t,
    _: *const sys::ze_group_count_t,
    _: sys::ze_event_handle_t,
    _: u32,
    _: *mut sys::ze_event_handle_t,
) -> sys::ze_result_t {
    DONE
}

unsafe extern "C" fn barrier(
    _: sys::ze_command_list_handle_t,
    _: sys::ze_event_handle_t,
    _: u32,
    _: *mut sys::ze_event_handle_t,
) -> sys::ze_result_t {
    DONE
}

unsafe extern "C" fn wait(_: sys::ze_event_handle_t, _: u64) -> sys::ze_result_t {
    DONE
}

unsafe extern "C" fn module(
    _: sys::ze_context_handle_t,
    _: sys::ze_device_handle_t,
    _: *const sys::ze_module_desc_t,
    made: *mut sys::ze_module_handle_t,
    log: *mut sys::ze_module_build_log_handle_t,
) -> sys::ze_result_t {
    // SAFETY: the specification asks it of the caller.
    unsafe { made.write(thing()) };
    if !log.is_null() {
        // SAFETY: as above.
        unsafe { log.write(core::ptr::null_mut()) };
    }
    DONE
}

unsafe extern "C" fn module_destroy(_: sys::ze_module_handle_t) -> sys::ze_result_t {
    DONE
}

unsafe extern "C" fn names(
    _: sys::ze_module_handle_t,
    count: *mut u32,
    names: *mut *const c_char,
) -> sys::ze_result_t {
    // SAFETY: the specification asks it of the caller.
    unsafe { count.write(1) };
    if !names.is_null() {
        // SAFETY: as above.
        unsafe { names.write(c"saxpy".as_ptr()) };
    }
    DONE
}

unsafe extern "C" fn kernel(
    _: sys::ze_module_handle_t,
    _: *const sys::ze_kernel_desc_t,
    made: *mut sys::ze_kernel_handle_t,
) -> sys::ze_result_t {
    // SAFETY: the specification asks it of the caller.
    unsafe { made.write(thing()) };
    DONE
}

unsafe extern "C" fn kernel_destroy(_: sys::ze_kernel_handle_t) -> sys::ze_result_t {
    DONE
}

unsafe extern "C" fn properties(
    _: sys::ze_kernel_handle_t,
    properties: *mut sys::ze_kernel_properties_t,
) -> sys::ze_result_t {
    // SAFETY: the specification asks it of the caller.
    unsafe { (*properties).numKernelArgs = 3 };
    DONE
}

unsafe extern "C" fn group_size(
    _: sys::ze_kernel_handle_t,
    _: u32,
    _: u32,
    _: u32,
) -> sys::ze_result_t {
    DONE
}

unsafe extern "C" fn argument(
    _: sys::ze_kernel_handle_t,
    _: u32,
    _: usize,
    _: *const c_void,
) -> sys::ze_result_t {
    DONE
}
