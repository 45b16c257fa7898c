//! The shared library, as the machine's Level Zero loader and C programs use it.
#![cfg(all(target_os = "linux", feature = "exports"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod machine;

use machine::{Program, Scratch, is_sanitized, lacks, library};
use std::collections::BTreeSet;
use std::ffi::{CString, c_void};
use std::path::Path;

/// Where Debian puts Intel's driver.
const INTEL_DRIVER: &str = "/usr/lib/x86_64-linux-gnu/libze_intel_gpu.so.1";

/// The keys by which it runs without a GPU.
const INTEL_KEYS: [(&str, &str); 4] = [
    ("NEOReadDebugKeys", "1"),
    ("SetCommandStreamReceiver", "1"),
    ("ProductFamilyOverride", "dg1"),
    ("AUBDumpCaptureFileName", "/dev/null"),
];

const VALIDATION: [(&str, &str); 2] = [
    ("ZE_ENABLE_VALIDATION_LAYER", "1"),
    ("ZE_ENABLE_PARAMETER_VALIDATION", "1"),
];

/// The names of the getters, from the source.
fn getters() -> Vec<&'static str> {
    let source = include_str!("../src/exports.rs");
    let words = source.split(|letter: char| !letter.is_ascii_alphanumeric());
    let getters: BTreeSet<_> = words
        .filter(|word| word.starts_with("ze") && word.ends_with("ProcAddrTable"))
        .collect();
    getters.into_iter().collect()
}

type Getter = unsafe extern "C" fn(u32, *mut c_void) -> u32;

/// The library, never closed.
struct Driver(*mut c_void);

impl Driver {
    /// `None`, with a word about it, where this program cannot load it.
    fn open() -> Option<Self> {
        let path = CString::new(library().to_str().unwrap()).unwrap();
        // SAFETY: the path is a string; the library's initialisers are those of Rust.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if handle.is_null() && is_sanitized() {
            lacks("loader", "the tests keep the sanitizer to themselves");
            return None;
        }
        assert!(!handle.is_null(), "{path:?}");
        Some(Self(handle))
    }

    fn getter(&self, name: &str) -> Getter {
        let symbol = CString::new(name).unwrap();
        // SAFETY: the library is open, the name is a string.
        let address = unsafe { libc::dlsym(self.0, symbol.as_ptr()) };
        assert!(!address.is_null(), "{name}");
        // SAFETY: symbols of these names are getters.
        unsafe { std::mem::transmute::<*mut c_void, Getter>(address) }
    }

    /// What a getter answers, and how many entries it wrote.
    fn ask(&self, name: &str, version: u32) -> (u32, usize) {
        const GUARD: usize = usize::MAX / 3;
        let mut table = [GUARD; 128];
        // SAFETY: no table has as many entries.
        let result = unsafe { self.getter(name)(version, table.as_mut_ptr().cast()) };
        let written = table.iter().take_while(|entry| **entry != GUARD).count();
        assert!(table[..written].iter().all(|entry| *entry != 0), "{name}");
        assert!(
            table[written..].iter().all(|entry| *entry == GUARD),
            "{name}"
        );
        (result, written)
    }
}

const fn version(major: u32, minor: u32) -> u32 {
    major << 16 | minor
}

const SUCCESS: u32 = 0;
const UNSUPPORTED_VERSION: u32 = 0x7800_0002;
const NULL_POINTER: u32 = 0x7800_0007;

#[test]
fn getters_fill_what_there_is_at_a_version_and_no_more() {
    let Some(driver) = Driver::open() else { return };
    let getters = getters();
    assert_eq!(getters.len(), 62);
    for name in &getters {
        for old in [
            0,
            version(1, 0),
            version(1, 3),
            version(2, 0),
            version(2, 4),
            u32::MAX,
        ] {
            assert_eq!(
                driver.ask(name, old),
                (UNSUPPORTED_VERSION, 0),
                "{name} {old:#x}"
            );
        }
        // SAFETY: null is refused.
        let result = unsafe { driver.getter(name)(version(1, 4), std::ptr::null_mut()) };
        assert_eq!(result, NULL_POINTER, "{name}");
        let mut before = 0;
        for minor in 4..30 {
            let (result, written) = driver.ask(name, version(1, minor));
            let expected = if written == 0 {
                UNSUPPORTED_VERSION
            } else {
                SUCCESS
            };
            assert_eq!(result, expected, "{name} 1.{minor}");
            assert!(written >= before, "{name} 1.{minor}");
            before = written;
        }
        assert!(before > 0, "{name}");
    }
}

/// From the public headers of these versions.
#[test]
fn tables_grow_as_the_headers_do() {
    let Some(driver) = Driver::open() else { return };
    let sizes = |name, minors: &[u32]| -> Vec<usize> {
        let size = |minor: &u32| driver.ask(name, version(1, *minor)).1;
        minors.iter().map(size).collect()
    };
    let minors = [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17];
    for (name, expected) in [
        (
            "zeGetGlobalProcAddrTable",
            [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2],
        ),
        (
            "zeGetDriverProcAddrTable",
            [6, 6, 7, 7, 7, 7, 7, 7, 7, 8, 9, 9, 9, 9],
        ),
        (
            "zeGetMemProcAddrTable",
            [10, 10, 11, 11, 11, 12, 12, 12, 12, 12, 12, 13, 13, 13],
        ),
        (
            "zeGetMemExpProcAddrTable",
            [0, 0, 2, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4],
        ),
        (
            "zeGetDeviceProcAddrTable",
            [18, 18, 18, 19, 19, 19, 19, 19, 21, 22, 23, 24, 27, 28],
        ),
        (
            "zeGetCommandListProcAddrTable",
            [28, 28, 29, 29, 29, 34, 34, 34, 36, 36, 38, 38, 41, 52],
        ),
        (
            "zeGetEventProcAddrTable",
            [7, 7, 8, 8, 8, 11, 11, 11, 11, 11, 11, 16, 16, 17],
        ),
        ("zeGetVirtualMemProcAddrTable", [7; 14]),
        ("zesGetDeviceProcAddrTable", [29; 14]),
    ] {
        assert_eq!(sizes(name, &minors), expected, "{name}");
    }
}

#[test]
fn every_entry_of_the_headers_is_filled_and_answers() {
    let test = "every_entry_of_the_headers_is_filled_and_answers";
    let Some(program) = Program::compile("tables.c", test) else {
        return;
    };
    let [out, err] = program.good(&[library().to_str().unwrap()], &[]);
    assert_eq!(err, "");
    let sizes: Vec<_> = out.lines().collect();
    assert!(sizes.len() >= 53, "{out}");
}

#[test]
fn nothing_else_is_exported() {
    let output = std::process::Command::new("nm")
        .args(["-D", "--defined-only", "--format=just-symbols"])
        .arg(library())
        .output();
    let Ok(output) = output else {
        return lacks("headers", "no nm (Debian: binutils)");
    };
    let names = String::from_utf8(output.stdout).unwrap();
    let mut expected = getters();
    expected.extend([
        "zecpuClearFaults",
        "zecpuFail",
        "zecpuFailNth",
        "zecpuLedger",
    ]);
    let expected: BTreeSet<_> = expected.into_iter().collect();
    let found: BTreeSet<_> = names
        .lines()
        .filter(|name| !name.contains("asan") && !name.contains("tsan"))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn a_program_runs_on_the_driver_through_the_loader() {
    let test = "a_program_runs_on_the_driver_through_the_loader";
    let Some(program) = Program::compile("client.c", test) else {
        return;
    };
    let none: &[(&str, &str)] = &[];
    for layers in [
        none,
        &VALIDATION,
        &[("ZE_ENABLE_TRACING_LAYER", "1")],
        &[("ZET_ENABLE_PROGRAM_INSTRUMENTATION", "1")],
        &[
            VALIDATION[0],
            VALIDATION[1],
            ("ZE_ENABLE_TRACING_LAYER", "1"),
        ],
    ] {
        assert_eq!(
            program.good(&["everything"], layers),
            ["", ""],
            "{layers:?}"
        );
    }
    for environment in [
        &[("LEVEL_ZERO_CPU_DEVICES", "2")][..],
        &[
            ("LEVEL_ZERO_CPU_DEVICES", "2"),
            ("ZE_ENABLE_LOADER_INTERCEPT", "1"),
            ("ZE_ENABLE_TRACING_LAYER", "1"),
            VALIDATION[0],
            VALIDATION[1],
        ],
    ] {
        let [out, err] = program.good(&["all_drivers", "1"], environment);
        assert_eq!(out, "Level Zero CPU device 0: 2\n", "{environment:?}");
        assert_eq!(err, "", "{environment:?}");
    }
}

#[test]
fn it_works_beside_intels_driver() {
    let test = "it_works_beside_intels_driver";
    let Some(program) = Program::compile("client.c", test) else {
        return;
    };
    if !Path::new(INTEL_DRIVER).exists() {
        return lacks("intel", "no driver of Intel's (Debian: intel-opencl-icd)");
    }
    let cpu = library();
    let cpu = cpu.to_str().unwrap();
    for drivers in [
        format!("{cpu},{INTEL_DRIVER}"),
        format!("{INTEL_DRIVER},{cpu}"),
    ] {
        for validation in [&VALIDATION[..], &[]] {
            let mut environment = vec![
                ("ZE_ENABLE_ALT_DRIVERS", drivers.as_str()),
                ("LEVEL_ZERO_CPU_DEVICES", "3"),
            ];
            environment.extend(INTEL_KEYS);
            environment.extend(validation);
            let [out, err] = program.good(&["all_drivers", "2"], &environment);
            assert_eq!(err, "");
            let mut lines: Vec<_> = out.lines().collect();
            lines.sort_unstable();
            assert_eq!(lines.len(), 2, "{out}");
            assert!(lines.iter().any(|line| line.ends_with(": 3")), "{out}");
            assert!(lines.iter().any(|line| line.ends_with(": 1")), "{out}");
        }
    }
}

#[test]
fn settings_come_from_the_environment() {
    let test = "settings_come_from_the_environment";
    let Some(program) = Program::compile("client.c", test) else {
        return;
    };
    let defaults = "devices 1\nsub-devices 0\ndevice memory 4294967296\nmax allocation 2147483648\n\
                    fill pattern 128\nfree policies 3\nbeyond 0\naligned 1\n";
    assert_eq!(program.good(&["settings"], &[]), [defaults, ""]);
    let changed = [
        ("LEVEL_ZERO_CPU_DEVICES", "3"),
        ("LEVEL_ZERO_CPU_SUB_DEVICES", "2"),
        ("LEVEL_ZERO_CPU_DEVICE_MEMORY", "64M"),
        ("LEVEL_ZERO_CPU_MAX_ALLOCATION", "1M"),
        ("LEVEL_ZERO_CPU_MAX_FILL_PATTERN", "16"),
        ("LEVEL_ZERO_CPU_HONOUR_ALIGNMENT", "0"),
        ("LEVEL_ZERO_CPU_FREE_POLICIES", "blocking"),
        ("LEVEL_ZERO_CPU_RELAXED_LIMITS", "0"),
    ];
    let expected = "devices 3\nsub-devices 2\ndevice memory 67108864\nmax allocation 1048576\n\
                    fill pattern 16\nfree policies 1\nbeyond 0x78000004\naligned 0\n";
    assert_eq!(program.good(&["settings"], &changed), [expected, ""]);
    let [out, _] = program.good(&["settings"], &[("LEVEL_ZERO_CPU_HOST_MEMORY", "1G")]);
    assert!(out.contains("beyond 0x70000002\n"), "{out}");
}

#[test]
fn a_wrong_setting_is_told_once_and_fails_the_initialisation() {
    let test = "a_wrong_setting_is_told_once_and_fails_the_initialisation";
    let Some(program) = Program::compile("client.c", test) else {
        return;
    };
    let wrong = [("LEVEL_ZERO_CPU_DEVICES", "many")];
    let [out, err] = program.good(&["init"], &wrong);
    assert_eq!(out, "0x78000001\n0x78000001\n");
    let told =
        "level-zero-cpu: LEVEL_ZERO_CPU_DEVICES=\"many\" is not allowed: a number up to 64\n";
    assert_eq!(err, told);
    let [out, err] = program.good(&["init"], &[("LEVEL_ZERO_CPU_LOG", "/nowhere/log")]);
    assert_eq!(out, "0x78000001\n0x78000001\n");
    assert!(
        err.contains("/nowhere/log") && err.lines().count() == 1,
        "{err}"
    );
    let [out, err] = program.good(&["init"], &[("LEVEL_ZERO_CPU_DEVICE", "2")]);
    assert_eq!(out, "0\n0\n");
    assert_eq!(
        err,
        "level-zero-cpu: LEVEL_ZERO_CPU_DEVICE is no setting of this driver\n"
    );
}

#[test]
fn calls_fail_as_the_environment_says() {
    let test = "calls_fail_as_the_environment_says";
    let Some(program) = Program::compile("client.c", test) else {
        return;
    };
    let fail = "zeMemAllocDevice:2:OUT_OF_DEVICE_MEMORY, \
                zeMemAllocDevice:4:ZE_RESULT_ERROR_DEVICE_LOST,zeMemAllocDevice:5:0x7ffffffe";
    let [out, err] = program.good(&["allocate"], &[("LEVEL_ZERO_CPU_FAIL", fail)]);
    assert_eq!(out, "0\n0x70000003\n0\n0x70000001\n0x7ffffffe\n");
    assert_eq!(err, "");
    let any = [("LEVEL_ZERO_CPU_FAIL", "*:1:DEVICE_LOST")];
    let [out, _] = program.good(&["init"], &any);
    assert!(
        out.starts_with("0x7"),
        "the first of all calls is zeInit: {out}"
    );
}

/// The fields of a line of the log: time, thread, call, result.
fn line(text: &str) -> (u64, u32, &str, &str) {
    let words: Vec<_> = text.split(' ').collect();
    let [time, thread, call, result] = words[..] else {
        panic!("{text:?}");
    };
    (time.parse().unwrap(), thread.parse().unwrap(), call, result)
}

#[test]
fn the_log_has_a_line_a_call() {
    let test = "the_log_has_a_line_a_call";
    let Some(program) = Program::compile("client.c", test) else {
        return;
    };
    let [_, err] = program.good(&["leave"], &[("LEVEL_ZERO_CPU_LOG", "stderr")]);
    let lines: Vec<_> = err.lines().map(line).collect();
    let calls: Vec<_> = lines.iter().map(|line| (line.2, line.3)).collect();
    assert_eq!(calls[0], ("zeInit", "SUCCESS"));
    assert!(calls.contains(&("zeMemAllocDevice", "SUCCESS")));
    assert_eq!(calls.last(), Some(&("zeMemFree", "INVALID_NULL_POINTER")));
    assert!(lines.is_sorted_by_key(|line| line.0), "{err}");
    assert!(lines.iter().all(|other| other.1 == lines[0].1), "{err}");

    let path = program.path("log");
    let to_file = [("LEVEL_ZERO_CPU_LOG", path.to_str().unwrap())];
    assert_eq!(program.good(&["everything"], &to_file), ["", ""]);
    let length = std::fs::read_to_string(&path).unwrap().lines().count();
    assert_eq!(program.good(&["everything"], &to_file), ["", ""]);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2 * length, "a log is continued");
    let calls: Vec<_> = text
        .lines()
        .map(line)
        .map(|line| (line.2, line.3))
        .collect();
    assert!(calls.contains(&("zeImageCreate", "UNSUPPORTED_FEATURE")));
    assert!(calls.contains(&("zeMemFree", "DEVICE_LOST")));
    // Handles that are none show as well.
    assert!(calls.contains(&("zeContextDestroy", "INVALID_ARGUMENT")));
}

#[test]
fn the_report_says_what_is_live_when_the_process_ends() {
    let test = "the_report_says_what_is_live_when_the_process_ends";
    let Some(program) = Program::compile("client.c", test) else {
        return;
    };
    let report = [("LEVEL_ZERO_CPU_REPORT", "1")];
    let [_, err] = program.good(&["leave"], &report);
    assert!(
        err.starts_with("level-zero-cpu: live: 1 allocations, 1 contexts, 1 command lists"),
        "{err}"
    );
    assert!(
        err.contains(": 4321 bytes of device memory on device 0"),
        "{err}"
    );
    let [_, err] = program.good(&["fork_and_leave"], &report);
    assert_eq!(err.matches("live:").count(), 1, "{err}");
    for part in ["leave_late", "everything"] {
        let [_, err] = program.good(&[part], &report);
        assert_eq!(err, "level-zero-cpu: nothing is live\n", "{part}");
    }
    assert_eq!(
        program.good(&["leave"], &[("LEVEL_ZERO_CPU_REPORT", "0")]),
        ["", ""]
    );
}

#[test]
fn the_process_ends_while_threads_are_in_the_driver() {
    let test = "the_process_ends_while_threads_are_in_the_driver";
    let Some(program) = Program::compile("client.c", test) else {
        return;
    };
    for layers in [&VALIDATION[..], &[]] {
        for _ in 0..3 {
            assert_eq!(program.good(&["busy_exit"], layers), ["", ""]);
        }
    }
}

#[test]
fn newer_loaders_get_drivers_by_type_and_may_close_the_library() {
    let test = "newer_loaders_get_drivers_by_type_and_may_close_the_library";
    let Some(program) = Program::compile("client.c", test) else {
        return;
    };
    let library = library();
    let arguments = ["init_drivers", library.to_str().unwrap()];
    assert_eq!(program.good(&arguments, &[]), ["", ""]);
}

#[test]
fn lines_of_threads_stay_whole() {
    use level_zero_cpu::{Config, Instance, LogTo, api};
    let scratch = Scratch::new("lines_of_threads_stay_whole");
    let path = scratch.path("log");
    let config = Config::new().log_to(LogTo::File(path.clone()));
    let instance = Instance::new(config).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let mut count = 0;
                    // SAFETY: the count is there; null asks for it only.
                    let result = unsafe {
                        (api().zeDeviceGet)(
                            instance.driver_handle(),
                            &raw mut count,
                            std::ptr::null_mut(),
                        )
                    };
                    assert_eq!(result.0, SUCCESS);
                }
            });
        }
    });
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().map(line).collect();
    assert_eq!(lines.len(), 2000);
    assert!(
        lines
            .iter()
            .all(|line| (line.2, line.3) == ("zeDeviceGet", "SUCCESS"))
    );
    let threads: BTreeSet<_> = lines.iter().map(|line| line.1).collect();
    assert_eq!(threads.len(), 4);
}

#[test]
fn a_call_that_returns_a_handle_and_is_not_there_returns_none() {
    let Some(driver) = Driver::open() else { return };
    let mut table = [std::ptr::null::<c_void>(); 9];
    // SAFETY: the table has nine entries at this version.
    let result = unsafe {
        driver.getter("zeGetDriverProcAddrTable")(version(1, 14), table.as_mut_ptr().cast())
    };
    assert_eq!(result, SUCCESS);
    type GetDefaultContext = unsafe extern "C" fn(*mut c_void) -> *mut c_void;
    // SAFETY: the last entry is this call, and filled.
    let call = unsafe { std::mem::transmute::<*const c_void, GetDefaultContext>(table[8]) };
    // SAFETY: the driver looks handles up.
    assert!(unsafe { call(std::ptr::null_mut()) }.is_null());
}

/// A program may have the driver built in and load it as a library too.
#[test]
fn two_copies_in_a_process_have_handles_of_their_own() {
    use level_zero_cpu::{Config, Instance, api};
    use level_zero_sys as sys;
    let Some(driver) = Driver::open() else { return };
    let mut table = [std::ptr::null::<c_void>(); 2];
    // SAFETY: the table has two entries at this version.
    let result = unsafe {
        driver.getter("zeGetGlobalProcAddrTable")(version(1, 10), table.as_mut_ptr().cast())
    };
    assert_eq!(result, SUCCESS);
    // SAFETY: the entry is this call, and filled.
    let init_drivers =
        unsafe { std::mem::transmute::<*const c_void, sys::ze_pfnInitDrivers_t>(table[1]) };
    let mut desc = sys::ze_init_driver_type_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_INIT_DRIVER_TYPE_DESC,
        pNext: std::ptr::null(),
        flags: sys::ZE_INIT_DRIVER_TYPE_FLAG_GPU,
    };
    let (mut count, mut other) = (1, std::ptr::null_mut());
    // SAFETY: the count, the room for one handle and the descriptor are there.
    let result = unsafe { init_drivers.unwrap()(&raw mut count, &raw mut other, &raw mut desc) };
    assert_eq!(result, sys::ZE_RESULT_SUCCESS);
    let instance = Instance::new(Config::new()).unwrap();
    // Neither comes to the handles of the other in a long time.
    let apart = instance.driver_handle().addr().abs_diff(other.addr());
    assert!(apart > 16 << 20, "{apart}");
    let mut devices = 0;
    // SAFETY: the count is there, and the handle may be anything.
    let result = unsafe { (api().zeDeviceGet)(other, &raw mut devices, std::ptr::null_mut()) };
    assert_eq!(result, sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
}
