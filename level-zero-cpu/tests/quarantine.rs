//! Freed memory that stays open: writes to it are found out.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails, as it should"
)]

mod setup;

use level_zero_cpu::{Config, FREED_BYTE, api};
use setup::*;
use std::ffi::c_void;
use std::process::Command;

const OPEN: [Kind; 2] = [Kind::Shared, Kind::Host];

fn poke(pointer: *mut c_void, offset: usize) {
    let byte = pointer.cast::<u8>().wrapping_add(offset);
    // SAFETY: freed memory of the driver that stays open, which no thread uses.
    unsafe { byte.write_volatile(7) };
}

#[test]
fn a_write_after_free_is_counted_once() {
    for kind in OPEN {
        for (size, offset) in [
            (1, 0),
            (100, 99),
            (16 << 10, 9000),
            (1 << 20, (1 << 20) - 1),
        ] {
            let gpu = Gpu::new();
            let pointer = gpu.alloc(kind, size, 0).unwrap();
            assert_eq!(gpu.free(pointer), SUCCESS);
            assert_eq!(gpu.instance.ledger().written_after_free, 0);
            let byte = pointer.cast::<u8>().wrapping_add(offset);
            // SAFETY: as for `poke`.
            let freed = unsafe { byte.read_volatile() };
            assert_eq!(freed, FREED_BYTE);
            poke(pointer, offset);
            let ledger = gpu.instance.ledger();
            assert_eq!(ledger.written_after_free, 1);
            assert!(ledger.to_string().contains("written after"), "{ledger}");
            let first = ledger.writes_after_free[0];
            assert_eq!((first.address, first.size), (pointer.addr(), size));
            let ledger = gpu.end();
            assert_eq!(ledger.written_after_free, 1);
            assert!(!ledger.is_empty());
        }
    }
}

#[test]
fn a_write_after_free_is_found_when_the_memory_leaves_the_quarantine() {
    for kind in OPEN {
        let gpu = Gpu::new();
        let first = gpu.alloc(kind, 1000, 0).unwrap();
        assert_eq!(gpu.free(first), SUCCESS);
        poke(first, 500);
        let mut reused = false;
        for _ in 0..200 {
            let pointer = gpu.alloc(kind, 1000, 0).unwrap();
            reused |= pointer == first;
            assert_eq!(gpu.free(pointer), SUCCESS);
        }
        assert!(reused);
        assert_eq!(gpu.end().written_after_free, 1);
    }
}

#[test]
fn memory_that_was_just_freed_is_not_the_next_allocation() {
    for kind in OPEN {
        let gpu = Gpu::new();
        let first = gpu.alloc(kind, 64, 0).unwrap();
        assert_eq!(gpu.free(first), SUCCESS);
        let second = gpu.alloc(kind, 64, 0).unwrap();
        assert_ne!(first, second);
        assert_eq!(gpu.free(second), SUCCESS);
        assert!(gpu.end().is_empty());
    }
}

#[test]
fn memory_in_quarantine_is_there_when_nothing_else_is_left() {
    for kind in OPEN {
        let gpu = Gpu::with(Config::new().host_memory(8 << 20));
        for _ in 0..100 {
            let pointer = gpu.alloc(kind, 8 << 20, 0).unwrap();
            assert_eq!(gpu.alloc(kind, 1, 0), Err(OUT_OF_HOST_MEMORY));
            assert_eq!(gpu.free(pointer), SUCCESS);
        }
        assert!(gpu.end().is_empty());
    }
}

#[test]
fn the_first_write_after_free_is_said_on_standard_error() {
    const PART: &str = "LEVEL_ZERO_CPU_TEST_PART";
    if std::env::var_os(PART).is_some() {
        let gpu = Gpu::new();
        for kind in OPEN {
            let pointers = [(); 3].map(|()| gpu.alloc(kind, 100, 0).unwrap());
            for pointer in pointers {
                assert_eq!(gpu.free(pointer), SUCCESS);
                poke(pointer, 50);
            }
        }
        // Nobody asks for the ledger: the end of the instance says it.
        // SAFETY: used no more.
        assert_eq!(unsafe { (api().zeCommandListDestroy)(gpu.list) }, SUCCESS);
        assert_eq!(destroy_context(gpu.context), SUCCESS);
        drop(gpu);
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "the_first_write_after_free_is_said_on_standard_error",
        ])
        .arg("--nocapture")
        .env(PART, "1")
        .output()
        .unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said.matches("was written after it was freed").count(),
        2,
        "{said}"
    );
}

/// Bytes of memory that this process has.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[test]
fn freed_memory_goes_back_to_the_system() {
    const PART: &str = "LEVEL_ZERO_CPU_TEST_RESIDENT";
    let test = "freed_memory_goes_back_to_the_system";
    if std::env::var_os(PART).is_none() {
        if cfg!(tsan) {
            // ThreadSanitizer keeps what it knows of memory that is gone.
            return;
        }
        // Alone in its process: other tests use memory meanwhile.
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test])
            .env(PART, "1")
            .status();
        assert!(status.unwrap().success());
        return;
    }
    for kind in KINDS {
        let gpu = Gpu::new();
        let before = resident();
        let size = 32 << 20;
        let pointers: Vec<_> = (0..16).map(|_| gpu.alloc(kind, size, 0).unwrap()).collect();
        for pointer in &pointers {
            assert_eq!(gpu.fill(*pointer, &[1], size), SUCCESS);
        }
        assert!(resident() - before >= 512 << 20, "{kind}");
        for pointer in pointers {
            assert_eq!(gpu.free(pointer), SUCCESS);
        }
        let after = resident().saturating_sub(before);
        assert!(after < 360 << 20, "{kind}: {after}");
    }
}
