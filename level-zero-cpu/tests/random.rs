//! Two threads do 1,000,000 random operations through the machine's loader: content is checked all
//! the way, every misuse is refused, and in the end nothing is live.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod machine;
mod setup;

use level_zero_sys::{self as sys, Api, Library};
use machine::{lacks, library};
use setup::*;
use std::ffi::c_void;
use std::process::Command;
use std::ptr::{null, null_mut};
use std::sync::Barrier;

const THREADS: usize = 2;
const OPERATIONS: usize = 1_000_000;
/// Buffers that a thread holds at most.
const SLOTS: usize = 64;

/// What the child has in its environment, and the parent not.
const CHILD: &str = "LEVEL_ZERO_CPU_TEST_CHILD";

#[test]
fn a_million_random_operations_through_the_loader_leave_nothing() {
    let test = "a_million_random_operations_through_the_loader_leave_nothing";
    if std::env::var_os(CHILD).is_some() {
        return child();
    }
    // SAFETY: the machine's loader, if it has one; its initialisers are known to do no harm.
    if unsafe { Library::system() }.is_err() {
        return lacks("loader", "no Level Zero loader (Debian: libze1)");
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .env("ZE_ENABLE_ALT_DRIVERS", library())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}", output.status);
}

fn child() {
    // SAFETY: the machine's loader, which the parent told of the CPU driver.
    let library = unsafe { Library::system() }.unwrap();
    let api = library.api();
    // SAFETY: no preconditions.
    assert_eq!(unsafe { (api.zeInit)(0) }, SUCCESS);
    let mut count = 1;
    let mut driver = null_mut();
    // SAFETY: room for one.
    let result = unsafe { (api.zeDriverGet)(&mut count, &mut driver) };
    assert_eq!((result, count), (SUCCESS, 1));
    let mut device = null_mut();
    // SAFETY: as above.
    let result = unsafe { (api.zeDeviceGet)(driver, &mut count, &mut device) };
    assert_eq!((result, count), (SUCCESS, 1));
    let handles = [driver.addr(), device.addr()];
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let start = &start;
            scope.spawn(move || {
                let [driver, device] = handles;
                let mut worker = Worker::new(api, handle(driver), handle(device), thread);
                start.wait();
                for _ in 0..OPERATIONS / THREADS {
                    worker.step();
                }
                worker.end();
            });
        }
    });
    let ledger = ledger(api, driver);
    assert_eq!(
        ledger.numbers, [0; 11],
        "something is live: level_zero_cpu.h has the fields"
    );
}

/// The start of `zecpu_ledger_t`, as far as its `objects`.
#[repr(C)]
struct CLedger {
    size: usize,
    numbers: [u64; 11],
}

fn ledger(api: &Api, driver: sys::ze_driver_handle_t) -> CLedger {
    type Ledger = unsafe extern "C" fn(sys::ze_driver_handle_t, *mut CLedger) -> sys::ze_result_t;
    let find = api.zeDriverGetExtensionFunctionAddress.unwrap();
    let mut address = null_mut();
    // SAFETY: the name is a string; there is room for the address.
    let result = unsafe { find(driver, c"zecpuLedger".as_ptr(), &mut address) };
    assert_eq!(result, SUCCESS);
    // SAFETY: the function of that name has this type, by level_zero_cpu.h.
    let function = unsafe { std::mem::transmute::<*mut c_void, Ledger>(address) };
    let mut ledger = CLedger {
        size: size_of::<CLedger>(),
        numbers: [u64::MAX; 11],
    };
    // SAFETY: as large as it says.
    let result = unsafe { function(driver, &mut ledger) };
    assert_eq!(result, SUCCESS);
    ledger
}

/// A buffer all of whose bytes are the same.
#[derive(Clone, Copy)]
struct Buffer {
    address: *mut c_void,
    size: usize,
    byte: u8,
}

struct Worker<'a> {
    api: &'a Api,
    context: sys::ze_context_handle_t,
    other: sys::ze_context_handle_t,
    device: sys::ze_device_handle_t,
    /// Asynchronous, in order.
    list: sys::ze_command_list_handle_t,
    pool: sys::ze_event_pool_handle_t,
    event: sys::ze_event_handle_t,
    buffers: [Option<Buffer>; SLOTS],
    freed: *mut c_void,
    random: u64,
}

impl<'a> Worker<'a> {
    fn new(
        api: &'a Api,
        driver: sys::ze_driver_handle_t,
        device: sys::ze_device_handle_t,
        thread: usize,
    ) -> Self {
        let make_context = || {
            let mut context = null_mut();
            // SAFETY: descriptor and place outlive the call; so below.
            let result = unsafe { (api.zeContextCreate)(driver, &context_desc(), &mut context) };
            assert_eq!(result, SUCCESS);
            context
        };
        let (context, other) = (make_context(), make_context());
        let mut desc = queue_desc();
        desc.mode = sys::ZE_COMMAND_QUEUE_MODE_ASYNCHRONOUS;
        let mut list = null_mut();
        // SAFETY: as above.
        let result =
            unsafe { (api.zeCommandListCreateImmediate)(context, device, &desc, &mut list) };
        assert_eq!(result, SUCCESS);
        let desc = sys::ze_event_pool_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_EVENT_POOL_DESC,
            pNext: null(),
            flags: sys::ZE_EVENT_POOL_FLAG_HOST_VISIBLE,
            count: 1,
        };
        let mut pool = null_mut();
        // SAFETY: as above; no devices are listed.
        let result = unsafe { (api.zeEventPoolCreate)(context, &desc, 0, null_mut(), &mut pool) };
        assert_eq!(result, SUCCESS);
        let desc = sys::ze_event_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_EVENT_DESC,
            pNext: null(),
            index: 0,
            signal: sys::ZE_EVENT_SCOPE_FLAG_HOST,
            wait: sys::ZE_EVENT_SCOPE_FLAG_HOST,
        };
        let mut event = null_mut();
        // SAFETY: as above.
        let result = unsafe { (api.zeEventCreate)(pool, &desc, &mut event) };
        assert_eq!(result, SUCCESS);
        Self {
            api,
            context,
            other,
            device,
            list,
            pool,
            event,
            buffers: [None; SLOTS],
            freed: null_mut(),
            random: 0x9e37_79b9_7f4a_7c15 ^ (thread as u64 + 1),
        }
    }

    fn random(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as usize % below
    }

    fn byte(&mut self) -> u8 {
        self.random(256).to_le_bytes()[0]
    }

    fn step(&mut self) {
        let slot = self.random(SLOTS);
        let Some(buffer) = self.buffers[slot] else {
            let buffer = self.allocate();
            self.buffers[slot] = Some(buffer);
            return;
        };
        match self.random(16) {
            0..4 => {
                self.buffers[slot] = None;
                self.free(buffer);
            }
            4..7 => {
                let byte = self.byte();
                self.fill(buffer, byte);
                self.buffers[slot] = Some(Buffer { byte, ..buffer });
            }
            7..10 => {
                let from = self.random(SLOTS);
                self.copy(slot, from);
            }
            10..12 => self.verify(buffer),
            12 | 13 => self.ask(buffer),
            _ => self.misuse(buffer),
        }
    }

    fn allocate(&mut self) -> Buffer {
        let size = match self.random(50) {
            0 => 1 + self.random(256 << 10),
            _ => 1 + self.random(8 << 10),
        };
        let alignment = 1 << self.random(14);
        let (kind, byte) = (self.random(3), self.byte());
        let mut address = null_mut();
        let (device_desc, host_desc) = (device_desc(), host_desc());
        let at = &raw mut address;
        let result = match kind {
            // SAFETY: the descriptor and the place for the address outlive the call.
            0 => unsafe {
                (self.api.zeMemAllocDevice)(
                    self.context,
                    &device_desc,
                    size,
                    alignment,
                    self.device,
                    at,
                )
            },
            // SAFETY: as above.
            1 => unsafe {
                (self.api.zeMemAllocShared)(
                    self.context,
                    &device_desc,
                    &host_desc,
                    size,
                    alignment,
                    self.device,
                    at,
                )
            },
            // SAFETY: as above.
            _ => unsafe {
                (self.api.zeMemAllocHost)(self.context, &host_desc, size, alignment, at)
            },
        };
        assert_eq!(result, SUCCESS);
        assert_eq!(address.addr() % alignment, 0);
        let buffer = Buffer {
            address,
            size,
            byte,
        };
        self.fill(buffer, byte);
        buffer
    }

    fn fill(&mut self, buffer: Buffer, byte: u8) {
        // SAFETY: the pattern is read by the call; the memory is of the driver.
        let result = unsafe {
            (self.api.zeCommandListAppendMemoryFill)(
                self.list,
                buffer.address,
                (&raw const byte).cast(),
                1,
                buffer.size,
                null_mut(),
                0,
                null_mut(),
            )
        };
        assert_eq!(result, SUCCESS);
    }

    /// # Safety
    ///
    /// What is not the driver's memory is valid for the bytes until the copy is done.
    unsafe fn append(
        &self,
        target: *mut c_void,
        source: *const c_void,
        size: usize,
        signal: sys::ze_event_handle_t,
    ) -> sys::ze_result_t {
        // SAFETY: as the caller says.
        unsafe {
            (self.api.zeCommandListAppendMemoryCopy)(
                self.list,
                target,
                source,
                size,
                signal,
                0,
                null_mut(),
            )
        }
    }

    fn copy(&mut self, to: usize, from: usize) {
        let (Some(target), Some(source)) = (self.buffers[to], self.buffers[from]) else {
            return;
        };
        if to == from || source.size < target.size {
            return;
        }
        // SAFETY: both are the driver's.
        let result =
            unsafe { self.append(target.address, source.address, target.size, null_mut()) };
        assert_eq!(result, SUCCESS);
        self.buffers[to] = Some(Buffer {
            byte: source.byte,
            ..target
        });
    }

    /// Waits for all that was appended, with some bytes of a buffer read back.
    fn verify(&mut self, buffer: Buffer) {
        let mut seen = [!buffer.byte; 64];
        let size = seen.len().min(buffer.size);
        let at = self.random(buffer.size - size + 1);
        let source = buffer.address.wrapping_byte_add(at);
        // SAFETY: `seen` is there until the event is signalled, for which this waits.
        let result = unsafe { self.append(seen.as_mut_ptr().cast(), source, size, self.event) };
        assert_eq!(result, SUCCESS);
        // SAFETY: handles are looked up.
        let result = unsafe { (self.api.zeEventHostSynchronize)(self.event, u64::MAX) };
        assert_eq!(result, SUCCESS);
        // SAFETY: as above.
        let result = unsafe { (self.api.zeEventHostReset)(self.event) };
        assert_eq!(result, SUCCESS);
        assert_eq!(seen[..size], [buffer.byte; 64][..size]);
    }

    fn ask(&mut self, buffer: Buffer) {
        let inside = buffer.address.wrapping_byte_add(self.random(buffer.size));
        let (mut base, mut size) = (null_mut(), 0);
        // SAFETY: the places for the results outlive the call.
        let result =
            unsafe { (self.api.zeMemGetAddressRange)(self.context, inside, &mut base, &mut size) };
        assert_eq!((result, base, size), (SUCCESS, buffer.address, buffer.size));
    }

    fn misuse(&mut self, buffer: Buffer) {
        let result = match self.random(5) {
            0 if buffer.size > 1 => {
                let inside = buffer
                    .address
                    .wrapping_byte_add(1 + self.random(buffer.size - 1));
                // SAFETY: pointers are looked up.
                unsafe { (self.api.zeMemFree)(self.context, inside) }
            }
            1 => {
                // SAFETY: as above.
                unsafe { (self.api.zeMemFree)(self.other, buffer.address) }
            }
            2 if self.is_free(self.freed) => {
                // SAFETY: as above.
                unsafe { (self.api.zeMemFree)(self.context, self.freed) }
            }
            3 => {
                let mut byte = 0_u8;
                let past = buffer.address.wrapping_byte_add(buffer.size);
                let last = past.wrapping_byte_sub(1);
                // SAFETY: refused, so that nothing is copied.
                unsafe { self.append(last, (&raw mut byte).cast(), 2, null_mut()) }
            }
            _ => {
                // SAFETY: refused, as above.
                unsafe { self.append(buffer.address, null(), 1, null_mut()) }
            }
        };
        assert!(
            result == INVALID_ARGUMENT || result == NULL_POINTER,
            "{result:?}"
        );
    }

    fn is_free(&self, address: *mut c_void) -> bool {
        let live = |buffer: &Buffer| buffer.address == address;
        !address.is_null() && !self.buffers.iter().flatten().any(live)
    }

    fn free(&mut self, buffer: Buffer) {
        let policy = match self.random(3) {
            0 => sys::ZE_DRIVER_MEMORY_FREE_POLICY_EXT_FLAG_BLOCKING_FREE,
            1 => sys::ZE_DRIVER_MEMORY_FREE_POLICY_EXT_FLAG_DEFER_FREE,
            _ => {
                self.verify(buffer);
                // SAFETY: nothing runs on it any more.
                let result = unsafe { (self.api.zeMemFree)(self.context, buffer.address) };
                assert_eq!(result, SUCCESS);
                self.freed = buffer.address;
                return;
            }
        };
        let desc = sys::ze_memory_free_ext_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_MEMORY_FREE_EXT_DESC,
            pNext: null(),
            freePolicy: policy,
        };
        let free = self.api.zeMemFreeExt.unwrap();
        // SAFETY: the driver waits, or frees later.
        let result = unsafe { free(self.context, &desc, buffer.address) };
        assert_eq!(result, SUCCESS);
        self.freed = buffer.address;
    }

    fn end(mut self) {
        for slot in 0..SLOTS {
            if let Some(buffer) = self.buffers[slot].take() {
                self.verify(buffer);
                self.free(buffer);
            }
        }
        // What was freed with the last two policies may still be in use.
        let mut last = self.allocate();
        last.size = 1;
        self.verify(last);
        self.free(last);
        for result in [
            // SAFETY: nothing of these is used any more.
            unsafe { (self.api.zeEventDestroy)(self.event) },
            // SAFETY: as above.
            unsafe { (self.api.zeEventPoolDestroy)(self.pool) },
            // SAFETY: as above.
            unsafe { (self.api.zeCommandListDestroy)(self.list) },
            // SAFETY: as above.
            unsafe { (self.api.zeContextDestroy)(self.context) },
            // SAFETY: as above.
            unsafe { (self.api.zeContextDestroy)(self.other) },
        ] {
            assert_eq!(result, SUCCESS);
        }
    }
}
