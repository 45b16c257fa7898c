//! Atomics in shared and host memory.

use crate::drivers::{Checked, Subject, Work};
use crate::{promises, spy};
use core::sync::atomic::{
    AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering,
};
use ze_area::sys;
use ze_area::{
    AccessCaps, Area, AtomicSlice, Context, Host, HostAccess, PlacementKind, Shared, ZeDevice,
};

promises![
    threads_meet_in_the_atomics_of_a_buffer,
    what_one_thread_releases_another_acquires,
    the_atomics_are_the_elements_of_the_buffer,
    a_part_of_the_atomics_lies_in_them,
    concurrent_atomics_are_as_the_device_says,
    concurrent_atomics_on_shared_memory_are_asked_of_where_it_is,
];

const THREADS: usize = 4;
const ROUNDS: usize = 500;

macro_rules! counted {
    ($area:expr, $($integer:ty: $atomic:ty),*) => {$({
        let mut buffer = $area.mmap::<$integer>(3).unwrap();
        let view: AtomicSlice<'_, $integer, _> = buffer.as_atomics();
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(move || {
                    let counter: &$atomic = &view[1];
                    for _ in 0..ROUNDS {
                        counter.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        // As the type wraps around.
        let mut count: $integer = 0;
        for _ in 0..THREADS * ROUNDS {
            count = count.wrapping_add(1);
        }
        assert_eq!(buffer, [0, count, 0], "{}", stringify!($integer));
    })*};
}

fn count_in<A: Area<Placement: HostAccess>>(area: &A) {
    counted!(area, u8: AtomicU8, i8: AtomicI8, u16: AtomicU16, i16: AtomicI16);
    counted!(area, u32: AtomicU32, i32: AtomicI32, u64: AtomicU64, i64: AtomicI64);
}

fn threads_meet_in_the_atomics_of_a_buffer(subject: &Subject) {
    let context = subject.context();
    count_in(&context.device_area(subject.device()).shared());
    count_in(&context.host_area());
}

fn what_one_thread_releases_another_acquires(subject: &Subject) {
    const ITEMS: u32 = 1000;
    let context = subject.context();
    let area = context.device_area(subject.device()).shared();
    let mut buffer = area.mmap::<u32>(2).unwrap();
    let view = buffer.as_atomics();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for item in 1..=ITEMS {
                while view[1].load(Ordering::Acquire) != 0 {
                    std::thread::yield_now();
                }
                view[0].store(item * 7, Ordering::Relaxed);
                view[1].store(item, Ordering::Release);
            }
        });
        for item in 1..=ITEMS {
            while view[1].load(Ordering::Acquire) != item {
                std::thread::yield_now();
            }
            assert_eq!(view[0].load(Ordering::Relaxed), item * 7);
            view[1].store(0, Ordering::Release);
        }
    });
}

fn same<A: Area<Placement: HostAccess>>(context: &Checked, area: &A, subject: &Subject) {
    let mut buffer = area.mmap_from_fn(100, |i| i as u64).unwrap();
    let (address, placement) = (buffer.device_ptr(), buffer.placement());
    let view = buffer.as_atomics();
    assert_eq!(view.device_ptr().cast_const(), address);
    assert_eq!((view.len(), view.placement()), (100, placement));
    assert!(!view.is_empty() && view.is_in(context));
    assert!(!view.is_in(&subject.context()));
    assert_eq!(view[99].load(Ordering::Relaxed), 99);
    view[99].store(u64::MAX, Ordering::Relaxed);
    for element in view {
        element.fetch_add(2, Ordering::Relaxed);
    }
    let shown = format!("{view:?}");
    assert!(
        shown.contains("u64") && shown.contains("len: 100"),
        "{shown}"
    );
    assert_eq!((buffer[0], buffer[99]), (2, 1));
    let mut half = buffer.slice_mut(50..).unwrap();
    half.as_atomics()[0].store(5, Ordering::Relaxed);
    half.into_atomics()[1].store(6, Ordering::Relaxed);
    assert_eq!(buffer[50..52], [5, 6]);
    let queue = context.queue(subject.device()).unwrap();
    let read = queue.to_vec(&buffer).unwrap();
    if subject.executes(Work::Other, "copies of what atomics wrote") {
        assert_eq!(read[50..52], [5, 6]);
    }
    let mut empty = area.mmap::<u64>(0).unwrap();
    assert!(empty.as_atomics().is_empty() && empty.as_atomics().is_in(context));
}

fn the_atomics_are_the_elements_of_the_buffer(subject: &Subject) {
    let context = subject.context();
    let area = context.device_area(subject.device()).shared();
    same(&context, &area, subject);
    same(&context, &context.host_area(), subject);
}

fn a_part_of_the_atomics_lies_in_them(subject: &Subject) {
    let context = subject.context();
    let mut buffer = context.host_area().mmap::<u16>(10).unwrap();
    let view = buffer.as_atomics();
    let part = view.slice(4..=6).unwrap();
    assert_eq!(part.len(), 3);
    assert_eq!(part.device_ptr(), view.device_ptr().wrapping_add(4));
    part[2].store(9, Ordering::Relaxed);
    assert!(part.is_in(&context) && view.slice(10..).unwrap().is_empty());
    #[expect(clippy::reversed_empty_ranges, reason = "must be refused")]
    let reversed = view.slice(7..5);
    for refused in [view.slice(4..11), reversed, part.slice(..4)] {
        let error = refused.unwrap_err();
        assert!(
            matches!(error, ze_area::Error::OutOfBounds { .. }),
            "{error}"
        );
    }
    assert_eq!(buffer[6], 9);
}

fn concurrent_atomics_are_as_the_device_says(subject: &Subject) {
    let context = subject.context();
    let concurrent = |caps: AccessCaps| caps.contains(AccessCaps::CONCURRENT_ATOMIC);
    let mut on_host = context.host_area().mmap::<u32>(1).unwrap();
    assert_eq!(on_host.placement(), PlacementKind::Host);
    let on_host: AtomicSlice<'_, u32, Host> = on_host.as_atomics();
    for device in context.devices() {
        let access = device.memory_access();
        assert_eq!(on_host.is_concurrent_on(device), concurrent(access.host));
        let mut shared = context.device_area(device).shared().mmap::<u32>(1).unwrap();
        let shared: AtomicSlice<'_, u32, Shared> = shared.as_atomics();
        let own = concurrent(access.shared_single);
        assert_eq!(shared.is_concurrent_on(device), own);
        for part in device.sub_devices() {
            let own = concurrent(part.memory_access().shared_single);
            assert_eq!(shared.is_concurrent_on(part), own);
        }
        for other in context.devices().iter().filter(|&other| other != device) {
            let cross = concurrent(other.memory_access().shared_cross);
            assert_eq!(shared.is_concurrent_on(other), cross);
        }
    }
    let mut empty = context.host_area().mmap::<u32>(0).unwrap();
    assert!(empty.as_atomics().is_concurrent_on(subject.device()));
}

/// As of a device that has concurrent atomics on shared memory of its own only.
unsafe extern "C" fn on_its_own(
    device: sys::ze_device_handle_t,
    properties: *mut sys::ze_device_memory_access_properties_t,
) -> sys::ze_result_t {
    // SAFETY: all is passed on.
    let result = unsafe { (spy::behind().zeDeviceGetMemoryAccessProperties)(device, properties) };
    // SAFETY: the library gives a valid target.
    let properties = unsafe { &mut *properties };
    let only = |yes| {
        let mut caps = AccessCaps::RW | AccessCaps::ATOMIC | AccessCaps::CONCURRENT;
        caps.set(AccessCaps::CONCURRENT_ATOMIC, yes);
        caps.bits()
    };
    properties.hostAllocCapabilities = only(false);
    properties.sharedSingleDeviceAllocCapabilities = only(true);
    properties.sharedCrossDeviceAllocCapabilities = only(false);
    result
}

fn concurrent_atomics_on_shared_memory_are_asked_of_where_it_is(subject: &Subject) {
    let driver = spy::driver(subject, |api| {
        api.zeDeviceGetMemoryAccessProperties = on_its_own;
    });
    let context = Context::builder().driver(&driver).build().unwrap();
    let mut on_host = context.host_area().mmap::<u32>(1).unwrap();
    assert!(!on_host.as_atomics().is_concurrent_on(&driver.devices()[0]));
    // With its parts, each after its device.
    let all = |device: &ZeDevice| {
        let parts = device.sub_devices().iter().cloned();
        core::iter::once(device.clone())
            .chain(parts)
            .collect::<Vec<_>>()
    };
    for device in driver.devices() {
        for on in all(device) {
            let mut shared = context.device_area(&on).shared().mmap::<u32>(1).unwrap();
            let view = shared.as_atomics();
            assert!(view.is_concurrent_on(&on) && view.is_concurrent_on(device));
            for other in driver.devices().iter().flat_map(all) {
                let one_is_in_the_other = other == on || other == *device || on == *device;
                let near = one_is_in_the_other && all(device).contains(&other);
                assert_eq!(view.is_concurrent_on(&other), near, "{on:?} {other:?}");
            }
        }
    }
}
