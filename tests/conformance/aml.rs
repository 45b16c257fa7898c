//! What AML's `area_ze` does, row by row.

use crate::drivers::{Subject, Work};
use crate::spy::{self, Answer};
use crate::{in_each_placement, promises};
use ze_area::{
    Align, Area, Context, Device, DeviceArea, DeviceMemFlags, Error, ErrorKind, Host, HostArea,
    HostMemFlags, PlacementKind, Queue, Shared, ZeBuffer,
};

promises![
    a_device_area_maps_device_memory,
    a_shared_area_maps_memory_with_one_pointer,
    a_host_area_maps_host_memory,
    munmap_frees_once_in_each_placement,
    the_default_areas_are_those_of_aml,
    an_area_asks_for_what_it_was_set_to,
    a_mapping_of_nothing_is_no_error,
    code_can_be_generic_over_the_three_areas,
    areas_of_one_context_copy_to_each_other,
    a_second_context_is_another_one,
    every_documented_code_has_amls_kind,
    amls_test_of_a_device_area,
    amls_test_of_a_shared_area,
];

fn a_device_area_maps_device_memory(subject: &Subject) {
    let context = subject.context();
    let area: DeviceArea<Align<64>, Device> = context.device_area(subject.device());
    let buffer: ZeBuffer<u8, Device> = area.mmap(4096).unwrap();
    assert_eq!(buffer.len(), 4096);
    assert_eq!(buffer.placement(), PlacementKind::Device);
    let info = context.describe(buffer.device_ptr()).unwrap().unwrap();
    assert_eq!(info.placement, PlacementKind::Device);
}

fn a_shared_area_maps_memory_with_one_pointer(subject: &Subject) {
    let context = subject.context();
    let area: DeviceArea<Align<64>, Shared> = context.device_area(subject.device()).shared();
    let mut buffer: ZeBuffer<u8, Shared> = area.mmap(4096).unwrap();
    buffer[4095] = 7;
    assert_eq!(buffer.as_slice().as_ptr(), buffer.device_ptr());
    let info = context.describe(buffer.device_ptr()).unwrap().unwrap();
    assert_eq!(info.placement, PlacementKind::Shared);
}

fn a_host_area_maps_host_memory(subject: &Subject) {
    let context = subject.context();
    let area: HostArea<Align<64>> = context.host_area();
    let mut buffer: ZeBuffer<u8, Host> = area.mmap(4096).unwrap();
    buffer[4095] = 7;
    assert_eq!(buffer.as_slice().as_ptr(), buffer.device_ptr());
    let info = context.describe(buffer.device_ptr()).unwrap().unwrap();
    assert_eq!(info.placement, PlacementKind::Host);
}

fn munmap_frees_once_in_each_placement(subject: &Subject) {
    let context = spy::context(subject);
    let device = &context.devices()[0];
    in_each_placement!(context, device, |area| {
        spy::frees();
        let buffer = area.mmap_uninit::<u8>(4096).unwrap();
        assert_eq!(spy::frees(), 0);
        let address = buffer.device_ptr();
        buffer.free().unwrap();
        assert_eq!(spy::frees(), 1);
        assert_eq!(context.describe(address).unwrap(), None);
        drop(area.mmap_uninit::<u8>(4096).unwrap());
        assert_eq!(spy::frees(), 1);
    });
    crate::drivers::assert_empty(&context);
}

fn the_default_areas_are_those_of_aml(subject: &Subject) {
    let context = spy::context(subject);
    let first = &context.devices()[0];
    assert_eq!(first, &context.driver().devices()[0]);
    assert_eq!(context.first_device().unwrap(), first);
    let default = context.default_device_area().unwrap();
    assert_eq!(
        (default.device(), default.alignment()),
        (first, Align::<64>)
    );
    drop(default.mmap_uninit::<u8>(1).unwrap());
    assert_eq!(
        spy::asked()[0].device_flags,
        DeviceMemFlags::BIAS_CACHED.bits()
    );
    in_each_placement!(context, first, |area| {
        assert_eq!(area.alignment(), Align::<64>);
        spy::asked();
        let buffer = area.mmap_uninit::<u8>(100).unwrap();
        let asked = spy::asked()[0];
        assert_eq!(asked.placement, buffer.placement());
        assert_eq!((asked.bytes, asked.align), (100, 64));
        assert_eq!(asked.ordinal, 0);
        if asked.placement == PlacementKind::Host {
            assert_eq!(asked.host_flags, HostMemFlags::BIAS_CACHED.bits());
            assert!(asked.device.is_null());
        } else {
            assert_eq!(asked.device, first.as_raw());
            assert_eq!(asked.device_flags, DeviceMemFlags::BIAS_CACHED.bits());
        }
    });
}

fn an_area_asks_for_what_it_was_set_to(subject: &Subject) {
    let context = spy::context(subject);
    for device in context.devices() {
        let uncached = DeviceMemFlags::BIAS_UNCACHED;
        let area = context.device_area(device).align::<256>();
        let area = area.device_flags(uncached).ordinal(0).unwrap();
        assert_eq!(area.device(), device);
        spy::asked();
        drop(area.mmap_uninit::<u32>(3).unwrap());
        let asked = spy::asked()[0];
        assert_eq!(asked.device, device.as_raw());
        assert_eq!(asked.device_flags, uncached.bits());
        assert_eq!((asked.bytes, asked.align), (12, 256));
        let host_flags = HostMemFlags::BIAS_INITIAL_PLACEMENT;
        drop(
            area.shared()
                .host_flags(host_flags)
                .mmap_uninit::<u32>(3)
                .unwrap(),
        );
        let asked = spy::asked()[0];
        assert_eq!(asked.placement, PlacementKind::Shared);
        assert_eq!(asked.device_flags, uncached.bits());
        assert_eq!(asked.host_flags, host_flags.bits());
    }
    let combined = HostMemFlags::BIAS_WRITE_COMBINED;
    drop(
        context
            .host_area()
            .flags(combined)
            .mmap_uninit::<u8>(1)
            .unwrap(),
    );
    assert_eq!(spy::asked()[0].host_flags, combined.bits());
}

fn a_mapping_of_nothing_is_no_error(subject: &Subject) {
    let context = spy::context(subject);
    let device = &context.devices()[0];
    in_each_placement!(context, device, |area| {
        spy::asked();
        spy::frees();
        let buffer = area.mmap::<f32>(0).unwrap();
        assert!(buffer.is_empty());
        assert!(!buffer.device_ptr().is_null());
        buffer.free().unwrap();
        assert_eq!((spy::asked().len(), spy::frees()), (0, 0));
    });
}

/// What a user writes once for all areas.
fn table<A: Area>(area: &A, numbers: &[u32]) -> Result<ZeBuffer<u32, A::Placement>, Error> {
    let buffer = area.mmap_from_slice(numbers)?;
    assert_eq!(buffer.len(), numbers.len());
    let copy: ZeBuffer<u32, A::Placement> = area.mmap_from_fn(numbers.len(), |i| numbers[i])?;
    drop(copy);
    let zeroed: ZeBuffer<u32, A::Placement> = area.mmap(numbers.len())?;
    drop(zeroed);
    drop(area.mmap_uninit::<u32>(numbers.len())?);
    assert_eq!(area.context().memory().live_buffers(), 1);
    Ok(buffer)
}

fn code_can_be_generic_over_the_three_areas(subject: &Subject) {
    let context = subject.context();
    let numbers = [1, 2, 3];
    in_each_placement!(context, subject.device(), |area| {
        assert_eq!(table(&area, &numbers).unwrap().len(), 3);
        assert!(*area.context() == *context);
    });
    let area = context.device_area(subject.device());
    assert_eq!(table(&area.shared(), &numbers).unwrap(), numbers);
    assert_eq!(
        table(&context.host_area().align::<4096>(), &numbers).unwrap(),
        numbers
    );
    let on_device = table(&area.runtime_align(8192).unwrap(), &numbers).unwrap();
    let queue = context.queue(subject.device()).unwrap();
    if subject.executes(Work::HostDevice, "uploads") {
        assert_eq!(queue.to_vec(&on_device).unwrap(), numbers);
    }
}

fn areas_of_one_context_copy_to_each_other(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let one = context.device_area(subject.device()).align::<4096>();
    let other = context.device_area(subject.device()).shared();
    let source = one.mmap_from_slice(&[5_u8; 100]).unwrap();
    let mut target = other.mmap::<u8>(100).unwrap();
    queue.copy(&source, &mut target).unwrap();
    if subject.executes(Work::Other, "copies from device to shared memory") {
        assert_eq!(target, [5; 100]);
    }
}

fn a_second_context_is_another_one(subject: &Subject) {
    let (one, other) = (subject.context(), subject.context());
    assert!(*one != *other && *one == (*one).clone());
    let buffer = one.host_area().mmap::<u8>(1).unwrap();
    assert_eq!(one.memory().host.live_buffers, 1);
    assert_eq!(other.memory().host.live_buffers, 0);
    drop(buffer);
}

/// The codes that AML's documentation or code sorts, with its kinds.
const KINDS: &[(u32, ErrorKind)] = {
    use ErrorKind::{
        Busy, Domain, Failure, InvalidArgument, NotSupported, OutOfMemory, PermissionDenied,
    };
    &[
        (0x0000_0001, Busy),
        (0x7000_0001, Failure),
        (0x7000_0002, OutOfMemory),
        (0x7000_0003, OutOfMemory),
        (0x7000_0004, Failure),
        (0x7000_0005, Failure),
        (0x7000_0006, Failure),
        (0x7000_0007, Failure),
        (0x7001_0000, PermissionDenied),
        (0x7001_0001, Busy),
        (0x7002_0000, InvalidArgument),
        (0x7002_0001, Failure),
        (0x7800_0001, Failure),
        (0x7800_0002, NotSupported),
        (0x7800_0003, NotSupported),
        (0x7800_0004, InvalidArgument),
        (0x7800_0005, InvalidArgument),
        (0x7800_0006, Busy),
        (0x7800_0007, InvalidArgument),
        (0x7800_0008, InvalidArgument),
        (0x7800_0009, NotSupported),
        (0x7800_000a, NotSupported),
        (0x7800_000b, InvalidArgument),
        (0x7800_000c, InvalidArgument),
        (0x7800_000d, NotSupported),
        (0x7800_000e, NotSupported),
        (0x7800_000f, InvalidArgument),
        (0x7800_0010, InvalidArgument),
        (0x7800_0011, InvalidArgument),
        (0x7800_0012, InvalidArgument),
        (0x7800_0013, InvalidArgument),
        (0x7800_0014, InvalidArgument),
        (0x7800_0015, InvalidArgument),
        (0x7800_0016, InvalidArgument),
        (0x7800_0017, InvalidArgument),
        (0x7800_0018, InvalidArgument),
        (0x7800_0019, InvalidArgument),
        (0x7800_001a, Domain),
        (0x7800_001b, Failure),
        (0x7800_0021, InvalidArgument),
        (0x7fff_fffe, Failure),
        // Outside the list: the number is kept.
        (0x7aaa_0001, Failure),
    ]
};

fn every_documented_code_has_amls_kind(subject: &Subject) {
    let context = spy::context(subject);
    let device = &context.devices()[0];
    for &(code, kind) in KINDS {
        spy::answer(Some(Answer::Code(code)));
        in_each_placement!(context, device, |area| {
            let error = area.mmap::<u8>(64).unwrap_err();
            assert_eq!(error.kind(), kind, "{code:#x}: {error}");
            assert_eq!(error.code().map(ze_area::ResultCode::as_raw), Some(code));
            assert!(error.call().unwrap().starts_with("zeMemAlloc"), "{error}");
            assert!(error.to_string().contains(error.call().unwrap()));
            assert!(error.to_string().contains(&format!("{code:#x}")), "{error}");
        });
    }
    spy::answer(None);
    crate::drivers::assert_empty(&context);
}

/// The bytes that AML's test writes and compares.
const AMLS_SIZE: usize = 4096;

fn filled() -> Vec<u8> {
    (0..AMLS_SIZE).map(|i| (i % 251).to_le_bytes()[0]).collect()
}

fn start(subject: &Subject, context: &Context) -> (DeviceArea<Align<32>>, Queue) {
    let device = subject.device();
    let area = context.device_area(device).align::<32>();
    (area, context.queue(device).unwrap())
}

fn amls_test_of_a_device_area(subject: &Subject) {
    let context = subject.context();
    let (area, queue) = start(subject, &context);
    let mut buffer: ZeBuffer<u8, Device> = area.mmap(AMLS_SIZE).unwrap();
    assert_eq!(buffer.device_ptr().addr() % 32, 0);
    let source = filled();
    let mut back = vec![0; AMLS_SIZE];
    queue.copy(&source, &mut buffer).unwrap();
    queue.barrier().unwrap();
    queue.copy(&buffer, &mut back).unwrap();
    if subject.executes(Work::HostDevice, "host to device to host") {
        assert_eq!(back, source);
    }
    buffer.free().unwrap();
}

fn amls_test_of_a_shared_area(subject: &Subject) {
    let context = subject.context();
    let (area, queue) = start(subject, &context);
    let mut buffer: ZeBuffer<u8, Shared> = area.shared().mmap(AMLS_SIZE).unwrap();
    assert_eq!(buffer.device_ptr().addr() % 32, 0);
    let source = filled();
    buffer.copy_from_slice(&source);
    queue.barrier().unwrap();
    assert_eq!(buffer, source);
    let mut back = vec![0; AMLS_SIZE];
    queue.copy(&buffer, &mut back).unwrap();
    let inverse: Vec<u8> = source.iter().map(|byte| !byte).collect();
    queue.copy(&inverse, &mut buffer).unwrap();
    if subject.executes(Work::Other, "copies from and to shared memory") {
        assert_eq!(back, source);
        assert_eq!(buffer, inverse);
    }
    buffer.free().unwrap();
}
