//! Programs that know nothing of this driver, through the machine's loader.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod machine;

use machine::{Program, lacks};
use std::path::PathBuf;

/// What a program is run with, one after the other.
const WAYS: [&[(&str, &str)]; 4] = [
    &[],
    &[
        ("ZE_ENABLE_VALIDATION_LAYER", "1"),
        ("ZE_ENABLE_PARAMETER_VALIDATION", "1"),
    ],
    &[
        ("ZE_ENABLE_TRACING_LAYER", "1"),
        ("ZE_ENABLE_LOADER_INTERCEPT", "1"),
        ("LEVEL_ZERO_CPU_DEVICES", "2"),
        ("LEVEL_ZERO_CPU_SUB_DEVICES", "2"),
    ],
    &[("LEVEL_ZERO_CPU_TRAP_FREED", "1")],
];

/// The program ends well, no layer has a word to say, and nothing is live in the end of it and of
/// the processes that it starts.
fn check(program: &Program, processes: usize) {
    for way in WAYS {
        let report = [("LEVEL_ZERO_CPU_REPORT", "1")];
        let settings: Vec<_> = way.iter().chain(&report).copied().collect();
        assert_eq!(
            program.good(&[], &settings),
            [
                "ok\n",
                &*"level-zero-cpu: nothing is live\n".repeat(processes)
            ],
            "{way:?}"
        );
    }
}

#[test]
fn every_call_on_memory_and_every_transfer_works_in_a_c_program() {
    let test = "every_call_on_memory_and_every_transfer_works_in_a_c_program";
    if let Some(program) = Program::compile("every_call.c", test) {
        check(&program, 1);
    }
}

/// Where `scripts/install-umf` puts Intel's Unified Memory Framework.
fn umf() -> PathBuf {
    let data = |home: PathBuf| home.join("level-zero-cpu/umf");
    let folders = [
        std::env::var_os("UMF_ROOT").map(PathBuf::from),
        std::env::var_os("XDG_DATA_HOME").map(|home| data(home.into())),
        std::env::home_dir().map(|home| data(home.join(".local/share"))),
    ];
    let mut folders = folders.into_iter().flatten();
    let found = folders.find(|folder| folder.join("include/umf.h").is_file());
    found.unwrap_or_else(|| "/opt/level-zero-cpu/umf".into())
}

#[test]
fn intels_memory_framework_allocates_frees_and_shares() {
    let root = umf();
    if !root.join("include/umf.h").is_file() {
        return lacks("umf", "no Unified Memory Framework (scripts/install-umf)");
    }
    let (include, lib) = (root.join("include"), root.join("lib"));
    let (include, lib) = (include.to_str().unwrap(), lib.to_str().unwrap());
    let path = format!("-Wl,-rpath,{lib}");
    let flags = ["-I", include, "-L", lib, &path, "-lumf"];
    let test = "intels_memory_framework_allocates_frees_and_shares";
    if let Some(program) = Program::compile_with("umf.c", &flags, test) {
        // It shares three times.
        check(&program, 4);
    }
}
