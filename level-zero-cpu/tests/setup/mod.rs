//! One driver with a context and a command list, and its calls without ceremony.
#![allow(dead_code, unused_imports, reason = "each test program uses a part")]

use level_zero_cpu::{Config, Instance, Ledger, api};
use level_zero_sys::{self as sys, ze_result_t};
use std::ffi::c_void;
use std::ptr::{null, null_mut};

pub(crate) use level_zero_cpu::Kind;
pub(crate) use sys::{
    ZE_RESULT_ERROR_DEVICE_LOST as DEVICE_LOST, ZE_RESULT_ERROR_HANDLE_OBJECT_IN_USE as IN_USE,
    ZE_RESULT_ERROR_INVALID_ARGUMENT as INVALID_ARGUMENT,
    ZE_RESULT_ERROR_INVALID_ENUMERATION as INVALID_ENUMERATION,
    ZE_RESULT_ERROR_INVALID_NULL_HANDLE as NULL_HANDLE,
    ZE_RESULT_ERROR_INVALID_NULL_POINTER as NULL_POINTER,
    ZE_RESULT_ERROR_INVALID_SIZE as INVALID_SIZE,
    ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY as OUT_OF_DEVICE_MEMORY,
    ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY as OUT_OF_HOST_MEMORY,
    ZE_RESULT_ERROR_OVERLAPPING_REGIONS as OVERLAPPING,
    ZE_RESULT_ERROR_UNINITIALIZED as UNINITIALIZED,
    ZE_RESULT_ERROR_UNSUPPORTED_ALIGNMENT as UNSUPPORTED_ALIGNMENT,
    ZE_RESULT_ERROR_UNSUPPORTED_FEATURE as UNSUPPORTED_FEATURE,
    ZE_RESULT_ERROR_UNSUPPORTED_SIZE as UNSUPPORTED_SIZE, ZE_RESULT_SUCCESS as SUCCESS,
};

pub(crate) const KINDS: [Kind; 3] = [Kind::Device, Kind::Shared, Kind::Host];

/// Handles are addresses to the compiler only; the driver takes calls from all threads.
pub(crate) struct Gpu {
    pub(crate) instance: Instance,
    pub(crate) context: sys::ze_context_handle_t,
    pub(crate) devices: Vec<sys::ze_device_handle_t>,
    pub(crate) list: sys::ze_command_list_handle_t,
}

// SAFETY: handles may be used by any thread; the list by one at a time, which the tests keep to.
unsafe impl Send for Gpu {}
// SAFETY: as above.
unsafe impl Sync for Gpu {}

pub(crate) fn device_desc() -> sys::ze_device_mem_alloc_desc_t {
    sys::ze_device_mem_alloc_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_DEVICE_MEM_ALLOC_DESC,
        pNext: null(),
        flags: 0,
        ordinal: 0,
    }
}

pub(crate) fn host_desc() -> sys::ze_host_mem_alloc_desc_t {
    sys::ze_host_mem_alloc_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_HOST_MEM_ALLOC_DESC,
        pNext: null(),
        flags: 0,
    }
}

pub(crate) fn context_desc() -> sys::ze_context_desc_t {
    sys::ze_context_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_CONTEXT_DESC,
        pNext: null(),
        flags: 0,
    }
}

pub(crate) fn queue_desc() -> sys::ze_command_queue_desc_t {
    sys::ze_command_queue_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_COMMAND_QUEUE_DESC,
        pNext: null(),
        ordinal: 0,
        index: 0,
        flags: 0,
        mode: sys::ZE_COMMAND_QUEUE_MODE_SYNCHRONOUS,
        priority: sys::ZE_COMMAND_QUEUE_PRIORITY_NORMAL,
    }
}

pub(crate) fn relaxed_desc() -> sys::ze_relaxed_allocation_limits_exp_desc_t {
    sys::ze_relaxed_allocation_limits_exp_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_RELAXED_ALLOCATION_LIMITS_EXP_DESC,
        pNext: null(),
        flags: sys::ZE_RELAXED_ALLOCATION_LIMITS_EXP_FLAG_MAX_SIZE,
    }
}

pub(crate) fn alloc_properties() -> sys::ze_memory_allocation_properties_t {
    sys::ze_memory_allocation_properties_t {
        stype: sys::ZE_STRUCTURE_TYPE_MEMORY_ALLOCATION_PROPERTIES,
        pNext: null_mut(),
        type_: sys::ZE_MEMORY_TYPE_UNKNOWN,
        id: 0,
        pageSize: 0,
    }
}

/// What a result says, as a `Result`.
pub(crate) fn checked<T>(result: ze_result_t, value: T) -> Result<T, ze_result_t> {
    if result == SUCCESS {
        Ok(value)
    } else {
        Err(result)
    }
}

/// All handles of a counted call.
pub(crate) fn all<T>(mut call: impl FnMut(*mut u32, *mut *mut T) -> ze_result_t) -> Vec<*mut T> {
    let mut count = 0;
    assert_eq!(call(&raw mut count, null_mut()), SUCCESS);
    let mut handles = vec![null_mut(); count as usize];
    assert_eq!(call(&raw mut count, handles.as_mut_ptr()), SUCCESS);
    handles
}

impl Gpu {
    pub(crate) fn new() -> Self {
        Self::with(Config::new())
    }

    pub(crate) fn with(config: Config) -> Self {
        Self::on(Instance::new(config).unwrap())
    }

    pub(crate) fn on(instance: Instance) -> Self {
        let driver = instance.driver_handle();
        // SAFETY: the count and the array are what the helper made.
        let devices = all(|count, array| unsafe { (api().zeDeviceGet)(driver, count, array) });
        let context = create_context(&instance).unwrap();
        let list = create_list(context, devices[0]).unwrap();
        Self {
            instance,
            context,
            devices,
            list,
        }
    }

    pub(crate) fn device(&self) -> sys::ze_device_handle_t {
        self.devices[0]
    }

    pub(crate) fn alloc(
        &self,
        kind: Kind,
        size: usize,
        alignment: usize,
    ) -> Result<*mut c_void, ze_result_t> {
        let mut pointer = null_mut();
        let result = alloc_in(
            self.context,
            self.device(),
            kind,
            size,
            alignment,
            &mut pointer,
        );
        checked(result, pointer)
    }

    pub(crate) fn free(&self, pointer: *mut c_void) -> ze_result_t {
        free_in(self.context, pointer)
    }

    pub(crate) fn copy(&self, to: *mut c_void, from: *const c_void, size: usize) -> ze_result_t {
        // SAFETY: tests give memory of the driver, or their own of that size.
        unsafe {
            (api().zeCommandListAppendMemoryCopy)(
                self.list,
                to,
                from,
                size,
                null_mut(),
                0,
                null_mut(),
            )
        }
    }

    pub(crate) fn upload(&self, to: *mut c_void, bytes: &[u8]) {
        assert_eq!(self.copy(to, bytes.as_ptr().cast(), bytes.len()), SUCCESS);
    }

    pub(crate) fn download(&self, from: *const c_void, size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        assert_eq!(self.copy(bytes.as_mut_ptr().cast(), from, size), SUCCESS);
        bytes
    }

    pub(crate) fn fill(&self, to: *mut c_void, pattern: &[u8], size: usize) -> ze_result_t {
        self.fill_from(to, pattern.as_ptr().cast(), pattern.len(), size)
    }

    pub(crate) fn fill_from(
        &self,
        to: *mut c_void,
        pattern: *const c_void,
        pattern_size: usize,
        size: usize,
    ) -> ze_result_t {
        // SAFETY: as for `copy`.
        unsafe {
            (api().zeCommandListAppendMemoryFill)(
                self.list,
                to,
                pattern,
                pattern_size,
                size,
                null_mut(),
                0,
                null_mut(),
            )
        }
    }

    /// Destroys list and context, and says what is live then.
    pub(crate) fn end(self) -> Ledger {
        // SAFETY: used no more.
        assert_eq!(unsafe { (api().zeCommandListDestroy)(self.list) }, SUCCESS);
        assert_eq!(destroy_context(self.context), SUCCESS);
        self.instance.ledger()
    }
}

pub(crate) fn create_context(instance: &Instance) -> Result<sys::ze_context_handle_t, ze_result_t> {
    let mut context = null_mut();
    let (desc, driver) = (context_desc(), instance.driver_handle());
    // SAFETY: the descriptor and the place for the handle outlive the call.
    let result = unsafe { (api().zeContextCreate)(driver, &raw const desc, &raw mut context) };
    checked(result, context)
}

pub(crate) fn destroy_context(context: sys::ze_context_handle_t) -> ze_result_t {
    // SAFETY: tests use it no more, or test that using it is an error.
    unsafe { (api().zeContextDestroy)(context) }
}

pub(crate) fn create_list(
    context: sys::ze_context_handle_t,
    device: sys::ze_device_handle_t,
) -> Result<sys::ze_command_list_handle_t, ze_result_t> {
    create_list_with(context, device, &queue_desc())
}

pub(crate) fn create_list_with(
    context: sys::ze_context_handle_t,
    device: sys::ze_device_handle_t,
    desc: &sys::ze_command_queue_desc_t,
) -> Result<sys::ze_command_list_handle_t, ze_result_t> {
    let mut list = null_mut();
    // SAFETY: the descriptor and the place for the handle outlive the call.
    let result =
        unsafe { (api().zeCommandListCreateImmediate)(context, device, desc, &raw mut list) };
    checked(result, list)
}

pub(crate) fn alloc_in(
    context: sys::ze_context_handle_t,
    device: sys::ze_device_handle_t,
    kind: Kind,
    size: usize,
    alignment: usize,
    pointer: &mut *mut c_void,
) -> ze_result_t {
    alloc_with(
        context,
        device,
        kind,
        (&device_desc(), &host_desc()),
        size,
        alignment,
        pointer,
    )
}

pub(crate) fn alloc_with(
    context: sys::ze_context_handle_t,
    device: sys::ze_device_handle_t,
    kind: Kind,
    (device_desc, host_desc): (
        *const sys::ze_device_mem_alloc_desc_t,
        *const sys::ze_host_mem_alloc_desc_t,
    ),
    size: usize,
    alignment: usize,
    pointer: *mut *mut c_void,
) -> ze_result_t {
    let api = api();
    match kind {
        // SAFETY: descriptors are null or live, as is the place for the pointer.
        Kind::Device => unsafe {
            (api.zeMemAllocDevice)(context, device_desc, size, alignment, device, pointer)
        },
        // SAFETY: as above.
        Kind::Shared => unsafe {
            (api.zeMemAllocShared)(
                context,
                device_desc,
                host_desc,
                size,
                alignment,
                device,
                pointer,
            )
        },
        // SAFETY: as above.
        Kind::Host => unsafe { (api.zeMemAllocHost)(context, host_desc, size, alignment, pointer) },
    }
}

pub(crate) fn free_in(context: sys::ze_context_handle_t, pointer: *mut c_void) -> ze_result_t {
    // SAFETY: the driver checks the pointer.
    unsafe { (api().zeMemFree)(context, pointer) }
}

/// A handle of another kind, or an address that is none.
pub(crate) fn handle<T>(address: usize) -> *mut T {
    std::ptr::without_provenance_mut(address)
}

/// Xorshift: the same numbers in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len)
            .map(|_| u8::try_from(self.below(256)).unwrap())
            .collect()
    }
}
