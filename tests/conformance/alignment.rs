//! The alignment that was asked for is that of the pointer, whatever the driver makes of it.

use crate::contents::index;
use crate::drivers::{Checked, Subject, Work};
use crate::{in_each_placement, promises};
use core::mem::MaybeUninit;
use ze_area::{Align, Alignment, Area, RuntimeAlign, ZeBuffer};

promises![
    every_static_alignment_holds,
    every_runtime_alignment_holds,
    alignment_holds_for_odd_sizes,
    an_element_is_aligned_whatever_the_area_says,
    the_alignment_of_an_area_can_be_read,
    settings_leave_the_alignment_alone,
    an_aligned_buffer_lies_inside_its_allocation,
    what_is_aligned_holds_what_was_written,
    a_driver_that_ignores_alignment_is_seen_through,
];

/// How many buffers are held at once.
const HELD: usize = 32;

/// The largest power of two that is asked for: 2 MiB.
const LARGEST: u32 = 21;

/// Allocates as many buffers as are held at once, of the sizes given in turn, and checks them.
pub(crate) fn hold<A: Area>(area: &A, align: usize, sizes: &[usize]) {
    let held: Vec<ZeBuffer<MaybeUninit<u8>, A::Placement>> = (0..HELD)
        .map(|i| area.mmap_uninit(sizes[i % sizes.len()]).unwrap())
        .collect();
    let mut ranges: Vec<(usize, usize)> = held
        .iter()
        .map(|buffer| (buffer.device_ptr().addr(), buffer.len()))
        .collect();
    for (address, _) in &ranges {
        assert_eq!(address % align, 0, "{address:#x} is not aligned to {align}");
    }
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{pair:x?} overlap");
    }
}

fn every_static_alignment_holds(subject: &Subject) {
    macro_rules! hold_each {
        ($context:expr, $($power:literal)*) => {$(
            in_each_placement!($context, subject.device(), |area| {
                hold(&area.align::<{ 1 << $power }>(), 1 << $power, &[64]);
            });
        )*};
    }
    // A context of its own for each half: one that has seen the driver ignore an alignment asks in
    // another way from then on.
    let up = subject.context();
    hold_each!(up, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21);
    let down = subject.context();
    hold_each!(down, 21 20 16 12 6 0);
}

fn every_runtime_alignment_holds(subject: &Subject) {
    let context = subject.context();
    for power in 0..=LARGEST {
        let align = 1 << power;
        in_each_placement!(context, subject.device(), |area| {
            let area = area.runtime_align(align).unwrap();
            assert_eq!(area.alignment().bytes(), align);
            hold(&area, align, &[64]);
        });
    }
}

fn alignment_holds_for_odd_sizes(subject: &Subject) {
    for power in [6, 12, 13, 16, 17, 21] {
        let context = subject.context();
        let align = 1 << power;
        in_each_placement!(context, subject.device(), |area| {
            let area = area.runtime_align(align).unwrap();
            hold(&area, align, &[1, 4097, 63, 65_537, 4095, 200_000]);
        });
    }
}

fn an_element_is_aligned_whatever_the_area_says(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        let area = area.runtime_align(1).unwrap();
        for len in [1, 3, 5] {
            let numbers = area.mmap::<u128>(len).unwrap();
            assert!(numbers.device_ptr().is_aligned());
            let numbers = area.mmap::<f64>(len).unwrap();
            assert!(numbers.device_ptr().is_aligned());
        }
        assert!(area.mmap::<u128>(0).unwrap().device_ptr().is_aligned());
        let strict = area.align::<65536>().mmap::<u8>(0).unwrap();
        assert_eq!(strict.device_ptr().addr() % 65536, 0);
    });
}

fn the_alignment_of_an_area_can_be_read(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        assert_eq!(area.alignment(), Align::<64>);
        assert_eq!(area.align::<512>().alignment().bytes(), 512);
        let runtime = area.runtime_align(2048).unwrap().alignment();
        assert_eq!(runtime, RuntimeAlign::new(2048).unwrap());
    });
}

fn settings_leave_the_alignment_alone(subject: &Subject) {
    let context = subject.context();
    let area = context.device_area(subject.device()).align::<131_072>();
    let set = area.ordinal(0).unwrap().relaxed_limits(true);
    let set = set.device_flags(ze_area::DeviceMemFlags::empty());
    hold(&set, 131_072, &[64]);
    hold(
        &set.shared().host_flags(ze_area::HostMemFlags::empty()),
        131_072,
        &[64],
    );
    let host = context.host_area().align::<131_072>().relaxed_limits(true);
    hold(&host.flags(ze_area::HostMemFlags::empty()), 131_072, &[64]);
}

fn inside<A: Area>(context: &Checked, area: &A, sizes: &[usize]) {
    for &size in sizes {
        let held: Vec<ZeBuffer<MaybeUninit<u8>, A::Placement>> =
            (0..4).map(|_| area.mmap_uninit(size).unwrap()).collect();
        for buffer in &held {
            let start = buffer.device_ptr().addr();
            let info = context.describe(buffer.device_ptr()).unwrap().unwrap();
            assert!(info.base <= start, "{info:?}");
            assert!(
                start + size <= info.base + info.size,
                "{size} at {start:#x}: {info:?}"
            );
        }
    }
}

fn an_aligned_buffer_lies_inside_its_allocation(subject: &Subject) {
    let context = subject.context();
    for power in [6, 12, 16, 17, 20, 21] {
        in_each_placement!(context, subject.device(), |area| {
            let area = area.runtime_align(1 << power).unwrap();
            inside(&context, &area, &[1, 4096, 65_536, 65_537, 1 << 20]);
        });
    }
}

fn what_is_aligned_holds_what_was_written(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    for power in [12, 16, 17, 21] {
        let align = 1 << power;
        let area = context
            .device_area(subject.device())
            .runtime_align(align)
            .unwrap();
        let held: Vec<_> = (0..4_u32)
            .map(|i| area.mmap_from_fn(5000, |j| i * 5000 + index(j)).unwrap())
            .collect();
        if subject.executes(Work::HostDevice, "uploads") {
            for (i, buffer) in (0..).zip(&held) {
                let expected: Vec<u32> = (i * 5000..(i + 1) * 5000).collect();
                assert_eq!(queue.to_vec(buffer).unwrap(), expected);
            }
        }
        let area = context.host_area().runtime_align(align).unwrap();
        let held: Vec<_> = (0..4_u32)
            .map(|i| area.mmap_from_fn(5000, |j| i * 5000 + index(j)).unwrap())
            .collect();
        for (i, buffer) in (0..).zip(&held) {
            let expected: Vec<u32> = (i * 5000..(i + 1) * 5000).collect();
            assert_eq!(*buffer, expected);
        }
    }
}

/// The promises above mean something only where a driver is known to ignore what it is asked.
fn a_driver_that_ignores_alignment_is_seen_through(subject: &Subject) {
    let context = subject.context();
    let align = 1 << 16;
    let area = context
        .device_area(subject.device())
        .runtime_align(align)
        .unwrap();
    let held: Vec<_> = (0..HELD)
        .map(|_| area.mmap_uninit::<u8>(64).unwrap())
        .collect();
    let padded = context.memory().device.live_bytes > (64 * HELD) as u64;
    match subject.config.honours_alignment {
        Some(honours) => assert_eq!(padded, !honours),
        None if padded => {}
        None => subject.not_applicable("an alignment that is ignored: this driver's pages do"),
    }
    for buffer in &held {
        assert_eq!(buffer.device_ptr().addr() % align, 0);
    }
}
