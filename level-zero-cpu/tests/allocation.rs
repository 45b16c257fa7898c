//! Allocating, freeing and looking up memory: what is promised and what is refused.
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails, as it should"
)]

mod setup;

use level_zero_cpu::{Config, FRESH_BYTE, api};
use level_zero_sys as sys;
use setup::*;
use std::ffi::c_void;
use std::ptr::{null, null_mut, without_provenance_mut};

#[test]
fn every_kind_and_alignment_up_to_2_mib_is_honoured() {
    let gpu = Gpu::new();
    for kind in KINDS {
        let mut live = Vec::new();
        for shift in 0..=21 {
            let alignment = 1 << shift;
            for size in [1, 63, 64, 4096, 70_000] {
                let pointer = gpu.alloc(kind, size, alignment).unwrap();
                assert_eq!(pointer.addr() % alignment, 0, "{kind} {alignment}");
                live.push(pointer);
            }
        }
        assert!(gpu.alloc(kind, 1, 0).map(|pointer| gpu.free(pointer)) == Ok(SUCCESS));
        for pointer in live {
            assert_eq!(gpu.free(pointer), SUCCESS);
        }
    }
    assert!(gpu.end().is_empty());
}

/// Programs take `pageSize` for the alignment that they get without asking, pools among them.
#[test]
fn memory_without_an_alignment_starts_at_a_page() {
    let gpu = Gpu::new();
    for kind in KINDS {
        for size in [1, 100, 5000, 64] {
            let pointer = gpu.alloc(kind, size, 0).unwrap();
            assert_eq!(pointer.addr() % 4096, 0, "{kind} {size}");
        }
    }
}

#[test]
fn alignment_is_ignored_where_configured_so() {
    let gpu = Gpu::with(Config::new().honour_alignment(false));
    for kind in KINDS {
        for alignment in [8192, 65536, 2 << 20] {
            let pointer = gpu.alloc(kind, 100, alignment).unwrap();
            assert_eq!(pointer.addr() % 4096, 0);
            assert_ne!(pointer.addr() % alignment, 0);
            assert_eq!(gpu.download(pointer, 100), [FRESH_BYTE; 100]);
            assert_eq!(gpu.free(pointer), SUCCESS);
        }
        let pointer = gpu.alloc(kind, 100, 64).unwrap();
        assert_eq!(pointer.addr() % 4096, 0);
        assert_eq!(gpu.free(pointer), SUCCESS);
    }
    assert!(gpu.end().is_empty());
}

#[test]
fn fresh_memory_holds_the_pattern_also_where_memory_was_used_before() {
    let gpu = Gpu::with(Config::new().fill_limit(2 << 20));
    for kind in KINDS {
        for size in [1, 100, 5000, (1 << 20) + 3] {
            for _ in 0..2 {
                let pointer = gpu.alloc(kind, size, 0).unwrap();
                assert!(
                    gpu.download(pointer, size)
                        .iter()
                        .all(|byte| *byte == FRESH_BYTE)
                );
                assert_eq!(gpu.fill(pointer, &[1], size), SUCCESS);
                assert_eq!(gpu.free(pointer), SUCCESS);
            }
        }
    }
}

#[test]
fn large_allocations_hold_the_pattern_at_both_ends() {
    let gpu = Gpu::new();
    let size = 1 << 30;
    for kind in KINDS {
        let pointer = gpu.alloc(kind, size, 0).unwrap();
        let last = pointer.wrapping_byte_add(size - 4096);
        for part in [pointer, last] {
            assert!(
                gpu.download(part, 4096)
                    .iter()
                    .all(|byte| *byte == FRESH_BYTE)
            );
        }
        assert_eq!(gpu.free(pointer), SUCCESS);
    }
}

#[test]
fn sizes_that_cannot_be_are_unsupported() {
    let gpu = Gpu::with(Config::new().max_allocation(1 << 20));
    for kind in KINDS {
        assert_eq!(gpu.alloc(kind, 0, 0), Err(UNSUPPORTED_SIZE));
        assert_eq!(gpu.alloc(kind, (1 << 20) + 1, 0), Err(UNSUPPORTED_SIZE));
        assert_eq!(gpu.alloc(kind, usize::MAX, 0), Err(UNSUPPORTED_SIZE));
        let pointer = gpu.alloc(kind, 1 << 20, 0).unwrap();
        assert_eq!(gpu.free(pointer), SUCCESS);
    }
}

#[test]
fn relaxed_limits_go_beyond_the_largest_allocation_where_offered() {
    for offered in [true, false] {
        let config = Config::new()
            .max_allocation(1 << 20)
            .relaxed_limits(offered);
        let gpu = Gpu::with(config);
        let relaxed = relaxed_desc();
        let next = (&raw const relaxed).cast::<c_void>();
        let device = sys::ze_device_mem_alloc_desc_t {
            pNext: next,
            ..device_desc()
        };
        let host = sys::ze_host_mem_alloc_desc_t {
            pNext: next,
            ..host_desc()
        };
        for kind in KINDS {
            let mut pointer = null_mut();
            let result = alloc_with(
                gpu.context,
                gpu.device(),
                kind,
                (&device, &host),
                3 << 20,
                0,
                &mut pointer,
            );
            if offered {
                assert_eq!(result, SUCCESS);
                assert_eq!(gpu.free(pointer), SUCCESS);
            } else {
                assert_eq!(result, INVALID_ARGUMENT);
            }
        }
    }
}

#[test]
fn relaxed_limits_without_the_flag_relax_nothing_and_bad_flags_are_refused() {
    let gpu = Gpu::with(Config::new().max_allocation(1 << 20));
    for (flags, expected) in [(0, UNSUPPORTED_SIZE), (2, INVALID_ENUMERATION)] {
        let relaxed = sys::ze_relaxed_allocation_limits_exp_desc_t {
            flags,
            ..relaxed_desc()
        };
        let next = (&raw const relaxed).cast::<c_void>();
        let host = sys::ze_host_mem_alloc_desc_t {
            pNext: next,
            ..host_desc()
        };
        let mut pointer = null_mut();
        let descs = (null(), &raw const host);
        let result = alloc_with(
            gpu.context,
            gpu.device(),
            Kind::Host,
            descs,
            2 << 20,
            0,
            &mut pointer,
        );
        assert_eq!(result, expected);
        assert!(pointer.is_null());
    }
}

#[test]
fn alignments_that_are_no_power_of_two_are_unsupported() {
    let gpu = Gpu::new();
    for kind in KINDS {
        for alignment in [3, 100, usize::MAX, 1 << 62] {
            assert_eq!(
                gpu.alloc(kind, 64, alignment),
                Err(UNSUPPORTED_ALIGNMENT),
                "{alignment}"
            );
        }
    }
}

#[test]
fn descriptors_are_checked() {
    let gpu = Gpu::new();
    let unknown = sys::ze_base_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_RAYTRACING_MEM_ALLOC_EXT_DESC,
        pNext: null(),
    };
    let next = (&raw const unknown).cast::<c_void>();
    let good_device = device_desc();
    let good_host = host_desc();
    let device = |change: fn(&mut sys::ze_device_mem_alloc_desc_t)| {
        let mut desc = device_desc();
        change(&mut desc);
        desc
    };
    let alloc = |kind, device: &sys::ze_device_mem_alloc_desc_t, host: &_| {
        let mut pointer = null_mut();
        let descs = (&raw const *device, &raw const *host);
        let result = alloc_with(gpu.context, gpu.device(), kind, descs, 64, 0, &mut pointer);
        assert!(pointer.is_null());
        result
    };
    for kind in [Kind::Device, Kind::Shared] {
        let bad = device(|desc| desc.flags = 8);
        assert_eq!(alloc(kind, &bad, &good_host), INVALID_ENUMERATION);
        for ordinal in [1, 7, u32::MAX] {
            let bad = sys::ze_device_mem_alloc_desc_t {
                ordinal,
                ..device_desc()
            };
            assert_eq!(alloc(kind, &bad, &good_host), INVALID_ARGUMENT);
        }
        let bad = device(|desc| desc.stype = sys::ZE_STRUCTURE_TYPE_HOST_MEM_ALLOC_DESC);
        assert_eq!(alloc(kind, &bad, &good_host), INVALID_ARGUMENT);
        let bad = sys::ze_device_mem_alloc_desc_t {
            pNext: next,
            ..device_desc()
        };
        assert_eq!(alloc(kind, &bad, &good_host), INVALID_ARGUMENT);
    }
    for kind in [Kind::Host, Kind::Shared] {
        let bad = sys::ze_host_mem_alloc_desc_t {
            flags: 16,
            ..host_desc()
        };
        assert_eq!(alloc(kind, &good_device, &bad), INVALID_ENUMERATION);
        let stype = sys::ZE_STRUCTURE_TYPE_DEVICE_MEM_ALLOC_DESC;
        let bad = sys::ze_host_mem_alloc_desc_t {
            stype,
            ..host_desc()
        };
        assert_eq!(alloc(kind, &good_device, &bad), INVALID_ARGUMENT);
        let bad = sys::ze_host_mem_alloc_desc_t {
            pNext: next,
            ..host_desc()
        };
        assert_eq!(alloc(kind, &good_device, &bad), INVALID_ARGUMENT);
    }
    assert!(gpu.instance.ledger().allocations.is_empty());
}

#[test]
fn a_circular_chain_ends() {
    let gpu = Gpu::new();
    let mut relaxed = relaxed_desc();
    relaxed.pNext = (&raw const relaxed).cast();
    let next = relaxed.pNext;
    let host = sys::ze_host_mem_alloc_desc_t {
        pNext: next,
        ..host_desc()
    };
    let mut pointer = null_mut();
    let descs = (null(), &raw const host);
    let result = alloc_with(
        gpu.context,
        null_mut(),
        Kind::Host,
        descs,
        1,
        0,
        &mut pointer,
    );
    assert_eq!(result, INVALID_ARGUMENT);
}

#[test]
fn null_arguments_are_refused() {
    let gpu = Gpu::new();
    let (device, host) = (device_desc(), host_desc());
    let good = (&raw const device, &raw const host);
    let mut pointer = null_mut();
    let mut alloc = |context, handle, kind, descs| {
        alloc_with(context, handle, kind, descs, 64, 0, &raw mut pointer)
    };
    for kind in KINDS {
        assert_eq!(alloc(null_mut(), gpu.device(), kind, good), NULL_HANDLE);
        assert_eq!(
            alloc(gpu.context, gpu.device(), kind, (null(), null())),
            NULL_POINTER
        );
        let result = alloc_with(gpu.context, gpu.device(), kind, good, 64, 0, null_mut());
        assert_eq!(result, NULL_POINTER);
    }
    assert_eq!(
        alloc(gpu.context, null_mut(), Kind::Device, good),
        NULL_HANDLE
    );
    let no_host = (&raw const device, null());
    assert_eq!(
        alloc(gpu.context, gpu.device(), Kind::Shared, no_host),
        NULL_POINTER
    );
    assert_eq!(alloc(gpu.context, null_mut(), Kind::Shared, good), SUCCESS);
    assert_eq!(free_in(null_mut(), pointer), NULL_HANDLE);
    assert_eq!(gpu.free(null_mut()), NULL_POINTER);
    assert_eq!(gpu.free(pointer), SUCCESS);
}

#[test]
fn handles_of_another_kind_and_numbers_that_are_none_are_refused() {
    let gpu = Gpu::new();
    let mut pointer = null_mut();
    for wrong in [
        gpu.device().addr(),
        gpu.list.addr(),
        1,
        8,
        usize::MAX,
        (&raw const gpu).addr(),
    ] {
        let result = alloc_in(
            handle(wrong),
            gpu.device(),
            Kind::Device,
            64,
            0,
            &mut pointer,
        );
        assert_eq!(result, INVALID_ARGUMENT);
    }
    for wrong in [gpu.context.addr(), gpu.list.addr(), 1, usize::MAX] {
        let result = alloc_in(
            gpu.context,
            handle(wrong),
            Kind::Device,
            64,
            0,
            &mut pointer,
        );
        assert_eq!(result, INVALID_ARGUMENT);
        let result = alloc_in(
            gpu.context,
            handle(wrong),
            Kind::Shared,
            64,
            0,
            &mut pointer,
        );
        assert_eq!(result, INVALID_ARGUMENT);
    }
}

#[test]
fn out_of_memory_leaves_the_pointer_alone_and_ends_when_memory_is_freed() {
    let gpu = Gpu::with(Config::new().device_memory(1 << 20).host_memory(1 << 20));
    for kind in KINDS {
        let expected = if kind == Kind::Device {
            OUT_OF_DEVICE_MEMORY
        } else {
            OUT_OF_HOST_MEMORY
        };
        assert_eq!(gpu.alloc(kind, (1 << 20) + 1, 0), Err(expected));
        let all = gpu.alloc(kind, 1 << 20, 0).unwrap();
        let mut pointer = without_provenance_mut(42);
        let result = alloc_in(gpu.context, gpu.device(), kind, 1, 0, &mut pointer);
        assert_eq!(result, expected);
        assert_eq!(pointer.addr(), 42);
        assert_eq!(gpu.free(all), SUCCESS);
        let again = gpu.alloc(kind, 1 << 20, 0).unwrap();
        assert_eq!(gpu.free(again), SUCCESS);
    }
}

#[test]
fn only_the_start_of_a_live_allocation_of_the_context_is_freed() {
    let gpu = Gpu::new();
    let other = create_context(&gpu.instance).unwrap();
    let mut own = 0_u64;
    for kind in KINDS {
        let pointer = gpu.alloc(kind, 8192, 0).unwrap();
        for wrong in [1, 64, 4096, 8191, 8192] {
            assert_eq!(gpu.free(pointer.wrapping_byte_add(wrong)), INVALID_ARGUMENT);
        }
        assert_eq!(gpu.free(pointer.wrapping_byte_sub(1)), INVALID_ARGUMENT);
        assert_eq!(gpu.free((&raw mut own).cast()), INVALID_ARGUMENT);
        assert_eq!(free_in(other, pointer), INVALID_ARGUMENT);
        assert_eq!(gpu.instance.ledger().live_bytes(kind), 8192);
        assert_eq!(gpu.free(pointer), SUCCESS);
        assert_eq!(gpu.free(pointer), INVALID_ARGUMENT);
    }
    assert_eq!(destroy_context(other), SUCCESS);
    assert!(gpu.end().is_empty());
}

fn free_ext(
    gpu: &Gpu,
    desc: *const sys::ze_memory_free_ext_desc_t,
    pointer: *mut c_void,
) -> sys::ze_result_t {
    // SAFETY: the descriptor is null or live; the driver checks the pointer.
    unsafe { (api().zeMemFreeExt.unwrap())(gpu.context, desc, pointer) }
}

#[test]
fn free_policies_are_those_configured() {
    let desc = |policy| sys::ze_memory_free_ext_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_MEMORY_FREE_EXT_DESC,
        pNext: null(),
        freePolicy: policy,
    };
    let gpu = Gpu::with(Config::new().free_policies(1));
    let expected = [
        (0, SUCCESS),
        (1, SUCCESS),
        (2, UNSUPPORTED_FEATURE),
        (3, INVALID_ARGUMENT),
    ];
    for (policy, expected) in expected.into_iter().chain([(4, INVALID_ENUMERATION)]) {
        let pointer = gpu.alloc(Kind::Device, 64, 0).unwrap();
        assert_eq!(free_ext(&gpu, &desc(policy), pointer), expected);
        let freed = if expected == SUCCESS {
            INVALID_ARGUMENT
        } else {
            SUCCESS
        };
        assert_eq!(gpu.free(pointer), freed);
    }
    let pointer = gpu.alloc(Kind::Host, 64, 0).unwrap();
    assert_eq!(free_ext(&gpu, null(), pointer), NULL_POINTER);
    assert_eq!(free_ext(&gpu, &desc(0), null_mut()), NULL_POINTER);
    let wrong = sys::ze_memory_free_ext_desc_t {
        stype: context_desc().stype,
        ..desc(0)
    };
    assert_eq!(free_ext(&gpu, &raw const wrong, pointer), INVALID_ARGUMENT);
    assert_eq!(gpu.free(pointer), SUCCESS);
}

#[test]
fn a_hundred_thousand_allocations_of_each_kind_are_live_at_once() {
    let gpu = Gpu::new();
    let mut random = Random::new(1);
    for kind in KINDS {
        let count = 100_000;
        let mut live: Vec<_> = (0..count)
            .map(|_| gpu.alloc(kind, 64, 0).unwrap())
            .collect();
        assert_eq!(gpu.instance.ledger().allocations.len(), count);
        // Freed in random order: every second page at some time, far more holes than the system
        // has mappings.
        while !live.is_empty() {
            let index = random.below(live.len());
            assert_eq!(gpu.free(live.swap_remove(index)), SUCCESS);
        }
        let pointer = gpu.alloc(kind, 100, 0).unwrap();
        assert_eq!(gpu.download(pointer, 100), [FRESH_BYTE; 100]);
        assert_eq!(gpu.free(pointer), SUCCESS);
    }
    assert!(gpu.end().is_empty());
}

#[test]
fn a_hundred_thousand_allocations_with_gaps_between_are_live_at_once() {
    let gpu = Gpu::with(Config::new().host_memory(8 << 30));
    let live: Vec<_> = (0..100_000)
        .map(|_| gpu.alloc(Kind::Host, 64, 16384).unwrap())
        .collect();
    for pointer in &live {
        gpu.upload(*pointer, &[7; 64]);
    }
    for pointer in live {
        assert_eq!(gpu.free(pointer), SUCCESS);
    }
    assert!(gpu.end().is_empty());
}
