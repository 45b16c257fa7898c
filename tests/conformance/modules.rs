//! Modules: what is refused before a driver sees it, and what a driver says.

use crate::drivers::{Checked, Subject, Work};
use crate::promises;
use ze_area::{
    Atomic, Context, Error, ErrorKind, In, InOut, Kernel, Local, Module, Nullable, Out, Queue,
    Result, Signature, ZeDevice,
};

promises![
    a_module_lists_its_kernels,
    every_other_signature_is_refused_and_both_are_shown,
    the_signature_of_every_kernel_is_taken,
    a_kernel_that_takes_images_is_refused,
    a_name_that_no_kernel_has_is_refused,
    specialisation_constants_take_their_values,
    a_constant_that_is_not_there_is_refused_with_those_that_are,
    what_is_no_spirv_is_refused,
    every_truncated_module_is_refused,
    a_module_in_the_other_byte_order_is_taken,
    a_file_is_read_and_named_in_errors,
    options_with_a_nul_are_refused,
    a_failed_build_has_the_compilers_log,
    a_module_that_is_not_linked_makes_no_kernels,
    a_native_binary_makes_the_module_again,
    a_device_outside_the_context_gets_no_module,
];

pub(crate) const KERNELS: &[u8] = include_bytes!("../kernels/kernels.spv");
const IMAGES: &[u8] = include_bytes!("../kernels/images.spv");
const CONSTANTS: &[u8] = include_bytes!("../kernels/constants.spv");
const UNLINKED: &[u8] = include_bytes!("../kernels/unlinked.spv");

/// The module of [`KERNELS`]; `None`, with a note, where the driver has no compiler.
pub(crate) fn module(subject: &Subject, context: &Context, device: &ZeDevice) -> Option<Module> {
    compiled(subject, context.module(device).spirv(KERNELS))
}

pub(crate) fn compiled(subject: &Subject, module: Result<Module>) -> Option<Module> {
    match module {
        Ok(module) => Some(module),
        Err(error @ Error::BuildFailed { .. }) if error.kind() == ErrorKind::NotSupported => {
            let text = error.to_string();
            assert!(text.contains("scripts/install-opencl-cpu"), "{text}");
            let required = std::env::var("ZE_AREA_REQUIRE").unwrap_or_default();
            assert!(
                !required.split(',').any(|word| word.trim() == "opencl"),
                "{text}"
            );
            subject.not_applicable("kernels: there is no compiler (scripts/install-opencl-cpu)");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// A context, a queue on its first device, and the module of [`KERNELS`].
pub(crate) fn setup(subject: &Subject) -> Option<(Checked, Queue, Module)> {
    let context = subject.context();
    let module = module(subject, &context, subject.device())?;
    let queue = context.queue(subject.device()).unwrap();
    Some((context, queue, module))
}

/// Makes a kernel that is not launched.
fn kernel<S: Signature>(module: &Module, name: &str) -> Result<Kernel<S>> {
    // SAFETY: it is never launched.
    unsafe { module.kernel(name) }
}

fn a_module_lists_its_kernels(subject: &Subject) {
    let Some((context, _, module)) = setup(subject) else {
        return;
    };
    let names = module.kernel_names();
    assert_eq!(names.len(), 12, "{names:?}");
    assert!(names.iter().any(|name| name == "saxpy"));
    assert_eq!(module.device(), subject.device());
    assert_eq!(module.context().as_raw(), context.as_raw());
    assert!(!module.as_raw().is_null());
    assert!(module.build_log().len() <= 64 << 10);
    let saxpy = kernel::<(In<f32>, InOut<f32>, f32)>(&module, "saxpy").unwrap();
    assert!(!saxpy.as_raw().is_null());
    assert_eq!(saxpy.properties().arguments, 3);
    assert_eq!(saxpy.properties().required_group_size, None);
    assert!(saxpy.properties().max_sub_group_size > 0);
}

fn mismatch<S: Signature>(module: &Module, name: &str, differs: Option<usize>, parts: &[&str]) {
    let error = kernel::<S>(module, name).unwrap_err();
    let Error::SignatureMismatch { argument, .. } = &error else {
        panic!("{error}");
    };
    let text = error.to_string();
    assert_eq!(*argument, differs, "{text}");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    for part in parts {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

fn every_other_signature_is_refused_and_both_are_shown(subject: &Subject) {
    let Some((_context, _, module)) = setup(subject) else {
        return;
    };
    let found = "found (global pointer x, global pointer y, 4-byte value a)";
    let both = |declared: &'static str| [declared, found, "saxpy"];
    mismatch::<(In<f32>, InOut<f32>, f64)>(
        &module,
        "saxpy",
        Some(2),
        &both("declared (In<f32>, InOut<f32>, f64)"),
    );
    mismatch::<(In<f32>, InOut<f32>, u8)>(&module, "saxpy", Some(2), &both("u8"));
    mismatch::<(In<f32>, InOut<f32>)>(&module, "saxpy", None, &both("(In<f32>, InOut<f32>)"));
    mismatch::<(In<f32>, InOut<f32>, f32, f32)>(&module, "saxpy", None, &both("f32, f32)"));
    mismatch::<()>(&module, "saxpy", None, &both("declared ()"));
    mismatch::<(f32, InOut<f32>, In<f32>)>(&module, "saxpy", Some(0), &both("(f32"));
    mismatch::<(u64, InOut<f32>, f32)>(&module, "saxpy", Some(0), &both("(u64"));
    mismatch::<(In<f32>, Local<f32>, f32)>(&module, "saxpy", Some(1), &both("Local<f32>"));
    mismatch::<(In<f32>, InOut<f32>, In<f32>)>(&module, "saxpy", Some(2), &both("In<f32>)"));
    mismatch::<(In<f32>, InOut<f32>, [f32; 2])>(&module, "saxpy", Some(2), &both("[f32; 2]"));
    mismatch::<(In<f32>, InOut<f32>, ())>(&module, "saxpy", Some(2), &both("())"));
    let local = "local pointer part";
    mismatch::<(In<u32>, Out<u32>, InOut<u32>)>(&module, "reduce", Some(2), &[local]);
    mismatch::<(In<u32>, Out<u32>, u64)>(&module, "reduce", Some(2), &[local]);
    let constant = "constant pointer in";
    mismatch::<(InOut<u32>, Out<u32>)>(&module, "from_constant", Some(0), &[constant]);
    mismatch::<(Out<u32>, Out<u32>)>(&module, "from_constant", Some(0), &[constant]);
    mismatch::<(Atomic<u32>, Out<u32>)>(&module, "from_constant", Some(0), &[constant]);
    mismatch::<(Nullable<InOut<u32>>, Out<u32>)>(&module, "from_constant", Some(0), &[constant]);
    mismatch::<(u32,)>(&module, "nothing", None, &["found ()"]);
}

fn the_signature_of_every_kernel_is_taken(subject: &Subject) {
    let Some((_context, _, module)) = setup(subject) else {
        return;
    };
    kernel::<(InOut<u32>,)>(&module, "twice").unwrap();
    kernel::<(Atomic<u32>,)>(&module, "twice").unwrap();
    kernel::<(Nullable<InOut<u32>>,)>(&module, "twice").unwrap();
    kernel::<(In<f32>, Out<f32>, u32)>(&module, "saxpy").unwrap();
    kernel::<(In<u32>, Out<u32>, Local<u8>)>(&module, "reduce").unwrap();
    kernel::<(Nullable<In<u32>>, Out<u32>)>(&module, "from_constant").unwrap();
    kernel::<(Out<f32>, [u64; 4])>(&module, "walk").unwrap();
}

fn a_kernel_that_takes_images_is_refused(subject: &Subject) {
    let context = subject.context();
    // Whether such a module can be built is the driver's to say.
    let Ok(module) = context.module(subject.device()).spirv(IMAGES) else {
        return;
    };
    let parts = ["image picture", "sampler sampler"];
    mismatch::<(u64, u64, Out<[f32; 4]>)>(&module, "image", Some(0), &parts);
    mismatch::<(In<f32>, u64, Out<[f32; 4]>)>(&module, "image", Some(0), &parts);
}

fn a_name_that_no_kernel_has_is_refused(subject: &Subject) {
    let Some((_context, _, module)) = setup(subject) else {
        return;
    };
    for name in ["Saxpy", "", "saxpy\0", "sax", "saxpy "] {
        let error = kernel::<(In<f32>, InOut<f32>, f32)>(&module, name).unwrap_err();
        assert!(matches!(error, Error::NoKernel { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("saxpy, ") && text.contains("twice"), "{text}");
    }
}

fn specialisation_constants_take_their_values(subject: &Subject) {
    let context = subject.context();
    let builder = || context.module(subject.device());
    let Some(plain) = compiled(subject, builder().spirv(CONSTANTS)) else {
        return;
    };
    let some = builder()
        .constant(2, 7_u16)
        .constant(11, 2.0_f32)
        .constant(2, 70_u16);
    let all = some
        .clone()
        .constant(1, 0_u8)
        .constant(3, 300_u32)
        .constant(10, u64::MAX);
    let queue = context.queue(subject.device()).unwrap();
    for (module, expected) in [
        (plain, [1, 2, 3, 4, 5]),
        (some.spirv(CONSTANTS).unwrap(), [1, 70, 3, 4, 2]),
        (all.spirv(CONSTANTS).unwrap(), [0, 70, 300, u64::MAX, 2]),
    ] {
        let constants = kernel::<(Out<u64>,)>(&module, "constants").unwrap();
        let mut out = context.host_area().mmap::<u64>(5).unwrap();
        queue.launch(&constants, 1, (&mut out,)).unwrap();
        if subject.executes(Work::Other, "results of kernels") {
            assert_eq!(out, expected);
        }
    }
}

fn a_constant_that_is_not_there_is_refused_with_those_that_are(subject: &Subject) {
    let context = subject.context();
    let builder = || context.module(subject.device());
    for wrong in [
        builder().constant(4, 1_u32),
        builder().constant(3, 1_u64),
        builder().constant(3, 1_u16).constant(2, 1_u16),
        builder().constant(1, 1_u32),
        builder().constant(10, [0_u64; 2]),
    ] {
        let error = wrong.spirv(CONSTANTS).unwrap_err();
        assert!(matches!(error, Error::BadConstant { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("2 of 2 bytes, 3 of 4 bytes, 10 of 8"),
            "{text}"
        );
    }
    let error = builder().constant(1, 1_u32).spirv(KERNELS).unwrap_err();
    assert!(error.to_string().contains("it has none"), "{error}");
}

fn invalid(subject: &Subject, context: &Context, bytes: &[u8]) -> usize {
    match context.module(subject.device()).spirv(bytes).unwrap_err() {
        Error::InvalidSpirv { word, .. } => word,
        other => panic!("{other}"),
    }
}

fn what_is_no_spirv_is_refused(subject: &Subject) {
    let context = subject.context();
    for bytes in [
        &b""[..],
        b"abc",
        b"#include",
        &[0; 64],
        &KERNELS[4..],
        &KERNELS[1..],
    ] {
        assert_eq!(invalid(subject, &context, bytes), 0);
    }
    let mut state = 1_u32;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    for _ in 0..500 {
        let mut words: Vec<u32> = (0..64).map(|_| random()).collect();
        words[..5].copy_from_slice(&[0x0723_0203, 0x0001_0000, 0, 100, 0]);
        invalid(subject, &context, bytemuck::cast_slice(&words));
    }
}

fn every_truncated_module_is_refused(subject: &Subject) {
    let context = subject.context();
    for len in (0..KERNELS.len()).filter(|len| len % 4 == 0 || len % 101 == 0) {
        match context.module(subject.device()).spirv(&KERNELS[..len]) {
            Err(Error::InvalidSpirv { word, .. }) => assert!(word <= len / 4),
            // What ends before the first kernel is announced is a module, or may be one.
            Ok(module) => assert!(len < 256 && module.kernel_names().is_empty()),
            Err(error) => assert!(len < 256, "{len} bytes: {error}"),
        }
    }
}

fn a_module_in_the_other_byte_order_is_taken(subject: &Subject) {
    let context = subject.context();
    let (words, _) = KERNELS.as_chunks::<4>();
    let swapped: Vec<u8> = words
        .iter()
        .flat_map(|&[a, b, c, d]| [d, c, b, a])
        .collect();
    let module = context.module(subject.device()).spirv(&swapped);
    if let Some(module) = compiled(subject, module) {
        kernel::<(InOut<u32>,)>(&module, "twice").unwrap();
    }
}

fn a_file_is_read_and_named_in_errors(subject: &Subject) {
    let context = subject.context();
    let builder = || context.module(subject.device());
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kernels");
    let file = format!("{folder}/kernels.spv");
    if let Some(module) = compiled(subject, builder().file(file)) {
        kernel::<(InOut<u32>,)>(&module, "twice").unwrap();
    }
    let missing = builder().file("/nonexistent/x.spv").unwrap_err();
    assert!(matches!(missing, Error::ModuleFile { .. }), "{missing}");
    assert!(missing.to_string().contains("/nonexistent/x.spv"));
    let source = builder().file(format!("{folder}/kernels.cl")).unwrap_err();
    assert!(matches!(source, Error::InvalidSpirv { .. }), "{source}");
    assert!(
        source.to_string().contains("kernels.cl is no SPIR-V"),
        "{source}"
    );
}

fn options_with_a_nul_are_refused(subject: &Subject) {
    let context = subject.context();
    let builder = context
        .module(subject.device())
        .options("-w")
        .options("a\0b");
    let error = builder.spirv(KERNELS).unwrap_err();
    assert!(
        matches!(error, Error::BadOptions { position: 4 }),
        "{error}"
    );
    let builder = context.module(subject.device()).options("-cl-mad-enable");
    compiled(
        subject,
        builder.options("-cl-fast-relaxed-math").spirv(KERNELS),
    );
}

fn a_failed_build_has_the_compilers_log(subject: &Subject) {
    let context = subject.context();
    let builder = context.module(subject.device());
    if compiled(subject, builder.clone().spirv(KERNELS)).is_none() {
        return;
    }
    match builder
        .options("-no-such-option-of-any-compiler")
        .spirv(KERNELS)
    {
        Ok(module) => subject.not_applicable(&format!(
            "failing builds: the compiler takes any option, and says {:?}",
            module.build_log()
        )),
        Err(error) => {
            let Error::BuildFailed { log, .. } = &error else {
                panic!("{error}");
            };
            let lost = std::env::var_os("ZE_ENABLE_LOADER_INTERCEPT").is_some();
            let part = if lost {
                "ZE_ENABLE_LOADER_INTERCEPT"
            } else {
                "-no-such-option"
            };
            assert!(log.contains(part), "{error}");
            assert!(error.to_string().contains(log.as_str()));
            assert_eq!(error.call(), Some("zeModuleCreate"));
            assert!(error.code().is_some());
        }
    }
}

fn a_module_that_is_not_linked_makes_no_kernels(subject: &Subject) {
    let context = subject.context();
    match context.module(subject.device()).spirv(UNLINKED) {
        Ok(module) => {
            let error = kernel::<(InOut<u32>,)>(&module, "unlinked").unwrap_err();
            assert_eq!(error.call(), Some("zeKernelCreate"), "{error}");
        }
        Err(error) => assert!(matches!(error, Error::BuildFailed { .. }), "{error}"),
    }
}

fn a_native_binary_makes_the_module_again(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let code = module.native_binary().unwrap();
    assert!(!code.is_empty());
    let builder = || context.module(subject.device());
    // SAFETY: it is of this device and driver.
    let again = unsafe { builder().native(&code) }.unwrap();
    let mut names = [
        module.kernel_names().to_vec(),
        again.kernel_names().to_vec(),
    ];
    names.iter_mut().for_each(|names| names.sort());
    assert_eq!(names[0], names[1]);
    assert!(again.native_binary().is_ok());
    mismatch::<(InOut<u32>, u32)>(&again, "twice", None, &["1 arguments"]);
    mismatch::<((),)>(&again, "twice", Some(0), &["(())"]);
    let twice = kernel::<(InOut<u32>,)>(&again, "twice").unwrap();
    let mut x = context.host_area().mmap_from_slice(&[4, 5]).unwrap();
    queue.launch(&twice, 2, (&mut x,)).unwrap();
    if subject.executes(Work::Other, "results of kernels") {
        assert_eq!(x, [8, 10]);
    }
    // SAFETY: as above; and it is refused.
    let constant = unsafe { builder().constant(1, 1_u32).native(&code) };
    assert!(matches!(constant, Err(Error::BadConstant { .. })));
}

fn a_device_outside_the_context_gets_no_module(subject: &Subject) {
    let driver = subject.driver();
    let [first, second, ..] = driver.devices() else {
        return subject.not_applicable("devices outside of a context: there is only one device");
    };
    let context = Context::builder()
        .driver(driver)
        .devices([first.clone()])
        .build()
        .unwrap();
    let error = context.module(second).spirv(KERNELS).unwrap_err();
    assert!(matches!(error, Error::DeviceNotInContext { .. }), "{error}");
}
