//! The library inside a shared library, which any thread may load and which outlives that thread.
#![cfg(all(feature = "cpu", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod child;

use std::ffi::c_long;

/// The example `plugin`, which cargo builds beside the tests.
fn load() -> libloading::Library {
    let program = std::env::current_exe().unwrap();
    let built = program.ancestors().nth(2).unwrap();
    let plugin = built.join("examples/libplugin.so");
    // SAFETY: the example has no initialisers but the library's own.
    unsafe { libloading::Library::new(plugin) }
        .expect("built by `cargo test`, or `cargo build --examples --all-features`")
}

fn round_trip(plugin: &libloading::Library) -> c_long {
    // SAFETY: the example gives the function this type.
    let function = unsafe { plugin.get::<extern "C" fn(c_long) -> c_long>(b"round_trip") };
    function.unwrap()(1000)
}

#[test]
fn a_library_that_a_thread_loaded_goes_on_after_the_thread() {
    if child::task().is_none() {
        let test = "a_library_that_a_thread_loaded_goes_on_after_the_thread";
        let output = child::run(test, "load", &[("ZE_AREA_DRIVER", "cpu")]);
        assert!(output.status.success(), "{output:?}");
        return;
    }
    let loading = std::thread::spawn(|| {
        let plugin = load();
        assert_eq!(round_trip(&plugin), 1000);
        plugin
    });
    let plugin = loading.join().unwrap();
    assert_eq!(round_trip(&plugin), 1000);
    let later = std::thread::spawn(move || round_trip(&plugin));
    assert_eq!(later.join().unwrap(), 1000);
}
