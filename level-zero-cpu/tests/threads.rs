//! What the driver's threads do to the process they are in.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails, as it should"
)]

mod commands;
mod setup;

use commands::*;
use setup::*;
use std::process::{Command, Stdio, exit};
use std::ptr::null_mut;

const PART: &str = "LEVEL_ZERO_CPU_TEST_PART";

/// Runs one test of this program again, as the child that finds `PART` set.
fn child(test: &str, part: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(PART, part)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{part}: {output:?}");
}

fn part() -> Option<String> {
    std::env::var(PART).ok()
}

#[test]
fn the_end_of_the_process_waits_for_no_thread_and_meets_none() {
    if let Some(part) = part() {
        let work = Work::new(1);
        let size = 8 << 20;
        for _ in 0..4 {
            let (to, from) = (work.shared(size, 1), work.shared(size, 2));
            let list = work.immediate();
            let gated = part != "running";
            let waits = if gated { &work.events[..] } else { &[] };
            for _ in 0..10 {
                let with = With(null_mut(), waits);
                assert_eq!(with.copy(list, to, from, size), SUCCESS);
            }
        }
        if part == "dropped" {
            drop(work);
        }
        exit(0);
    }
    for part in ["running", "waiting", "dropped"] {
        for _ in 0..3 {
            child(
                "the_end_of_the_process_waits_for_no_thread_and_meets_none",
                part,
            );
        }
    }
}

/// Signals that a program sends to itself are for its own threads.
#[test]
fn signals_of_the_program_do_not_come_to_the_threads() {
    let work = Work::new(1);
    let list = work.immediate();
    assert_eq!(With(work.events[0], &[]).barrier(list), SUCCESS);
    assert_eq!(wait(work.events[0], FOREVER), SUCCESS);
    let mut seen = 0;
    for thread in std::fs::read_dir("/proc/self/task").unwrap() {
        let path = thread.unwrap().path();
        let Ok(name) = std::fs::read_to_string(path.join("comm")) else {
            continue;
        };
        if name.trim() != "level-zero-cpu" {
            continue;
        }
        let status = std::fs::read_to_string(path.join("status")).unwrap();
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
        let blocked = u64::from_str_radix(blocked.unwrap().trim(), 16).unwrap();
        let is_blocked = |signal: i32| blocked >> (signal - 1) & 1 == 1;
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGALRM, libc::SIGCHLD] {
            assert!(is_blocked(signal), "{signal}");
        }
        for fault in [libc::SIGSEGV, libc::SIGBUS] {
            assert!(!is_blocked(fault), "{fault}");
        }
        seen += 1;
    }
    assert!(seen > 0);
    assert_eq!(sync_list(list, FOREVER), SUCCESS);
    assert_eq!(destroy_list(list), SUCCESS);
    work.end();
}
