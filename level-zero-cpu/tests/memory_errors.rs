//! Every error that the header of version 1.4 documents for a call on memory is produced by it.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails, as it should"
)]

mod errors;
mod setup;

use errors::*;
use level_zero_cpu::{Config, api};
use level_zero_sys::{self as sys, ze_result_t};
use setup::*;
use std::ffi::c_void;
use std::ptr::{null, null_mut};

const PAGE: usize = 64 << 10;

/// What the header documents beside success, and, after the bar, what only a fault that is asked for
/// brings about: this driver is there and never lost, and needs no memory where it frees some.
const TABLE: [&str; 21] = [
    "zeMemAllocShared: NULL_HANDLE NULL_POINTER ENUMERATION SIZE ALIGNMENT HOST | DEVICE UNINIT LOST",
    "zeMemAllocDevice: NULL_HANDLE NULL_POINTER ENUMERATION SIZE ALIGNMENT DEVICE | HOST UNINIT LOST",
    "zeMemAllocHost: NULL_HANDLE NULL_POINTER ENUMERATION SIZE ALIGNMENT HOST | DEVICE UNINIT LOST",
    "zeMemFree: NULL_HANDLE NULL_POINTER | UNINIT LOST",
    "zeMemFreeExt: NULL_HANDLE NULL_POINTER ENUMERATION | UNINIT LOST",
    "zeMemGetAllocProperties: NULL_HANDLE NULL_POINTER | UNINIT LOST",
    "zeMemGetAddressRange: NULL_HANDLE NULL_POINTER | UNINIT LOST",
    "zeMemGetIpcHandle: NULL_HANDLE NULL_POINTER | UNINIT LOST",
    "zeMemOpenIpcHandle: NULL_HANDLE NULL_POINTER ENUMERATION | UNINIT LOST",
    "zeMemCloseIpcHandle: NULL_HANDLE NULL_POINTER | UNINIT LOST",
    "zeContextMakeMemoryResident: NULL_HANDLE NULL_POINTER | UNINIT LOST HOST DEVICE",
    "zeContextEvictMemory: NULL_HANDLE NULL_POINTER | UNINIT LOST HOST DEVICE",
    "zeVirtualMemReserve: NULL_HANDLE NULL_POINTER SIZE HOST | DEVICE UNINIT LOST",
    "zeVirtualMemFree: NULL_HANDLE NULL_POINTER SIZE ALIGNMENT | UNINIT LOST",
    "zeVirtualMemQueryPageSize: NULL_HANDLE NULL_POINTER SIZE | UNINIT LOST",
    "zePhysicalMemCreate: NULL_HANDLE NULL_POINTER ENUMERATION SIZE DEVICE ALIGNMENT | UNINIT LOST",
    "zePhysicalMemDestroy: NULL_HANDLE IN_USE | UNINIT LOST",
    "zeVirtualMemMap: NULL_HANDLE NULL_POINTER ENUMERATION SIZE ALIGNMENT | HOST DEVICE UNINIT LOST",
    "zeVirtualMemUnmap: NULL_HANDLE NULL_POINTER ALIGNMENT SIZE | HOST DEVICE UNINIT LOST",
    "zeVirtualMemSetAccessAttribute: NULL_HANDLE NULL_POINTER ENUMERATION ALIGNMENT SIZE | UNINIT LOST",
    "zeVirtualMemGetAccessAttribute: NULL_HANDLE NULL_POINTER ALIGNMENT SIZE | UNINIT LOST",
];

type Context = sys::ze_context_handle_t;

fn physical_desc(flags: u32, size: usize) -> sys::ze_physical_mem_desc_t {
    sys::ze_physical_mem_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_PHYSICAL_MEM_DESC,
        pNext: null(),
        flags,
        size,
    }
}

#[test]
fn documented_errors_are_returned() {
    let config = Config::new().device_memory(1 << 20).host_memory(1 << 20);
    let gpu = Gpu::with(config);
    let (context, device) = (gpu.context, gpu.device());
    let api = api();
    let none: Context = null_mut();
    let mut seen = Seen::default();
    let mut pointer = null_mut();
    let mut out = [0_usize; 16];
    let room: *mut c_void = out.as_mut_ptr().cast();

    for (kind, call) in [
        (Kind::Shared, "zeMemAllocShared"),
        (Kind::Device, "zeMemAllocDevice"),
        (Kind::Host, "zeMemAllocHost"),
    ] {
        let bad_device = sys::ze_device_mem_alloc_desc_t {
            flags: 8,
            ..device_desc()
        };
        let bad_host = sys::ze_host_mem_alloc_desc_t {
            flags: 16,
            ..host_desc()
        };
        let (good_device, good_host) = (device_desc(), host_desc());
        let mut alloc = |context, descs, size, alignment, out: bool| {
            let out = if out { &raw mut pointer } else { null_mut() };
            alloc_with(context, device, kind, descs, size, alignment, out)
        };
        let good = (&raw const good_device, &raw const good_host);
        let bad = (&raw const bad_device, &raw const bad_host);
        let mut results = vec![
            alloc(none, good, 1, 0, true),
            alloc(context, good, 1, 0, false),
            alloc(context, good, 0, 0, true),
            alloc(context, good, usize::MAX, 0, true),
            alloc(context, good, 1, 3, true),
            alloc(context, good, 1, 1 << 63, true),
            alloc(context, good, 2 << 20, 0, true),
        ];
        if kind != Kind::Host {
            results.push(alloc(context, (null(), good.1), 1, 0, true));
            results.push(alloc(context, (bad.0, good.1), 1, 0, true));
        }
        if kind != Kind::Device {
            results.push(alloc(context, (good.0, null()), 1, 0, true));
            results.push(alloc(context, (good.0, bad.1), 1, 0, true));
        }
        if kind == Kind::Device {
            results.push(alloc_with(
                context,
                null_mut(),
                kind,
                good,
                1,
                0,
                room.cast(),
            ));
        }
        seen.add(call, &results);
    }
    assert!(pointer.is_null());

    let free_desc = |policy| sys::ze_memory_free_ext_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_MEMORY_FREE_EXT_DESC,
        pNext: null(),
        freePolicy: policy,
    };
    let free_ext = |context, desc: *const _, pointer| {
        // SAFETY: descriptors are null or live; pointers are checked.
        unsafe { (api.zeMemFreeExt.unwrap())(context, desc, pointer) }
    };
    let (plain, unknown) = (free_desc(0), free_desc(4));
    let results = [
        free_ext(none, &raw const plain, room),
        free_ext(context, null(), room),
        free_ext(context, &raw const plain, null_mut()),
        free_ext(context, &raw const unknown, room),
    ];
    seen.add("zeMemFreeExt", &results);
    seen.add(
        "zeMemFree",
        &[free_in(none, room), free_in(context, null_mut())],
    );

    let mut properties = alloc_properties();
    let properties = &raw mut properties;
    let mut add = |call, results: &dyn Fn() -> Vec<ze_result_t>| seen.add(call, &results());
    add("zeMemGetAllocProperties", &|| {
        let call = api.zeMemGetAllocProperties;
        vec![
            // SAFETY: null or live.
            unsafe { call(none, room, properties, null_mut()) },
            // SAFETY: as above.
            unsafe { call(context, null(), properties, null_mut()) },
            // SAFETY: as above.
            unsafe { call(context, room, null_mut(), null_mut()) },
        ]
    });
    add("zeMemGetAddressRange", &|| {
        let call = api.zeMemGetAddressRange;
        vec![
            // SAFETY: null or live.
            unsafe { call(none, room, null_mut(), null_mut()) },
            // SAFETY: as above.
            unsafe { call(context, null(), null_mut(), null_mut()) },
        ]
    });
    add("zeMemGetIpcHandle", &|| {
        let call = api.zeMemGetIpcHandle;
        vec![
            // SAFETY: null or room for the handle.
            unsafe { call(none, room, room.cast()) },
            // SAFETY: as above.
            unsafe { call(context, null(), room.cast()) },
            // SAFETY: as above.
            unsafe { call(context, room, null_mut()) },
        ]
    });
    add("zeMemOpenIpcHandle", &|| {
        let call = api.zeMemOpenIpcHandle;
        let handle = sys::ze_ipc_mem_handle_t { data: [0; 64] };
        vec![
            // SAFETY: null or room for the pointer.
            unsafe { call(none, device, handle, 0, room.cast()) },
            // SAFETY: as above.
            unsafe { call(context, null_mut(), handle, 0, room.cast()) },
            // SAFETY: as above.
            unsafe { call(context, device, handle, 4, room.cast()) },
            // SAFETY: as above.
            unsafe { call(context, device, handle, 0, null_mut()) },
        ]
    });
    add("zeMemCloseIpcHandle", &|| {
        let call = api.zeMemCloseIpcHandle;
        vec![
            // SAFETY: the pointer is checked.
            unsafe { call(none, room) },
            // SAFETY: as above.
            unsafe { call(context, null()) },
        ]
    });
    for (name, call) in [
        (
            "zeContextMakeMemoryResident",
            api.zeContextMakeMemoryResident,
        ),
        ("zeContextEvictMemory", api.zeContextEvictMemory),
    ] {
        add(name, &|| {
            vec![
                // SAFETY: the range is checked.
                unsafe { call(none, device, room, 1) },
                // SAFETY: as above.
                unsafe { call(context, null_mut(), room, 1) },
                // SAFETY: as above.
                unsafe { call(context, device, null_mut(), 1) },
            ]
        });
    }
    add("zeVirtualMemReserve", &|| {
        let call = api.zeVirtualMemReserve;
        let huge = usize::MAX / PAGE * PAGE;
        vec![
            // SAFETY: null or room for the pointer.
            unsafe { call(none, null(), PAGE, room.cast()) },
            // SAFETY: as above.
            unsafe { call(context, null(), PAGE, null_mut()) },
            // SAFETY: as above.
            unsafe { call(context, null(), 0, room.cast()) },
            // SAFETY: as above.
            unsafe { call(context, null(), huge, room.cast()) },
        ]
    });
    let page = handle::<c_void>(PAGE).cast_const();
    let odd = page.wrapping_byte_add(1);
    for (name, call) in [
        ("zeVirtualMemFree", api.zeVirtualMemFree),
        ("zeVirtualMemUnmap", api.zeVirtualMemUnmap),
    ] {
        add(name, &|| {
            vec![
                // SAFETY: the range is checked.
                unsafe { call(none, room, PAGE) },
                // SAFETY: as above.
                unsafe { call(context, null(), PAGE) },
                // SAFETY: as above.
                unsafe { call(context, odd, PAGE) },
                // SAFETY: as above.
                unsafe { call(context, room, 0) },
                // SAFETY: as above.
                unsafe { call(context, page, PAGE + 1) },
            ]
        });
    }
    add("zeVirtualMemQueryPageSize", &|| {
        let call = api.zeVirtualMemQueryPageSize;
        vec![
            // SAFETY: null or room for the size.
            unsafe { call(none, device, 1, room.cast()) },
            // SAFETY: as above.
            unsafe { call(context, null_mut(), 1, room.cast()) },
            // SAFETY: as above.
            unsafe { call(context, device, 1, null_mut()) },
            // SAFETY: as above.
            unsafe { call(context, device, 0, room.cast()) },
        ]
    });
    let create_on = |device, context, desc: Option<sys::ze_physical_mem_desc_t>, out| {
        let mut desc = desc;
        let desc = desc.as_mut().map_or(null_mut(), |desc| &raw mut *desc);
        // SAFETY: null or live.
        unsafe { (api.zePhysicalMemCreate)(context, device, desc, out) }
    };
    let create = |context, desc, out| create_on(device, context, desc, out);
    let mut physical = null_mut();
    let made = &raw mut physical;
    add("zePhysicalMemCreate", &|| {
        vec![
            create(none, Some(physical_desc(0, PAGE)), made),
            create_on(null_mut(), context, Some(physical_desc(0, PAGE)), made),
            create(context, None, made),
            create(context, Some(physical_desc(0, PAGE)), null_mut()),
            create(context, Some(physical_desc(2, PAGE)), made),
            create(context, Some(physical_desc(0, 0)), made),
            create(context, Some(physical_desc(0, PAGE + 1)), made),
            create(context, Some(physical_desc(0, 2 << 20)), made),
        ]
    });
    assert_eq!(create(context, Some(physical_desc(0, PAGE)), made), SUCCESS);
    let mut reserved = null_mut();
    let call = api.zeVirtualMemReserve;
    // SAFETY: room for the pointer.
    let result = unsafe { call(context, null(), PAGE, &raw mut reserved) };
    assert_eq!(result, SUCCESS);
    let map = |context, pointer: *const c_void, size, memory, offset, access| {
        let access = sys::_ze_memory_access_attribute_t(access);
        // SAFETY: all is checked.
        unsafe { (api.zeVirtualMemMap)(context, pointer, size, memory, offset, access) }
    };
    assert_eq!(map(context, reserved, PAGE, physical, 0, 1), SUCCESS);
    add("zePhysicalMemDestroy", &|| {
        let call = api.zePhysicalMemDestroy;
        vec![
            // SAFETY: handles are checked.
            unsafe { call(none, physical) },
            // SAFETY: as above.
            unsafe { call(context, null_mut()) },
            // SAFETY: as above.
            unsafe { call(context, physical) },
        ]
    });
    add("zeVirtualMemMap", &|| {
        vec![
            map(none, reserved, PAGE, physical, 0, 1),
            map(context, reserved, PAGE, null_mut(), 0, 1),
            map(context, null(), PAGE, physical, 0, 1),
            map(context, reserved, PAGE, physical, 0, 3),
            map(context, reserved, 0, physical, 0, 1),
            map(context, odd, PAGE, physical, 0, 1),
        ]
    });
    add("zeVirtualMemSetAccessAttribute", &|| {
        let call = |context, pointer, size, access| {
            let access = sys::_ze_memory_access_attribute_t(access);
            // SAFETY: the range is checked.
            unsafe { (api.zeVirtualMemSetAccessAttribute)(context, pointer, size, access) }
        };
        vec![
            call(none, reserved, PAGE, 1),
            call(context, null_mut(), PAGE, 1),
            call(context, reserved, PAGE, 3),
            call(context, odd.cast_mut(), PAGE, 1),
            call(context, reserved, 0, 1),
            call(context, reserved, PAGE + 1, 1),
        ]
    });
    add("zeVirtualMemGetAccessAttribute", &|| {
        let call = |context, pointer, size, access: *mut c_void, len: *mut usize| {
            // SAFETY: null or room for the results.
            unsafe {
                (api.zeVirtualMemGetAccessAttribute)(context, pointer, size, access.cast(), len)
            }
        };
        let len = room.wrapping_byte_add(64).cast();
        vec![
            call(none, reserved, PAGE, room, len),
            call(context, null_mut(), PAGE, room, len),
            call(context, reserved, PAGE, null_mut(), len),
            call(context, reserved, PAGE, room, null_mut()),
            call(context, odd.cast_mut(), PAGE, room, len),
            call(context, reserved, 0, room, len),
            call(context, reserved, PAGE + 1, room, len),
        ]
    });
    // None of that changed anything.
    let unreserve = api.zeVirtualMemFree;
    // SAFETY: used no more.
    assert_eq!(unsafe { unreserve(context, reserved, PAGE) }, SUCCESS);
    let destroy = api.zePhysicalMemDestroy;
    // SAFETY: used no more.
    assert_eq!(unsafe { destroy(context, physical) }, SUCCESS);
    assert!(gpu.end().is_empty());

    seen.check(&table(&TABLE));
}

/// A call with arguments that it would refuse if it got as far as to look at them.
#[allow(
    clippy::multiple_unsafe_ops_per_block,
    reason = "one of them is done, and all for one reason"
)]
fn touch(gpu: &Gpu, call: &str) -> ze_result_t {
    let (api, context, device) = (api(), gpu.context, gpu.device());
    let handle = sys::ze_ipc_mem_handle_t { data: [0; 64] };
    let access = sys::ZE_MEMORY_ACCESS_ATTRIBUTE_NONE;
    let (none, nowhere) = (null_mut::<c_void>(), null::<c_void>());
    let memory = null_mut();
    // SAFETY: null pointers are refused, as is all else that is null.
    unsafe {
        match call {
            "zeMemAllocShared" => {
                (api.zeMemAllocShared)(context, null(), null(), 1, 0, device, null_mut())
            }
            "zeMemAllocDevice" => (api.zeMemAllocDevice)(context, null(), 1, 0, device, null_mut()),
            "zeMemAllocHost" => (api.zeMemAllocHost)(context, null(), 1, 0, null_mut()),
            "zeMemFree" => (api.zeMemFree)(context, none),
            "zeMemFreeExt" => (api.zeMemFreeExt.unwrap())(context, null(), none),
            "zeMemGetAllocProperties" => {
                (api.zeMemGetAllocProperties)(context, nowhere, null_mut(), null_mut())
            }
            "zeMemGetAddressRange" => {
                (api.zeMemGetAddressRange)(context, nowhere, null_mut(), null_mut())
            }
            "zeMemGetIpcHandle" => (api.zeMemGetIpcHandle)(context, nowhere, null_mut()),
            "zeMemOpenIpcHandle" => {
                (api.zeMemOpenIpcHandle)(context, device, handle, 0, null_mut())
            }
            "zeMemCloseIpcHandle" => (api.zeMemCloseIpcHandle)(context, nowhere),
            "zeContextMakeMemoryResident" => {
                (api.zeContextMakeMemoryResident)(context, device, none, 1)
            }
            "zeContextEvictMemory" => (api.zeContextEvictMemory)(context, device, none, 1),
            "zeVirtualMemReserve" => (api.zeVirtualMemReserve)(context, nowhere, PAGE, null_mut()),
            "zeVirtualMemFree" => (api.zeVirtualMemFree)(context, nowhere, PAGE),
            "zeVirtualMemQueryPageSize" => {
                (api.zeVirtualMemQueryPageSize)(context, device, 1, null_mut())
            }
            "zePhysicalMemCreate" => {
                (api.zePhysicalMemCreate)(context, device, null_mut(), null_mut())
            }
            "zePhysicalMemDestroy" => (api.zePhysicalMemDestroy)(context, memory),
            "zeVirtualMemMap" => (api.zeVirtualMemMap)(context, nowhere, PAGE, memory, 0, access),
            "zeVirtualMemUnmap" => (api.zeVirtualMemUnmap)(context, nowhere, PAGE),
            "zeVirtualMemSetAccessAttribute" => {
                (api.zeVirtualMemSetAccessAttribute)(context, nowhere, PAGE, access)
            }
            "zeVirtualMemGetAccessAttribute" => {
                (api.zeVirtualMemGetAccessAttribute)(context, nowhere, PAGE, null_mut(), null_mut())
            }
            other => unreachable!("{other}"),
        }
    }
}

#[test]
fn errors_of_the_machine_are_returned_when_asked_for() {
    let gpu = Gpu::new();
    let table = table(&TABLE);
    check_faults(&gpu.instance, &table, |call| touch(&gpu, call));
    for row in table {
        assert!([NULL_POINTER, NULL_HANDLE].contains(&touch(&gpu, row.call)));
    }
    assert!(gpu.end().is_empty());
}

#[test]
fn the_table_is_what_the_header_says() {
    check_header(&table(&TABLE));
}
