//! Device memory of the CPU driver is out of the host's reach, as on a discrete GPU.
#![cfg(all(feature = "cpu", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod child;

use std::os::unix::process::ExitStatusExt;
use ze_area::{Context, Driver};

const SIGSEGV: i32 = 11;

#[test]
fn a_raw_pointer_into_device_memory_traps() {
    let Some(task) = child::task() else {
        for (task, signal) in [
            ("read", Some(SIGSEGV)),
            ("write", Some(SIGSEGV)),
            ("none", None),
        ] {
            let output = child::run("a_raw_pointer_into_device_memory_traps", task, &[]);
            assert_eq!(output.status.signal(), signal, "{task}: {output:?}");
        }
        return;
    };
    let context = Context::builder()
        .driver(&Driver::cpu().unwrap())
        .build()
        .unwrap();
    let area = context.device_area(&context.devices()[0]);
    let mut buffer = area.mmap_from_slice(&[1_u64, 2, 3]).unwrap();
    match task.as_str() {
        // SAFETY: none: the process is to die of it.
        "read" => println!("{}", unsafe { buffer.device_ptr().read_volatile() }),
        // SAFETY: none: the process is to die of it.
        "write" => unsafe { buffer.device_mut_ptr().write_volatile(7) },
        _ => {}
    }
}

#[test]
fn freed_host_memory_traps() {
    if child::task().is_none() {
        let trap = [("LEVEL_ZERO_CPU_TRAP_FREED", "1")];
        let output = child::run("freed_host_memory_traps", "read", &trap);
        assert_eq!(output.status.signal(), Some(SIGSEGV), "{output:?}");
        return;
    }
    let context = Context::builder()
        .driver(&Driver::cpu().unwrap())
        .build()
        .unwrap();
    let buffer = context.host_area().mmap::<u64>(3).unwrap();
    let pointer = buffer.device_ptr();
    drop(buffer);
    // SAFETY: none: the process is to die of it.
    println!("{}", unsafe { pointer.read_volatile() });
}
