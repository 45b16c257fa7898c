//! Copies, fills and regions: the bytes they leave, and what they refuse.
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails, as it should"
)]

mod setup;

use level_zero_cpu::{Config, api};
use level_zero_sys as sys;
use setup::*;
use std::ffi::c_void;
use std::ptr::{null, null_mut};

fn region(origin: [u32; 3], shape: [u32; 3]) -> sys::ze_copy_region_t {
    sys::ze_copy_region_t {
        originX: origin[0],
        originY: origin[1],
        originZ: origin[2],
        width: shape[0],
        height: shape[1],
        depth: shape[2],
    }
}

/// One side: pointer, region, pitch, slice pitch.
type Side<P> = (P, sys::ze_copy_region_t, u32, u32);

fn copy_region(gpu: &Gpu, to: Side<*mut c_void>, from: Side<*const c_void>) -> sys::ze_result_t {
    // SAFETY: memory of the driver, or the test's own, of the size of the region.
    unsafe {
        (api().zeCommandListAppendMemoryCopyRegion)(
            gpu.list,
            to.0,
            &raw const to.1,
            to.2,
            to.3,
            from.0,
            &raw const from.1,
            from.2,
            from.3,
            null_mut(),
            0,
            null_mut(),
        )
    }
}

#[test]
fn copies_between_all_kinds_carry_the_bytes_and_no_others() {
    let gpu = Gpu::new();
    let mut random = Random::new(3);
    for to_kind in KINDS {
        for from_kind in KINDS {
            let size = 10_000;
            let to = gpu.alloc(to_kind, size, 0).unwrap();
            let from = gpu.alloc(from_kind, size, 0).unwrap();
            let mut expected = random.bytes(size);
            let source = random.bytes(size);
            gpu.upload(to, &expected);
            gpu.upload(from, &source);
            for _ in 0..20 {
                let len = random.below(size);
                let (into, out_of) = (random.below(size - len), random.below(size - len));
                let (target, origin) = (to.wrapping_byte_add(into), from.wrapping_byte_add(out_of));
                assert_eq!(gpu.copy(target, origin, len), SUCCESS);
                expected[into..into + len].copy_from_slice(&source[out_of..out_of + len]);
            }
            assert_eq!(gpu.download(to, size), expected);
            assert_eq!(gpu.download(from, size), source);
        }
    }
}

#[test]
fn the_host_and_the_driver_see_the_same_shared_and_host_memory() {
    let gpu = Gpu::new();
    for kind in [Kind::Shared, Kind::Host] {
        let pointer = gpu.alloc(kind, 5000, 0).unwrap();
        // SAFETY: 5000 bytes of host-accessible memory, which nothing else uses here.
        let bytes = unsafe { std::slice::from_raw_parts_mut(pointer.cast::<u8>(), 5000) };
        bytes[4999] = 17;
        assert_eq!(gpu.download(pointer.wrapping_byte_add(4999), 1), [17]);
    }
}

#[test]
fn memory_of_another_device_of_the_context_can_be_copied() {
    let gpu = Gpu::with(Config::new().devices(2));
    let mut peer = null_mut();
    assert_eq!(
        alloc_in(gpu.context, gpu.devices[1], Kind::Device, 64, 0, &mut peer),
        SUCCESS
    );
    let own = gpu.alloc(Kind::Device, 64, 0).unwrap();
    assert_eq!(gpu.fill(peer, b"peer", 64), SUCCESS);
    assert_eq!(gpu.copy(own, peer, 64), SUCCESS);
    assert_eq!(gpu.download(own, 64), b"peer".repeat(16));
}

#[test]
fn copies_of_nothing_succeed_and_null_is_refused() {
    let gpu = Gpu::new();
    let mut own = [0_u8; 4];
    let pointer = own.as_mut_ptr().cast();
    assert_eq!(gpu.copy(pointer, pointer, 0), SUCCESS);
    assert_eq!(gpu.copy(null_mut(), pointer, 4), NULL_POINTER);
    assert_eq!(gpu.copy(pointer, null(), 4), NULL_POINTER);
    assert_eq!(gpu.fill_from(null_mut(), pointer, 1, 4), NULL_POINTER);
    assert_eq!(gpu.fill_from(pointer, null(), 1, 4), NULL_POINTER);
}

#[test]
fn an_end_is_in_one_live_allocation_of_the_context_or_in_none() {
    let gpu = Gpu::new();
    let other = Gpu::on(gpu.instance.clone());
    let stranger = Gpu::new();
    let mut own = vec![0_u8; 1 << 16];
    for kind in KINDS {
        let pointer = gpu.alloc(kind, 1000, 0).unwrap();
        let next = gpu.alloc(kind, 1000, 0).unwrap();
        let freed = gpu.alloc(kind, 1000, 0).unwrap();
        assert_eq!(gpu.free(freed), SUCCESS);
        let foreign = other.alloc(kind, 1000, 0).unwrap();
        let strange = stranger.alloc(kind, 1000, 0).unwrap();
        let bad = [
            (pointer, 1001),
            (pointer.wrapping_byte_add(1), 1000),
            (pointer.wrapping_byte_add(1000), 1),
            (next.wrapping_byte_sub(1), 2),
            (freed, 1),
            (foreign, 1),
            (strange, 1),
            (pointer, usize::MAX),
            (pointer, 1 << 16),
        ];
        for (bad, size) in bad {
            let plain = own.as_mut_ptr().cast();
            assert_eq!(gpu.copy(bad, plain, size), INVALID_ARGUMENT);
            assert_eq!(gpu.copy(plain, bad, size), INVALID_ARGUMENT);
            assert_eq!(gpu.fill(bad, &[1], size), INVALID_ARGUMENT);
        }
    }
    assert_eq!(own, vec![0; 1 << 16]);
}

#[test]
fn overlapping_copies_are_refused() {
    let gpu = Gpu::new();
    let mut own = [0_u8; 100];
    for pointer in [
        gpu.alloc(Kind::Device, 100, 0).unwrap(),
        gpu.alloc(Kind::Shared, 100, 0).unwrap(),
        own.as_mut_ptr().cast(),
    ] {
        let shifted = pointer.wrapping_byte_add(49);
        assert_eq!(gpu.copy(shifted, pointer, 50), OVERLAPPING);
        assert_eq!(gpu.copy(pointer, shifted, 50), OVERLAPPING);
        assert_eq!(gpu.copy(pointer, pointer, 1), OVERLAPPING);
        assert_eq!(gpu.copy(shifted, pointer, 49), SUCCESS);
    }
}

#[test]
fn fills_repeat_the_pattern_and_touch_no_more() {
    let gpu = Gpu::new();
    let mut random = Random::new(9);
    for kind in KINDS {
        let size = 200_000;
        let pointer = gpu.alloc(kind, size, 0).unwrap();
        let mut expected = gpu.download(pointer, size);
        for pattern_size in [1, 2, 4, 8, 16, 64, 128] {
            for _ in 0..5 {
                let pattern = random.bytes(pattern_size);
                let len = random.below(size / pattern_size) * pattern_size;
                let start = random.below(size - len);
                let target = pointer.wrapping_byte_add(start);
                assert_eq!(gpu.fill(target, &pattern, len), SUCCESS);
                for (slot, byte) in expected[start..start + len]
                    .iter_mut()
                    .zip(pattern.iter().cycle())
                {
                    *slot = *byte;
                }
            }
        }
        assert!(gpu.download(pointer, size) == expected, "{kind}");
    }
}

#[test]
fn patterns_that_do_not_fit_are_refused() {
    let gpu = Gpu::with(Config::new().max_fill_pattern(16));
    let pointer = gpu.alloc(Kind::Device, 96, 0).unwrap();
    for (pattern, size) in [(0, 96), (3, 96), (12, 96), (32, 96), (16, 90), (2, 1)] {
        assert_eq!(
            gpu.fill(pointer, &[0; 32][..pattern], size),
            INVALID_SIZE,
            "{pattern}"
        );
    }
    assert_eq!(gpu.fill(pointer, &[0; 16], 96), SUCCESS);
    assert_eq!(gpu.fill(pointer, &[0; 16], 0), SUCCESS);
}

#[test]
fn a_pattern_is_read_by_the_host() {
    let gpu = Gpu::new();
    let target = gpu.alloc(Kind::Device, 64, 0).unwrap();
    let shared = gpu.alloc(Kind::Shared, 64, 0).unwrap();
    gpu.upload(shared, &[5; 64]);
    assert_eq!(gpu.fill_from(target, target, 4, 64), INVALID_ARGUMENT);
    assert_eq!(gpu.fill_from(target, shared, 4, 64), SUCCESS);
    assert_eq!(gpu.download(target, 64), [5; 64]);
}

#[test]
fn regions_copy_as_a_plain_loop_does() {
    let gpu = Gpu::new();
    let mut random = Random::new(77);
    let size = 60_000;
    let narrow = |value: usize| u32::try_from(value).unwrap();
    for round in 0..200 {
        let shape = [1 + random.below(20), 1 + random.below(10), random.below(6)];
        let depth = shape[2].max(1);
        let mut side = || {
            let z = if shape[2] == 0 { 0 } else { random.below(3) };
            let origin = [random.below(9), random.below(5), z];
            let pitch = origin[0] + shape[0] + random.below(9);
            let slice = pitch * (origin[1] + shape[1]) + random.below(50);
            (origin, pitch, slice)
        };
        let (to, from) = (side(), side());
        let target = gpu.alloc(KINDS[round % 3], size, 0).unwrap();
        let source = gpu.alloc(KINDS[round / 3 % 3], size, 0).unwrap();
        let bytes = random.bytes(size);
        gpu.upload(source, &bytes);
        let mut expected = gpu.download(target, size);
        let at = |(origin, pitch, slice): ([usize; 3], usize, usize), x, y, z| {
            origin[0] + x + (origin[1] + y) * pitch + (origin[2] + z) * slice
        };
        for z in 0..depth {
            for y in 0..shape[1] {
                for x in 0..shape[0] {
                    expected[at(to, x, y, z)] = bytes[at(from, x, y, z)];
                }
            }
        }
        let c = |pointer, (origin, pitch, slice): ([usize; 3], usize, usize)| {
            (
                pointer,
                region(origin.map(narrow), shape.map(narrow)),
                narrow(pitch),
                narrow(slice),
            )
        };
        let (from_pointer, from_region, pitch, slice) = c(source, from);
        let from = (from_pointer.cast_const(), from_region, pitch, slice);
        assert_eq!(copy_region(&gpu, c(target, to), from), SUCCESS);
        assert!(gpu.download(target, size) == expected, "round {round}");
        assert_eq!(gpu.free(target), SUCCESS);
        assert_eq!(gpu.free(source), SUCCESS);
    }
}

#[test]
fn regions_that_do_not_fit_are_refused() {
    let gpu = Gpu::new();
    let pointer = gpu.alloc(Kind::Device, 100, 0).unwrap();
    let mut own = [0_u8; 200];
    let own = own.as_mut_ptr().cast::<c_void>();
    let square = region([0; 3], [10, 10, 0]);
    let plain = (own.cast_const(), square, 10, 0);
    assert_eq!(copy_region(&gpu, (pointer, square, 10, 0), plain), SUCCESS);
    // One row, or one byte, too far; rows that run into each other; slices in a flat region.
    for bad in [
        (pointer, square, 11, 0),
        (pointer, region([1, 0, 0], [10, 10, 0]), 11, 0),
        (pointer, region([0, 1, 0], [10, 10, 0]), 10, 0),
        (pointer, square, 9, 0),
        (pointer, region([0, 0, 1], [10, 10, 0]), 10, 100),
        (pointer, region([0; 3], [10, 9, 0]), 10, 0),
        (
            pointer,
            region([u32::MAX; 3], [10, 10, 0]),
            u32::MAX,
            u32::MAX,
        ),
    ] {
        assert_eq!(copy_region(&gpu, bad, plain), INVALID_ARGUMENT);
    }
    let deep = region([0; 3], [2, 2, 2]);
    let deep_plain = (own.cast_const(), deep, 2, 4);
    assert_eq!(
        copy_region(&gpu, (pointer, deep, 2, 3), deep_plain),
        INVALID_ARGUMENT
    );
    assert_eq!(
        copy_region(&gpu, (pointer, deep, 2, 4), deep_plain),
        SUCCESS
    );
    assert_eq!(
        copy_region(&gpu, (null_mut(), square, 10, 0), plain),
        NULL_POINTER
    );
    let empty = region([0; 3], [0, 10, 0]);
    assert_eq!(
        copy_region(&gpu, (pointer, empty, 0, 0), (own, empty, 0, 0)),
        SUCCESS
    );
}

#[test]
fn regions_overlap_only_if_they_share_a_byte() {
    let gpu = Gpu::new();
    let pointer = gpu.alloc(Kind::Device, 1000, 0).unwrap();
    let side = |x, y| (pointer, region([x, y, 0], [10, 10, 0]), 30, 0);
    let copy = |to: (u32, u32), from: (u32, u32)| {
        let from = side(from.0, from.1);
        copy_region(
            &gpu,
            side(to.0, to.1),
            (from.0.cast_const(), from.1, from.2, from.3),
        )
    };
    assert_eq!(copy((10, 0), (0, 0)), SUCCESS);
    assert_eq!(copy((20, 5), (0, 0)), SUCCESS);
    assert_eq!(copy((0, 10), (0, 0)), SUCCESS);
    assert_eq!(copy((9, 0), (0, 0)), OVERLAPPING);
    assert_eq!(copy((0, 9), (9, 0)), OVERLAPPING);
    assert_eq!(copy((0, 0), (0, 0)), OVERLAPPING);
}

#[test]
fn hints_and_barriers_take_what_is_live() {
    let gpu = Gpu::new();
    let pointer = gpu.alloc(Kind::Shared, 64, 0).unwrap();
    let own = [0_u8; 8];
    let prefetch = |pointer, size| {
        // SAFETY: the driver checks the range.
        unsafe { (api().zeCommandListAppendMemoryPrefetch)(gpu.list, pointer, size) }
    };
    assert_eq!(prefetch(pointer, 64), SUCCESS);
    assert_eq!(prefetch(pointer, 65), INVALID_ARGUMENT);
    assert_eq!(prefetch(null_mut(), 1), NULL_POINTER);
    let advise = |device, pointer: *const c_void, size, advice| {
        let advice = sys::_ze_memory_advice_t(advice);
        // SAFETY: the driver checks the range.
        unsafe { (api().zeCommandListAppendMemAdvise)(gpu.list, device, pointer, size, advice) }
    };
    assert_eq!(advise(gpu.device(), pointer, 64, 7), SUCCESS);
    assert_eq!(advise(gpu.device(), pointer, 64, 8), INVALID_ENUMERATION);
    assert_eq!(
        advise(gpu.device(), own.as_ptr().cast(), 8, 0),
        INVALID_ARGUMENT
    );
    assert_eq!(advise(gpu.device(), null(), 8, 0), NULL_POINTER);
    assert_eq!(advise(null_mut(), pointer, 8, 0), NULL_HANDLE);
    let barrier = |sizes: *const usize, ranges: *mut *const c_void, count| {
        // SAFETY: the arrays are null or of that length.
        unsafe {
            (api().zeCommandListAppendMemoryRangesBarrier)(
                gpu.list,
                count,
                sizes,
                ranges,
                null_mut(),
                0,
                null_mut(),
            )
        }
    };
    let mut ranges = [pointer.cast_const(), own.as_ptr().cast()];
    assert_eq!(barrier([64, 8].as_ptr(), ranges.as_mut_ptr(), 2), SUCCESS);
    assert_eq!(
        barrier([65, 8].as_ptr(), ranges.as_mut_ptr(), 2),
        INVALID_ARGUMENT
    );
    assert_eq!(barrier(null(), ranges.as_mut_ptr(), 2), NULL_POINTER);
    assert_eq!(barrier([64].as_ptr(), null_mut(), 1), NULL_POINTER);
    // SAFETY: a list of this driver.
    let done = unsafe { (api().zeCommandListHostSynchronize.unwrap())(gpu.list, 0) };
    assert_eq!(done, SUCCESS);
}
