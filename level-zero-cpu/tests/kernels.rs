//! Kernels: their arguments, their groups, their launches, and what they may touch.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that unwraps an error fails, as it should"
)]

mod programs;
mod setup;

use level_zero_cpu::{Config, api};
use level_zero_sys as sys;
use std::ffi::{c_char, c_void};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU32, Ordering};

use programs::*;
use setup::*;

/// A driver with the module of most kernels.
fn start() -> (Gpu, sys::ze_module_handle_t) {
    let gpu = Gpu::new();
    let module = gpu.module(KERNELS).unwrap();
    (gpu, module)
}

fn upload_new<T: Copy>(gpu: &Gpu, kind: Kind, values: &[T]) -> *mut c_void {
    let pointer = gpu.alloc(kind, size_of_val(values), 16).unwrap();
    gpu.upload(pointer, &bytes_of(values));
    pointer
}

/// A list whose commands are done some time after they are appended.
fn asynchronous(gpu: &Gpu) -> sys::ze_command_list_handle_t {
    let desc = sys::ze_command_queue_desc_t {
        mode: sys::ZE_COMMAND_QUEUE_MODE_ASYNCHRONOUS,
        ..queue_desc()
    };
    create_list_with(gpu.context, gpu.device(), &desc).unwrap()
}

fn launch_on(
    list: sys::ze_command_list_handle_t,
    kernel: &Kernel,
    groups: [u32; 3],
) -> sys::ze_result_t {
    let groups = group_count(groups);
    let launch = api().zeCommandListAppendLaunchKernel;
    // SAFETY: tests set arguments that the kernels can use.
    unsafe { launch(list, kernel.0, &raw const groups, null_mut(), 0, null_mut()) }
}

fn synchronise(list: sys::ze_command_list_handle_t) -> sys::ze_result_t {
    // SAFETY: a list.
    unsafe { (api().zeCommandListHostSynchronize.unwrap())(list, u64::MAX) }
}

fn destroy_list(list: sys::ze_command_list_handle_t) {
    // SAFETY: used no more.
    assert_eq!(unsafe { (api().zeCommandListDestroy)(list) }, SUCCESS);
}

#[test]
fn saxpy_is_what_a_loop_computes_in_each_kind_of_memory() {
    runtime_or_return!();
    let (gpu, module) = start();
    let kernel = Kernel::new(module, c"saxpy").unwrap();
    let count = 1000_u16;
    let x: Vec<f32> = (0..count).map(f32::from).collect();
    let y: Vec<f32> = x.iter().map(|x| 3.0 - x).collect();
    let expected: Vec<f32> = y.iter().zip(&x).map(|(y, x)| 0.5 * x + y).collect();
    assert_eq!(kernel.group_size(64, 1, 1), SUCCESS);
    for kind in KINDS {
        let (x, y) = (upload_new(&gpu, kind, &x), upload_new(&gpu, kind, &y));
        kernel.set(0, y);
        kernel.set(1, x);
        kernel.set(2, 0.5_f32);
        kernel.set(3, u32::from(count));
        assert_eq!(gpu.launch(&kernel, [16, 1, 1]), SUCCESS);
        assert_eq!(gpu.download(y, 4000), bytes_of(&expected));
        assert_eq!((gpu.free(x), gpu.free(y)), (SUCCESS, SUCCESS));
    }
    kernel.destroy();
    finish(gpu, &[module]);
}

#[test]
fn structures_vectors_and_scalars_arrive_by_value() {
    #[repr(C, align(16))]
    #[derive(Clone, Copy)]
    struct Mixed {
        small: i8,
        whole: i32,
        real: f32,
        wide: i64,
        pad: i64,
        vector: [f32; 4],
        many: [i16; 3],
    }
    runtime_or_return!();
    let (gpu, module) = start();
    let kernel = Kernel::new(module, c"by_value").unwrap();
    let out = gpu.alloc(Kind::Shared, 72, 8).unwrap();
    let mixed = Mixed {
        small: -5,
        whole: 1 << 30,
        real: 2.5,
        wide: -(1 << 40),
        pad: 0,
        vector: [1.0, 2.0, 3.0, 4.0],
        many: [7, 8, 9],
    };
    kernel.set(0, out);
    kernel.set(1, mixed);
    kernel.set(2, 200_u8);
    kernel.set(3, [10.0_f32, 20.0, 30.0, 0.0]);
    kernel.set(4, 1e15_f64);
    assert_eq!(gpu.launch(&kernel, [1, 1, 1]), SUCCESS);
    let numbers = u64s(&gpu.download(out, 72)).into_iter();
    let numbers: Vec<i64> = numbers.map(u64::cast_signed).collect();
    let expected = [
        -5,
        1 << 30,
        2,
        -(1 << 40),
        10,
        24,
        200,
        60,
        1_000_000_000_000_000,
    ];
    assert_eq!(numbers, expected);
    // Null is a value of zeros.
    for (index, size) in [(1, size_of::<Mixed>()), (2, 1), (3, 16), (4, 8)] {
        assert_eq!(kernel.set_raw(index, size, null()), SUCCESS);
    }
    assert_eq!(gpu.launch(&kernel, [1, 1, 1]), SUCCESS);
    assert_eq!(u64s(&gpu.download(out, 72)), [0; 9]);
    assert_eq!(gpu.free(out), SUCCESS);
    kernel.destroy();
    finish(gpu, &[module]);
}

#[test]
fn groups_share_local_memory() {
    runtime_or_return!();
    let (gpu, module) = start();
    let kernel = Kernel::new(module, c"reduce").unwrap();
    let values: Vec<u32> = (0..2048).map(|value| value * value % 977).collect();
    let (input, sums) = (
        upload_new(&gpu, Kind::Device, &values),
        gpu.alloc(Kind::Device, 4 * 32, 4).unwrap(),
    );
    kernel.set(0, sums);
    kernel.set(1, input);
    for group in [64, 256, 1024] {
        let size = u32::try_from(group).unwrap();
        assert_eq!(kernel.group_size(size, 1, 1), SUCCESS);
        kernel.set_local(2, group * 4);
        assert_eq!(gpu.launch(&kernel, [2048 / size, 1, 1]), SUCCESS);
        let expected: Vec<u32> = values.chunks(group).map(|part| part.iter().sum()).collect();
        assert_eq!(u32s(&gpu.download(sums, 4 * expected.len())), expected);
    }
    // Two arguments or one, more than the device has is too much.
    assert_eq!(kernel.set_raw(2, 0, null()), INVALID_ARGUMENT_SIZE);
    assert_eq!(
        kernel.set_raw(2, (64 << 10) + 1, null()),
        INVALID_ARGUMENT_SIZE
    );
    kernel.set_local(2, 64 << 10);
    assert_eq!(gpu.launch(&kernel, [1, 1, 1]), SUCCESS);
    let value = 1_u64;
    let value = (&raw const value).cast();
    assert_eq!(kernel.set_raw(2, 8, value), INVALID_ARGUMENT);
    assert_eq!((gpu.free(input), gpu.free(sums)), (SUCCESS, SUCCESS));
    kernel.destroy();
    finish(gpu, &[module]);
}

#[test]
fn every_item_of_three_dimensions_runs_once_with_its_offset() {
    runtime_or_return!();
    let (gpu, module) = start();
    let kernel = Kernel::new(module, c"ids").unwrap();
    let (groups, size, offset) = ([3_u32, 2, 2], [4_u32, 2, 3], [10_u32, 20, 30]);
    let grid: Vec<u32> = groups
        .iter()
        .zip(size)
        .map(|(groups, size)| groups * size)
        .collect();
    let items = grid.iter().product::<u32>() as usize;
    let out = gpu.alloc(Kind::Host, items * 24, 4).unwrap();
    kernel.set(0, out);
    assert_eq!(kernel.group_size(size[0], size[1], size[2]), SUCCESS);
    let set_offset = api().zeKernelSetGlobalOffsetExp.unwrap();
    for offset in [offset, [0; 3]] {
        // SAFETY: numbers only.
        let result = unsafe { set_offset(kernel.0, offset[0], offset[1], offset[2]) };
        assert_eq!(result, SUCCESS);
        assert_eq!(gpu.launch(&kernel, groups), SUCCESS);
        let mut expected = Vec::new();
        for z in 0..grid[2] {
            for y in 0..grid[1] {
                for x in 0..grid[0] {
                    expected.extend([x + offset[0], y + offset[1], z + offset[2]]);
                    expected.extend([x % size[0], y % size[1], z % size[2]]);
                }
            }
        }
        assert_eq!(u32s(&gpu.download(out, items * 24)), expected);
    }
    assert_eq!(gpu.free(out), SUCCESS);
    kernel.destroy();
    finish(gpu, &[module]);
}

#[test]
fn pointers_may_be_null() {
    runtime_or_return!();
    let (gpu, module) = start();
    let kernel = Kernel::new(module, c"is_null").unwrap();
    let out = gpu.alloc(Kind::Device, 8, 4).unwrap();
    kernel.set(0, out);
    assert_eq!(kernel.set_raw(1, 8, null()), SUCCESS);
    kernel.set(2, null::<c_void>());
    assert_eq!(gpu.launch(&kernel, [1, 1, 1]), SUCCESS);
    assert_eq!(u32s(&gpu.download(out, 8)), [1, 1]);
    kernel.set(1, out);
    kernel.set(2, out);
    assert_eq!(gpu.launch(&kernel, [1, 1, 1]), SUCCESS);
    assert_eq!(u32s(&gpu.download(out, 8)), [0, 0]);
    assert_eq!(gpu.free(out), SUCCESS);
    kernel.destroy();
    finish(gpu, &[module]);
}

#[test]
fn pointers_that_a_kernel_finds_in_memory_need_indirect_access() {
    runtime_or_return!();
    let (gpu, module) = start();
    let kernel = Kernel::new(module, c"indirect").unwrap();
    let cells = KINDS.map(|kind| upload_new(&gpu, kind, &[40_u32, 41]));
    // Into the middle, too.
    let table: Vec<usize> = cells.iter().map(|cell| cell.addr() + 4).collect();
    let table = upload_new(&gpu, Kind::Device, &table);
    kernel.set(0, table);
    kernel.set(1, 3_u32);
    let mut access = 9;
    let get = api().zeKernelGetIndirectAccess;
    // SAFETY: a place for the flags.
    assert_eq!(unsafe { get(kernel.0, &raw mut access) }, SUCCESS);
    assert_eq!(access, 0);
    // SAFETY: null is refused.
    assert_eq!(unsafe { get(kernel.0, null_mut()) }, NULL_POINTER);
    let set = api().zeKernelSetIndirectAccess;
    // SAFETY: flags only.
    assert_eq!(unsafe { set(kernel.0, 8) }, INVALID_ENUMERATION);
    // SAFETY: as above.
    assert_eq!(unsafe { set(kernel.0, 7) }, SUCCESS);
    // SAFETY: as above.
    assert_eq!(unsafe { get(kernel.0, &raw mut access) }, SUCCESS);
    assert_eq!(access, 7);
    assert_eq!(gpu.launch(&kernel, [1, 1, 1]), SUCCESS);
    for cell in cells {
        assert_eq!(u32s(&gpu.download(cell, 8)), [40, 42]);
        assert_eq!(gpu.free(cell), SUCCESS);
    }
    assert_eq!(gpu.free(table), SUCCESS);
    kernel.destroy();
    finish(gpu, &[module]);
}

#[test]
fn kernels_are_found_by_name_and_described() {
    runtime_or_return!();
    let (gpu, module) = start();
    assert_eq!(Kernel::new(module, c"nothing"), Err(INVALID_KERNEL_NAME));
    assert_eq!(Kernel::new(module, c"image"), Err(UNSUPPORTED_FEATURE));
    assert_eq!(Kernel::new(null_mut(), c"saxpy"), Err(NULL_HANDLE));
    let create = |desc: *const sys::ze_kernel_desc_t| {
        let mut kernel = null_mut();
        // SAFETY: the descriptor is null or live, as is the place.
        let result = unsafe { (api().zeKernelCreate)(module, desc, &raw mut kernel) };
        (result, kernel)
    };
    let good = kernel_desc(c"required");
    assert_eq!(create(null()).0, NULL_POINTER);
    let bad = sys::ze_kernel_desc_t {
        pKernelName: null(),
        ..good
    };
    assert_eq!(create(&raw const bad).0, NULL_POINTER);
    let bad = sys::ze_kernel_desc_t { flags: 4, ..good };
    assert_eq!(create(&raw const bad).0, INVALID_ENUMERATION);
    let bad = sys::ze_kernel_desc_t {
        pNext: (&raw const good).cast(),
        ..good
    };
    assert_eq!(create(&raw const bad).0, INVALID_ARGUMENT);
    // SAFETY: null is refused.
    let result = unsafe { (api().zeKernelCreate)(module, &raw const good, null_mut()) };
    assert_eq!(result, NULL_POINTER);
    let forced = sys::ze_kernel_desc_t {
        flags: sys::ZE_KERNEL_FLAG_FORCE_RESIDENCY | sys::ZE_KERNEL_FLAG_EXPLICIT_RESIDENCY,
        ..good
    };
    let (result, forced) = create(&raw const forced);
    assert_eq!((result, destroy_kernel(forced)), (SUCCESS, SUCCESS));

    let kernel = Kernel::new(module, c"required").unwrap();
    let mut preferred = sys::ze_kernel_preferred_group_size_properties_t {
        stype: sys::ZE_STRUCTURE_TYPE_KERNEL_PREFERRED_GROUP_SIZE_PROPERTIES,
        ..Default::default()
    };
    let mut properties = sys::ze_kernel_properties_t {
        stype: sys::ZE_STRUCTURE_TYPE_KERNEL_PROPERTIES,
        pNext: (&raw mut preferred).cast(),
        ..Default::default()
    };
    let mut describe = |kernel: &Kernel| {
        // SAFETY: a chain of structures of the right types.
        let result = unsafe { (api().zeKernelGetProperties)(kernel.0, &raw mut properties) };
        assert_eq!(result, SUCCESS);
        properties
    };
    let required = describe(&kernel);
    assert_eq!(required.numKernelArgs, 1);
    let size = [
        required.requiredGroupSizeX,
        required.requiredGroupSizeY,
        required.requiredGroupSizeZ,
    ];
    assert_eq!(size, [4, 2, 1]);
    assert!(required.maxSubgroupSize > 0 && required.maxNumSubgroups > 0);
    assert_eq!(required.requiredSubgroupSize, 0);
    let hinted = Kernel::new(module, c"hinted").unwrap();
    let fixed = Kernel::new(module, c"fixed_local").unwrap();
    let of_hinted = describe(&hinted);
    assert_eq!(
        (of_hinted.requiredSubgroupSize, of_hinted.requiredGroupSizeX),
        (8, 0)
    );
    assert_eq!(describe(&fixed).localMemSize, 4096);
    assert_ne!(of_hinted.uuid.kid, required.uuid.kid);
    assert_eq!(of_hinted.uuid.mid, required.uuid.mid);
    assert_ne!(required.uuid.mid, [0; 16]);
    assert!(preferred.preferredMultiple > 0);

    let get_name = api().zeKernelGetName;
    let (mut size, mut name) = (0, [0x55_u8; 12]);
    assert_eq!(
        // SAFETY: the size alone.
        unsafe { get_name(kernel.0, &raw mut size, null_mut()) },
        SUCCESS
    );
    assert_eq!(size, 9);
    let place = name.as_mut_ptr().cast::<c_char>();
    // SAFETY: room for as many bytes.
    assert_eq!(unsafe { get_name(kernel.0, &raw mut size, place) }, SUCCESS);
    assert_eq!(&name, b"required\0\x55\x55\x55");
    size = 8;
    assert_eq!(
        // SAFETY: as above.
        unsafe { get_name(kernel.0, &raw mut size, place) },
        INVALID_SIZE
    );
    assert_eq!(
        // SAFETY: null is refused.
        unsafe { get_name(kernel.0, null_mut(), place) },
        NULL_POINTER
    );

    let attributes = |kernel: &Kernel| {
        let (mut size, mut text) = (0, null_mut());
        let get = api().zeKernelGetSourceAttributes.unwrap();
        assert_eq!(
            // SAFETY: places for both results, or null, which is refused.
            unsafe { get(kernel.0, null_mut(), &raw mut text) },
            NULL_POINTER
        );
        assert_eq!(
            // SAFETY: as above.
            unsafe { get(kernel.0, &raw mut size, null_mut()) },
            NULL_POINTER
        );
        assert_eq!(
            // SAFETY: as above.
            unsafe { get(kernel.0, &raw mut size, &raw mut text) },
            SUCCESS
        );
        // SAFETY: lives as long as the kernel.
        let text = unsafe { std::ffi::CStr::from_ptr(text) };
        assert_eq!(text.to_bytes_with_nul().len(), size as usize);
        text.to_str().unwrap().to_owned()
    };
    assert_eq!(attributes(&kernel), "reqd_work_group_size(4,2,1)");
    let expected = "work_group_size_hint(16,1,1) intel_reqd_sub_group_size(8)";
    assert_eq!(attributes(&hinted), expected);
    assert_eq!(attributes(&fixed), "");
    for kernel in [kernel, hinted, fixed] {
        kernel.destroy();
    }
    finish(gpu, &[module]);
}

#[test]
fn group_sizes_keep_to_the_limits() {
    runtime_or_return!();
    let (gpu, module) = start();
    let mut limits = sys::ze_device_compute_properties_t {
        stype: sys::ZE_STRUCTURE_TYPE_DEVICE_COMPUTE_PROPERTIES,
        ..Default::default()
    };
    // SAFETY: a structure of the right type.
    let result = unsafe { (api().zeDeviceGetComputeProperties)(gpu.device(), &raw mut limits) };
    assert_eq!(result, SUCCESS);
    let most = limits.maxTotalGroupSize;
    let kernel = Kernel::new(module, c"saxpy").unwrap();
    assert_eq!(kernel.group_size(most, 1, 1), SUCCESS);
    assert_eq!(kernel.group_size(1, limits.maxGroupSizeY, 1), SUCCESS);
    assert_eq!(kernel.group_size(1, 1, limits.maxGroupSizeZ), SUCCESS);
    for [x, y, z] in [
        [most + 1, 1, 1],
        [most, 2, 1],
        [0, 1, 1],
        [1, 1, 0],
        [u32::MAX; 3],
    ] {
        assert_eq!(kernel.group_size(x, y, z), INVALID_GROUP_SIZE);
    }
    let required = Kernel::new(module, c"required").unwrap();
    assert_eq!(required.group_size(4, 2, 1), SUCCESS);
    assert_eq!(required.group_size(2, 4, 1), INVALID_GROUP_SIZE);

    let suggest = |kernel: &Kernel, [x, y, z]: [u32; 3]| {
        let mut sizes = [0; 3];
        let [a, b, c] = sizes.each_mut().map(|size| &raw mut *size);
        // SAFETY: places for the three sizes.
        let result = unsafe { (api().zeKernelSuggestGroupSize)(kernel.0, x, y, z, a, b, c) };
        (result, sizes)
    };
    assert_eq!(suggest(&kernel, [2048, 3, 1]), (SUCCESS, [1024, 1, 1]));
    assert_eq!(suggest(&required, [2048, 3, 1]), (SUCCESS, [4, 2, 1]));
    assert_eq!(suggest(&kernel, [0, 1, 1]).0, INVALID_GLOBAL_WIDTH);
    let mut size = 0;
    let (place, none) = (&raw mut size, null_mut());
    // SAFETY: null is refused.
    let result = unsafe { (api().zeKernelSuggestGroupSize)(kernel.0, 1, 1, 1, place, none, place) };
    assert_eq!(result, NULL_POINTER);

    let cache = api().zeKernelSetCacheConfig;
    // SAFETY: flags only.
    assert_eq!(unsafe { cache(kernel.0, 3) }, SUCCESS);
    // SAFETY: as above.
    assert_eq!(unsafe { cache(kernel.0, 4) }, INVALID_ENUMERATION);
    let hint = api().zeKernelSchedulingHintExp.unwrap();
    let mut desc = sys::ze_scheduling_hint_exp_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_SCHEDULING_HINT_EXP_DESC,
        pNext: null(),
        flags: 7,
    };
    // SAFETY: a descriptor, or null, which is refused.
    assert_eq!(unsafe { hint(kernel.0, &raw mut desc) }, SUCCESS);
    desc.flags = 8;
    assert_eq!(
        // SAFETY: as above.
        unsafe { hint(kernel.0, &raw mut desc) },
        INVALID_ENUMERATION
    );
    // SAFETY: as above.
    assert_eq!(unsafe { hint(kernel.0, null_mut()) }, NULL_POINTER);
    kernel.destroy();
    required.destroy();
    finish(gpu, &[module]);
}

#[test]
fn arguments_are_checked_when_they_are_set() {
    runtime_or_return!();
    let (gpu, module) = start();
    let kernel = Kernel::new(module, c"saxpy").unwrap();
    let value = [0_u8; 16];
    let value = value.as_ptr().cast::<c_void>();
    assert_eq!(kernel.set_raw(4, 4, value), INVALID_ARGUMENT_INDEX);
    assert_eq!(kernel.set_raw(u32::MAX, 4, value), INVALID_ARGUMENT_INDEX);
    for (index, size) in [(0, 4), (0, 0), (2, 8), (3, 3), (3, usize::MAX)] {
        assert_eq!(kernel.set_raw(index, size, value), INVALID_ARGUMENT_SIZE);
    }
    assert_eq!(kernel.set_raw(3, 8, null()), INVALID_ARGUMENT_SIZE);
    // The host must be able to read it.
    let device = gpu.alloc(Kind::Device, 64, 8).unwrap();
    assert_eq!(kernel.set_raw(3, 4, device), INVALID_ARGUMENT);
    let host = upload_new(&gpu, Kind::Host, &[5_u32]);
    assert_eq!(kernel.set_raw(3, 4, host), SUCCESS);
    assert_eq!((gpu.free(device), gpu.free(host)), (SUCCESS, SUCCESS));
    kernel.destroy();
    finish(gpu, &[module]);
}

#[test]
fn launches_check_what_they_are_given() {
    runtime_or_return!();
    let (gpu, module) = start();
    let kernel = Kernel::new(module, c"count").unwrap();
    let counter = upload_new(&gpu, Kind::Device, &[0_u32]);
    // An argument that was not set.
    assert_eq!(gpu.launch(&kernel, [1, 1, 1]), INVALID_ARGUMENT);
    // Memory of the program, of another context, past the end, and freed.
    let own = 0_u32;
    let outside: *const u32 = &raw const own;
    kernel.set(0, outside);
    assert_eq!(gpu.launch(&kernel, [1, 1, 1]), INVALID_ARGUMENT);
    let other = create_context(&gpu.instance).unwrap();
    let mut foreign = null_mut();
    assert_eq!(
        alloc_in(other, gpu.device(), Kind::Device, 64, 8, &mut foreign),
        SUCCESS
    );
    kernel.set(0, foreign);
    assert_eq!(gpu.launch(&kernel, [1, 1, 1]), INVALID_ARGUMENT);
    let list = create_list(other, gpu.device()).unwrap();
    kernel.set(0, counter);
    assert_eq!(launch_on(list, &kernel, [1, 1, 1]), INVALID_ARGUMENT);
    destroy_list(list);
    kernel.set(0, foreign.wrapping_byte_add(64));
    assert_eq!(gpu.launch(&kernel, [1, 1, 1]), INVALID_ARGUMENT);
    assert_eq!(free_in(other, foreign), SUCCESS);
    kernel.set(0, foreign);
    assert_eq!(gpu.launch(&kernel, [1, 1, 1]), INVALID_ARGUMENT);
    assert_eq!(destroy_context(other), SUCCESS);

    kernel.set(0, counter);
    let launch = api().zeCommandListAppendLaunchKernel;
    let groups = group_count([1, 1, 1]);
    let groups = &raw const groups;
    let list = gpu.list;
    // SAFETY: what is null is refused, as is a handle of another kind.
    let result = unsafe { launch(null_mut(), kernel.0, groups, null_mut(), 0, null_mut()) };
    assert_eq!(result, NULL_HANDLE);
    // SAFETY: as above.
    let result = unsafe { launch(list, null_mut(), groups, null_mut(), 0, null_mut()) };
    assert_eq!(result, NULL_HANDLE);
    // SAFETY: as above.
    let result = unsafe { launch(list, module.cast(), groups, null_mut(), 0, null_mut()) };
    assert_eq!(result, INVALID_ARGUMENT);
    // SAFETY: as above.
    let result = unsafe { launch(list, kernel.0, null(), null_mut(), 0, null_mut()) };
    assert_eq!(result, NULL_POINTER);
    // SAFETY: as above.
    let result = unsafe { launch(list, kernel.0, groups, null_mut(), 1, null_mut()) };
    assert_eq!(result, INVALID_SIZE);
    let signal = module.cast();
    // SAFETY: as above.
    let result = unsafe { launch(list, kernel.0, groups, signal, 0, null_mut()) };
    assert_eq!(result, sys::ZE_RESULT_ERROR_INVALID_SYNCHRONIZATION_OBJECT);

    // More items than can be counted.
    let most = u32::MAX;
    assert_eq!(gpu.launch(&kernel, [most, most, 2]), INVALID_ARGUMENT);
    assert_eq!(kernel.group_size(2, 1, 1), SUCCESS);
    assert_eq!(gpu.launch(&kernel, [1 << 31, 1 << 31, 2]), INVALID_ARGUMENT);
    assert_eq!(gpu.launch(&kernel, [most, most, 0]), SUCCESS);
    assert_eq!(kernel.group_size(1, 1, 1), SUCCESS);

    // No groups are no work.
    for groups in [[0, 1, 1], [1, 0, 1], [1, 1, 0]] {
        assert_eq!(gpu.launch(&kernel, groups), SUCCESS);
    }
    assert_eq!(u32s(&gpu.download(counter, 4)), [0]);
    assert_eq!(gpu.launch(&kernel, [3, 2, 2]), SUCCESS);
    assert_eq!(u32s(&gpu.download(counter, 4)), [12]);

    // Local memory of all arguments counts, and what the kernel has anyway.
    let fixed = Kernel::new(module, c"reduce").unwrap();
    fixed.set(0, counter);
    fixed.set(1, counter);
    assert_eq!(gpu.launch(&fixed, [1, 1, 1]), INVALID_ARGUMENT);
    fixed.destroy();
    let none = Kernel::new(module, c"no_arguments").unwrap();
    assert_eq!(gpu.launch(&none, [4, 1, 1]), SUCCESS);
    none.destroy();
    assert_eq!(gpu.free(counter), SUCCESS);
    kernel.destroy();
    finish(gpu, &[module]);
}

#[test]
fn kernels_run_on_the_device_of_their_module_and_its_parts() {
    runtime_or_return!();
    let gpu = Gpu::with(Config::new().devices(2).sub_devices(2));
    let subs = all(|count, array| {
        // SAFETY: the count and the array are what the helper made.
        unsafe { (api().zeDeviceGetSubDevices)(gpu.device(), count, array) }
    });
    let module_on = |device| {
        let (mut module, desc) = (null_mut(), module_desc(KERNELS));
        // SAFETY: the descriptor and the place outlive the call.
        let result = unsafe {
            (api().zeModuleCreate)(
                gpu.context,
                device,
                &raw const desc,
                &raw mut module,
                null_mut(),
            )
        };
        assert_eq!(result, SUCCESS);
        module
    };
    let devices = [gpu.devices[0], gpu.devices[1], subs[0], subs[1]];
    let lists = devices.map(|device| create_list(gpu.context, device).unwrap());
    let may = [
        (devices[0], [true, false, true, true]),
        (subs[0], [false, false, true, false]),
    ];
    for (device, may) in may {
        let module = module_on(device);
        let kernel = Kernel::new(module, c"no_arguments").unwrap();
        for (list, may) in lists.iter().zip(may) {
            let expected = if may { SUCCESS } else { INVALID_ARGUMENT };
            assert_eq!(launch_on(*list, &kernel, [1, 1, 1]), expected);
        }
        kernel.destroy();
        assert_eq!(destroy_module(module), SUCCESS);
    }
    lists.into_iter().for_each(destroy_list);
    finish(gpu, &[]);
}

#[test]
fn a_list_that_only_copies_runs_no_kernels() {
    runtime_or_return!();
    let (gpu, module) = start();
    let kernel = Kernel::new(module, c"no_arguments").unwrap();
    let desc = sys::ze_command_queue_desc_t {
        ordinal: 1,
        ..queue_desc()
    };
    let list = create_list_with(gpu.context, gpu.device(), &desc).unwrap();
    let refused = sys::ZE_RESULT_ERROR_INVALID_COMMAND_LIST_TYPE;
    assert_eq!(launch_on(list, &kernel, [1, 1, 1]), refused);
    destroy_list(list);
    kernel.destroy();
    finish(gpu, &[module]);
}

#[test]
fn numbers_of_groups_are_read_when_the_kernel_runs() {
    runtime_or_return!();
    let (gpu, module) = start();
    let kernel = Kernel::new(module, c"count").unwrap();
    let counter = upload_new(&gpu, Kind::Device, &[0_u32]);
    let groups = upload_new(&gpu, Kind::Device, &[2_u32, 3, 4, 5, 1, 1]);
    kernel.set(0, counter);
    let launch = api().zeCommandListAppendLaunchKernelIndirect;
    let at = |groups: *mut c_void| {
        let groups = groups.cast_const().cast();
        // SAFETY: numbers in memory of the driver, or what is refused.
        unsafe { launch(gpu.list, kernel.0, groups, null_mut(), 0, null_mut()) }
    };
    assert_eq!(at(groups), SUCCESS);
    assert_eq!(u32s(&gpu.download(counter, 4)), [24]);
    assert_eq!(at(groups.wrapping_byte_add(12)), SUCCESS);
    assert_eq!(u32s(&gpu.download(counter, 4)), [29]);
    assert_eq!(at(null_mut()), NULL_POINTER);
    assert_eq!(at(groups.wrapping_byte_add(16)), INVALID_ARGUMENT);
    let mut own = [1_u32; 3];
    assert_eq!(at(own.as_mut_ptr().cast()), INVALID_ARGUMENT);

    // What is written before in the same list counts.
    let list = asynchronous(&gpu);
    let new = [7_u32, 1, 1];
    let copy = api().zeCommandListAppendMemoryCopy;
    let source = new.as_ptr().cast();
    // SAFETY: memory of the driver, and as many bytes that live until the list is done.
    let result = unsafe { copy(list, groups, source, 12, null_mut(), 0, null_mut()) };
    assert_eq!(result, SUCCESS);
    // SAFETY: numbers in memory of the driver.
    let result = unsafe { launch(list, kernel.0, groups.cast(), null_mut(), 0, null_mut()) };
    assert_eq!(result, SUCCESS);
    assert_eq!(synchronise(list), SUCCESS);
    assert_eq!(u32s(&gpu.download(counter, 4)), [36]);
    destroy_list(list);
    assert_eq!((gpu.free(groups), gpu.free(counter)), (SUCCESS, SUCCESS));
    kernel.destroy();
    finish(gpu, &[module]);
}

#[test]
fn several_kernels_are_launched_by_numbers_in_memory() {
    runtime_or_return!();
    let (gpu, module) = start();
    let first = Kernel::new(module, c"count").unwrap();
    let second = Kernel::new(module, c"count").unwrap();
    let counters = upload_new(&gpu, Kind::Device, &[0_u32, 0]);
    first.set(0, counters);
    second.set(0, counters.wrapping_byte_add(4));
    let groups = upload_new(&gpu, Kind::Host, &[2_u32, 1, 1, 3, 1, 1]);
    let count = upload_new(&gpu, Kind::Shared, &[0_u32]);
    let launch = api()
        .zeCommandListAppendLaunchMultipleKernelsIndirect
        .unwrap();
    let mut kernels = [first.0, second.0];
    let run = |kernels: *mut sys::ze_kernel_handle_t, count: *mut c_void, groups: *mut c_void| {
        let (count, groups) = (count.cast_const().cast(), groups.cast_const().cast());
        // SAFETY: two handles, numbers in memory of the driver, or what is refused.
        unsafe {
            launch(
                gpu.list,
                2,
                kernels,
                count,
                groups,
                null_mut(),
                0,
                null_mut(),
            )
        }
    };
    let all = kernels.as_mut_ptr();
    for (number, expected) in [(0_u32, [0, 0]), (1, [2, 0]), (2, [4, 3]), (9, [6, 6])] {
        gpu.upload(count, &number.to_ne_bytes());
        assert_eq!(run(all, count, groups), SUCCESS);
        assert_eq!(u32s(&gpu.download(counters, 8)), expected);
    }
    assert_eq!(run(null_mut(), count, groups), NULL_POINTER);
    assert_eq!(run(all, null_mut(), groups), NULL_POINTER);
    assert_eq!(run(all, count, null_mut()), NULL_POINTER);
    // Room for one only.
    assert_eq!(
        run(all, count, groups.wrapping_byte_add(12)),
        INVALID_ARGUMENT
    );
    for memory in [counters, groups, count] {
        assert_eq!(gpu.free(memory), SUCCESS);
    }
    first.destroy();
    second.destroy();
    finish(gpu, &[module]);
}

#[test]
fn groups_of_a_cooperative_kernel_wait_for_each_other() {
    runtime_or_return!();
    let (gpu, module) = start();
    let kernel = Kernel::new(module, c"meet").unwrap();
    let mut most = 0;
    let suggest = api().zeKernelSuggestMaxCooperativeGroupCount;
    // SAFETY: a place, or null, which is refused.
    assert_eq!(unsafe { suggest(kernel.0, &raw mut most) }, SUCCESS);
    // SAFETY: as above.
    assert_eq!(unsafe { suggest(kernel.0, null_mut()) }, NULL_POINTER);
    assert!(most > 0);
    let arrived = gpu.alloc(Kind::Device, 4, 4).unwrap();
    let out = gpu.alloc(Kind::Device, most as usize * 4, 4).unwrap();
    kernel.set(0, arrived);
    kernel.set(1, out);
    assert_eq!(kernel.group_size(8, 1, 1), SUCCESS);
    let launch = |count| {
        let groups = group_count([count, 1, 1]);
        let launch = api().zeCommandListAppendLaunchCooperativeKernel;
        // SAFETY: the arguments are memory of the driver.
        unsafe {
            launch(
                gpu.list,
                kernel.0,
                &raw const groups,
                null_mut(),
                0,
                null_mut(),
            )
        }
    };
    // While another kernel is busy, too.
    let stop = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let (gpu, stop, address) = (&gpu, &stop, module.addr());
        scope.spawn(move || {
            let busy = Kernel::new(handle(address), c"count").unwrap();
            let list = create_list(gpu.context, gpu.device()).unwrap();
            let counter = upload_new_on(gpu, list);
            busy.set(0, counter);
            assert_eq!(busy.group_size(64, 1, 1), SUCCESS);
            while stop.load(Ordering::Acquire) == 0 {
                assert_eq!(launch_on(list, &busy, [64, 1, 1]), SUCCESS);
            }
            destroy_list(list);
            assert_eq!(gpu.free(counter), SUCCESS);
            busy.destroy();
        });
        for _ in 0..50 {
            gpu.upload(arrived, &[0; 4]);
            assert_eq!(launch(most), SUCCESS);
            assert_eq!(
                u32s(&gpu.download(out, most as usize * 4)),
                vec![most; most as usize]
            );
        }
        stop.store(1, Ordering::Release);
    });
    assert_eq!(launch(most + 1), INVALID_ARGUMENT);
    assert_eq!(launch(0), SUCCESS);
    assert_eq!((gpu.free(arrived), gpu.free(out)), (SUCCESS, SUCCESS));
    kernel.destroy();
    finish(gpu, &[module]);
}

/// A counter of 0, written by a list of the thread's own.
fn upload_new_on(gpu: &Gpu, list: sys::ze_command_list_handle_t) -> *mut c_void {
    let counter = gpu.alloc(Kind::Device, 4, 4).unwrap();
    let zero = [0_u8; 4];
    let fill = api().zeCommandListAppendMemoryFill;
    // SAFETY: memory of the driver, and a pattern of one byte.
    let result = unsafe {
        fill(
            list,
            counter,
            zero.as_ptr().cast(),
            1,
            4,
            null_mut(),
            0,
            null_mut(),
        )
    };
    assert_eq!(result, SUCCESS);
    counter
}

#[test]
fn memory_and_kernels_in_use_stay() {
    runtime_or_return!();
    let (gpu, module) = start();
    let kernel = Kernel::new(module, c"wait_for").unwrap();
    let flag = upload_new(&gpu, Kind::Shared, &[0_u32]);
    let out = upload_new(&gpu, Kind::Device, &[0_u32]);
    kernel.set(0, flag);
    kernel.set(1, out);
    let list = asynchronous(&gpu);
    assert_eq!(launch_on(list, &kernel, [1, 1, 1]), SUCCESS);
    assert_eq!(gpu.free(out), IN_USE);
    assert_eq!(gpu.free(flag), IN_USE);
    assert_eq!(destroy_kernel(kernel.0), IN_USE);
    // What is set now is for the next launch.
    kernel.set(1, null::<c_void>());
    // SAFETY: shared memory, which the kernel looks at.
    unsafe { AtomicU32::from_ptr(flag.cast()) }.store(1, Ordering::Release);
    assert_eq!(synchronise(list), SUCCESS);
    assert_eq!(u32s(&gpu.download(out, 4)), [1]);
    destroy_list(list);
    assert_eq!((gpu.free(out), gpu.free(flag)), (SUCCESS, SUCCESS));
    kernel.destroy();
    finish(gpu, &[module]);
}

#[test]
fn a_kernel_reaches_all_memory_that_is_mapped_side_by_side() {
    const PAGE: usize = 64 << 10;
    runtime_or_return!();
    let (gpu, module) = start();
    let context = gpu.context;
    let kernel = Kernel::new(module, c"saxpy").unwrap();
    let mut desc = sys::ze_physical_mem_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_PHYSICAL_MEM_DESC,
        pNext: null(),
        flags: 0,
        size: PAGE,
    };
    let mut start = null_mut();
    let reserve = api().zeVirtualMemReserve;
    // SAFETY: room for the result.
    let result = unsafe { reserve(context, null(), 4 * PAGE, &raw mut start) };
    assert_eq!(result, SUCCESS);
    let write = sys::ZE_MEMORY_ACCESS_ATTRIBUTE_READWRITE;
    let parts = [0, 1, 2].map(|page| {
        let (mut memory, create) = (null_mut(), api().zePhysicalMemCreate);
        // SAFETY: descriptor and result are live.
        let result = unsafe { create(context, gpu.device(), &raw mut desc, &raw mut memory) };
        assert_eq!(result, SUCCESS);
        let at = start.wrapping_byte_add(page * PAGE);
        // SAFETY: the driver checks the range and the handle.
        let result = unsafe { (api().zeVirtualMemMap)(context, at, PAGE, memory, 0, write) };
        assert_eq!(result, SUCCESS);
        memory
    });
    assert_eq!(gpu.fill(start, &[0], 3 * PAGE), SUCCESS);
    let count = 3 * PAGE / 4;
    let ones = upload_new(&gpu, Kind::Host, &vec![1.0_f32; count]);
    assert_eq!(kernel.group_size(64, 1, 1), SUCCESS);
    // Given the one in the middle, it reaches those before and behind.
    kernel.set(0, start.wrapping_byte_add(PAGE));
    kernel.set(1, ones);
    kernel.set(2, 2.0_f32);
    kernel.set(3, u32::try_from(2 * PAGE / 4).unwrap());
    let groups = u32::try_from(count / 64).unwrap();
    assert_eq!(gpu.launch(&kernel, [groups, 1, 1]), SUCCESS);
    kernel.set(0, start);
    kernel.set(3, u32::try_from(count).unwrap());
    assert_eq!(gpu.launch(&kernel, [groups, 1, 1]), SUCCESS);
    let mut expected = vec![2.0_f32; PAGE / 4];
    expected.resize(count, 4.0);
    assert_eq!(gpu.download(start, 3 * PAGE), bytes_of(&expected));

    // All of it stays as it is while a launch of it waits.
    let wait = Kernel::new(module, c"wait_for").unwrap();
    let flag = upload_new(&gpu, Kind::Shared, &[0_u32]);
    wait.set(0, flag);
    wait.set(1, start);
    let list = asynchronous(&gpu);
    assert_eq!(launch_on(list, &wait, [1, 1, 1]), SUCCESS);
    let last = start.wrapping_byte_add(2 * PAGE);
    // SAFETY: the driver checks the range.
    let unmap = || unsafe { (api().zeVirtualMemUnmap)(context, last, PAGE) };
    assert_eq!(unmap(), IN_USE);
    // SAFETY: shared memory, which the kernel looks at.
    unsafe { AtomicU32::from_ptr(flag.cast()) }.store(1, Ordering::Release);
    assert_eq!(synchronise(list), SUCCESS);
    assert_eq!(unmap(), SUCCESS);
    destroy_list(list);

    // SAFETY: the driver checks the range.
    let result = unsafe { (api().zeVirtualMemFree)(context, start, 4 * PAGE) };
    assert_eq!(result, SUCCESS);
    for memory in parts {
        // SAFETY: the driver checks the handle.
        let result = unsafe { (api().zePhysicalMemDestroy)(context, memory) };
        assert_eq!(result, SUCCESS);
    }
    assert_eq!((gpu.free(ones), gpu.free(flag)), (SUCCESS, SUCCESS));
    kernel.destroy();
    wait.destroy();
    finish(gpu, &[module]);
}

#[test]
fn a_regular_list_launches_again_with_the_arguments_of_its_time() {
    runtime_or_return!();
    let (gpu, module) = start();
    let kernel = Kernel::new(module, c"count").unwrap();
    let counters = upload_new(&gpu, Kind::Device, &[0_u32, 0]);
    let api = api();
    let list_desc = sys::ze_command_list_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_COMMAND_LIST_DESC,
        ..Default::default()
    };
    let (mut list, mut queue) = (null_mut(), null_mut());
    let device = gpu.device();
    // SAFETY: a descriptor and a place that outlive the call.
    let made = unsafe {
        (api.zeCommandListCreate)(gpu.context, device, &raw const list_desc, &raw mut list)
    };
    assert_eq!(made, SUCCESS);
    let desc = queue_desc();
    // SAFETY: as above.
    let made =
        unsafe { (api.zeCommandQueueCreate)(gpu.context, device, &raw const desc, &raw mut queue) };
    assert_eq!(made, SUCCESS);
    kernel.set(0, counters);
    assert_eq!(launch_on(list, &kernel, [3, 1, 1]), SUCCESS);
    kernel.set(0, counters.wrapping_byte_add(4));
    assert_eq!(launch_on(list, &kernel, [5, 1, 1]), SUCCESS);
    // SAFETY: a list.
    assert_eq!(unsafe { (api.zeCommandListClose)(list) }, SUCCESS);
    // The kernel is not used before the list is executed, and lives as long as the list.
    kernel.destroy();
    let mut execute = || {
        let execute = api.zeCommandQueueExecuteCommandLists;
        // SAFETY: one list.
        unsafe { execute(queue, 1, &raw mut list, null_mut()) }
    };
    for times in 1..4 {
        assert_eq!(execute(), SUCCESS);
        assert_eq!(u32s(&gpu.download(counters, 8)), [3 * times, 5 * times]);
    }
    // A module that was destroyed since is noticed, as is memory that was freed.
    assert_eq!(destroy_module(module), SUCCESS);
    assert_eq!(execute(), INVALID_ARGUMENT);
    assert_eq!(u32s(&gpu.download(counters, 8)), [9, 15]);
    assert_eq!(gpu.free(counters), SUCCESS);
    assert_eq!(execute(), INVALID_ARGUMENT);
    // SAFETY: used no more.
    assert_eq!(unsafe { (api.zeCommandQueueDestroy)(queue) }, SUCCESS);
    destroy_list(list);
    finish(gpu, &[]);
}

#[test]
fn two_threads_launch_kernels_of_one_module() {
    runtime_or_return!();
    let (gpu, module) = start();
    let shared = upload_new(&gpu, Kind::Device, &[0_u32]);
    let (address, module_address) = (shared.addr(), module.addr());
    std::thread::scope(|scope| {
        for thread in 0..2_u32 {
            let gpu = &gpu;
            scope.spawn(move || {
                let kernel = Kernel::new(handle(module_address), c"count").unwrap();
                let list = create_list(gpu.context, gpu.device()).unwrap();
                let own = upload_new_on(gpu, list);
                for round in 0..500 {
                    let target = if round % 2 == 0 { handle(address) } else { own };
                    kernel.set(0, target);
                    assert_eq!(launch_on(list, &kernel, [1 + thread, 1, 1]), SUCCESS);
                }
                let mut count = [0_u8; 4];
                let copy = api().zeCommandListAppendMemoryCopy;
                let to = count.as_mut_ptr().cast();
                // SAFETY: memory of the driver and of the test, of four bytes.
                let result = unsafe { copy(list, to, own, 4, null_mut(), 0, null_mut()) };
                assert_eq!(result, SUCCESS);
                assert_eq!(u32s(&count), [250 * (1 + thread)]);
                assert_eq!(gpu.free(own), SUCCESS);
                destroy_list(list);
                kernel.destroy();
            });
        }
    });
    assert_eq!(u32s(&gpu.download(shared, 4)), [750]);
    assert_eq!(gpu.free(shared), SUCCESS);
    finish(gpu, &[module]);
}

/// Runs a test of this file in a process of its own, and says how it ended.
fn in_a_child(test: &str) -> std::process::Output {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", test])
        .env("ZE_CPU_TEST_CHILD", "1")
        .output()
        .unwrap()
}

fn is_child() -> bool {
    std::env::var_os("ZE_CPU_TEST_CHILD").is_some()
}

#[cfg(target_os = "linux")]
fn ended_by_segv(output: &std::process::Output) -> bool {
    use std::os::unix::process::ExitStatusExt;
    output.status.signal() == Some(11)
}

#[test]
#[cfg(target_os = "linux")]
fn a_kernel_that_touches_memory_it_was_not_given_traps() {
    runtime_or_return!();
    if is_child() {
        let (gpu, module) = start();
        let kernel = Kernel::new(module, c"indirect").unwrap();
        let hidden = upload_new(&gpu, Kind::Device, &[0_u32; 4096]);
        // Not on the pages of what it is given.
        let between = gpu.alloc(Kind::Device, 1 << 20, 4096).unwrap();
        let table = upload_new(&gpu, Kind::Shared, &[hidden.addr()]);
        kernel.set(0, table);
        kernel.set(1, 1_u32);
        gpu.launch(&kernel, [1, 1, 1]);
        println!("survived {between:?}");
        return;
    }
    let output = in_a_child("a_kernel_that_touches_memory_it_was_not_given_traps");
    assert!(ended_by_segv(&output), "{output:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn device_memory_is_closed_to_the_host_after_a_launch() {
    runtime_or_return!();
    if is_child() {
        let (gpu, module) = start();
        let kernel = Kernel::new(module, c"count").unwrap();
        let counter = upload_new(&gpu, Kind::Device, &[0_u32]);
        kernel.set(0, counter);
        assert_eq!(gpu.launch(&kernel, [1, 1, 1]), SUCCESS);
        assert_eq!(u32s(&gpu.download(counter, 4)), [1]);
        eprintln!("launched");
        // SAFETY: not sound, and meant to end the process.
        let value = unsafe { counter.cast::<u32>().read_volatile() };
        println!("survived {value}");
        return;
    }
    let output = in_a_child("device_memory_is_closed_to_the_host_after_a_launch");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("launched"), "{said}");
    assert!(ended_by_segv(&output), "{output:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn the_runtime_takes_no_signal_handlers_away() {
    fn caught() -> String {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let mut lines = status.lines();
        let line = lines.find(|line| line.starts_with("SigCgt")).unwrap();
        // Real-time signals, at the front, belong to the C library.
        line[line.len() - 8..].to_owned()
    }
    if is_child() {
        // Nothing has loaded the runtime yet.
        let before = caught();
        let (gpu, module) = start();
        let kernel = Kernel::new(module, c"no_arguments").unwrap();
        assert_eq!(gpu.launch(&kernel, [1, 1, 1]), SUCCESS);
        kernel.destroy();
        finish(gpu, &[module]);
        assert_eq!(caught(), before);
        return;
    }
    runtime_or_return!();
    let output = in_a_child("the_runtime_takes_no_signal_handlers_away");
    assert!(output.status.success(), "{output:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn in_the_child_of_a_fork_the_runtime_is_lost() {
    runtime_or_return!();
    // The sanitizer ends a process that starts threads after a fork.
    if cfg!(tsan) {
        return;
    }
    if is_child() {
        let (gpu, module) = start();
        let kernel = Kernel::new(module, c"no_arguments").unwrap();
        assert_eq!(gpu.launch(&kernel, [1, 1, 1]), SUCCESS);
        let lost = sys::ZE_RESULT_ERROR_DEVICE_LOST;
        let forked = || {
            let launched = launch_on(gpu.list, &kernel, [1, 1, 1]) == lost;
            let made = Kernel::new(module, c"saxpy") == Err(lost);
            let built = gpu.module(CONSTANTS) == Err(lost);
            i32::from(launched && made && built)
        };
        // SAFETY: the child calls the driver, in which nothing ran, and ends.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let code = forked();
            std::process::exit(code);
        }
        let mut status = 0;
        // SAFETY: a child of this process, and a place for its status.
        assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
        assert!(
            libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 1,
            "{status}"
        );
        assert_eq!(gpu.launch(&kernel, [1, 1, 1]), SUCCESS);
        kernel.destroy();
        finish(gpu, &[module]);
        return;
    }
    let output = in_a_child("in_the_child_of_a_fork_the_runtime_is_lost");
    assert!(output.status.success(), "{output:?}");
}

/// The process ends while kernels run and while others are being compiled.
#[test]
fn the_process_may_end_while_kernels_run() {
    runtime_or_return!();
    if is_child() {
        let (gpu, module) = start();
        let kernel = Kernel::new(module, c"count").unwrap();
        let counter = upload_new(&gpu, Kind::Device, &[0_u32]);
        kernel.set(0, counter);
        let list = asynchronous(&gpu);
        for _ in 0..200 {
            assert_eq!(launch_on(list, &kernel, [1000, 1, 1]), SUCCESS);
        }
        std::process::exit(0);
    }
    for _ in 0..3 {
        let output = in_a_child("the_process_may_end_while_kernels_run");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
}
