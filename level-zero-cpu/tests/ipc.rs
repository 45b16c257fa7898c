//! Memory that several processes have.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails, as it should"
)]

mod setup;

use level_zero_cpu::{Config, FREED_BYTE, FRESH_BYTE, api};
use level_zero_sys::{self as sys, ze_ipc_mem_handle_t, ze_result_t};
use setup::*;
use std::ffi::c_void;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::ptr::null_mut;
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;

const PART: &str = "LEVEL_ZERO_CPU_TEST_PART";

fn get(gpu: &Gpu, pointer: *const c_void) -> Result<ze_ipc_mem_handle_t, ze_result_t> {
    let mut handle = ze_ipc_mem_handle_t { data: [0; 64] };
    // SAFETY: room for the handle.
    let result = unsafe { (api().zeMemGetIpcHandle)(gpu.context, pointer, &raw mut handle) };
    checked(result, handle)
}

fn put(gpu: &Gpu, handle: ze_ipc_mem_handle_t) -> ze_result_t {
    // SAFETY: the driver checks the handle.
    unsafe { (api().zeMemPutIpcHandle.unwrap())(gpu.context, handle) }
}

fn open(gpu: &Gpu, handle: ze_ipc_mem_handle_t) -> Result<*mut c_void, ze_result_t> {
    let mut pointer = null_mut();
    let call = api().zeMemOpenIpcHandle;
    // SAFETY: room for the pointer; the driver checks the handle.
    let result = unsafe { call(gpu.context, gpu.device(), handle, 0, &raw mut pointer) };
    checked(result, pointer)
}

fn close(gpu: &Gpu, pointer: *const c_void) -> ze_result_t {
    // SAFETY: the driver checks the pointer.
    unsafe { (api().zeMemCloseIpcHandle)(gpu.context, pointer) }
}

fn bytes_of(handle: &ze_ipc_mem_handle_t) -> [u8; 64] {
    handle.data.map(|byte| byte.to_ne_bytes()[0])
}

fn handle_of(bytes: [u8; 64]) -> ze_ipc_mem_handle_t {
    ze_ipc_mem_handle_t {
        data: bytes.map(|byte| std::ffi::c_char::from_ne_bytes([byte])),
    }
}

fn descriptor(handle: &ze_ipc_mem_handle_t) -> i32 {
    i32::from_ne_bytes(bytes_of(handle)[..4].try_into().unwrap())
}

fn to_text(handle: &ze_ipc_mem_handle_t) -> String {
    let digits = bytes_of(handle).map(|byte| format!("{byte:02x}"));
    digits.concat()
}

fn from_text(text: &str) -> ze_ipc_mem_handle_t {
    let mut bytes = [0; 64];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).unwrap();
    }
    handle_of(bytes)
}

/// One test at a time: they count what the process holds.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    loop {
        // Not waiting in the standard library, which hides from ThreadSanitizer who came after whom.
        match ALONE.try_lock() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(guard)) => return guard.into_inner(),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Open descriptors and mappings of this process.
fn held() -> (usize, usize) {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().count();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let shared = maps.lines().filter(|line| line.contains("level-zero-cpu"));
    (descriptors, shared.count())
}

/// Another process with this test program, which answers a line with a line.
struct Peer {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Peer {
    fn start(test: &str, part: &str) -> Self {
        // Systems that let only parents look into their children are told otherwise.
        // SAFETY: numbers only.
        unsafe { libc::prctl(libc::PR_SET_PTRACER, libc::PR_SET_PTRACER_ANY) };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(PART, part)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = child.stdin.take().unwrap();
        let from = BufReader::new(child.stdout.take().unwrap());
        Self { child, to, from }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.to, "{line}").unwrap();
    }

    /// The next line that is meant for this process, not for who reads the results of tests.
    fn hear(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.from.read_line(&mut line).unwrap(), 0, "the peer ended");
            if let Some((_, said)) = line.split_once("> ") {
                return said.trim().to_owned();
            }
        }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn end(mut self) {
        drop(self.to);
        assert!(self.child.wait().unwrap().success());
    }
}

#[allow(clippy::print_stdout, reason = "the parent reads it")]
fn answer(line: &str) {
    println!("\n> {line}");
}

fn hear() -> Option<String> {
    let mut line = String::new();
    let count = std::io::stdin().read_line(&mut line).unwrap();
    (count > 0).then(|| line.trim().to_owned())
}

/// What a peer does that opens: each line is a handle, or a command.
fn opener() {
    let gpu = Gpu::new();
    let mut opened: Vec<*mut c_void> = Vec::new();
    while let Some(line) = hear() {
        match line.as_str() {
            "read" => {
                let bytes = gpu.download(*opened.last().unwrap(), 100);
                answer(&format!("{bytes:?}"));
            }
            "write" => {
                gpu.upload(*opened.last().unwrap(), &[77; 100]);
                answer("written");
            }
            "close" => {
                assert_eq!(close(&gpu, opened.pop().unwrap()), SUCCESS);
                answer("closed");
            }
            handle => match open(&gpu, from_text(handle)) {
                Ok(pointer) => {
                    opened.push(pointer);
                    answer("opened");
                }
                Err(code) => answer(&format!("{:x}", code.0)),
            },
        }
    }
    for pointer in opened {
        assert_eq!(close(&gpu, pointer), SUCCESS);
    }
    assert!(gpu.end().is_empty());
}

fn is_peer() -> bool {
    match std::env::var(PART).as_deref() {
        Ok("opener") => opener(),
        Ok("exporter") => exporter(),
        _ => return false,
    }
    true
}

/// What a peer does that exports.
fn exporter() {
    let gpu = Gpu::new();
    let pointer = gpu.alloc(Kind::Device, 100, 0).unwrap();
    gpu.upload(pointer, &[33; 100]);
    answer(&to_text(&get(&gpu, pointer).unwrap()));
    while let Some(line) = hear() {
        assert_eq!(line, "read");
        answer(&format!("{:?}", gpu.download(pointer, 100)));
    }
    assert_eq!(gpu.free(pointer), SUCCESS);
    assert!(gpu.end().is_empty());
}

#[test]
fn a_peer_opens_reads_and_writes() {
    let _alone = alone();
    if is_peer() {
        return;
    }
    let gpu = Gpu::new();
    // Not the first one, and not at the start of a page.
    let other = gpu.alloc(Kind::Device, 5000, 0).unwrap();
    let pointer = gpu.alloc(Kind::Device, 100, 0).unwrap();
    gpu.upload(pointer, &[11; 100]);
    let handle = get(&gpu, pointer).unwrap();
    let before = held();
    let mut peer = Peer::start("a_peer_opens_reads_and_writes", "opener");
    peer.say(&to_text(&handle));
    assert_eq!(peer.hear(), "opened");
    peer.say("read");
    assert_eq!(peer.hear(), format!("{:?}", [11; 100]));
    peer.say("write");
    assert_eq!(peer.hear(), "written");
    assert_eq!(gpu.download(pointer, 100), [77; 100]);
    assert_eq!(gpu.download(other, 5000), [FRESH_BYTE; 5000]);
    // Opened twice, it is there twice.
    peer.say(&to_text(&handle));
    assert_eq!(peer.hear(), "opened");
    gpu.upload(pointer, &[12; 100]);
    peer.say("read");
    assert_eq!(peer.hear(), format!("{:?}", [12; 100]));
    peer.end();
    assert_eq!(held(), before);
    assert_eq!(gpu.free(pointer), SUCCESS);
    assert_eq!(gpu.free(other), SUCCESS);
    assert!(gpu.end().is_empty());
}

#[test]
fn a_descriptor_that_was_handed_on_opens_too() {
    let _alone = alone();
    if is_peer() {
        return;
    }
    let gpu = Gpu::new();
    let pointer = gpu.alloc(Kind::Device, 100, 0).unwrap();
    gpu.upload(pointer, &[21; 100]);
    let handle = get(&gpu, pointer).unwrap();
    // A child inherits a descriptor without the flag under its number.
    // SAFETY: numbers only.
    let inherited = unsafe { libc::fcntl(descriptor(&handle), libc::F_DUPFD, 700) };
    assert!(inherited >= 700);
    let mut peer = Peer::start("a_descriptor_that_was_handed_on_opens_too", "opener");
    let mut bytes = bytes_of(&handle);
    bytes[..4].copy_from_slice(&inherited.to_ne_bytes());
    // The process that exported is not asked.
    bytes[8..12].copy_from_slice(&0_i32.to_ne_bytes());
    peer.say(&to_text(&handle_of(bytes)));
    assert_eq!(peer.hear(), "opened");
    peer.say("read");
    assert_eq!(peer.hear(), format!("{:?}", [21; 100]));
    peer.end();
    // SAFETY: just made.
    assert_eq!(unsafe { libc::close(inherited) }, 0);
    assert_eq!(gpu.free(pointer), SUCCESS);
    assert!(gpu.end().is_empty());
}

#[test]
fn freed_memory_is_kept_until_a_killed_peer_is_gone() {
    let _alone = alone();
    if is_peer() {
        return;
    }
    let config = Config::new().device_memory(1 << 20);
    let gpu = Gpu::with(config);
    let size = 512 << 10;
    let before = held();
    let pointer = gpu.alloc(Kind::Device, size, 0).unwrap();
    gpu.upload(pointer, &[5; 100]);
    let handle = get(&gpu, pointer).unwrap();
    let mut peer = Peer::start("freed_memory_is_kept_until_a_killed_peer_is_gone", "opener");
    peer.say(&to_text(&handle));
    assert_eq!(peer.hear(), "opened");
    assert_eq!(gpu.free(pointer), SUCCESS);
    let ledger = gpu.instance.ledger();
    assert!(ledger.allocations.is_empty());
    assert_eq!((ledger.ipc_lent, ledger.descriptors), (1, 1));
    // Nobody else gets it, and it holds what it held.
    let rest = gpu.alloc(Kind::Device, size, 0).unwrap();
    assert_eq!(gpu.alloc(Kind::Device, 64, 0), Err(OUT_OF_DEVICE_MEMORY));
    peer.say("read");
    assert_eq!(peer.hear(), format!("{:?}", [5; 100]));
    // The handle opens no more.
    peer.say(&to_text(&handle));
    assert_eq!(peer.hear(), "78000004");
    assert_eq!(open(&gpu, handle), Err(INVALID_ARGUMENT));
    peer.kill();
    let again = gpu.alloc(Kind::Device, size, 0).unwrap();
    assert_eq!(again, pointer);
    let ledger = gpu.instance.ledger();
    assert_eq!((ledger.ipc_lent, ledger.descriptors), (0, 0));
    assert_eq!(gpu.free(again), SUCCESS);
    assert_eq!(gpu.free(rest), SUCCESS);
    assert_eq!(held(), before);
    assert!(gpu.end().is_empty());
}

#[test]
fn opened_memory_outlives_a_killed_exporter() {
    let _alone = alone();
    if is_peer() {
        return;
    }
    let gpu = Gpu::new();
    let before = held();
    let mut peer = Peer::start("opened_memory_outlives_a_killed_exporter", "exporter");
    let handle = from_text(&peer.hear());
    let pointer = open(&gpu, handle).unwrap();
    assert_eq!(gpu.download(pointer, 100), [33; 100]);
    gpu.upload(pointer, &[34; 100]);
    peer.say("read");
    assert_eq!(peer.hear(), format!("{:?}", [34; 100]));
    let ledger = gpu.instance.ledger();
    assert_eq!((ledger.ipc_opened, ledger.descriptors), (1, 1));
    peer.kill();
    assert_eq!(gpu.download(pointer, 100), [34; 100]);
    // The descriptor is gone with the process.
    assert_eq!(open(&gpu, handle), Err(INVALID_ARGUMENT));
    assert_eq!(close(&gpu, pointer), SUCCESS);
    assert_eq!(held(), before);
    assert!(gpu.end().is_empty());
}

#[test]
fn in_one_process_each_opening_has_its_own_address() {
    let _alone = alone();
    let gpu = Gpu::with(Config::new().devices(2));
    let pointer = gpu.alloc(Kind::Device, 5000, 4096).unwrap();
    let handle = get(&gpu, pointer).unwrap();
    let opened = [open(&gpu, handle).unwrap(), open(&gpu, handle).unwrap()];
    assert!(opened[0] != opened[1] && !opened.contains(&pointer));
    gpu.upload(opened[0].wrapping_byte_add(4000), &[9; 1000]);
    for pointer in [pointer, opened[0], opened[1]] {
        assert_eq!(pointer.addr() % 4096, 0);
        assert_eq!(
            gpu.download(pointer.wrapping_byte_add(4000), 1000),
            [9; 1000]
        );
        // A byte past the end is none of it.
        let mut bytes = vec![0_u8; 5001];
        let to = bytes.as_mut_ptr().cast();
        assert_eq!(gpu.copy(to, pointer, 5001), INVALID_ARGUMENT);
        let mut properties = alloc_properties();
        let mut device = null_mut();
        let call = api().zeMemGetAllocProperties;
        // SAFETY: room for the results.
        let result = unsafe { call(gpu.context, pointer, &raw mut properties, &raw mut device) };
        assert_eq!((result, device), (SUCCESS, gpu.device()));
        assert_eq!(properties.type_, sys::ZE_MEMORY_TYPE_DEVICE);
        let (mut base, mut size) = (null_mut(), 0);
        let inside = pointer.wrapping_byte_add(4999);
        let call = api().zeMemGetAddressRange;
        // SAFETY: room for the results.
        let result = unsafe { call(gpu.context, inside, &raw mut base, &raw mut size) };
        assert_eq!((result, base, size), (SUCCESS, pointer, 5000));
        // SAFETY: room for the results; past the end.
        let result = unsafe {
            call(
                gpu.context,
                inside.wrapping_byte_add(1),
                &raw mut base,
                null_mut(),
            )
        };
        assert_eq!(result, INVALID_ARGUMENT);
    }
    assert_eq!(gpu.free(pointer), SUCCESS);
    assert_eq!(
        gpu.download(opened[1].wrapping_byte_add(4000), 1000),
        [9; 1000]
    );
    assert_eq!(close(&gpu, opened[0]), SUCCESS);
    assert_eq!(close(&gpu, opened[0]), INVALID_ARGUMENT);
    assert_eq!(gpu.instance.ledger().ipc_lent, 1);
    assert_eq!(close(&gpu, opened[1]), SUCCESS);
    assert_eq!(gpu.instance.ledger().ipc_lent, 0);
    assert!(gpu.end().is_empty());
}

#[test]
fn a_handle_is_counted_and_holds_until_put_back() {
    let _alone = alone();
    let gpu = Gpu::new();
    let before = held();
    let pointer = gpu.alloc(Kind::Device, 100, 0).unwrap();
    let handle = get(&gpu, pointer).unwrap();
    assert_eq!(bytes_of(&get(&gpu, pointer).unwrap()), bytes_of(&handle));
    assert_eq!(gpu.instance.ledger().ipc_exported, 1);
    assert_eq!(held().0, before.0 + 1);
    assert_eq!(put(&gpu, handle), SUCCESS);
    let opened = open(&gpu, handle).unwrap();
    assert_eq!(put(&gpu, handle), SUCCESS);
    assert_eq!(put(&gpu, handle), INVALID_ARGUMENT);
    assert_eq!(open(&gpu, handle), Err(INVALID_ARGUMENT));
    // What is open stays, and another handle can be had.
    gpu.upload(opened, &[1; 100]);
    assert_eq!(gpu.download(pointer, 100), [1; 100]);
    let another = get(&gpu, pointer).unwrap();
    let reopened = open(&gpu, another).unwrap();
    assert_eq!(gpu.download(reopened, 100), [1; 100]);
    assert_eq!(close(&gpu, opened), SUCCESS);
    assert_eq!(close(&gpu, reopened), SUCCESS);
    assert_eq!(put(&gpu, another), SUCCESS);
    assert_eq!(gpu.instance.ledger().ipc_exported, 0);
    assert_eq!(held(), before);
    assert_eq!(gpu.free(pointer), SUCCESS);
    assert!(gpu.end().is_empty());
}

#[test]
fn a_stale_handle_does_not_open_what_took_the_place() {
    let _alone = alone();
    let gpu = Gpu::new();
    let pointer = gpu.alloc(Kind::Device, 100, 0).unwrap();
    let stale = get(&gpu, pointer).unwrap();
    assert_eq!(gpu.free(pointer), SUCCESS);
    let again = gpu.alloc(Kind::Device, 100, 0).unwrap();
    assert_eq!(again, pointer);
    assert_eq!(gpu.download(again, 100), [FRESH_BYTE; 100]);
    assert_eq!(open(&gpu, stale), Err(INVALID_ARGUMENT));
    let fresh = get(&gpu, again).unwrap();
    assert_eq!(descriptor(&fresh), descriptor(&stale));
    assert_eq!(open(&gpu, stale), Err(INVALID_ARGUMENT));
    assert_eq!(put(&gpu, stale), INVALID_ARGUMENT);
    let opened = open(&gpu, fresh).unwrap();
    assert_ne!(gpu.download(opened, 100), [FREED_BYTE; 100]);
    assert_eq!(close(&gpu, opened), SUCCESS);
    assert_eq!(gpu.free(again), SUCCESS);
    assert!(gpu.end().is_empty());
}

#[test]
fn forged_handles_open_nothing_else() {
    let _alone = alone();
    let gpu = Gpu::new();
    let secret = gpu.alloc(Kind::Device, 8192, 0).unwrap();
    let pointer = gpu.alloc(Kind::Device, 100, 0).unwrap();
    let handle = bytes_of(&get(&gpu, pointer).unwrap());
    let before = held();
    let mut random = Random::new(11);
    let mut opened = 0;
    for round in 0..20_000 {
        let mut bytes = handle;
        if round % 3 == 0 {
            // Other places and sizes, in whole words.
            let word = 16 + 8 * random.below(5);
            let value = (random.below(1 << 20) as u64) << (8 * random.below(6));
            bytes[word..word + 8].copy_from_slice(&value.to_ne_bytes());
        }
        for _ in 0..random.below(4) {
            bytes[random.below(64)] ^= 1 << random.below(8);
        }
        // Other processes are left alone.
        bytes[8..12].copy_from_slice(&handle[8..12]);
        if let Ok(pointer) = open(&gpu, handle_of(bytes)) {
            opened += 1;
            // What opens is the exported memory and nothing else.
            assert_eq!(bytes[16..56], handle[16..56]);
            assert_eq!(gpu.download(pointer, 100), [FRESH_BYTE; 100]);
            assert_eq!(close(&gpu, pointer), SUCCESS);
        }
        let _: Result<_, _> = checked(put_if_forged(&gpu, &handle, bytes), ());
    }
    assert!(opened > 0);
    assert_eq!(held(), before);
    assert_eq!(open(&gpu, handle_of([0; 64])), Err(INVALID_ARGUMENT));
    assert_eq!(open(&gpu, handle_of([0xff; 64])), Err(INVALID_ARGUMENT));
    assert_eq!(gpu.free(pointer), SUCCESS);
    assert_eq!(gpu.free(secret), SUCCESS);
    assert!(gpu.end().is_empty());
}

/// Puts a handle back that differs where it matters.
fn put_if_forged(gpu: &Gpu, handle: &[u8; 64], bytes: [u8; 64]) -> ze_result_t {
    if bytes[4..8] == handle[4..8] && bytes[16..56] == handle[16..56] {
        return SUCCESS;
    }
    let result = put(gpu, handle_of(bytes));
    assert_eq!(result, INVALID_ARGUMENT);
    result
}

/// Opens handles of each other, of memory that may be freed meanwhile.
#[test]
fn handles_come_and_go_in_two_threads() {
    let _alone = alone();
    let gpu = Gpu::with(Config::new().device_memory(4 << 20));
    let before = held();
    let shelf = Mutex::new(handle_of([0; 64]));
    let swap = |handle| loop {
        if let Ok(mut place) = shelf.try_lock() {
            return std::mem::replace(&mut *place, handle);
        }
        std::thread::yield_now();
    };
    let work = |seed: u8| {
        let list = create_list(gpu.context, gpu.device()).unwrap();
        let copy = |to: *mut c_void, from: *const c_void| {
            let call = api().zeCommandListAppendMemoryCopy;
            // SAFETY: the driver checks its memory; the rest are the closure's 64 bytes.
            unsafe { call(list, to, from, 64, null_mut(), 0, null_mut()) }
        };
        let mut random = Random::new(seed.into());
        for round in 0..1500 {
            let pointer = gpu.alloc(Kind::Device, 64 + random.below(9000), 0).unwrap();
            let own = [seed; 64];
            assert_eq!(copy(pointer, own.as_ptr().cast()), SUCCESS);
            let handle = get(&gpu, pointer).unwrap();
            let other = swap(handle);
            match open(&gpu, other) {
                Ok(opened) => {
                    // It holds what an exporter wrote, never what took its place.
                    let mut bytes = [0_u8; 64];
                    assert_eq!(copy(bytes.as_mut_ptr().cast(), opened), SUCCESS);
                    assert!(bytes == [1; 64] || bytes == [2; 64], "{bytes:?}");
                    assert_eq!(close(&gpu, opened), SUCCESS);
                }
                Err(code) => assert_eq!(code, INVALID_ARGUMENT),
            }
            if round % 2 == 0 {
                assert_eq!(put(&gpu, handle), SUCCESS);
            }
            assert_eq!(gpu.free(pointer), SUCCESS);
        }
        // SAFETY: used no more.
        assert_eq!(unsafe { (api().zeCommandListDestroy)(list) }, SUCCESS);
    };
    std::thread::scope(|scope| {
        let work = &work;
        for seed in [1, 2] {
            scope.spawn(move || work(seed));
        }
    });
    let ledger = gpu.instance.ledger();
    assert_eq!((ledger.ipc_lent, ledger.descriptors), (0, 0));
    assert_eq!(held(), before);
    assert!(gpu.end().is_empty());
}

#[test]
fn descriptors_become_handles_again() {
    let _alone = alone();
    let gpu = Gpu::new();
    let pointers = [64, 100, 70_000].map(|size| gpu.alloc(Kind::Device, size, 0).unwrap());
    let number = |handle, number: *mut u64| {
        let call = api().zeMemGetFileDescriptorFromIpcHandleExp.unwrap();
        // SAFETY: null or room for the number.
        unsafe { call(gpu.context, handle, number) }
    };
    let back = |number, handle: *mut ze_ipc_mem_handle_t| {
        let call = api().zeMemGetIpcHandleFromFileDescriptorExp.unwrap();
        // SAFETY: null or room for the handle.
        unsafe { call(gpu.context, number, handle) }
    };
    for pointer in pointers {
        gpu.upload(
            pointer,
            &[u8::try_from(pointer.addr() >> 6 & 0xff).unwrap(); 64],
        );
        let handle = get(&gpu, pointer).unwrap();
        let mut fd = 0;
        assert_eq!(number(handle, null_mut()), NULL_POINTER);
        assert_eq!(number(handle, &raw mut fd), SUCCESS);
        assert_eq!(fd, u64::try_from(descriptor(&handle)).unwrap());
        let mut again = handle_of([0; 64]);
        assert_eq!(back(fd, null_mut()), NULL_POINTER);
        assert_eq!(back(fd, &raw mut again), SUCCESS);
        assert_eq!(bytes_of(&again), bytes_of(&handle));
        // Another number for the same descriptor, as it comes through a socket.
        // SAFETY: numbers only.
        let other = unsafe { libc::fcntl(descriptor(&handle), libc::F_DUPFD_CLOEXEC, 0) };
        assert_eq!(back(u64::try_from(other).unwrap(), &raw mut again), SUCCESS);
        let opened = open(&gpu, again).unwrap();
        assert_eq!(gpu.download(opened, 64), gpu.download(pointer, 64));
        assert_eq!(close(&gpu, opened), SUCCESS);
        // SAFETY: just made.
        assert_eq!(unsafe { libc::close(other) }, 0);
        assert_eq!(put(&gpu, handle), SUCCESS);
        assert_eq!(number(handle, &raw mut fd), INVALID_ARGUMENT);
    }
    let mut handle = handle_of([0; 64]);
    for bad in [0, 1, 9999, u64::MAX] {
        assert_eq!(back(bad, &raw mut handle), INVALID_ARGUMENT);
    }
    for pointer in pointers {
        assert_eq!(gpu.free(pointer), SUCCESS);
    }
    assert!(gpu.end().is_empty());
}

#[test]
fn arguments_are_checked() {
    let _alone = alone();
    let gpu = Gpu::new();
    let other = create_context(&gpu.instance).unwrap();
    let pointer = gpu.alloc(Kind::Device, 100, 0).unwrap();
    assert_eq!(get(&gpu, null_mut()).map(drop), Err(NULL_POINTER));
    let inside = pointer.wrapping_byte_add(64);
    assert_eq!(get(&gpu, inside).map(drop), Err(INVALID_ARGUMENT));
    assert_eq!(
        get(&gpu, (&raw const gpu).cast()).map(drop),
        Err(INVALID_ARGUMENT)
    );
    // SAFETY: null is refused; the driver checks the pointer.
    let result = unsafe { (api().zeMemGetIpcHandle)(gpu.context, pointer, null_mut()) };
    assert_eq!(result, NULL_POINTER);
    let mut handle = handle_of([0; 64]);
    // SAFETY: room for the handle.
    let result = unsafe { (api().zeMemGetIpcHandle)(other, pointer, &raw mut handle) };
    assert_eq!(result, INVALID_ARGUMENT);
    for kind in [Kind::Host, Kind::Shared] {
        let pointer = gpu.alloc(kind, 100, 0).unwrap();
        assert_eq!(get(&gpu, pointer).map(drop), Err(UNSUPPORTED_FEATURE));
        assert_eq!(close(&gpu, pointer), INVALID_ARGUMENT);
        assert_eq!(gpu.free(pointer), SUCCESS);
    }
    let handle = get(&gpu, pointer).unwrap();
    let open_with = |device, flags, out: *mut *mut c_void| {
        // SAFETY: null or room for the pointer; the driver checks the rest.
        unsafe { (api().zeMemOpenIpcHandle)(gpu.context, device, handle, flags, out) }
    };
    let mut opened = null_mut();
    assert_eq!(open_with(null_mut(), 0, &raw mut opened), NULL_HANDLE);
    assert_eq!(
        open_with(gpu.device(), 4, &raw mut opened),
        INVALID_ENUMERATION
    );
    assert_eq!(open_with(gpu.device(), 0, null_mut()), NULL_POINTER);
    assert!(opened.is_null());
    assert_eq!(open_with(gpu.device(), 1, &raw mut opened), SUCCESS);
    // Opened memory is closed, not freed, where it was opened, and is not exported again.
    assert_eq!(gpu.free(opened), INVALID_ARGUMENT);
    assert_eq!(get(&gpu, opened).map(drop), Err(INVALID_ARGUMENT));
    assert_eq!(close(&gpu, opened.wrapping_byte_add(1)), INVALID_ARGUMENT);
    assert_eq!(close(&gpu, null_mut()), NULL_POINTER);
    assert_eq!(close(&gpu, pointer), INVALID_ARGUMENT);
    // SAFETY: the driver checks the pointer.
    let result = unsafe { (api().zeMemCloseIpcHandle)(other, opened) };
    assert_eq!(result, INVALID_ARGUMENT);
    assert_eq!(put(&gpu, handle_of([1; 64])), INVALID_ARGUMENT);
    assert_eq!(close(&gpu, opened), SUCCESS);
    assert_eq!(gpu.free(pointer), SUCCESS);
    assert_eq!(destroy_context(other), SUCCESS);
    assert!(gpu.end().is_empty());
}

#[test]
fn locks_of_the_program_on_its_own_files_stay() {
    let _alone = alone();
    let gpu = Gpu::new();
    let path = std::env::temp_dir().join(format!("level-zero-cpu-lock-{}", std::process::id()));
    let file = std::fs::File::create(&path).unwrap();
    let lock = libc::flock {
        l_type: libc::c_short::try_from(libc::F_WRLCK).unwrap(),
        l_whence: 0,
        l_start: 0,
        l_len: 10,
        l_pid: 0,
    };
    // SAFETY: the lock outlives the call.
    let locked = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw const lock) };
    assert_eq!(locked, 0);
    let pointer = gpu.alloc(Kind::Device, 4096, 0).unwrap();
    let mut bytes = bytes_of(&get(&gpu, pointer).unwrap());
    // As a handle comes from another process, where the number stands for another file.
    bytes[..4].copy_from_slice(&file.as_raw_fd().to_ne_bytes());
    assert_eq!(open(&gpu, handle_of(bytes)), Err(INVALID_ARGUMENT));
    let mut handle = handle_of(bytes);
    let number = u64::try_from(file.as_raw_fd()).unwrap();
    let call = api().zeMemGetIpcHandleFromFileDescriptorExp.unwrap();
    // SAFETY: room for the handle.
    let result = unsafe { call(gpu.context, number, &raw mut handle) };
    assert_eq!(result, INVALID_ARGUMENT);
    let own = std::fs::File::open("/proc/self/stat").unwrap();
    drop(own);
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    let inode = format!(":{} ", file.metadata().unwrap().ino());
    assert!(
        locks
            .lines()
            .any(|line| line.contains("POSIX") && line.contains(&inode))
    );
    std::fs::remove_file(path).unwrap();
    assert_eq!(gpu.free(pointer), SUCCESS);
    assert!(gpu.end().is_empty());
}

#[test]
fn only_the_context_that_got_a_handle_puts_it_back() {
    let _alone = alone();
    let gpu = Gpu::new();
    let other = create_context(&gpu.instance).unwrap();
    let pointer = gpu.alloc(Kind::Device, 4096, 0).unwrap();
    let handle = get(&gpu, pointer).unwrap();
    // SAFETY: the driver checks the handle.
    let result = unsafe { (api().zeMemPutIpcHandle.unwrap())(other, handle) };
    assert_eq!(result, INVALID_ARGUMENT);
    assert_eq!(put(&gpu, handle), SUCCESS);
    assert_eq!(put(&gpu, handle), INVALID_ARGUMENT);
    assert_eq!(destroy_context(other), SUCCESS);
    assert_eq!(gpu.free(pointer), SUCCESS);
    assert!(gpu.end().is_empty());
}

#[test]
fn copies_between_two_addresses_of_the_same_memory_overlap() {
    let _alone = alone();
    let gpu = Gpu::new();
    let pointer = gpu.alloc(Kind::Device, 8192, 0).unwrap();
    let handle = get(&gpu, pointer).unwrap();
    let opened = open(&gpu, handle).unwrap();
    assert_eq!(gpu.copy(opened, pointer, 1), OVERLAPPING);
    assert_eq!(
        gpu.copy(opened.wrapping_byte_add(99), pointer, 100),
        OVERLAPPING
    );
    assert_eq!(
        gpu.copy(opened.wrapping_byte_add(100), pointer, 100),
        SUCCESS
    );
    assert_eq!(close(&gpu, opened), SUCCESS);
    assert_eq!(put(&gpu, handle), SUCCESS);
    assert_eq!(gpu.free(pointer), SUCCESS);
    assert!(gpu.end().is_empty());
}
