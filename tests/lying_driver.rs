//! Drivers that break the specification get an error, not the program.
#![cfg(feature = "cpu")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use core::ffi::c_void;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use ze_area::sys::{self, Api};
use ze_area::{
    Context, Driver, Error, ErrorKind, Host, In, Kernel, Local, Out, Queue, ZeSlice, local,
};

/// The CPU driver's table with some functions replaced.
fn lying(lie: impl FnOnce(&mut Api)) -> Result<Driver, Error> {
    static TABLES: Mutex<Vec<&'static Api>> = Mutex::new(Vec::new());

    let mut api = *ze_area::cpu::api();
    lie(&mut api);
    // Kept where leak checkers find it: a table is never freed.
    let api: &'static Api = Box::leak(Box::new(api));
    TABLES.lock().unwrap().push(api);
    // SAFETY: what the tests put in writes only where it is given room, and hands out no memory
    // that the library could come to use.
    unsafe { Driver::from_api(api, 0) }
}

fn context(driver: &Driver) -> Context {
    Context::builder().driver(driver).build().unwrap()
}

macro_rules! allocates {
    ($name:ident, $address:expr) => {
        unsafe extern "C" fn $name(
            _: sys::ze_context_handle_t,
            _: *const sys::ze_host_mem_alloc_desc_t,
            size: usize,
            _: usize,
            pointer: *mut *mut c_void,
        ) -> sys::ze_result_t {
            let address: fn(usize) -> usize = $address;
            let address = core::ptr::without_provenance_mut(address(size));
            // SAFETY: the library gives room for the pointer.
            unsafe { pointer.write(address) };
            sys::ZE_RESULT_SUCCESS
        }
    };
}

allocates!(null, |_| 0);
allocates!(at_the_end_of_the_address_space, |size| usize::MAX
    & !4095
    & !(size - 1));

static FREED: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn count_frees(_: sys::ze_context_handle_t, _: *mut c_void) -> sys::ze_result_t {
    FREED.fetch_add(1, Ordering::Relaxed);
    sys::ZE_RESULT_SUCCESS
}

#[test]
fn success_with_a_null_pointer_is_a_fault_of_the_driver() {
    let driver = lying(|api| api.zeMemAllocHost = null).unwrap();
    let context = context(&driver);
    let error = context.host_area().mmap::<u32>(1).unwrap_err();
    assert!(
        matches!(
            error,
            Error::DriverFault {
                call: "zeMemAllocHost",
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::Failure);
    assert_eq!(context.memory().host.live_buffers, 0);
}

#[test]
fn memory_that_wraps_around_is_given_back_untouched() {
    let driver = lying(|api| {
        api.zeMemAllocHost = at_the_end_of_the_address_space;
        api.zeMemFree = count_frees;
    })
    .unwrap();
    let context = context(&driver);
    let error = context.host_area().mmap::<u8>(1 << 20).unwrap_err();
    assert!(matches!(error, Error::DriverFault { .. }), "{error}");
    assert_eq!(FREED.load(Ordering::Relaxed), 1);
    assert_eq!(context.memory().host.live_buffers, 0);
}

unsafe extern "C" fn absurd_count(
    _: sys::ze_device_handle_t,
    count: *mut u32,
    _: *mut sys::ze_device_memory_properties_t,
) -> sys::ze_result_t {
    // SAFETY: the library gives room for the count.
    unsafe { count.write(u32::MAX) };
    sys::ZE_RESULT_SUCCESS
}

#[test]
fn an_absurd_count_is_a_fault_of_the_driver() {
    let error = lying(|api| api.zeDeviceGetMemoryProperties = absurd_count).unwrap_err();
    assert_eq!(error.call(), Some("zeDeviceGetMemoryProperties"));
    assert!(error.to_string().contains("4294967295 entries"), "{error}");
}

unsafe extern "C" fn unterminated_name(
    _: sys::ze_device_handle_t,
    properties: *mut sys::ze_device_properties_t,
) -> sys::ze_result_t {
    // SAFETY: the library gives room for the properties.
    unsafe { (*properties).name = [b'x'.cast_signed(); 256] };
    sys::ZE_RESULT_SUCCESS
}

#[test]
fn a_name_without_an_end_ends_with_its_room() {
    let driver = lying(|api| api.zeDeviceGetProperties = unterminated_name).unwrap();
    assert_eq!(driver.devices()[0].name(), "x".repeat(256));
}

unsafe extern "C" fn no_groups(
    _: sys::ze_device_handle_t,
    count: *mut u32,
    _: *mut sys::ze_command_queue_group_properties_t,
) -> sys::ze_result_t {
    // SAFETY: the library gives room for the count.
    unsafe { count.write(0) };
    sys::ZE_RESULT_SUCCESS
}

#[test]
fn a_device_without_queues_is_a_fault_when_one_is_needed() {
    let driver = lying(|api| api.zeDeviceGetCommandQueueGroupProperties = no_groups).unwrap();
    let context = context(&driver);
    let device = &context.devices()[0];
    assert!(matches!(
        context.queue(device),
        Err(Error::DriverFault { .. })
    ));
    let area = context.device_area(device);
    assert!(matches!(area.mmap::<u8>(1), Err(Error::DriverFault { .. })));
    assert_eq!(context.memory().device.live_buffers, 0);
    area.shared().mmap::<u8>(1).unwrap();
}

unsafe extern "C" fn null_device(
    _: sys::ze_driver_handle_t,
    count: *mut u32,
    devices: *mut sys::ze_device_handle_t,
) -> sys::ze_result_t {
    // SAFETY: the library gives room for the count.
    unsafe { count.write(1) };
    if !devices.is_null() {
        // SAFETY: the library gives room for as many devices.
        unsafe { devices.write(core::ptr::null_mut()) };
    }
    sys::ZE_RESULT_SUCCESS
}

#[test]
fn a_null_device_is_no_device() {
    let driver = lying(|api| api.zeDeviceGet = null_device).unwrap();
    assert!(driver.devices().is_empty());
    let context = context(&driver);
    context.host_area().mmap::<u8>(1).unwrap();
}

unsafe extern "C" fn null_context(
    _: sys::ze_driver_handle_t,
    _: *const sys::ze_context_desc_t,
    _: *mut sys::ze_context_handle_t,
) -> sys::ze_result_t {
    sys::ZE_RESULT_SUCCESS
}

#[test]
fn a_null_context_is_a_fault_of_the_driver() {
    let driver = lying(|api| api.zeContextCreate = null_context).unwrap();
    let error = Context::builder().driver(&driver).build().unwrap_err();
    assert_eq!(error.call(), Some("zeContextCreate"));
}

#[test]
fn a_driver_without_the_later_calls_says_which_one_is_missing() {
    let driver = lying(|api| {
        api.zeMemFreeExt = None;
        api.zeContextCreateEx = None;
    })
    .unwrap();
    let context = context(&driver);
    let error = context
        .host_area()
        .free_policy(ze_area::FreePolicy::Blocking)
        .unwrap_err();
    assert!(
        matches!(error, Error::FreePolicyUnsupported { code: None, .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("zeMemFreeExt is missing"),
        "{error}"
    );
    assert_eq!(context.memory().host.live_buffers, 0);

    let subset = Context::builder()
        .driver(&driver)
        .devices(driver.devices().to_vec())
        .build();
    let error = subset.unwrap_err();
    assert_eq!(
        (error.call(), error.kind()),
        (Some("zeContextCreateEx"), ErrorKind::NotSupported)
    );
}

macro_rules! ranges {
    ($name:ident, $range:expr) => {
        unsafe extern "C" fn $name(
            _: sys::ze_context_handle_t,
            pointer: *const c_void,
            base: *mut *mut c_void,
            size: *mut usize,
        ) -> sys::ze_result_t {
            let range: fn(usize) -> (usize, usize) = $range;
            let (start, bytes) = range(pointer.addr());
            // SAFETY: the library gives room for the base.
            unsafe { base.write(core::ptr::without_provenance_mut(start)) };
            // SAFETY: the library gives room for the size.
            unsafe { size.write(bytes) };
            sys::ZE_RESULT_SUCCESS
        }
    };
}

ranges!(behind_the_address, |address| (address + 1, 4096));
ranges!(before_the_address, |address| (address - 64, 32));
ranges!(nothing, |_| (0, 0));

#[test]
fn a_range_that_does_not_have_the_address_in_it_makes_no_view() {
    type Ranges = unsafe extern "C" fn(
        sys::ze_context_handle_t,
        *const c_void,
        *mut *mut c_void,
        *mut usize,
    ) -> sys::ze_result_t;
    let lies: [Ranges; 3] = [behind_the_address, before_the_address, nothing];
    for lie in lies {
        let driver = lying(|api| api.zeMemGetAddressRange = lie).unwrap();
        let context = context(&driver);
        let buffer = context.host_area().mmap::<u8>(64).unwrap();
        // SAFETY: the elements are those of a live buffer, which nobody writes.
        let view = unsafe { ZeSlice::<u8, Host>::from_raw(&context, buffer.device_ptr(), 64) };
        let error = view.unwrap_err();
        assert!(matches!(error, Error::ForeignMemory { .. }), "{error}");
    }
}

/// The first time a group of 2 items, later of 64.
unsafe extern "C" fn suggests_more_each_time(
    _: sys::ze_kernel_handle_t,
    _: u32,
    _: u32,
    _: u32,
    x: *mut u32,
    y: *mut u32,
    z: *mut u32,
) -> sys::ze_result_t {
    static ASKED: AtomicBool = AtomicBool::new(false);
    let width = if ASKED.swap(true, Ordering::Relaxed) {
        64
    } else {
        2
    };
    for (size, to) in [(width, x), (1, y), (1, z)] {
        // SAFETY: the library gives room for the three sizes.
        unsafe { to.write(size) };
    }
    sys::ZE_RESULT_SUCCESS
}

#[test]
fn the_groups_that_a_rule_has_seen_are_launched_whatever_the_driver_suggests_later() {
    type Reduce = Kernel<(In<u32>, Out<u32>, Local<u32>)>;
    static AGAIN: OnceLock<(Context, Queue, Reduce)> = OnceLock::new();

    let driver = lying(|api| api.zeKernelSuggestGroupSize = suggests_more_each_time).unwrap();
    let context = context(&driver);
    let gpu = context.first_device().unwrap();
    let module = context
        .module(gpu)
        .spirv(include_bytes!("kernels/kernels.spv"));
    let module = match module {
        Err(error) if error.kind() == ErrorKind::NotSupported => {
            let required = std::env::var("ZE_AREA_REQUIRE").unwrap_or_default();
            assert!(!required.split(',').any(|word| word == "opencl"), "{error}");
            // Past the capture of the harness.
            let _ = writeln!(std::io::stderr(), "skipped: {error}");
            return;
        }
        module => module.unwrap(),
    };
    let queue = context.queue(gpu).unwrap();
    let in_bounds = |launch: &ze_area::Launch<'_>| {
        static ENTERED: AtomicBool = AtomicBool::new(false);
        // Another launch of the same kernel, for which the driver is asked for groups again.
        if !ENTERED.swap(true, Ordering::Relaxed) {
            let (context, queue, reduce) = AGAIN.get().unwrap();
            let x = context.host_area().mmap::<u32>(128).unwrap();
            let mut sums = context.host_area().mmap::<u32>(2).unwrap();
            queue
                .launch(reduce, 128, (&x, &mut sums, local(64)))
                .unwrap();
        }
        let group = launch.group_size()[0];
        Some(launch.items()) <= launch.len(0)
            && Some(launch.items() / group) <= launch.len(1)
            && Some(group) <= launch.len(2)
    };
    // SAFETY: that is its signature, and the rule keeps it in bounds: an element for each item, a sum for
    // each group, and local memory for each item of a group.
    let reduce: Reduce = unsafe { module.kernel_where("reduce", in_bounds) }.unwrap();
    AGAIN
        .set((context.clone(), queue.clone(), reduce.clone()))
        .unwrap();
    let x = context.host_area().mmap_from_slice(&[1_u32; 64]).unwrap();
    let mut sums = context.host_area().mmap::<u32>(32).unwrap();
    queue
        .launch(&reduce, 64, (&x, &mut sums, local(2)))
        .unwrap();
    assert_eq!(sums, [2; 32]);
}
