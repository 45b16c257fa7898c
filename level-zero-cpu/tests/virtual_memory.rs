//! Reserved addresses, physical memory, and what is mapped where.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails, as it should"
)]

mod setup;

use level_zero_cpu::{Config, FRESH_BYTE, api};
use level_zero_sys::{self as sys, ze_physical_mem_handle_t, ze_result_t};
use setup::*;
use std::ffi::c_void;
use std::ptr::{null, null_mut};

const PAGE: usize = 64 << 10;
const NONE: sys::ze_memory_access_attribute_t = sys::ZE_MEMORY_ACCESS_ATTRIBUTE_NONE;
const READ: sys::ze_memory_access_attribute_t = sys::ZE_MEMORY_ACCESS_ATTRIBUTE_READONLY;
const WRITE: sys::ze_memory_access_attribute_t = sys::ZE_MEMORY_ACCESS_ATTRIBUTE_READWRITE;

fn reserve(gpu: &Gpu, start: *const c_void, size: usize) -> Result<*mut c_void, ze_result_t> {
    let mut pointer = null_mut();
    // SAFETY: room for the result.
    let result = unsafe { (api().zeVirtualMemReserve)(gpu.context, start, size, &raw mut pointer) };
    checked(result, pointer)
}

fn unreserve(gpu: &Gpu, pointer: *const c_void, size: usize) -> ze_result_t {
    // SAFETY: the driver checks the range.
    unsafe { (api().zeVirtualMemFree)(gpu.context, pointer, size) }
}

fn create(gpu: &Gpu, size: usize) -> Result<ze_physical_mem_handle_t, ze_result_t> {
    let mut desc = sys::ze_physical_mem_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_PHYSICAL_MEM_DESC,
        pNext: null(),
        flags: 0,
        size,
    };
    let mut memory = null_mut();
    let (desc, out) = (&raw mut desc, &raw mut memory);
    // SAFETY: descriptor and result are live.
    let result = unsafe { (api().zePhysicalMemCreate)(gpu.context, gpu.device(), desc, out) };
    checked(result, memory)
}

fn destroy(gpu: &Gpu, memory: ze_physical_mem_handle_t) -> ze_result_t {
    // SAFETY: the driver checks the handle.
    unsafe { (api().zePhysicalMemDestroy)(gpu.context, memory) }
}

fn map(
    gpu: &Gpu,
    pointer: *const c_void,
    size: usize,
    memory: ze_physical_mem_handle_t,
    offset: usize,
    access: sys::ze_memory_access_attribute_t,
) -> ze_result_t {
    // SAFETY: the driver checks the range and the handle.
    unsafe { (api().zeVirtualMemMap)(gpu.context, pointer, size, memory, offset, access) }
}

fn unmap(gpu: &Gpu, pointer: *const c_void, size: usize) -> ze_result_t {
    // SAFETY: the driver checks the range.
    unsafe { (api().zeVirtualMemUnmap)(gpu.context, pointer, size) }
}

fn set(
    gpu: &Gpu,
    pointer: *const c_void,
    size: usize,
    access: sys::ze_memory_access_attribute_t,
) -> ze_result_t {
    // SAFETY: the driver checks the range.
    unsafe { (api().zeVirtualMemSetAccessAttribute)(gpu.context, pointer, size, access) }
}

fn get(
    gpu: &Gpu,
    pointer: *const c_void,
    size: usize,
) -> Result<(sys::ze_memory_access_attribute_t, usize), ze_result_t> {
    let (mut access, mut len) = (NONE, 0);
    let call = api().zeVirtualMemGetAccessAttribute;
    // SAFETY: room for the results.
    let result = unsafe { call(gpu.context, pointer, size, &raw mut access, &raw mut len) };
    checked(result, (access, len))
}

fn at(pointer: *mut c_void, pages: usize) -> *mut c_void {
    pointer.wrapping_byte_add(pages * PAGE)
}

#[test]
fn a_copy_goes_across_mappings_of_one_reservation() {
    let gpu = Gpu::new();
    let reserved = reserve(&gpu, null(), 6 * PAGE).unwrap();
    assert_eq!(reserved.addr() % PAGE, 0);
    let (one, two) = (
        create(&gpu, 2 * PAGE).unwrap(),
        create(&gpu, 4 * PAGE).unwrap(),
    );
    assert_eq!(map(&gpu, at(reserved, 1), PAGE, one, PAGE, WRITE), SUCCESS);
    assert_eq!(map(&gpu, at(reserved, 2), 2 * PAGE, two, 0, WRITE), SUCCESS);
    assert_eq!(map(&gpu, at(reserved, 4), PAGE, one, 0, WRITE), SUCCESS);
    let bytes = Random::new(3).bytes(4 * PAGE - 20);
    let start = at(reserved, 1).wrapping_byte_add(10);
    gpu.upload(start, &bytes);
    assert_eq!(gpu.download(start, bytes.len()), bytes);
    // The same pages elsewhere show the same.
    let other = reserve(&gpu, null(), PAGE).unwrap();
    assert_eq!(map(&gpu, other, PAGE, one, PAGE, READ), SUCCESS);
    assert_eq!(gpu.download(other.wrapping_byte_add(10), 100), bytes[..100]);
    // Outside of what is mapped, nothing goes.
    let mut byte = [0_u8; 2];
    let to = byte.as_mut_ptr().cast::<c_void>();
    assert_eq!(gpu.copy(to, reserved, 1), INVALID_ARGUMENT);
    assert_eq!(
        gpu.copy(to, at(reserved, 5).wrapping_byte_sub(1), 2),
        INVALID_ARGUMENT
    );
    assert_eq!(gpu.copy(at(reserved, 5), to, 1), INVALID_ARGUMENT);
    // Unmapped and mapped again, the pages hold what they held.
    assert_eq!(unmap(&gpu, at(reserved, 1), PAGE), SUCCESS);
    assert_eq!(gpu.copy(to, start, 1), INVALID_ARGUMENT);
    assert_eq!(map(&gpu, reserved, PAGE, one, PAGE, WRITE), SUCCESS);
    assert_eq!(
        gpu.download(reserved.wrapping_byte_add(10), 100),
        bytes[..100]
    );

    let ledger = gpu.instance.ledger();
    assert_eq!((ledger.reservations, ledger.physical_memories), (2, 2));
    assert_eq!(ledger.descriptors, 2);
    assert!(!ledger.is_empty());
    assert_eq!(unreserve(&gpu, reserved, 6 * PAGE), SUCCESS);
    assert_eq!(unreserve(&gpu, other, PAGE), SUCCESS);
    assert_eq!(destroy(&gpu, one), SUCCESS);
    assert_eq!(destroy(&gpu, two), SUCCESS);
    assert!(gpu.end().is_empty());
}

#[test]
fn fresh_physical_memory_holds_the_pattern() {
    let gpu = Gpu::with(Config::new().fill_limit(1 << 20));
    let memory = create(&gpu, PAGE).unwrap();
    let reserved = reserve(&gpu, null(), PAGE).unwrap();
    assert_eq!(map(&gpu, reserved, PAGE, memory, 0, READ), SUCCESS);
    assert_eq!(gpu.download(reserved, PAGE), [FRESH_BYTE; PAGE]);
}

#[test]
fn a_start_is_honoured_where_it_is_free() {
    let gpu = Gpu::new();
    let reserved = reserve(&gpu, null(), 8 * PAGE).unwrap();
    let other = reserve(&gpu, at(reserved, 4), PAGE).unwrap();
    assert_ne!(other, at(reserved, 4));
    assert_eq!(unreserve(&gpu, reserved, 8 * PAGE), SUCCESS);
    // Another thread of this test program may be quicker: one of some attempts is enough.
    let found = (0..10).any(|_| {
        let free = reserve(&gpu, null(), 64 * PAGE).unwrap();
        assert_eq!(unreserve(&gpu, free, 64 * PAGE), SUCCESS);
        let again = reserve(&gpu, at(free, 3), PAGE).unwrap();
        assert_eq!(unreserve(&gpu, again, PAGE), SUCCESS);
        again == at(free, 3)
    });
    assert!(found || cfg!(tsan));
    assert_eq!(unreserve(&gpu, other, PAGE), SUCCESS);
    assert!(gpu.end().is_empty());
}

#[test]
fn attributes_keep_commands_out() {
    let gpu = Gpu::new();
    let memory = create(&gpu, 4 * PAGE).unwrap();
    let reserved = reserve(&gpu, null(), 4 * PAGE).unwrap();
    assert_eq!(get(&gpu, reserved, 4 * PAGE), Ok((NONE, 4 * PAGE)));
    assert_eq!(map(&gpu, reserved, 4 * PAGE, memory, 0, NONE), SUCCESS);
    let mut bytes = vec![1_u8; 4 * PAGE];
    let own = bytes.as_mut_ptr().cast::<c_void>();
    assert_eq!(gpu.copy(own, reserved, 1), INVALID_ARGUMENT);
    assert_eq!(gpu.copy(reserved, own, 1), INVALID_ARGUMENT);
    assert_eq!(set(&gpu, reserved, 4 * PAGE, READ), SUCCESS);
    assert_eq!(gpu.copy(own, reserved, 4 * PAGE), SUCCESS);
    assert_eq!(gpu.copy(reserved, own, 1), INVALID_ARGUMENT);
    assert_eq!(gpu.fill(reserved, &[1], 1), INVALID_ARGUMENT);
    assert_eq!(set(&gpu, at(reserved, 1), 2 * PAGE, WRITE), SUCCESS);
    assert_eq!(gpu.copy(at(reserved, 1), own, 2 * PAGE), SUCCESS);
    assert_eq!(
        gpu.copy(at(reserved, 1), own, 2 * PAGE + 1),
        INVALID_ARGUMENT
    );
    assert_eq!(gpu.fill(at(reserved, 1), &[1, 2], 2 * PAGE), SUCCESS);
    assert_eq!(gpu.copy(own, reserved, 4 * PAGE), SUCCESS);

    assert_eq!(get(&gpu, reserved, 4 * PAGE), Ok((READ, PAGE)));
    assert_eq!(get(&gpu, at(reserved, 1), 3 * PAGE), Ok((WRITE, 2 * PAGE)));
    assert_eq!(get(&gpu, at(reserved, 1), PAGE), Ok((WRITE, PAGE)));
    assert_eq!(get(&gpu, at(reserved, 3), PAGE), Ok((READ, PAGE)));
    assert_eq!(unmap(&gpu, at(reserved, 2), PAGE), SUCCESS);
    assert_eq!(get(&gpu, at(reserved, 1), 3 * PAGE), Ok((WRITE, PAGE)));
    assert_eq!(get(&gpu, at(reserved, 2), 2 * PAGE), Ok((NONE, PAGE)));
    // Reserved pages take attributes too; a mapping sets them anew.
    assert_eq!(set(&gpu, at(reserved, 2), PAGE, READ), SUCCESS);
    assert_eq!(get(&gpu, at(reserved, 2), 2 * PAGE), Ok((READ, 2 * PAGE)));
    assert_eq!(gpu.copy(own, at(reserved, 2), 1), INVALID_ARGUMENT);
    assert_eq!(map(&gpu, at(reserved, 2), PAGE, memory, 0, NONE), SUCCESS);
    assert_eq!(get(&gpu, at(reserved, 2), 2 * PAGE), Ok((NONE, PAGE)));
    assert_eq!(set(&gpu, at(reserved, 3), PAGE, NONE), SUCCESS);
    assert_eq!(get(&gpu, at(reserved, 2), 2 * PAGE), Ok((NONE, 2 * PAGE)));
}

#[test]
fn physical_memory_counts_as_memory_of_the_device_and_stays_while_mapped() {
    let gpu = Gpu::with(Config::new().device_memory(8 * PAGE as u64));
    let memory = create(&gpu, 6 * PAGE).unwrap();
    assert_eq!(create(&gpu, 3 * PAGE).map(drop), Err(OUT_OF_DEVICE_MEMORY));
    assert_eq!(
        gpu.alloc(Kind::Device, 3 * PAGE, 0).map(drop),
        Err(OUT_OF_DEVICE_MEMORY)
    );
    let reserved = reserve(&gpu, null(), 16 * PAGE).unwrap();
    assert_eq!(map(&gpu, reserved, PAGE, memory, 5 * PAGE, WRITE), SUCCESS);
    assert_eq!(map(&gpu, at(reserved, 9), PAGE, memory, 0, WRITE), SUCCESS);
    assert_eq!(destroy(&gpu, memory), IN_USE);
    assert_eq!(unmap(&gpu, reserved, PAGE), SUCCESS);
    assert_eq!(destroy(&gpu, memory), IN_USE);
    assert_eq!(destroy_context(gpu.context), IN_USE);
    assert_eq!(unreserve(&gpu, reserved, 16 * PAGE), SUCCESS);
    assert_eq!(destroy(&gpu, memory), SUCCESS);
    assert_eq!(destroy(&gpu, memory), INVALID_ARGUMENT);
    let pointer = gpu.alloc(Kind::Device, 8 * PAGE, 0).unwrap();
    assert_eq!(gpu.free(pointer), SUCCESS);
    assert!(gpu.end().is_empty());
}

#[test]
fn virtual_memory_is_known_to_queries() {
    let gpu = Gpu::new();
    let memory = create(&gpu, PAGE).unwrap();
    let reserved = reserve(&gpu, null(), 4 * PAGE).unwrap();
    let inside = at(reserved, 2).wrapping_byte_add(77);
    let mut properties = alloc_properties();
    let mut device = null_mut();
    let mut query = |properties: &mut sys::ze_memory_allocation_properties_t| {
        let call = api().zeMemGetAllocProperties;
        // SAFETY: room for the results.
        unsafe { call(gpu.context, inside, properties, &raw mut device) }
    };
    assert_eq!(query(&mut properties), SUCCESS);
    assert_eq!(properties.type_, sys::ZE_MEMORY_TYPE_UNKNOWN);
    assert_eq!(map(&gpu, at(reserved, 2), PAGE, memory, 0, WRITE), SUCCESS);
    assert_eq!(query(&mut properties), SUCCESS);
    assert_eq!(properties.type_, sys::ZE_MEMORY_TYPE_DEVICE);
    assert_eq!(properties.pageSize, PAGE as u64);
    assert_eq!(device, gpu.device());
    let (mut base, mut size) = (null_mut(), 0);
    let call = api().zeMemGetAddressRange;
    // SAFETY: room for the results.
    let result = unsafe { call(gpu.context, inside, &raw mut base, &raw mut size) };
    assert_eq!((result, base, size), (SUCCESS, reserved, 4 * PAGE));
    let call = api().zeContextMakeMemoryResident;
    // SAFETY: the driver checks the range.
    let resident = |size| unsafe { call(gpu.context, gpu.device(), inside, size) };
    assert_eq!(resident(100), SUCCESS);
    assert_eq!(resident(PAGE), INVALID_ARGUMENT);
    // It is no allocation.
    assert_eq!(gpu.free(reserved), INVALID_ARGUMENT);
}

#[test]
fn mappings_come_and_go_under_copies() {
    let gpu = Gpu::new();
    let memory = create(&gpu, 2 * PAGE).unwrap();
    let reserved = reserve(&gpu, null(), 2 * PAGE).unwrap();
    let address = reserved.addr();
    let object = memory.addr();
    std::thread::scope(|scope| {
        let gpu = &gpu;
        scope.spawn(move || {
            let list = create_list(gpu.context, gpu.device()).unwrap();
            let mut bytes = vec![0_u8; 2 * PAGE];
            let mut done = 0;
            for _ in 0..3000 {
                let call = api().zeCommandListAppendMemoryCopy;
                let to = bytes.as_mut_ptr().cast();
                let from = handle_at(address);
                // SAFETY: the driver checks its own memory; the rest is the vector's.
                let result = unsafe { call(list, to, from, 2 * PAGE, null_mut(), 0, null_mut()) };
                assert!(result == SUCCESS || result == INVALID_ARGUMENT);
                done += usize::from(result == SUCCESS);
            }
            // SAFETY: used no more.
            assert_eq!(unsafe { (api().zeCommandListDestroy)(list) }, SUCCESS);
            done
        });
        scope.spawn(move || {
            let (pointer, memory) = (handle_at(address), handle(object));
            for _ in 0..3000 {
                assert_eq!(map(gpu, pointer, 2 * PAGE, memory, 0, WRITE), SUCCESS);
                loop {
                    match unmap(gpu, pointer, 2 * PAGE) {
                        SUCCESS => break,
                        result => assert_eq!(result, IN_USE),
                    }
                    std::thread::yield_now();
                }
            }
        });
    });
    assert_eq!(unreserve(&gpu, reserved, 2 * PAGE), SUCCESS);
    assert_eq!(destroy(&gpu, memory), SUCCESS);
    assert!(gpu.end().is_empty());

    fn handle_at(address: usize) -> *mut c_void {
        std::ptr::with_exposed_provenance_mut(address)
    }
}

#[test]
fn arguments_are_checked() {
    let gpu = Gpu::new();
    let other = create_context(&gpu.instance).unwrap();
    let memory = create(&gpu, 2 * PAGE).unwrap();
    let reserved = reserve(&gpu, null(), 4 * PAGE).unwrap();
    let bad = handle::<c_void>(PAGE);
    let inside = reserved.wrapping_byte_add(4096);
    // Reserving.
    assert_eq!(reserve(&gpu, null(), 0), Err(UNSUPPORTED_SIZE));
    assert_eq!(reserve(&gpu, null(), PAGE + 1), Err(UNSUPPORTED_SIZE));
    assert_eq!(reserve(&gpu, inside, PAGE), Err(UNSUPPORTED_ALIGNMENT));
    let huge = usize::MAX / PAGE * PAGE;
    assert_eq!(reserve(&gpu, null(), huge), Err(OUT_OF_HOST_MEMORY));
    assert_eq!(reserve(&gpu, bad, huge), Err(OUT_OF_HOST_MEMORY));
    // SAFETY: null is refused.
    let result = unsafe { (api().zeVirtualMemReserve)(gpu.context, null(), PAGE, null_mut()) };
    assert_eq!(result, NULL_POINTER);
    // Freeing.
    assert_eq!(unreserve(&gpu, null(), PAGE), NULL_POINTER);
    assert_eq!(unreserve(&gpu, reserved, 0), UNSUPPORTED_SIZE);
    assert_eq!(unreserve(&gpu, inside, PAGE), UNSUPPORTED_ALIGNMENT);
    assert_eq!(unreserve(&gpu, reserved, 3 * PAGE), INVALID_ARGUMENT);
    assert_eq!(unreserve(&gpu, at(reserved, 1), 3 * PAGE), INVALID_ARGUMENT);
    assert_eq!(unreserve(&gpu, bad, PAGE), INVALID_ARGUMENT);
    // SAFETY: the driver checks.
    let result = unsafe { (api().zeVirtualMemFree)(other, reserved, 4 * PAGE) };
    assert_eq!(result, INVALID_ARGUMENT);
    // Physical memory.
    assert_eq!(create(&gpu, 0).map(drop), Err(UNSUPPORTED_SIZE));
    assert_eq!(create(&gpu, 100).map(drop), Err(UNSUPPORTED_ALIGNMENT));
    assert_eq!(create(&gpu, 4 << 30).map(drop), Err(UNSUPPORTED_SIZE));
    // SAFETY: the driver checks the handle.
    let result = unsafe { (api().zePhysicalMemDestroy)(other, memory) };
    assert_eq!(result, INVALID_ARGUMENT);
    assert_eq!(destroy(&gpu, null_mut()), NULL_HANDLE);
    assert_eq!(destroy(&gpu, handle(gpu.list.addr())), INVALID_ARGUMENT);
    // Mapping.
    assert_eq!(map(&gpu, null(), PAGE, memory, 0, WRITE), NULL_POINTER);
    assert_eq!(map(&gpu, reserved, PAGE, null_mut(), 0, WRITE), NULL_HANDLE);
    assert_eq!(map(&gpu, reserved, 0, memory, 0, WRITE), UNSUPPORTED_SIZE);
    assert_eq!(map(&gpu, reserved, 100, memory, 0, WRITE), UNSUPPORTED_SIZE);
    assert_eq!(
        map(&gpu, inside, PAGE, memory, 0, WRITE),
        UNSUPPORTED_ALIGNMENT
    );
    assert_eq!(
        map(&gpu, reserved, PAGE, memory, 1, WRITE),
        UNSUPPORTED_ALIGNMENT
    );
    let three = sys::_ze_memory_access_attribute_t(3);
    assert_eq!(
        map(&gpu, reserved, PAGE, memory, 0, three),
        INVALID_ENUMERATION
    );
    assert_eq!(
        map(&gpu, reserved, 3 * PAGE, memory, 0, WRITE),
        INVALID_ARGUMENT
    );
    assert_eq!(
        map(&gpu, reserved, 2 * PAGE, memory, PAGE, WRITE),
        INVALID_ARGUMENT
    );
    assert_eq!(
        map(&gpu, reserved, PAGE, memory, huge, WRITE),
        INVALID_ARGUMENT
    );
    assert_eq!(
        map(&gpu, at(reserved, 3), 2 * PAGE, memory, 0, WRITE),
        INVALID_ARGUMENT
    );
    assert_eq!(map(&gpu, bad, PAGE, memory, 0, WRITE), INVALID_ARGUMENT);
    assert_eq!(map(&gpu, reserved, PAGE, memory, 0, WRITE), SUCCESS);
    assert_eq!(
        map(&gpu, reserved, 2 * PAGE, memory, 0, WRITE),
        INVALID_ARGUMENT
    );
    // Unmapping.
    assert_eq!(unmap(&gpu, null(), PAGE), NULL_POINTER);
    assert_eq!(unmap(&gpu, reserved, 0), UNSUPPORTED_SIZE);
    assert_eq!(unmap(&gpu, reserved, 100), UNSUPPORTED_SIZE);
    assert_eq!(unmap(&gpu, inside, PAGE), UNSUPPORTED_ALIGNMENT);
    assert_eq!(unmap(&gpu, reserved, 2 * PAGE), INVALID_ARGUMENT);
    assert_eq!(unmap(&gpu, reserved, huge), INVALID_ARGUMENT);
    assert_eq!(unmap(&gpu, bad, PAGE), INVALID_ARGUMENT);
    // Attributes.
    assert_eq!(set(&gpu, null(), PAGE, READ), NULL_POINTER);
    assert_eq!(set(&gpu, reserved, PAGE, three), INVALID_ENUMERATION);
    assert_eq!(set(&gpu, reserved, 0, READ), UNSUPPORTED_SIZE);
    assert_eq!(set(&gpu, inside, PAGE, READ), UNSUPPORTED_ALIGNMENT);
    assert_eq!(set(&gpu, reserved, 5 * PAGE, READ), INVALID_ARGUMENT);
    assert_eq!(get(&gpu, null(), PAGE), Err(NULL_POINTER));
    assert_eq!(get(&gpu, reserved, 0), Err(UNSUPPORTED_SIZE));
    assert_eq!(get(&gpu, inside, PAGE), Err(UNSUPPORTED_ALIGNMENT));
    assert_eq!(get(&gpu, bad, PAGE), Err(INVALID_ARGUMENT));
    // The size of pages.
    let query = |device, size, page| {
        // SAFETY: null or room for the result.
        unsafe { (api().zeVirtualMemQueryPageSize)(gpu.context, device, size, page) }
    };
    let mut page = 0;
    assert_eq!(query(gpu.device(), 1 << 30, &raw mut page), SUCCESS);
    assert_eq!(page, PAGE);
    assert_eq!(query(gpu.device(), 0, &raw mut page), UNSUPPORTED_SIZE);
    assert_eq!(query(gpu.device(), 1, null_mut()), NULL_POINTER);
    assert_eq!(query(null_mut(), 1, &raw mut page), NULL_HANDLE);
    // Nothing of that changed anything.
    assert_eq!(unreserve(&gpu, reserved, 4 * PAGE), SUCCESS);
    assert_eq!(destroy(&gpu, memory), SUCCESS);
    assert_eq!(destroy_context(other), SUCCESS);
    assert!(gpu.end().is_empty());
}

#[test]
fn copies_between_two_mappings_of_the_same_memory_overlap() {
    let gpu = Gpu::new();
    let memory = create(&gpu, 2 * PAGE).unwrap();
    let start = reserve(&gpu, null(), 4 * PAGE).unwrap();
    let at = |page: usize| start.wrapping_byte_add(page * PAGE);
    assert_eq!(map(&gpu, start, 2 * PAGE, memory, 0, WRITE), SUCCESS);
    assert_eq!(map(&gpu, at(2), PAGE, memory, PAGE, WRITE), SUCCESS);
    assert_eq!(map(&gpu, at(3), PAGE, memory, 0, WRITE), SUCCESS);
    assert_eq!(gpu.copy(at(3), start, PAGE), OVERLAPPING);
    assert_eq!(gpu.copy(start, at(2), PAGE), SUCCESS);
    assert_eq!(gpu.copy(start, at(2), PAGE + 1), OVERLAPPING);
    assert_eq!(gpu.copy(at(3), at(1), PAGE), SUCCESS);
    assert_eq!(unreserve(&gpu, start, 4 * PAGE), SUCCESS);
    assert_eq!(destroy(&gpu, memory), SUCCESS);
    assert!(gpu.end().is_empty());
}
