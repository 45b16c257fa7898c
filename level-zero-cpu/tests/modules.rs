//! Modules: built, refused, linked, kept as binaries, asked for what is in them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that unwraps an error fails, as it should"
)]

mod programs;
mod setup;

use level_zero_cpu::api;
use level_zero_sys as sys;
use std::ffi::{CStr, c_char, c_void};
use std::ptr::{null, null_mut};

use programs::*;
use setup::*;

fn names(module: sys::ze_module_handle_t) -> Vec<String> {
    let get = api().zeModuleGetKernelNames;
    let mut count = 0;
    // SAFETY: the count alone.
    assert_eq!(unsafe { get(module, &raw mut count, null_mut()) }, SUCCESS);
    let mut names = vec![null(); count as usize];
    // SAFETY: room for as many.
    let result = unsafe { get(module, &raw mut count, names.as_mut_ptr()) };
    assert_eq!(result, SUCCESS);
    names
        .into_iter()
        // SAFETY: the names live as long as the module.
        .map(|name| unsafe { CStr::from_ptr(name) }.to_str().unwrap().to_owned())
        .collect()
}

fn binary(module: sys::ze_module_handle_t) -> Vec<u8> {
    let get = api().zeModuleGetNativeBinary;
    let mut size = 0;
    // SAFETY: the size alone.
    assert_eq!(unsafe { get(module, &raw mut size, null_mut()) }, SUCCESS);
    let mut bytes = vec![0; size];
    let mut short = size - 1;
    // SAFETY: room for as many bytes.
    let result = unsafe { get(module, &raw mut short, bytes.as_mut_ptr()) };
    assert_eq!((result, short), (INVALID_SIZE, size));
    // SAFETY: as above.
    let result = unsafe { get(module, &raw mut size, bytes.as_mut_ptr()) };
    assert_eq!(result, SUCCESS);
    bytes
}

fn native_desc(bytes: &[u8]) -> sys::ze_module_desc_t {
    sys::ze_module_desc_t {
        format: sys::ZE_MODULE_FORMAT_NATIVE,
        ..module_desc(bytes)
    }
}

fn properties(module: sys::ze_module_handle_t) -> u32 {
    let mut properties = sys::ze_module_properties_t {
        stype: sys::ZE_STRUCTURE_TYPE_MODULE_PROPERTIES,
        pNext: null_mut(),
        flags: u32::MAX,
    };
    // SAFETY: a structure of the right type.
    let result = unsafe { (api().zeModuleGetProperties)(module, &raw mut properties) };
    assert_eq!(result, SUCCESS);
    properties.flags
}

fn link(modules: &mut [sys::ze_module_handle_t]) -> (sys::ze_result_t, String) {
    let mut log = null_mut();
    let count = u32::try_from(modules.len()).unwrap();
    // SAFETY: as many handles as said.
    let result = unsafe { (api().zeModuleDynamicLink)(count, modules.as_mut_ptr(), &raw mut log) };
    (result, text_of(log))
}

/// What a kernel writes that takes a pointer, and a number if there is one.
fn run(gpu: &Gpu, kernel: &Kernel, number: Option<u32>, size: usize) -> Vec<u8> {
    let memory = gpu.alloc(Kind::Device, size, 8).unwrap();
    kernel.set(0, memory);
    if let Some(number) = number {
        kernel.set(1, number);
    }
    assert_eq!(gpu.launch(kernel, [1, 1, 1]), SUCCESS);
    let bytes = gpu.download(memory, size);
    assert_eq!(gpu.free(memory), SUCCESS);
    bytes
}

#[test]
fn a_module_has_its_kernels() {
    runtime_or_return!();
    let gpu = Gpu::new();
    let (module, log) = gpu.module_with(&module_desc(KERNELS));
    let module = module.unwrap();
    assert!(log.contains("build"), "{log}");
    let names = names(module);
    assert_eq!((names.len(), names[0].as_str()), (14, "saxpy"));
    assert_eq!(properties(module), 0);
    let ledger = gpu.instance.ledger();
    assert_eq!(
        (ledger.modules, ledger.kernels, ledger.build_logs),
        (1, 0, 0)
    );
    assert!(ledger.to_string().contains("1 modules"), "{ledger}");

    // A context with modules is in use, a module with kernels too.
    assert_eq!(destroy_context(gpu.context), IN_USE);
    let kernel = Kernel::new(module, c"saxpy").unwrap();
    assert_eq!(gpu.instance.ledger().kernels, 1);
    assert_eq!(destroy_module(module), IN_USE);
    kernel.destroy();
    finish(gpu, &[module]);
    assert_eq!(destroy_module(module), INVALID_ARGUMENT);
}

#[test]
fn descriptors_are_checked() {
    let gpu = Gpu::new();
    let good = module_desc(CONSTANTS);
    let refused = |desc: sys::ze_module_desc_t| gpu.module_with(&desc).0.unwrap_err();
    assert_eq!(gpu.module_with(null()).0, Err(NULL_POINTER));
    assert_eq!(
        refused(sys::ze_module_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_KERNEL_DESC,
            ..good
        }),
        INVALID_ARGUMENT
    );
    assert_eq!(
        refused(sys::ze_module_desc_t {
            pInputModule: null(),
            ..good
        }),
        NULL_POINTER
    );
    assert_eq!(
        refused(sys::ze_module_desc_t {
            inputSize: 0,
            ..good
        }),
        INVALID_SIZE
    );
    assert_eq!(
        refused(sys::ze_module_desc_t {
            format: sys::_ze_module_format_t(2),
            ..good
        }),
        INVALID_ENUMERATION
    );
    let program = sys::ze_module_program_exp_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_MODULE_PROGRAM_EXP_DESC,
        ..Default::default()
    };
    let next = (&raw const program).cast::<c_void>();
    assert_eq!(
        refused(sys::ze_module_desc_t {
            pNext: next,
            ..good
        }),
        UNSUPPORTED_FEATURE
    );
    let next = (&raw const good).cast::<c_void>();
    assert_eq!(
        refused(sys::ze_module_desc_t {
            pNext: next,
            ..good
        }),
        INVALID_ARGUMENT
    );

    // Memory that the host cannot read.
    let device = gpu.alloc(Kind::Device, 64, 8).unwrap();
    let input = sys::ze_module_desc_t {
        pInputModule: device.cast(),
        inputSize: 64,
        ..good
    };
    assert_eq!(refused(input), INVALID_ARGUMENT);
    assert_eq!(gpu.free(device), SUCCESS);

    let create = api().zeModuleCreate;
    let mut module = null_mut();
    let (context, device) = (gpu.context, gpu.device());
    // SAFETY: what is null is refused.
    let result = unsafe { create(null_mut(), device, &good, &raw mut module, null_mut()) };
    assert_eq!(result, NULL_HANDLE);
    // SAFETY: as above.
    let result = unsafe { create(context, null_mut(), &good, &raw mut module, null_mut()) };
    assert_eq!(result, NULL_HANDLE);
    // SAFETY: as above.
    let result = unsafe { create(context, device, &good, null_mut(), null_mut()) };
    assert_eq!(result, NULL_POINTER);
    finish(gpu, &[]);
}

#[test]
fn a_size_that_no_memory_has_room_for_is_refused() {
    // The address sanitizer ends the process instead.
    if std::env::var_os("ASAN_OPTIONS").is_some() || cfg!(tsan) {
        return;
    }
    let gpu = Gpu::new();
    let mut desc = module_desc(KERNELS);
    desc.inputSize = 1 << 45;
    assert_eq!(gpu.module_with(&raw const desc).0, Err(OUT_OF_HOST_MEMORY));
    finish(gpu, &[]);
}

#[test]
fn what_is_no_spirv_is_told_in_the_log() {
    runtime_or_return!();
    let gpu = Gpu::new();
    let refused = |bytes: &[u8]| {
        let (module, log) = gpu.module_with(&module_desc(bytes));
        assert_eq!(module, Err(BUILD_FAILURE));
        log
    };
    assert!(refused(b"kernel void f() {}").contains("no multiple of 4 bytes"));
    assert!(refused(b"\x7fELF").contains("the first word is not that of SPIR-V"));
    assert!(refused(&KERNELS[..4000]).contains("the last instruction is cut off"));
    // A version that no runtime takes yet.
    let mut newer = KERNELS.to_vec();
    newer[5] = 200;
    assert!(refused(&newer).contains("SPIR-V 1.200 is newer than 1."));
    // Flags that nobody knows.
    let flags = sys::ze_module_desc_t {
        pBuildFlags: c"-no-such-flag".as_ptr(),
        ..module_desc(CONSTANTS)
    };
    let (module, log) = gpu.module_with(&flags);
    assert_eq!(module, Err(BUILD_FAILURE));
    assert!(log.contains("-no-such-flag"), "{log}");
    finish(gpu, &[]);
}

#[test]
fn build_flags_of_level_zero_are_known() {
    runtime_or_return!();
    let gpu = Gpu::new();
    let build = |flags: &CStr| {
        let desc = sys::ze_module_desc_t {
            pBuildFlags: flags.as_ptr(),
            ..module_desc(CONSTANTS)
        };
        let (module, log) = gpu.module_with(&desc);
        if let Ok(module) = module {
            assert_eq!(destroy_module(module), SUCCESS);
        }
        (module.map(drop), log)
    };
    for flags in [
        c"",
        c"-ze-opt-disable",
        c"-ze-opt-level=0",
        c"-ze-opt-level 0",
    ] {
        let (built, log) = build(flags);
        assert_eq!(built, Ok(()));
        assert_eq!(
            log.contains("-cl-opt-disable"),
            !flags.is_empty(),
            "{flags:?}: {log}"
        );
    }
    let many = c"-ze-opt-level=2 -ze-opt-greater-than-4GB-buffer-required -g \
        -ze-opt-large-register-file -ze-opt-has-buffer-offset-arg -cl-mad-enable";
    let (built, log) = build(many);
    assert_eq!(built, Ok(()));
    assert!(
        log.contains("-g -cl-mad-enable") && !log.contains("-ze-"),
        "{log}"
    );
    let (built, log) = build(c"-ze-take-global-address");
    assert_eq!(built, Ok(()));
    assert!(log.contains("ignored: -ze-take-global-address"), "{log}");
    assert_eq!(build(c"-ze-opt-level=much").0, Err(BUILD_FAILURE));
    assert_eq!(build(c"-ze-opt-level").0, Err(BUILD_FAILURE));
    finish(gpu, &[]);
}

#[test]
fn logs_tell_their_size_and_outlive_the_module() {
    runtime_or_return!();
    let gpu = Gpu::new();
    let (mut module, mut log) = (null_mut(), null_mut());
    let desc = module_desc(CONSTANTS);
    // SAFETY: the descriptor and the places outlive the call.
    let result = unsafe {
        (api().zeModuleCreate)(
            gpu.context,
            gpu.device(),
            &raw const desc,
            &raw mut module,
            &raw mut log,
        )
    };
    assert_eq!(result, SUCCESS);
    assert_eq!(destroy_module(module), SUCCESS);
    assert_eq!(gpu.instance.ledger().build_logs, 1);
    let get = api().zeModuleBuildLogGetString;
    let mut size = 1;
    // SAFETY: null, or room for a byte.
    assert_eq!(unsafe { get(log, null_mut(), null_mut()) }, NULL_POINTER);
    let mut byte: c_char = 7;
    assert_eq!(
        // SAFETY: room for a byte.
        unsafe { get(log, &raw mut size, &raw mut byte) },
        INVALID_SIZE
    );
    assert!(size > 1);
    assert_eq!(byte, 7);
    let text = text_of(log);
    assert_eq!(text.len() + 1, size);
    // SAFETY: dead, or null.
    let destroyed = unsafe { (api().zeModuleBuildLogDestroy)(log) };
    assert_eq!(destroyed, INVALID_ARGUMENT);
    // SAFETY: as above.
    let destroyed = unsafe { (api().zeModuleBuildLogDestroy)(null_mut()) };
    assert_eq!(destroyed, NULL_HANDLE);
    finish(gpu, &[]);
}

#[test]
fn constants_are_specialised() {
    runtime_or_return!();
    let gpu = Gpu::new();
    let flag = 0_u8;
    let (short, word, wide, real) = (20_u16, 30_u32, 1_u64 << 40, 7.0_f64);
    let ids = [1_u32, 2, 3, 10, 11];
    let mut values: [*const c_void; 5] = [
        (&raw const flag).cast(),
        (&raw const short).cast(),
        (&raw const word).cast(),
        (&raw const wide).cast(),
        (&raw const real).cast(),
    ];
    let mut build = |count: u32, ids: &[u32]| {
        let constants = sys::ze_module_constants_t {
            numConstants: count,
            pConstantIds: ids.as_ptr(),
            pConstantValues: values.as_mut_ptr(),
        };
        let desc = sys::ze_module_desc_t {
            pConstants: &raw const constants,
            ..module_desc(CONSTANTS)
        };
        gpu.module_with(&desc)
    };
    let of = |module| {
        let kernel = Kernel::new(module, c"constants").unwrap();
        let numbers = u64s(&run(&gpu, &kernel, None, 40));
        kernel.destroy();
        numbers
    };
    let all = build(5, &ids).0.unwrap();
    assert_eq!(of(all), [0, 20, 30, 1 << 40, 7]);
    let two = build(2, &ids).0.unwrap();
    assert_eq!(of(two), [0, 20, 3, 4, 5]);
    let none = gpu.module(CONSTANTS).unwrap();
    assert_eq!(of(none), [1, 2, 3, 4, 5]);

    let (refused, log) = build(1, &[4]);
    assert_eq!(refused, Err(BUILD_FAILURE));
    assert!(
        log.contains("there is no specialisation constant 4"),
        "{log}"
    );
    let missing = sys::ze_module_constants_t {
        numConstants: 1,
        pConstantIds: null(),
        pConstantValues: null_mut(),
    };
    let desc = sys::ze_module_desc_t {
        pConstants: &raw const missing,
        ..module_desc(CONSTANTS)
    };
    assert_eq!(gpu.module_with(&desc).0, Err(NULL_POINTER));

    // The binary keeps them.
    let again = gpu.module_with(&native_desc(&binary(all))).0.unwrap();
    assert_eq!(of(again), [0, 20, 30, 1 << 40, 7]);
    finish(gpu, &[all, two, none, again]);
}

#[test]
fn a_native_binary_makes_the_module_again() {
    runtime_or_return!();
    let gpu = Gpu::new();
    let module = gpu.module(KERNELS).unwrap();
    let bytes = binary(module);
    let again = gpu.module_with(&native_desc(&bytes)).0.unwrap();
    assert_eq!(names(again), names(module));
    let kernel = Kernel::new(again, c"required").unwrap();
    assert_eq!(kernel.group_size(1, 1, 1), INVALID_GROUP_SIZE);
    assert_eq!(u32s(&run(&gpu, &kernel, None, 32)), [42; 8]);
    kernel.destroy();

    let refused = |bytes: &[u8]| gpu.module_with(&native_desc(bytes)).0.unwrap_err();
    assert_eq!(refused(KERNELS), INVALID_NATIVE_BINARY);
    assert_eq!(refused(&bytes[..bytes.len() - 1]), INVALID_NATIVE_BINARY);
    let mut damaged = bytes.clone();
    damaged[1000] ^= 1;
    assert_eq!(refused(&damaged), INVALID_NATIVE_BINARY);
    let constants = sys::ze_module_constants_t::default();
    let desc = sys::ze_module_desc_t {
        pConstants: &raw const constants,
        ..native_desc(&bytes)
    };
    assert_eq!(gpu.module_with(&desc).0, Err(INVALID_ARGUMENT));
    finish(gpu, &[module, again]);
}

#[test]
fn imports_are_linked() {
    runtime_or_return!();
    let gpu = Gpu::new();
    let exporter = gpu.module(EXPORTER).unwrap();
    let importer = gpu.module(IMPORTER).unwrap();
    assert_eq!(properties(importer), sys::ZE_MODULE_PROPERTY_FLAG_IMPORTS);
    assert_eq!(properties(exporter), 0);
    assert_eq!(Kernel::new(importer, c"call"), Err(UNLINKED));

    // Without what it needs, with what is there twice, and with what it needs.
    let (result, log) = link(&mut [importer]);
    assert_eq!(result, LINK_FAILURE);
    assert!(log.contains("not exported by any module: twice"), "{log}");
    let second = gpu.module(EXPORTER).unwrap();
    let (result, log) = link(&mut [exporter, importer, second]);
    assert_eq!(result, LINK_FAILURE);
    assert!(log.contains("exported more than once: twice"), "{log}");
    assert_eq!(Kernel::new(importer, c"call"), Err(UNLINKED));

    // A binary of what is not linked can be linked later.
    let unlinked = gpu.module_with(&native_desc(&binary(importer))).0.unwrap();
    let (result, log) = link(&mut [importer, exporter, exporter]);
    assert_eq!(result, SUCCESS, "{log}");
    for module in [importer, unlinked] {
        if module == unlinked {
            assert_eq!(Kernel::new(unlinked, c"call"), Err(UNLINKED));
            assert_eq!(link(&mut [unlinked, exporter]).0, SUCCESS);
        }
        let kernel = Kernel::new(module, c"call").unwrap();
        assert_eq!(u32s(&run(&gpu, &kernel, Some(21), 4)), [42]);
        kernel.destroy();
    }
    // Once is enough.
    assert_eq!(link(&mut [importer]).0, SUCCESS);
    // And the binary of what is linked needs no linking.
    let linked = gpu.module_with(&native_desc(&binary(importer))).0.unwrap();
    let kernel = Kernel::new(linked, c"call").unwrap();
    assert_eq!(u32s(&run(&gpu, &kernel, Some(4), 4)), [8]);
    kernel.destroy();
    finish(gpu, &[exporter, importer, second, unlinked, linked]);
}

#[test]
fn arguments_of_linking_are_checked() {
    let link = api().zeModuleDynamicLink;
    let mut none = [null_mut()];
    // SAFETY: what is null is refused.
    assert_eq!(unsafe { link(1, null_mut(), null_mut()) }, NULL_POINTER);
    assert_eq!(
        // SAFETY: as above.
        unsafe { link(1, none.as_mut_ptr(), null_mut()) },
        NULL_HANDLE
    );
    // SAFETY: an array of none.
    assert_eq!(unsafe { link(0, none.as_mut_ptr(), null_mut()) }, SUCCESS);
    runtime_or_return!();
    let gpu = Gpu::new();
    let other = Gpu::on(gpu.instance.clone());
    let mut both = [
        gpu.module(EXPORTER).unwrap(),
        other.module(IMPORTER).unwrap(),
    ];
    assert_eq!(
        // SAFETY: two handles.
        unsafe { link(2, both.as_mut_ptr(), null_mut()) },
        INVALID_ARGUMENT
    );
    assert_eq!(destroy_module(both[1]), SUCCESS);
    // SAFETY: used no more.
    assert_eq!(unsafe { (api().zeCommandListDestroy)(other.list) }, SUCCESS);
    assert_eq!(destroy_context(other.context), SUCCESS);
    finish(gpu, &[both[0]]);
}

#[test]
fn linkage_is_inspected() {
    let inspect = api().zeModuleInspectLinkageExt.unwrap();
    let mut desc = sys::ze_linkage_inspection_ext_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_LINKAGE_INSPECTION_EXT_DESC,
        pNext: null(),
        flags: 7,
    };
    let mut log = null_mut();
    let mut none = [null_mut()];
    // SAFETY: what is null is refused.
    let result = unsafe { inspect(null_mut(), 1, none.as_mut_ptr(), &raw mut log) };
    assert_eq!(result, NULL_POINTER);
    // SAFETY: as above.
    let result = unsafe { inspect(&raw mut desc, 1, null_mut(), &raw mut log) };
    assert_eq!(result, NULL_POINTER);
    // SAFETY: as above.
    let result = unsafe { inspect(&raw mut desc, 1, none.as_mut_ptr(), null_mut()) };
    assert_eq!(result, NULL_POINTER);
    runtime_or_return!();
    let gpu = Gpu::new();
    let modules: Vec<_> = [EXPORTER, IMPORTER, UNRESOLVED]
        .map(|bytes| gpu.module(bytes).unwrap())
        .into();
    let mut handles = modules.clone();
    let mut tell = |flags| {
        desc.flags = flags;
        let mut log = null_mut();
        // SAFETY: three handles, a descriptor and a place that outlive the call.
        let result = unsafe { inspect(&raw mut desc, 3, handles.as_mut_ptr(), &raw mut log) };
        if result == SUCCESS {
            Ok(text_of(log))
        } else {
            Err(result)
        }
    };
    assert_eq!(tell(1).unwrap(), "imports:\n  twice\n  nobody_has_this\n");
    assert_eq!(
        tell(2).unwrap(),
        "unresolvable imports:\n  nobody_has_this\n"
    );
    assert!(tell(4).unwrap().starts_with("exports:\n  twice\n"));
    assert_eq!(tell(0).unwrap(), "");
    assert_eq!(tell(8), Err(INVALID_ENUMERATION));
    finish(gpu, &modules);
}

#[test]
fn variables_of_a_module_are_memory_for_all() {
    runtime_or_return!();
    let gpu = Gpu::new();
    let module = gpu.module(GLOBALS).unwrap();
    let pointer = |name: &CStr| {
        let (mut size, mut pointer) = (0, null_mut());
        // SAFETY: a name, and places for both results.
        let result = unsafe {
            (api().zeModuleGetGlobalPointer)(module, name.as_ptr(), &raw mut size, &raw mut pointer)
        };
        if result == SUCCESS {
            Ok((pointer, size))
        } else {
            Err(result)
        }
    };
    let (counter, size) = pointer(c"counter").unwrap();
    assert_eq!(size, 4);
    let (table, size) = pointer(c"table").unwrap();
    assert_eq!(size, 16);
    assert_eq!(u32s(&gpu.download(table, 16)), [1, 2, 3, 4]);
    assert_eq!(pointer(c"next"), Err(INVALID_GLOBAL_NAME));
    assert_eq!(pointer(c"nothing"), Err(INVALID_GLOBAL_NAME));
    let get = api().zeModuleGetGlobalPointer;
    // SAFETY: null is refused; results may be left out.
    let result = unsafe { get(module, null(), null_mut(), null_mut()) };
    assert_eq!(result, NULL_POINTER);
    // SAFETY: as above.
    let result = unsafe { get(module, c"counter".as_ptr(), null_mut(), null_mut()) };
    assert_eq!(result, SUCCESS);

    let kernel = Kernel::new(module, c"next").unwrap();
    assert_eq!(u32s(&run(&gpu, &kernel, None, 8)), [41, 4]);
    gpu.upload(counter, &100_u32.to_ne_bytes());
    assert_eq!(u32s(&run(&gpu, &kernel, None, 8)), [101, 4]);

    // Kernels of the context may be given it, also of other modules; not those of another context.
    let kernels = gpu.module(KERNELS).unwrap();
    let count = Kernel::new(kernels, c"count").unwrap();
    count.set(0, counter);
    assert_eq!(gpu.launch(&count, [5, 1, 1]), SUCCESS);
    assert_eq!(u32s(&gpu.download(counter, 4)), [106]);
    count.set(0, counter.wrapping_byte_add(4));
    kernel.destroy();
    assert_eq!(destroy_module(module), SUCCESS);
    // Nor after the module.
    count.set(0, counter);
    assert_eq!(gpu.launch(&count, [1, 1, 1]), INVALID_ARGUMENT);
    count.destroy();
    finish(gpu, &[kernels]);
}

#[test]
fn functions_have_no_pointers() {
    runtime_or_return!();
    let gpu = Gpu::new();
    let module = gpu.module(EXPORTER).unwrap();
    let get = api().zeModuleGetFunctionPointer;
    let mut pointer = null_mut();
    // SAFETY: a name and a place, or null, which is refused.
    let of = |name: *const c_char, place| unsafe { get(module, name, place) };
    assert_eq!(of(c"twice".as_ptr(), &raw mut pointer), UNSUPPORTED_FEATURE);
    let unknown = sys::ZE_RESULT_ERROR_INVALID_FUNCTION_NAME;
    assert_eq!(of(c"thrice".as_ptr(), &raw mut pointer), unknown);
    assert_eq!(of(null(), &raw mut pointer), NULL_POINTER);
    assert_eq!(of(c"twice".as_ptr(), null_mut()), NULL_POINTER);
    finish(gpu, &[module]);
}

#[test]
fn devices_say_what_can_be_compiled() {
    runtime_or_return!();
    let gpu = Gpu::new();
    let mut properties = sys::ze_device_module_properties_t {
        stype: sys::ZE_STRUCTURE_TYPE_DEVICE_MODULE_PROPERTIES,
        ..Default::default()
    };
    // SAFETY: a structure of the right type.
    let result = unsafe { (api().zeDeviceGetModuleProperties)(gpu.device(), &raw mut properties) };
    assert_eq!(result, SUCCESS);
    assert!(properties.spirvVersionSupported >= 0x0001_0002);
    assert_ne!(properties.fp32flags & sys::ZE_DEVICE_FP_FLAG_INF_NAN, 0);
    assert!(properties.maxArgumentsSize >= 1024);
    finish(gpu, &[]);
}

/// In a process of its own, for the runtime of a process is found once.
#[test]
fn without_a_runtime_modules_are_unsupported_and_a_line_says_why() {
    const CHILD: &str = "ZE_CPU_TEST_NO_RUNTIME";
    if std::env::var_os(CHILD).is_some() {
        let gpu = Gpu::new();
        let desc = module_desc(KERNELS);
        for _ in 0..2 {
            let (module, log) = gpu.module_with(&desc);
            assert_eq!(module, Err(UNSUPPORTED_FEATURE));
            assert!(log.contains("no OpenCL runtime"), "{log}");
        }
        let mut properties = sys::ze_device_module_properties_t {
            stype: sys::ZE_STRUCTURE_TYPE_DEVICE_MODULE_PROPERTIES,
            flags: 1,
            ..Default::default()
        };
        // SAFETY: a structure of the right type.
        let result =
            unsafe { (api().zeDeviceGetModuleProperties)(gpu.device(), &raw mut properties) };
        assert_eq!(result, SUCCESS);
        assert_eq!((properties.spirvVersionSupported, properties.flags), (0, 0));
        finish(gpu, &[]);
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("without_a_runtime_modules_are_unsupported_and_a_line_says_why")
        .env(CHILD, "1")
        .env("LEVEL_ZERO_CPU_OPENCL", "/nowhere/libintelocl.so")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("intel-opencl-rt").count(), 1, "{said}");
    assert!(said.contains("scripts/install-opencl-cpu"), "{said}");
    assert!(said.contains("/nowhere/libintelocl.so"), "{said}");
}
