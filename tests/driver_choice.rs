//! Which driver is taken, and what a user reads where there is none.
#![cfg(feature = "cpu")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod child;

use std::sync::Mutex;
use ze_area::{Driver, Error, ErrorKind};

/// Prints what `Driver::find` finds, and what it says on the way.
fn report() {
    static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

    struct Listener;
    struct Fields<'a>(&'a mut String);
    impl tracing::field::Visit for Fields<'_> {
        fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
            self.0.push_str(&format!(" {field}={value:?}"));
        }
    }
    impl tracing::Subscriber for Listener {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, event: &tracing::Event<'_>) {
            let mut line = event.metadata().level().to_string();
            event.record(&mut Fields(&mut line));
            SAID.lock().unwrap().push(line);
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }

    tracing::subscriber::set_global_default(Listener).unwrap();
    match Driver::find() {
        Ok(driver) => println!("found: {}", driver.origin()),
        Err(error) => println!("error: {:?}: {error}", error.kind()),
    }
    for line in SAID.lock().unwrap().iter() {
        println!("said: {line}");
    }
}

/// What a child prints with that environment.
fn found(test: &str, environment: &[(&str, &str)]) -> String {
    let output = child::run(test, "find", environment);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_cpu_driver_is_taken_silently_only_by_name() {
    if child::task().is_some() {
        return report();
    }
    let test = "the_cpu_driver_is_taken_silently_only_by_name";
    let text = found(test, &[("ZE_AREA_DRIVER", "cpu")]);
    assert!(
        text.contains("found: the CPU driver") && !text.contains("said:"),
        "{text}"
    );
    let text = found(test, &[]);
    let system = text.contains("found: libze_loader.so.1") && !text.contains("said:");
    let fallback = text.contains("found: the CPU driver") && text.contains("said: WARN");
    assert!(system || fallback, "{text}");
}

#[test]
fn without_a_subscriber_the_standard_error_says_so() {
    if child::task().is_some() {
        println!("found: {}", Driver::find().unwrap().origin());
        return;
    }
    let output = child::run(
        "without_a_subscriber_the_standard_error_says_so",
        "find",
        &[],
    );
    let (out, err) = [output.stdout, output.stderr].map(String::from_utf8).into();
    let (out, err) = (out.unwrap(), err.unwrap());
    assert_eq!(
        out.contains("found: the CPU driver"),
        err.contains("ze-area: no GPU driver"),
        "{err}"
    );
}

#[test]
fn a_driver_that_is_named_and_fails_is_an_error_not_a_fallback() {
    if child::task().is_some() {
        return report();
    }
    let test = "a_driver_that_is_named_and_fails_is_an_error_not_a_fallback";
    for (value, parts) in [
        (
            "/nowhere/libze_loader.so.1",
            ["Failure", "/nowhere/libze_loader.so.1"],
        ),
        ("./Cargo.toml", ["Failure", "Cargo.toml"]),
        ("gpu", ["InvalidArgument", "`system`, `cpu`, or the path"]),
    ] {
        let text = found(test, &[("ZE_AREA_DRIVER", value)]);
        assert!(
            text.contains("error:") && parts.iter().all(|part| text.contains(part)),
            "{text}"
        );
    }
}

#[test]
fn a_library_that_is_no_driver_is_named_with_what_it_lacks() {
    if child::task().is_some() {
        return report();
    }
    let libc = std::fs::read_to_string("/proc/self/maps").unwrap();
    let Some(path) = libc
        .split_whitespace()
        .find(|word| word.ends_with("/libc.so.6"))
    else {
        return;
    };
    let text = found(
        "a_library_that_is_no_driver_is_named_with_what_it_lacks",
        &[("ZE_AREA_DRIVER", path)],
    );
    assert!(
        text.contains(path) && text.contains("has no zeInit"),
        "{text}"
    );
}

/// The CPU driver as a shared library, which cargo builds beside the tests; none that has a
/// sanitizer in it, as the tests then have.
#[test]
fn a_driver_works_without_a_loader() {
    if child::task().is_some() {
        let context = ze_area::Context::new().unwrap();
        let area = context.device_area(&context.devices()[0]);
        let buffer = area.mmap_from_slice(&[1_u8, 2, 3]).unwrap();
        let queue = context.queue(&context.devices()[0]).unwrap();
        assert_eq!(queue.to_vec(&buffer).unwrap(), [1, 2, 3]);
        return report();
    }
    let tests = std::env::current_exe().unwrap();
    let path = tests.with_file_name("liblevel_zero_cpu.so");
    let loadable = std::fs::read(&path).is_ok_and(|bytes| {
        let mut words = bytes.split(|byte| *byte == 0);
        !words.any(|word| word.starts_with(b"__asan_init") || word.starts_with(b"__tsan_init"))
    });
    if !loadable {
        return;
    }
    let path = path.to_str().unwrap();
    let variables = [("ZE_AREA_DRIVER", path), ("LEVEL_ZERO_CPU_REPORT", "1")];
    let output = child::run("a_driver_works_without_a_loader", "find", &variables);
    assert!(output.status.success(), "{output:?}");
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(out.contains(&format!("found: {path}")), "{out}");
    assert!(err.contains("level-zero-cpu: nothing is live"), "{err}");
}

#[test]
fn no_driver_at_all_says_what_was_tried_and_what_to_install() {
    if child::task().is_some() {
        return report();
    }
    let test = "no_driver_at_all_says_what_was_tried_and_what_to_install";
    let text = found(test, &[("LEVEL_ZERO_CPU_DEVICES", "many")]);
    if text.contains("found: libze_loader.so.1") {
        return;
    }
    for part in [
        "error: Failure",
        "ze",
        "LEVEL_ZERO_CPU_DEVICES",
        "apt-get install",
        "libze1",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_driver_that_does_not_exist_is_an_error_with_the_count() {
    // SAFETY: the table is the CPU driver's own.
    let error = unsafe { Driver::from_api(ze_area::cpu::api(), 1) }.unwrap_err();
    assert!(
        matches!(
            error,
            Error::NoSuchDriver {
                index: 1,
                count: 1,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::Failure);
}

#[test]
fn a_missing_library_is_an_error_that_names_it() {
    // SAFETY: there is no such library.
    let error = unsafe { Driver::load("/nowhere/libze_intel_gpu.so.1") }.unwrap_err();
    assert!(matches!(error, Error::Load(_)));
    assert!(
        error.to_string().contains("/nowhere/libze_intel_gpu.so.1"),
        "{error}"
    );
    if cfg!(target_env = "gnu") {
        let reason = "cannot open shared object file";
        assert!(error.to_string().contains(reason), "{error}");
    }
}
