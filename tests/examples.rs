//! The examples do what they say, run as a user runs them: on the CPU driver, with exit codes.
//!
//! `cargo test` builds them first. With `--test examples` or `--all-targets` it does not: then
//! `cargo build --examples --features cpu` goes before it.
#![cfg(feature = "cpu")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "examples/kernels.rs"]
mod kernels;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs an example on the CPU driver.
fn run<const N: usize>(example: &str, arguments: [&OsStr; N]) -> Output {
    run_with(example, arguments, &[("ZE_AREA_DRIVER", "cpu")])
}

/// Runs an example in an environment that says which driver to take.
fn run_with<const N: usize>(
    example: &str,
    arguments: [&OsStr; N],
    environment: &[(&str, &str)],
) -> Output {
    let test = std::env::current_exe().expect("the path of this test");
    let profile = test
        .ancestors()
        .nth(2)
        .expect("target/<profile>/deps/<test>");
    let name = format!("{example}{}", std::env::consts::EXE_SUFFIX);
    let program = profile.join("examples").join(name);
    Command::new(&program)
        .args(arguments)
        .env_remove("RUST_LOG")
        .envs(environment.iter().copied())
        .output()
        .unwrap_or_else(|error| {
            let program = program.display();
            panic!("{program}: {error}; build it: cargo build --examples --features cpu")
        })
}

/// What the program wrote to its output, with one space between words.
fn lines(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().map(words).collect()
}

/// Runs an example on a file that it must refuse, and returns what it said.
fn refusal_of(example: &str, file: &Path) -> String {
    let output = run(example, [file.as_os_str()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    assert!(said.contains(&file.display().to_string()), "{said}");
    said
}

fn refusal(file: &Path) -> String {
    refusal_of("quickstart", file)
}

fn file(name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&file, text).expect("a file in the target directory");
    file
}

#[test]
fn quickstart_prints_the_known_summaries_of_the_shipped_file() {
    let output = run("quickstart", []);
    let said = String::from_utf8_lossy(&output.stderr);
    let lines = lines(&output);
    assert!(output.status.success(), "{said}\n{lines:#?}");
    // From Python's `statistics.fmean` and `statistics.stdev`.
    for known in [
        "file -> host same values, same summaries",
        "host -> device -> shared same values, same summaries",
        "shared -> device -> Vec same values, same summaries",
        "column count mean std dev min max",
        "JAN 61 24.392 0.914 22.980 28.120",
        "FEB 61 25.839 0.801 24.200 28.820",
        "MAR 61 26.248 0.897 24.470 29.240",
        "APR 61 25.387 1.127 22.970 28.820",
        "MAY 61 24.162 1.324 21.730 28.370",
        "JUN 61 22.834 1.283 20.770 27.430",
        "JUL 61 21.744 1.229 19.520 25.730",
        "AUG 61 20.843 1.139 19.270 24.950",
        "SEP 61 20.584 1.007 18.950 24.690",
        "OCT 61 20.862 1.054 19.110 24.640",
        "NOV 61 21.524 1.094 19.440 25.850",
        "DEC 61 22.693 1.083 21.050 27.080",
        "device 5856 bytes 0 bytes",
        "shared 5856 bytes 0 bytes",
        "host 5856 bytes 0 bytes",
    ] {
        assert!(
            lines.iter().any(|line| line == known),
            "{known}\n{lines:#?}"
        );
    }
}

#[test]
fn quickstart_takes_a_file_of_the_user() {
    let file = file("own.csv", "name, size\nfirst, 1\n\"the second\", 2\n");
    let output = run("quickstart", [file.as_os_str()]);
    assert!(output.status.success(), "{output:?}");
    let lines = lines(&output);
    assert!(
        lines
            .iter()
            .any(|line| line == "size 2 1.500 0.707 1.000 2.000"),
        "{lines:#?}"
    );
}

#[test]
fn quickstart_names_file_and_line_of_what_is_no_number() {
    let file = file("word.csv", "name,a,b\nx,1,2\ny,3,four\n");
    let said = refusal(&file);
    assert!(
        said.contains("word.csv:3: \"four\" in column b is not a number"),
        "{said}"
    );
}

#[test]
fn quickstart_names_file_and_line_of_a_missing_value() {
    let file = file("hole.csv", "name,a,b\nx,,2\ny,3,4\n");
    let said = refusal(&file);
    assert!(said.contains("hole.csv:2: column a has no value"), "{said}");
}

#[test]
fn quickstart_names_file_and_line_of_a_short_row() {
    let file = file("short.csv", "name,a,b\nx,1,2\ny,3\n");
    let said = refusal(&file);
    assert!(said.contains("line: 3"), "{said}");
}

#[test]
fn quickstart_refuses_a_file_without_numbers() {
    let file = file("empty.csv", "");
    assert!(refusal(&file).contains("no numbers"));
}

#[test]
fn quickstart_names_a_file_that_is_not_there() {
    let missing = Path::new(env!("CARGO_TARGET_TMPDIR")).join("missing.csv");
    refusal(&missing);
}

#[test]
fn devices_lists_the_cpu_driver_and_its_device() {
    let output = run("devices", []);
    assert!(output.status.success(), "{output:?}");
    let lines = lines(&output);
    let driver = "the CPU driver (the one that Context::new() takes)";
    assert!(
        lines.iter().any(|line| line.ends_with(driver)),
        "{lines:#?}"
    );
    let name = ze_area::Driver::cpu().expect("the CPU driver").devices()[0]
        .name()
        .to_owned();
    assert!(
        lines.iter().any(|line| line.ends_with(&name)),
        "{name}\n{lines:#?}"
    );
}

#[test]
fn devices_prints_its_usage() {
    let output = run("devices", [OsStr::new("--help")]);
    assert!(output.status.success());
    assert!(
        lines(&output)
            .iter()
            .any(|line| line.starts_with("usage: devices"))
    );
    let output = run("devices", [OsStr::new("--nonsense")]);
    assert_eq!(output.status.code(), Some(2));
}
