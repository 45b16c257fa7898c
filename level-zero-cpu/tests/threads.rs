//! What the driver's threads do to the process they are in, and a `fork` to them.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails, as it should"
)]

mod commands;
mod setup;

use commands::*;
use level_zero_sys as sys;
use setup::*;
use std::process::{Command, Stdio, exit};
use std::ptr::null_mut;

const PART: &str = "LEVEL_ZERO_CPU_TEST_PART";
const LOST: sys::ze_result_t = sys::ZE_RESULT_ERROR_DEVICE_LOST;

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

/// What the child of the fork finds: the number of the first thing that is not as it should be.
fn in_the_fork(work: &Work, queue: Queue, lists: [List; 2], fence: Fence) -> i32 {
    let [gate, done] = work.events[..] else {
        return 1;
    };
    let [list, recorded] = lists;
    let facts = [
        // All that would never end.
        sync_list(list, FOREVER) == LOST,
        sync(queue, FOREVER) == LOST,
        wait(done, FOREVER) == LOST,
        wait_fence(fence, FOREVER) == LOST,
        ALONE.barrier(list) == LOST,
        execute(queue, &mut [recorded], null_mut()) == LOST,
        signal(gate) == SUCCESS,
        wait(gate, FOREVER) == SUCCESS,
        destroy_list(list) == SUCCESS,
        destroy_fence(fence) == SUCCESS,
        destroy_queue(queue) == SUCCESS,
    ];
    if let Some(bad) = facts.iter().position(|fact| !fact) {
        return 10 + i32::try_from(bad).unwrap();
    }
    // What the child makes itself has threads.
    let own = Work::new(1);
    let list = own.immediate();
    let memory = own.shared(100, 1);
    let with = With(own.events[0], &[]);
    if with.fill(list, memory, &[2], 100) != SUCCESS || wait(own.events[0], FOREVER) != SUCCESS {
        return 2;
    }
    if own.bytes(memory, 100) != [2; 100] || destroy_list(list) != SUCCESS {
        return 3;
    }
    own.end();
    0
}

#[test]
fn a_fork_has_no_threads_and_says_so() {
    // The sanitizer ends a process that starts threads after a fork.
    if cfg!(tsan) {
        return;
    }
    if part().is_none() {
        return child("a_fork_has_no_threads_and_says_so", "fork");
    }
    let work = Work::new(2);
    let [gate, done] = work.events[..] else {
        unreachable!()
    };
    let (queue, list, recorded) = (work.queue(), work.immediate(), work.regular());
    let fence = create_fence(queue, &fence_desc(0)).unwrap();
    assert_eq!(With(done, &[gate]).barrier(list), SUCCESS);
    assert_eq!(append_wait(recorded, &[gate]), SUCCESS);
    assert_eq!(close(recorded), SUCCESS);
    assert_eq!(execute(queue, &mut [recorded], fence), SUCCESS);
    assert_eq!(sync(queue, SHORT), NOT_READY);
    // SAFETY: the child calls the driver and ends; no lock is held, for all threads are idle.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let code = in_the_fork(&work, queue, [list, recorded], fence);
        // SAFETY: ends the child without what the parent has registered for its end.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: a child of this process, and room for its status.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert!(libc::WIFEXITED(status), "{status:#x}");
    assert_eq!(libc::WEXITSTATUS(status), 0);
    // The parent goes on.
    assert_eq!(sync(queue, 0), NOT_READY);
    assert_eq!(signal(gate), SUCCESS);
    assert_eq!(sync(queue, FOREVER), SUCCESS);
    assert_eq!(wait(done, FOREVER), SUCCESS);
    assert_eq!(destroy_fence(fence), SUCCESS);
    for list in [list, recorded] {
        assert_eq!(destroy_list(list), SUCCESS);
    }
    assert_eq!(destroy_queue(queue), SUCCESS);
    work.end();
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
