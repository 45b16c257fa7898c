//! What a context knows: of addresses, and of what lives in it.

use crate::drivers::{Checked, Subject, assert_empty};
use crate::{in_each_placement, promises};
use ze_area::{Area, MemoryUse, PlacementKind, PointerInfo};

promises![
    a_pointer_is_described,
    an_address_inside_is_described_as_its_allocation,
    what_is_not_of_the_driver_is_not_described,
    a_freed_pointer_is_not_described,
    allocations_have_numbers_of_their_own,
    memory_counts_by_placement,
    memory_keeps_its_peak,
    memory_of_clones_is_one,
    a_buffer_that_moves_is_counted_once,
];

fn describe<T>(context: &Checked, pointer: *const T) -> PointerInfo {
    context.describe(pointer).unwrap().unwrap()
}

fn a_pointer_is_described(subject: &Subject) {
    let context = subject.context();
    for device in context.devices() {
        in_each_placement!(context, device, |area| {
            let buffer = area.mmap_uninit::<u8>(10_000).unwrap();
            let info = describe(&context, buffer.device_ptr());
            assert_eq!(info.placement, buffer.placement());
            assert_eq!(info.base, buffer.device_ptr().addr());
            assert!(info.size >= 10_000, "{info:?}");
            assert!(
                info.page_size.is_power_of_two() && info.page_size >= 4096,
                "{info:?}"
            );
            if info.placement == PlacementKind::Device {
                assert_eq!(info.device.as_ref(), Some(device));
            }
        });
    }
}

fn an_address_inside_is_described_as_its_allocation(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        let buffer = area.mmap_uninit::<u8>(100_000).unwrap();
        let whole = describe(&context, buffer.device_ptr());
        for offset in [1, 63, 4096, 65_537, 99_999] {
            let inside = describe(&context, buffer.device_ptr().wrapping_add(offset));
            assert_eq!(inside, whole);
        }
        let view = buffer.slice(500..).unwrap();
        assert_eq!(describe(&context, view.device_ptr()), whole);
    });
}

fn what_is_not_of_the_driver_is_not_described(subject: &Subject) {
    let context = subject.context();
    let keep = context.host_area().mmap::<u8>(64).unwrap();
    let on_stack = 5_u64;
    let on_heap = vec![1_u8; 1 << 20];
    let text = "static";
    assert_eq!(context.describe(&raw const on_stack).unwrap(), None);
    assert_eq!(context.describe(on_heap.as_ptr()).unwrap(), None);
    assert_eq!(context.describe(core::ptr::from_ref(text)).unwrap(), None);
    assert_eq!(context.describe(core::ptr::null::<u8>()).unwrap(), None);
    let unmapped: *const u8 = core::ptr::without_provenance(8);
    assert_eq!(context.describe(unmapped).unwrap(), None);
    drop(keep);
}

fn a_freed_pointer_is_not_described(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        let one = area.mmap_uninit::<u8>(64).unwrap();
        let two = area.mmap_uninit::<u8>(64).unwrap();
        let (at_one, at_two) = (one.device_ptr(), two.device_ptr());
        one.free().unwrap();
        assert_eq!(context.describe(at_one).unwrap(), None);
        drop(two);
        assert_eq!(context.describe(at_two).unwrap(), None);
    });
}

fn allocations_have_numbers_of_their_own(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        let buffers: Vec<_> = (0..4)
            .map(|_| area.mmap_uninit::<u8>(64).unwrap())
            .collect();
        let mut ids: Vec<u64> = buffers
            .iter()
            .map(|b| describe(&context, b.device_ptr()).id)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 4);
    });
}

/// What `memory` says of one placement.
fn usage(context: &Checked, placement: PlacementKind) -> MemoryUse {
    let memory = context.memory();
    match placement {
        PlacementKind::Device => memory.device,
        PlacementKind::Shared => memory.shared,
        PlacementKind::Host => memory.host,
    }
}

fn counts<A: Area>(context: &Checked, area: &A) {
    let one = area.mmap_uninit::<u32>(10).unwrap();
    let placement = one.placement();
    let of_one = usage(context, placement);
    assert_eq!((of_one.live_buffers, of_one.live_bytes), (1, 40));
    let two = area.mmap_uninit::<u8>(7).unwrap();
    let of_both = usage(context, placement);
    assert_eq!((of_both.live_buffers, of_both.live_bytes), (2, 47));
    assert_eq!((of_both.peak_buffers, of_both.peak_bytes), (2, 47));
    assert_eq!(context.memory().live_buffers(), 2);
    assert_eq!(context.memory().live_bytes(), 47);
    one.free().unwrap();
    assert_eq!(usage(context, placement).live_bytes, 7);
    drop(two);
    let after = usage(context, placement);
    assert_eq!((after.live_buffers, after.live_bytes), (0, 0));
    assert_eq!((after.failed_frees, after.leaked_bytes), (0, 0));
}

fn memory_counts_by_placement(subject: &Subject) {
    let context = subject.context();
    assert_eq!(context.memory(), ze_area::MemoryReport::default());
    in_each_placement!(context, subject.device(), |area| {
        counts(&context, &area.align::<8>());
    });
}

fn memory_keeps_its_peak(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        let area = area.align::<1>();
        for round in [5, 3] {
            let held: Vec<_> = (0..round)
                .map(|_| area.mmap_uninit::<u8>(100).unwrap())
                .collect();
            let placement = held[0].placement();
            let now = usage(&context, placement);
            assert_eq!((now.live_buffers, now.live_bytes), (round, round * 100));
            drop(held);
            let after = usage(&context, placement);
            assert_eq!((after.peak_buffers, after.peak_bytes), (5, 500));
            assert_eq!((after.live_buffers, after.live_bytes), (0, 0));
        }
        let placement = area.mmap_uninit::<u8>(1000).unwrap().placement();
        let after = usage(&context, placement);
        assert_eq!((after.peak_buffers, after.peak_bytes), (5, 1000));
    });
}

fn memory_of_clones_is_one(subject: &Subject) {
    let context = subject.context();
    let clone = (*context).clone();
    let buffer = clone.host_area().mmap::<u8>(64).unwrap();
    assert_eq!(context.memory(), clone.memory());
    assert_eq!(context.memory().host.live_buffers, 1);
    drop(clone);
    assert_eq!(context.memory().host.live_buffers, 1);
    drop(buffer);
    assert_empty(&context);
}

fn a_buffer_that_moves_is_counted_once(subject: &Subject) {
    let context = subject.context();
    let area = context.host_area();
    let buffer = area.mmap_uninit::<u32>(16).unwrap();
    let buffer = buffer.write_from_slice(&[1; 16]).unwrap();
    let buffer = buffer.into_cast::<u8>().unwrap();
    let boxed = Box::new(buffer);
    let held = vec![*boxed];
    let host = context.memory().host;
    assert_eq!((host.live_buffers, host.live_bytes), (1, 64));
    assert_eq!((host.peak_buffers, host.peak_bytes), (1, 64));
    drop(held);
    assert_eq!(context.memory().host.live_buffers, 0);
}
