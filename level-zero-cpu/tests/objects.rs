//! Drivers and devices: what they say of themselves.
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails, as it should"
)]

mod setup;

use level_zero_cpu::{Config, Instance, api};
use level_zero_sys as sys;
use setup::*;
use std::ptr::{null, null_mut};

fn text(name: &[std::ffi::c_char]) -> String {
    let bytes = name.iter().take_while(|byte| **byte != 0);
    bytes
        .map(|byte| char::from(byte.to_ne_bytes()[0]))
        .collect()
}

/// A structure of properties whose fields are all zero but its type.
fn blank<T: Copy>(stype: sys::ze_structure_type_t) -> T {
    // SAFETY: structures of the API are numbers and pointers, for which zero is a value.
    let mut properties: T = unsafe { std::mem::zeroed() };
    let first = (&raw mut properties).cast::<sys::ze_structure_type_t>();
    // SAFETY: every such structure starts with its type.
    unsafe { first.write(stype) };
    properties
}

fn device_properties(device: sys::ze_device_handle_t) -> sys::ze_device_properties_t {
    let mut properties = blank(sys::ZE_STRUCTURE_TYPE_DEVICE_PROPERTIES);
    // SAFETY: of the right type, and outlives the call.
    let result = unsafe { (api().zeDeviceGetProperties)(device, &raw mut properties) };
    assert_eq!(result, SUCCESS);
    properties
}

fn sub_devices(device: sys::ze_device_handle_t) -> Vec<sys::ze_device_handle_t> {
    // SAFETY: the count and the array are what the helper made.
    all(|count, array| unsafe { (api().zeDeviceGetSubDevices)(device, count, array) })
}

#[test]
fn drivers_are_found_after_init_only() {
    let get = |count: &mut u32, array| {
        // SAFETY: the count outlives the call; the array has room for one.
        unsafe { (api().zeDriverGet)(count, array) }
    };
    let init = |flags| {
        // SAFETY: takes flags only.
        unsafe { (api().zeInit)(flags) }
    };
    assert_eq!(get(&mut 0, null_mut()), UNINITIALIZED);
    assert_eq!(init(4), INVALID_ENUMERATION);
    assert_eq!(init(sys::ZE_INIT_FLAG_VPU_ONLY), UNINITIALIZED);
    for flags in [0, 1, 3] {
        assert_eq!(init(flags), SUCCESS);
    }
    let mut count = 0;
    let mut driver = null_mut();
    assert_eq!(get(&mut count, &raw mut driver), SUCCESS);
    assert_eq!((count, driver), (1, null_mut()));
    count = 5;
    assert_eq!(get(&mut count, &raw mut driver), SUCCESS);
    assert_eq!(
        (count, driver),
        (1, Instance::global().unwrap().driver_handle())
    );
    assert_eq!(
        // SAFETY: null is refused.
        unsafe { (api().zeDriverGet)(null_mut(), null_mut()) },
        NULL_POINTER
    );
    assert!(Instance::global().unwrap().calls()["zeInit"] >= 5);
}

#[test]
fn a_driver_tells_version_extensions_and_free_policies() {
    let instance = Instance::new(Config::new().free_policies(2)).unwrap();
    let driver = instance.driver_handle();
    let mut version = sys::ZE_API_VERSION_1_0;
    // SAFETY: outlives the call.
    let result = unsafe { (api().zeDriverGetApiVersion)(driver, &raw mut version) };
    assert_eq!((result, version.0), (SUCCESS, sys::ZE_API_VERSION_1_4.0));

    let mut policies = sys::ze_driver_memory_free_ext_properties_t {
        stype: sys::ZE_STRUCTURE_TYPE_DRIVER_MEMORY_FREE_EXT_PROPERTIES,
        pNext: null_mut(),
        freePolicies: 0,
    };
    // A structure that no driver of today knows, as newer loaders add.
    let mut unknown: sys::ze_base_properties_t = blank(sys::_ze_structure_type_t(0x7000_0000));
    unknown.pNext = (&raw mut policies).cast();
    let mut properties: sys::ze_driver_properties_t =
        blank(sys::ZE_STRUCTURE_TYPE_DRIVER_PROPERTIES);
    properties.pNext = (&raw mut unknown).cast();
    // SAFETY: a chain of structures that outlive the call.
    let result = unsafe { (api().zeDriverGetProperties)(driver, &raw mut properties) };
    assert_eq!(result, SUCCESS);
    assert_eq!(policies.freePolicies, 2);
    assert_ne!(properties.driverVersion, 0);

    let mut count = 0;
    // SAFETY: outlives the call.
    let result =
        unsafe { (api().zeDriverGetExtensionProperties)(driver, &raw mut count, null_mut()) };
    assert_eq!((result, count), (SUCCESS, 7));
    let mut extensions = vec![
        sys::ze_driver_extension_properties_t {
            name: [0; 256],
            version: 0
        };
        count as usize
    ];
    let array = extensions.as_mut_ptr();
    // SAFETY: room for the count.
    let result = unsafe { (api().zeDriverGetExtensionProperties)(driver, &raw mut count, array) };
    assert_eq!(result, SUCCESS);
    let names: Vec<_> = extensions.iter().map(|it| text(&it.name)).collect();
    assert_eq!(
        names,
        [
            "ZE_experimental_relaxed_allocation_limits",
            "ZE_extension_memory_free_policies",
            "ZE_experimental_event_query_timestamps",
            "ZE_extension_device_memory_properties",
            "ZE_extension_linkage_inspection",
            "ZE_experimental_global_offset",
            "ZE_experimental_scheduling_hints",
        ]
    );

    let mut address = null_mut();
    let find = api().zeDriverGetExtensionFunctionAddress.unwrap();
    // SAFETY: a C string and a place for the address.
    let result = unsafe { find(driver, c"zeNothing".as_ptr(), &raw mut address) };
    assert_eq!(result, INVALID_ARGUMENT);
    assert_eq!(
        // SAFETY: null is refused.
        unsafe { find(driver, null(), &raw mut address) },
        NULL_POINTER
    );
}

#[test]
fn devices_and_sub_devices_have_names_and_parents() {
    let config = Config::new()
        .devices(2)
        .sub_devices(3)
        .max_allocation(12345);
    let gpu = Gpu::with(config);
    assert_eq!(gpu.devices.len(), 2);
    let root_of = |device| {
        let mut root = null_mut();
        // SAFETY: outlives the call.
        let result = unsafe { (api().zeDeviceGetRootDevice.unwrap())(device, &raw mut root) };
        assert_eq!(result, SUCCESS);
        root
    };
    let mut uuids = Vec::new();
    for (index, device) in gpu.devices.iter().enumerate() {
        let properties = device_properties(*device);
        assert_eq!(
            text(&properties.name),
            format!("Level Zero CPU device {index}")
        );
        assert_eq!(properties.maxMemAllocSize, 12345);
        assert_eq!(properties.flags, 0);
        assert_eq!(properties.type_, sys::ZE_DEVICE_TYPE_GPU);
        assert!(root_of(*device).is_null());
        uuids.push(properties.uuid.id);
        let subs = sub_devices(*device);
        assert_eq!(subs.len(), 3);
        for (sub_index, sub) in subs.into_iter().enumerate() {
            let properties = device_properties(sub);
            let name = format!("Level Zero CPU device {index} sub-device {sub_index}");
            assert_eq!(text(&properties.name), name);
            assert_eq!(properties.flags, sys::ZE_DEVICE_PROPERTY_FLAG_SUBDEVICE);
            assert_eq!(properties.subdeviceId as usize, sub_index);
            assert_eq!(root_of(sub), *device);
            assert!(sub_devices(sub).is_empty());
            uuids.push(properties.uuid.id);
        }
    }
    uuids.sort_unstable();
    uuids.dedup();
    assert_eq!(uuids.len(), 8);
}

#[test]
fn counts_are_asked_corrected_and_kept() {
    let instance = Instance::new(Config::new().devices(3)).unwrap();
    let driver = instance.driver_handle();
    for (asked, answered, filled) in [(0, 3, 0), (2, 2, 2), (3, 3, 3), (9, 3, 3)] {
        let mut count = asked;
        let mut devices = [null_mut(); 9];
        // SAFETY: room for nine.
        let result = unsafe { (api().zeDeviceGet)(driver, &raw mut count, devices.as_mut_ptr()) };
        assert_eq!((result, count), (SUCCESS, answered));
        assert_eq!(
            devices.iter().filter(|device| !device.is_null()).count(),
            filled
        );
    }
    assert_eq!(
        // SAFETY: null is refused.
        unsafe { (api().zeDeviceGet)(driver, null_mut(), null_mut()) },
        NULL_POINTER
    );
}

#[test]
fn device_properties_are_those_configured_and_want_their_type() {
    let gpu = Gpu::with(Config::new().max_fill_pattern(32).device_memory(5 << 20));
    let device = gpu.device();
    let mut one = 1;
    let group: sys::ze_command_queue_group_properties_t =
        blank(sys::ZE_STRUCTURE_TYPE_COMMAND_QUEUE_GROUP_PROPERTIES);
    let mut groups = [group; 3];
    let mut count = 3;
    let call = api().zeDeviceGetCommandQueueGroupProperties;
    assert_eq!(
        // SAFETY: room for three.
        unsafe { call(device, &raw mut count, groups.as_mut_ptr()) },
        SUCCESS
    );
    let facts = groups.map(|group| (group.flags, group.maxMemoryFillPatternSize, group.numQueues));
    assert_eq!((count, facts), (2, [(7, 32, 4), (2, 32, 2), (0, 0, 0)]));
    let mut memory: sys::ze_device_memory_properties_t =
        blank(sys::ZE_STRUCTURE_TYPE_DEVICE_MEMORY_PROPERTIES);
    let call = api().zeDeviceGetMemoryProperties;
    assert_eq!(
        // SAFETY: room for one.
        unsafe { call(device, &raw mut one, &raw mut memory) },
        SUCCESS
    );
    assert_eq!(memory.totalSize, 5 << 20);
    // What is known in the chain is filled, behind what is not.
    let mut more: sys::ze_device_memory_ext_properties_t =
        blank(sys::ZE_STRUCTURE_TYPE_DEVICE_MEMORY_EXT_PROPERTIES);
    let mut unknown = sys::ze_base_properties_t {
        stype: sys::_ze_structure_type_t(0x7000_0000),
        pNext: (&raw mut more).cast(),
    };
    memory.pNext = (&raw mut unknown).cast();
    assert_eq!(
        // SAFETY: room for one, with a chain of live structures.
        unsafe { call(device, &raw mut one, &raw mut memory) },
        SUCCESS
    );
    assert_eq!(more.physicalSize, 5 << 20);
    assert_eq!(more.type_, sys::ZE_DEVICE_MEMORY_EXT_TYPE_DDR4);
    assert_eq!(memory.pNext, (&raw mut unknown).cast());
    memory.pNext = null_mut();
    memory.stype = sys::ZE_STRUCTURE_TYPE_CONTEXT_DESC;
    assert_eq!(
        // SAFETY: room for one.
        unsafe { call(device, &raw mut one, &raw mut memory) },
        INVALID_ARGUMENT
    );

    macro_rules! query {
        ($call:ident, $stype:ident) => {{
            let mut properties = blank(sys::$stype);
            assert_eq!(
                // SAFETY: of the right type, and outlives the call.
                unsafe { (api().$call)(device, &raw mut properties) },
                SUCCESS
            );
            let mut wrong = properties;
            wrong.stype = sys::ZE_STRUCTURE_TYPE_CONTEXT_DESC;
            assert_eq!(
                // SAFETY: as above.
                unsafe { (api().$call)(device, &raw mut wrong) },
                INVALID_ARGUMENT
            );
            // SAFETY: null is refused.
            assert_eq!(unsafe { (api().$call)(device, null_mut()) }, NULL_POINTER);
            assert_eq!(
                // SAFETY: null is refused.
                unsafe { (api().$call)(null_mut(), &raw mut wrong) },
                NULL_HANDLE
            );
            properties
        }};
    }
    query!(zeDeviceGetProperties, ZE_STRUCTURE_TYPE_DEVICE_PROPERTIES);
    query!(
        zeDeviceGetComputeProperties,
        ZE_STRUCTURE_TYPE_DEVICE_COMPUTE_PROPERTIES
    );
    query!(
        zeDeviceGetModuleProperties,
        ZE_STRUCTURE_TYPE_DEVICE_MODULE_PROPERTIES
    );
    let access = query!(
        zeDeviceGetMemoryAccessProperties,
        ZE_STRUCTURE_TYPE_DEVICE_MEMORY_ACCESS_PROPERTIES
    );
    assert_eq!(access.sharedSystemAllocCapabilities, 0);
    query!(
        zeDeviceGetExternalMemoryProperties,
        ZE_STRUCTURE_TYPE_DEVICE_EXTERNAL_MEMORY_PROPERTIES
    );
    let images = query!(
        zeDeviceGetImageProperties,
        ZE_STRUCTURE_TYPE_DEVICE_IMAGE_PROPERTIES
    );
    assert_eq!((images.maxImageDims2D, images.maxSamplers), (0, 0));
    let mut caches = 9;
    // SAFETY: an array is not asked for.
    let result = unsafe { (api().zeDeviceGetCacheProperties)(device, &raw mut caches, null_mut()) };
    assert_eq!((result, caches), (SUCCESS, 0));
    // SAFETY: a device of this driver.
    assert_eq!(unsafe { (api().zeDeviceGetStatus)(device) }, SUCCESS);
    let (mut host, mut own) = (0, 0);
    let stamps = api().zeDeviceGetGlobalTimestamps.unwrap();
    assert_eq!(
        // SAFETY: both outlive the call.
        unsafe { stamps(device, &raw mut host, &raw mut own) },
        SUCCESS
    );
    assert_eq!(host, own);
}

#[test]
fn peers_are_the_devices_of_one_instance() {
    let gpu = Gpu::with(Config::new().devices(2));
    let stranger = Gpu::new();
    for (peer, expected) in [
        (gpu.devices[1], 1),
        (gpu.devices[0], 1),
        (stranger.device(), 0),
    ] {
        let mut value = 9;
        // SAFETY: outlives the call.
        let result = unsafe { (api().zeDeviceCanAccessPeer)(gpu.device(), peer, &raw mut value) };
        assert_eq!((result, value), (SUCCESS, expected));
    }
}
