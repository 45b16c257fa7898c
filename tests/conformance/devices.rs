//! Drivers and devices: what they say of themselves, their parts, flags and ways of freeing.

use crate::drivers::{Subject, Work};
use crate::{in_each_placement, promises};
use ze_area::{
    Context, DeviceKind, DeviceMemFlags, Error, ErrorKind, FreePolicy, HostMemFlags,
    QueueGroupFlags, ZeDevice,
};

promises![
    a_driver_says_what_it_is,
    a_device_says_what_it_is,
    a_device_has_queues_and_memories,
    devices_are_told_apart,
    the_devices_are_as_many_as_set_up,
    a_part_of_a_device_works_by_itself,
    a_part_is_in_a_context_with_its_whole,
    a_context_can_be_made_of_a_part,
    every_device_has_areas_of_all_placements,
    every_hint_is_taken,
    combined_hints_are_taken_or_refused_as_a_whole,
    a_way_of_freeing_works_where_the_driver_has_it,
];

fn a_driver_says_what_it_is(subject: &Subject) {
    let driver = subject.driver();
    let version = driver.api_version().unwrap();
    assert_eq!(version.major, 1, "{version}");
    assert!(!driver.origin().is_empty());
    driver.version().unwrap();
    for extension in driver.extensions().unwrap() {
        assert!(extension.name.starts_with("ZE"), "{extension:?}");
        assert!(extension.name.is_ascii(), "{extension:?}");
    }
    assert!(!driver.as_raw().is_null());
    assert!(*driver == driver.clone());
}

/// All devices, whole ones and parts.
fn all(subject: &Subject) -> Vec<ZeDevice> {
    let whole = subject.driver().devices();
    let parts = whole.iter().flat_map(ZeDevice::sub_devices);
    whole.iter().chain(parts).cloned().collect()
}

fn a_device_says_what_it_is(subject: &Subject) {
    for device in all(subject) {
        let properties = device.properties();
        assert!(!device.name().is_empty());
        assert_eq!(device.name(), properties.name);
        assert!(!device.name().contains('\0'));
        assert!(properties.max_alloc_size >= 1 << 20, "{properties:?}");
        assert_eq!(device.max_alloc_size(), properties.max_alloc_size);
        assert!(
            matches!(properties.kind, DeviceKind::Gpu | DeviceKind::Cpu),
            "{properties:?}"
        );
        assert_eq!(
            properties.sub_device_id.is_some(),
            device.is_sub_device(),
            "{properties:?}"
        );
        assert!(!device.as_raw().is_null());
        assert!(format!("{device:?}").contains(device.name()));
    }
}

fn a_device_has_queues_and_memories(subject: &Subject) {
    for device in all(subject) {
        let groups = device.queue_groups();
        assert!(!groups.is_empty());
        let copying = QueueGroupFlags::COMPUTE | QueueGroupFlags::COPY;
        assert!(
            groups
                .iter()
                .any(|g| g.queues > 0 && g.flags.intersects(copying)),
            "{groups:?}"
        );
        for (ordinal, group) in (0..).zip(groups) {
            assert_eq!(group.ordinal, ordinal);
        }
        assert!(!device.memories().is_empty());
        for (ordinal, memory) in (0..).zip(device.memories()) {
            assert_eq!(memory.ordinal, ordinal);
            assert!(memory.size > 0, "{memory:?}");
        }
        let access = device.memory_access();
        assert!(
            access.device.contains(ze_area::AccessCaps::RW),
            "{access:?}"
        );
        assert!(access.host.contains(ze_area::AccessCaps::RW), "{access:?}");
    }
}

fn devices_are_told_apart(subject: &Subject) {
    let devices = all(subject);
    for (i, one) in devices.iter().enumerate() {
        for (j, other) in devices.iter().enumerate() {
            assert_eq!(one == other, i == j);
        }
        assert_eq!(one, &one.clone());
    }
}

fn the_devices_are_as_many_as_set_up(subject: &Subject) {
    let Some((whole, parts)) = subject.config.devices else {
        return subject.not_applicable("the number of devices: it is the machine's");
    };
    let devices = subject.driver().devices();
    assert_eq!(devices.len(), whole);
    for device in devices {
        assert!(!device.is_sub_device());
        assert_eq!(device.sub_devices().len(), parts);
        for (number, part) in (0..).zip(device.sub_devices()) {
            assert!(part.is_sub_device());
            assert_eq!(part.properties().sub_device_id, Some(number));
            assert!(part.sub_devices().is_empty());
        }
    }
    let context = subject.context();
    assert_eq!(context.devices(), devices);
    assert!(context.driver() == subject.driver());
}

/// Allocates, uploads and reads back on a device or a part of one.
fn work_on(subject: &Subject, context: &Context, device: &ZeDevice) {
    let queue = context.queue(device).unwrap();
    let area = context.device_area(device);
    assert_eq!((queue.device(), area.device()), (device, device));
    let data: Vec<u32> = (0..5000).collect();
    let buffer = area.mmap_from_slice(&data).unwrap();
    let read = queue.to_vec(&buffer).unwrap();
    if subject.executes(Work::HostDevice, "uploads and read-back") {
        assert_eq!(read, data);
    }
    let mut target = area.mmap::<u32>(5000).unwrap();
    queue.copy(&buffer, &mut target).unwrap();
    queue.fill(&mut target, 3).unwrap();
    let shared = area.shared().mmap_from_slice(&data).unwrap();
    assert_eq!(shared, data);
    let info = context.describe(buffer.device_ptr()).unwrap().unwrap();
    assert!(info.device.is_some(), "{info:?}");
    for align in [64, 65_536, 2 << 20] {
        let aligned = area
            .runtime_align(align)
            .unwrap()
            .mmap_uninit::<u8>(100)
            .unwrap();
        assert_eq!(aligned.device_ptr().addr() % align, 0);
    }
}

fn a_part_of_a_device_works_by_itself(subject: &Subject) {
    let context = subject.context();
    let mut parts = 0;
    for device in context.devices() {
        for part in device.sub_devices() {
            work_on(subject, &context, part);
            parts += 1;
        }
    }
    if parts == 0 {
        subject.not_applicable("parts of devices: there are none");
    }
}

fn a_part_is_in_a_context_with_its_whole(subject: &Subject) {
    for device in subject.driver().devices() {
        let builder = Context::builder().driver(subject.driver());
        let context = builder.devices([device.clone()]).build().unwrap();
        work_on(subject, &context, device);
        for part in device.sub_devices() {
            work_on(subject, &context, part);
        }
        if device.sub_devices().is_empty() {
            subject.not_applicable("parts of devices: there are none");
        }
        crate::drivers::assert_empty(&context);
    }
}

fn a_context_can_be_made_of_a_part(subject: &Subject) {
    let device = subject.device();
    let [part, rest @ ..] = device.sub_devices() else {
        return subject.not_applicable("parts of devices: there are none");
    };
    let builder = Context::builder().driver(subject.driver());
    let context = builder.devices([part.clone()]).build().unwrap();
    assert_eq!(context.devices(), core::slice::from_ref(part));
    work_on(subject, &context, part);
    for other in rest.iter().chain([device]) {
        let error = context.device_area(other).mmap::<u8>(1).unwrap_err();
        assert!(matches!(error, Error::DeviceNotInContext { .. }), "{error}");
    }
    crate::drivers::assert_empty(&context);
}

fn every_device_has_areas_of_all_placements(subject: &Subject) {
    let context = subject.context();
    for device in context.devices() {
        in_each_placement!(context, device, |area| {
            let buffer = area.mmap_from_slice(&[1_u8; 100]).unwrap();
            assert_eq!(buffer.len(), 100);
        });
        work_on(subject, &context, device);
    }
}

fn every_hint_is_taken(subject: &Subject) {
    let context = subject.context();
    let area = context.device_area(subject.device());
    for flags in [DeviceMemFlags::empty(), DeviceMemFlags::all()]
        .into_iter()
        .chain(DeviceMemFlags::all().iter())
        .filter(|flags| flags.iter().count() < 2)
    {
        let area = area.device_flags(flags);
        area.mmap::<u8>(64).unwrap().free().unwrap();
        area.shared().mmap::<u8>(64).unwrap().free().unwrap();
    }
    for flags in core::iter::once(HostMemFlags::empty()).chain(HostMemFlags::all().iter()) {
        area.shared()
            .host_flags(flags)
            .mmap::<u8>(64)
            .unwrap()
            .free()
            .unwrap();
        let host = context.host_area().flags(flags);
        let mut buffer = host.mmap::<u8>(64).unwrap();
        buffer.fill(3);
        buffer.free().unwrap();
    }
}

fn combined_hints_are_taken_or_refused_as_a_whole(subject: &Subject) {
    let context = subject.context();
    let area = context.device_area(subject.device());
    let check = |result: Result<(), Error>| {
        if let Err(error) = result {
            let refused = matches!(
                error.kind(),
                ErrorKind::InvalidArgument | ErrorKind::NotSupported
            );
            assert!(refused && error.code().is_some(), "{error}");
        }
        assert_eq!(context.memory().live_buffers(), 0);
    };
    for bits in 0..=DeviceMemFlags::all().bits() {
        let flags = DeviceMemFlags::from_bits(bits).unwrap();
        let area = area.device_flags(flags);
        check(area.mmap_uninit::<u8>(64).map(drop));
        for bits in 0..=HostMemFlags::all().bits() {
            let flags = HostMemFlags::from_bits(bits).unwrap();
            check(
                area.shared()
                    .host_flags(flags)
                    .mmap_uninit::<u8>(64)
                    .map(drop),
            );
            check(
                context
                    .host_area()
                    .flags(flags)
                    .mmap_uninit::<u8>(64)
                    .map(drop),
            );
        }
    }
}

fn a_way_of_freeing_works_where_the_driver_has_it(subject: &Subject) {
    let context = subject.context();
    for policy in [
        FreePolicy::Immediate,
        FreePolicy::Blocking,
        FreePolicy::Deferred,
    ] {
        in_each_placement!(context, subject.device(), |area| {
            match area.free_policy(policy) {
                Ok(area) => {
                    let one = area.mmap_from_slice(&[7_u8; 100]).unwrap();
                    let two = area.align::<4096>().mmap::<u8>(100).unwrap();
                    let addresses = [one.device_ptr(), two.device_ptr()];
                    one.free().unwrap();
                    drop(two);
                    if policy != FreePolicy::Deferred {
                        for address in addresses {
                            assert_eq!(context.describe(address).unwrap(), None);
                        }
                    }
                }
                Err(error) => {
                    assert_ne!(policy, FreePolicy::Immediate, "{error}");
                    let Error::FreePolicyUnsupported { policy: asked, .. } = error else {
                        panic!("{error}")
                    };
                    assert_eq!(asked, policy);
                    assert_eq!(error.kind(), ErrorKind::NotSupported);
                }
            }
            let memory = context.memory();
            assert_eq!((memory.live_buffers(), memory.failed_frees()), (0, 0));
        });
    }
    let parts = context.host_area().mmap::<u8>(1).unwrap().into_raw_parts();
    assert_eq!(parts.policy, FreePolicy::Immediate);
    // SAFETY: the parts are those of a buffer of this context.
    drop(unsafe { ze_area::ZeBuffer::<u8, ze_area::Host>::from_raw_parts(&context, parts) });
}
