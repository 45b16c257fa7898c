//! What needs a process of its own: traps, and the environment.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails, as it should"
)]

mod setup;

use level_zero_cpu::{Config, Instance, api};
use setup::*;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::ptr::null_mut;

const PART: &str = "ZE_CPU_TEST_PART";

/// Runs one test of this program again, as the child that finds `PART` set.
fn child(test: &str, part: &str, environment: &[(&str, &str)]) -> ExitStatus {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(PART, part)
        .envs(environment.iter().copied())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap()
}

fn part() -> Option<String> {
    std::env::var(PART).ok()
}

fn touch(pointer: *mut std::ffi::c_void, write: bool) {
    let pointer = pointer.cast::<u8>();
    if write {
        // SAFETY: none: this is to trap.
        unsafe { pointer.write_volatile(1) };
    } else {
        // SAFETY: none: this is to trap.
        unsafe { pointer.read_volatile() };
    }
}

#[test]
fn a_stray_host_access_traps() {
    if let Some(part) = part() {
        let gpu = Gpu::with(Config::new().trap_freed(true));
        let (kind, freed, write) = match part.as_str() {
            "device read" => (Kind::Device, false, false),
            "device write" => (Kind::Device, false, true),
            "freed device" => (Kind::Device, true, false),
            "freed host" => (Kind::Host, true, false),
            "freed shared" => (Kind::Shared, true, true),
            _ => (Kind::Host, false, true),
        };
        let pointer = gpu.alloc(kind, 100, 0).unwrap();
        if freed {
            assert_eq!(gpu.free(pointer), SUCCESS);
        }
        touch(pointer, write);
        return;
    }
    let test = "a_stray_host_access_traps";
    for part in [
        "device read",
        "device write",
        "freed device",
        "freed host",
        "freed shared",
    ] {
        assert_eq!(child(test, part, &[]).signal(), Some(11), "{part}");
    }
    assert!(child(test, "live host", &[]).success());
}

#[test]
fn a_handle_that_is_dereferenced_traps() {
    if part().is_some() {
        touch(Gpu::new().context.cast(), false);
        return;
    }
    assert_eq!(
        child("a_handle_that_is_dereferenced_traps", "x", &[]).signal(),
        Some(11)
    );
}

#[test]
fn the_environment_sets_the_global_instance_up() {
    if part().as_deref() == Some("good") {
        let gpu = Gpu::on(Instance::global().unwrap().clone());
        assert_eq!(gpu.devices.len(), 3);
        assert_eq!(
            gpu.alloc(Kind::Device, (1 << 20) + 1, 0),
            Err(UNSUPPORTED_SIZE)
        );
        assert_eq!(gpu.alloc(Kind::Host, 64 << 10, 0), Err(OUT_OF_HOST_MEMORY));
        return;
    }
    if part().is_some() {
        assert_eq!(
            Config::from_env().unwrap_err().variable,
            "LEVEL_ZERO_CPU_HOST_MEMORY"
        );
        let error = Instance::global().unwrap_err();
        assert!(
            error.to_string().contains("LEVEL_ZERO_CPU_HOST_MEMORY"),
            "{error}"
        );
        // SAFETY: takes flags only.
        let result = unsafe { (api().zeInit)(0) };
        assert_eq!(result, UNINITIALIZED);
        return;
    }
    let test = "the_environment_sets_the_global_instance_up";
    let good = [
        ("LEVEL_ZERO_CPU_DEVICES", "3"),
        ("LEVEL_ZERO_CPU_HOST_MEMORY", "32K"),
        ("LEVEL_ZERO_CPU_MAX_ALLOCATION", "1M"),
    ];
    assert!(child(test, "good", &good).success());
    assert!(child(test, "bad", &[("LEVEL_ZERO_CPU_HOST_MEMORY", "much")]).success());
}

#[test]
fn a_forked_child_has_no_device() {
    if part().is_none() {
        let test = "a_forked_child_has_no_device";
        assert!(cfg!(tsan) || child(test, "x", &[]).success());
        return;
    }
    let gpu = Gpu::new();
    let pointer = gpu.alloc(Kind::Device, 4096, 0).unwrap();
    gpu.upload(pointer, &[1; 4096]);
    let api = api();
    // SAFETY: the driver checks handles, here and below.
    let of_event = |event| unsafe { (api.zeEventQueryStatus)(event) };
    // SAFETY: as above.
    let of_fence = |fence| unsafe { (api.zeFenceQueryStatus)(fence) };
    let of_modules = api.zeModuleDynamicLink;
    // SAFETY: the child calls the driver, which is what is tested, and ends without cleaning up.
    let forked = unsafe { libc::fork() };
    if forked == 0 {
        let mut other = null_mut();
        let results = [
            alloc_in(gpu.context, gpu.device(), Kind::Device, 1, 0, &mut other),
            gpu.fill(pointer, &[2], 4096),
            gpu.free(pointer),
            destroy_context(gpu.context),
            // Nothing is looked up, not even to find that it is not there.
            destroy_context(handle(16)),
            of_event(handle(16)),
            of_fence(handle(16)),
            // SAFETY: null is refused.
            unsafe { of_modules(1, null_mut(), null_mut()) },
        ];
        let lost = results.iter().all(|result| *result == DEVICE_LOST);
        // SAFETY: tells only whether something is mapped there.
        let mapped = unsafe { libc::msync(pointer, 4096, libc::MS_ASYNC) } == 0;
        // SAFETY: takes flags only.
        let init = unsafe { (api.zeInit)(0) };
        let new = init != UNINITIALIZED || Instance::new(Config::new()).is_ok();
        // SAFETY: ends the process.
        unsafe { libc::_exit(i32::from(!lost || mapped || new)) };
    }
    assert!(forked > 0);
    let mut status = 1;
    // SAFETY: room for the status.
    assert_eq!(unsafe { libc::waitpid(forked, &raw mut status, 0) }, forked);
    assert_eq!(status, 0);
    assert_eq!(gpu.download(pointer, 4096), [1; 4096]);
    assert_eq!(gpu.free(pointer), SUCCESS);
    assert!(gpu.end().is_empty());
}
