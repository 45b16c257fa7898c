//! What needs a process of its own: traps, and the environment.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails, as it should"
)]

mod setup;

use level_zero_cpu::{Config, Instance, api};
use level_zero_sys as sys;
use setup::*;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

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
        assert!(cfg!(any(asan, tsan)) || child(test, "x", &[]).success());
        return;
    }
    let gpu = Gpu::new();
    let pointer = gpu.alloc(Kind::Device, 4096, 0).unwrap();
    gpu.upload(pointer, &[1; 4096]);
    // SAFETY: the child calls the driver, which is what is tested, and ends without cleaning up.
    let forked = unsafe { libc::fork() };
    if forked == 0 {
        let mut other = std::ptr::null_mut();
        let results = [
            alloc_in(gpu.context, gpu.device(), Kind::Device, 1, 0, &mut other),
            gpu.fill(pointer, &[2], 4096),
            gpu.free(pointer),
            destroy_context(gpu.context),
            // Not even a handle is looked up there.
            // SAFETY: the driver checks handles.
            unsafe { (api().zeEventQueryStatus)(std::ptr::null_mut()) },
            // SAFETY: as above.
            unsafe { (api().zeFenceQueryStatus)(std::ptr::null_mut()) },
            // SAFETY: as above; one handle.
            unsafe {
                let mut module = std::ptr::null_mut();
                (api().zeModuleDynamicLink)(1, &raw mut module, std::ptr::null_mut())
            },
        ];
        let lost = results.iter().all(|result| *result == DEVICE_LOST);
        // SAFETY: tells only whether something is mapped there.
        let mapped = unsafe { libc::msync(pointer, 4096, libc::MS_ASYNC) } == 0;
        // SAFETY: takes flags only.
        let init = unsafe { (api().zeInit)(0) };
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

#[test]
fn a_forked_child_that_drops_its_copy_changes_nothing() {
    if part().is_none() {
        let test = "a_forked_child_that_drops_its_copy_changes_nothing";
        assert!(cfg!(any(asan, tsan)) || child(test, "x", &[]).success());
        return;
    }
    let instance = Instance::new(Config::new()).unwrap();
    let gpu = Gpu::on(instance);
    let pointer = gpu.alloc(Kind::Device, 4096, 0).unwrap();
    let exported = gpu.alloc(Kind::Device, 4096, 0).unwrap();
    let mut handle = sys::ze_ipc_mem_handle_t { data: [0; 64] };
    // SAFETY: room for the handle.
    let result = unsafe { (api().zeMemGetIpcHandle)(gpu.context, exported, &raw mut handle) };
    assert_eq!(result, SUCCESS);
    let other = Instance::new(Config::new()).unwrap();
    let gone = other.clone();
    let peer = Gpu::on(other);
    let base = peer.alloc(Kind::Device, 4096, 0).unwrap();
    let mut second = handle;
    // SAFETY: room for the handle.
    let result = unsafe { (api().zeMemGetIpcHandle)(peer.context, base, &raw mut second) };
    assert_eq!(result, SUCCESS);
    // SAFETY: used no more.
    let result = unsafe { (api().zeCommandListDestroy)(peer.list) };
    assert_eq!(result, SUCCESS);
    let context = peer.context;
    assert_eq!(destroy_context(context), SUCCESS);
    drop(peer);
    // The last of that driver is `gone` now.
    // SAFETY: the child ends without cleaning up.
    let forked = unsafe { libc::fork() };
    if forked == 0 {
        // What the child maps where the memory of devices was in the parent is its own.
        let (flags, all) = (
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE,
            libc::PROT_READ | libc::PROT_WRITE,
        );
        // SAFETY: a new mapping, which replaces none.
        let own = unsafe { libc::mmap(base, 4096, all, flags, -1, 0) };
        drop(gone);
        let kept = own == base && {
            // SAFETY: tells only whether something is mapped there.
            unsafe { libc::msync(own, 4096, libc::MS_ASYNC) == 0 }
        };
        // SAFETY: ends the process.
        unsafe { libc::_exit(i32::from(!kept)) };
    }
    assert!(forked > 0);
    let mut status = 1;
    // SAFETY: room for the status.
    assert_eq!(unsafe { libc::waitpid(forked, &raw mut status, 0) }, forked);
    assert_eq!(status, 0);
    // The exports of the parent still open.
    for handle in [handle, second] {
        let mut opened = std::ptr::null_mut();
        let call = api().zeMemOpenIpcHandle;
        // SAFETY: room for the pointer.
        let result = unsafe { call(gpu.context, gpu.device(), handle, 0, &raw mut opened) };
        assert_eq!(result, SUCCESS);
        // SAFETY: the driver checks the pointer.
        let result = unsafe { (api().zeMemCloseIpcHandle)(gpu.context, opened) };
        assert_eq!(result, SUCCESS);
    }
    drop(gone);
    // SAFETY: the driver checks the handle.
    let result = unsafe { (api().zeMemPutIpcHandle.unwrap())(gpu.context, handle) };
    assert_eq!(result, SUCCESS);
    assert_eq!((gpu.free(pointer), gpu.free(exported)), (SUCCESS, SUCCESS));
    assert!(gpu.end().is_empty());
}

#[test]
fn a_process_without_mappings_left_gets_errors_and_works_on() {
    const PAGE: usize = 64 << 10;
    const PAGES: usize = 120_000;
    if part().is_none() {
        let test = "a_process_without_mappings_left_gets_errors_and_works_on";
        // The sanitizers need mappings of their own.
        assert!(cfg!(any(asan, tsan)) || child(test, "x", &[]).success());
        return;
    }
    let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
    if limit.trim().parse::<usize>().unwrap() > PAGES / 2 + PAGES / 10 {
        println!("skipped: system: many mappings are allowed");
        return;
    }
    let gpu = Gpu::new();
    let (context, write) = (gpu.context, sys::ZE_MEMORY_ACCESS_ATTRIBUTE_READWRITE);
    let mut desc = sys::ze_physical_mem_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_PHYSICAL_MEM_DESC,
        pNext: std::ptr::null(),
        flags: 0,
        size: 3 * PAGE,
    };
    let (mut memory, mut start) = (std::ptr::null_mut(), std::ptr::null_mut());
    let create = api().zePhysicalMemCreate;
    // SAFETY: descriptor and result are live.
    let result = unsafe { create(context, gpu.device(), &raw mut desc, &raw mut memory) };
    assert_eq!(result, SUCCESS);
    let len = PAGES * PAGE;
    let reserve = api().zeVirtualMemReserve;
    // SAFETY: room for the result.
    let result = unsafe { reserve(context, std::ptr::null(), len, &raw mut start) };
    assert_eq!(result, SUCCESS);
    let at = |page: usize| start.wrapping_byte_add(page * PAGE);
    let map = |page, pages: usize| {
        // SAFETY: the driver checks the range and the handle.
        unsafe { (api().zeVirtualMemMap)(context, at(page), pages * PAGE, memory, 0, write) }
    };
    let unmap = |page, pages: usize| {
        // SAFETY: the driver checks the range.
        unsafe { (api().zeVirtualMemUnmap)(context, at(page), pages * PAGE) }
    };
    // Of three pages each, so that the one in the middle cannot go without another mapping.
    let mut mapped = 0;
    let refused = loop {
        match map(3 * mapped, 3) {
            SUCCESS => mapped += 1,
            code => break code,
        }
    };
    assert_eq!(refused, OUT_OF_HOST_MEMORY);
    let mut pages = vec![true; 3 * mapped];
    let mut random = Random::new(5);
    for _ in 0..10_000 {
        let page = random.below(pages.len());
        let result = if pages[page] {
            unmap(page, 1)
        } else {
            map(page, 1)
        };
        assert!(matches!(result, SUCCESS | OUT_OF_HOST_MEMORY), "{result:?}");
        if result == SUCCESS {
            pages[page] = !pages[page];
        }
        // What is said to be mapped can be used.
        let result = gpu.fill(at(page), &[1], PAGE);
        assert_eq!(result == SUCCESS, pages[page]);
        let small = gpu.alloc(Kind::Device, 100, 0);
        assert!(small.is_ok_and(|pointer| gpu.free(pointer) == SUCCESS));
    }
    // SAFETY: the driver checks the range.
    let result = unsafe { (api().zeVirtualMemFree)(context, start, len) };
    assert_eq!(result, SUCCESS);
    // SAFETY: the driver checks the handle.
    let result = unsafe { (api().zePhysicalMemDestroy)(context, memory) };
    assert_eq!(result, SUCCESS);
    assert!(gpu.end().is_empty());
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert!(maps.lines().count() < 1000);
}
