//! Host and device at one buffer at the same time, through atomics: kernels that other code
//! launches with raw handles while the host looks on.
//!
//! Needs the OpenCL runtime for processors, which the CPU driver runs kernels with.
#![cfg(feature = "cpu")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails, as it should"
)]

use core::ffi::{CStr, c_void};
use core::ptr::null_mut;
use core::time::Duration;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Instant;
use ze_area::cpu::{Config, Instance};
use ze_area::sys::{self, ZE_RESULT_SUCCESS as SUCCESS};
use ze_area::{
    Atomic, AtomicSlice, Context, Driver, HostAccess, InOut, Kernel, Shared, ZeBuffer, ZeDevice,
};

/// `wait_for(flag, out)`: waits until the flag is set, and then sets `out`.
/// `count(counter)`: each work-item adds one.
const KERNELS: &[u8] = include_bytes!("../level-zero-cpu/tests/kernels/kernels.spv");

macro_rules! ok {
    ($api:expr, $call:ident($($argument:expr),* $(,)?)) => {{
        // SAFETY: the handles are live and of one driver, and pointers are good for the call.
        let result = unsafe { ($api.$call)($($argument),*) };
        assert_eq!(result, SUCCESS, stringify!($call));
    }};
}

/// A kernel and a list that does not wait, by hand.
struct Launcher {
    api: &'static sys::Api,
    module: sys::ze_module_handle_t,
    kernel: sys::ze_kernel_handle_t,
    list: sys::ze_command_list_handle_t,
}

impl Launcher {
    /// `None` where the machine cannot build kernels, unless `ZE_AREA_REQUIRE` asks for it.
    fn new(context: &Context, device: &ZeDevice, name: &CStr) -> Option<Self> {
        let (api, context, device) = (context.driver().api(), context.as_raw(), device.as_raw());
        let desc = sys::ze_module_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_MODULE_DESC,
            format: sys::ZE_MODULE_FORMAT_IL_SPIRV,
            inputSize: KERNELS.len(),
            pInputModule: KERNELS.as_ptr(),
            ..Default::default()
        };
        let (mut module, mut kernel, mut list) = (null_mut(), null_mut(), null_mut());
        // SAFETY: the handles are live; descriptor and target outlive the call.
        let built = unsafe {
            (api.zeModuleCreate)(
                context,
                device,
                &raw const desc,
                &raw mut module,
                null_mut(),
            )
        };
        if built == sys::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE {
            let required = std::env::var("ZE_AREA_REQUIRE").unwrap_or_default();
            let why = "no OpenCL runtime for processors: run scripts/install-opencl-cpu";
            let asked = required.split(',').any(|word| word.trim() == "opencl");
            assert!(!asked, "{why}");
            // Past the capture of the harness.
            let _ = writeln!(std::io::stderr(), "skipped: {why}");
            return None;
        }
        assert_eq!(built, SUCCESS);
        let desc = sys::ze_kernel_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_KERNEL_DESC,
            pKernelName: name.as_ptr(),
            ..Default::default()
        };
        ok!(
            api,
            zeKernelCreate(module, &raw const desc, &raw mut kernel)
        );
        let desc = sys::ze_command_queue_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_COMMAND_QUEUE_DESC,
            mode: sys::ZE_COMMAND_QUEUE_MODE_ASYNCHRONOUS,
            ..Default::default()
        };
        ok!(
            api,
            zeCommandListCreateImmediate(context, device, &raw const desc, &raw mut list)
        );
        Some(Self {
            api,
            module,
            kernel,
            list,
        })
    }

    /// Gives the kernel the elements as its argument of that number.
    fn argument<P: HostAccess>(&self, index: u32, view: AtomicSlice<'_, u32, P>) {
        let pointer: *mut c_void = view.device_ptr().cast();
        let value = (&raw const pointer).cast();
        ok!(
            self.api,
            zeKernelSetArgumentValue(self.kernel, index, size_of::<*mut c_void>(), value)
        );
    }

    fn launch(&self, groups: u32, group: u32) {
        ok!(self.api, zeKernelSetGroupSize(self.kernel, group, 1, 1));
        let count = sys::ze_group_count_t {
            groupCountX: groups,
            groupCountY: 1,
            groupCountZ: 1,
        };
        ok!(
            self.api,
            zeCommandListAppendLaunchKernel(
                self.list,
                self.kernel,
                &raw const count,
                null_mut(),
                0,
                null_mut()
            )
        );
    }

    /// Waits for the kernel and ends everything.
    fn finish(self) {
        let wait = self.api.zeCommandListHostSynchronize.unwrap();
        // SAFETY: the list is live.
        assert_eq!(unsafe { wait(self.list, u64::MAX) }, SUCCESS);
        ok!(self.api, zeCommandListDestroy(self.list));
        ok!(self.api, zeKernelDestroy(self.kernel));
        ok!(self.api, zeModuleDestroy(self.module));
    }
}

fn buffers(len: usize) -> (Context, ZeBuffer<u32, Shared>) {
    let instance = Instance::new(Config::new()).unwrap();
    let driver = Driver::from_cpu(&instance).unwrap();
    let context = Context::builder().driver(&driver).build().unwrap();
    let area = context.default_device_area().unwrap().shared();
    let buffer = area.mmap(len).unwrap();
    (context, buffer)
}

#[test]
fn a_kernel_sees_what_the_host_stores_while_it_runs_and_the_host_what_the_kernel_stores() {
    let (context, mut buffer) = buffers(2);
    let device = context.first_device().unwrap();
    let Some(kernel) = Launcher::new(&context, device, c"wait_for") else {
        return;
    };
    let view = buffer.as_atomics();
    assert!(view.is_concurrent_on(device));
    kernel.argument(0, view);
    kernel.argument(1, view.slice(1..).unwrap());
    kernel.launch(1, 1);
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(view[1].load(Ordering::Acquire), 0);
    view[0].store(1, Ordering::Release);
    let start = Instant::now();
    while view[1].load(Ordering::Acquire) == 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "never seen");
        std::thread::yield_now();
    }
    kernel.finish();
    assert_eq!(buffer, [1, 1]);
}

#[test]
fn additions_of_threads_and_of_a_kernel_that_runs_all_count() {
    const ITEMS: u32 = 64 * 2000;
    const EACH: u32 = 100_000;
    let (context, mut buffer) = buffers(1);
    let device = context.first_device().unwrap();
    let Some(kernel) = Launcher::new(&context, device, c"count") else {
        return;
    };
    let view = buffer.as_atomics();
    kernel.argument(0, view);
    kernel.launch(ITEMS / 64, 64);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(move || {
                for _ in 0..EACH {
                    view[0].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    kernel.finish();
    assert_eq!(buffer[0], ITEMS + 2 * EACH);
}

/// `hold(gate, x)`: waits until the gate is set, and then adds one to `x`.
const GATES: &[u8] = include_bytes!("kernels/gates.spv");

/// Runs what sets the gate at its end. Where that does not come to its end, sets the gate from outside
/// and says so.
fn comes_to_its_end(gate: AtomicSlice<'_, u32, Shared>, run: impl FnOnce()) -> bool {
    let late = AtomicBool::new(false);
    let (done, wait) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let late = &late;
        scope.spawn(move || {
            if wait.recv_timeout(Duration::from_secs(20)) == Err(mpsc::RecvTimeoutError::Timeout) {
                late.store(true, Ordering::Relaxed);
                gate[0].store(1, Ordering::Release);
            }
        });
        run();
        drop(done);
    });
    !late.into_inner()
}

/// `None` where the machine cannot build kernels, unless `ZE_AREA_REQUIRE` asks for it.
fn hold(context: &Context) -> Option<Kernel<(Atomic<u32>, InOut<u32>)>> {
    let device = context.first_device().unwrap();
    // Says so where it is skipped.
    Launcher::new(context, device, c"count")?.finish();
    let module = context.module(device).spirv(GATES).unwrap();
    // SAFETY: that is its signature, and it is launched with one item here.
    Some(unsafe { module.kernel("hold") }.unwrap())
}

#[test]
fn what_was_enqueued_before_a_kernel_that_waits_for_the_host_can_be_waited_for() {
    let (context, mut gate) = buffers(2);
    let Some(hold) = hold(&context) else {
        return;
    };
    let device = context.first_device().unwrap();
    let (queue, other) = (context.queue(device), context.queue(device));
    let (queue, other) = (queue.unwrap(), other.unwrap());
    let area = context.host_area();
    let [mut x, mut before, mut copy] = [1, 4, 4].map(|len| area.mmap::<u32>(len).unwrap());
    let gate = gate.as_atomics();
    let ended = comes_to_its_end(gate, || {
        let run = queue.scope(|q| {
            let mut x = q.lend_mut(&mut x);
            let mut before = q.lend_mut(&mut before);
            let mut copy = q.lend_mut(&mut copy);
            q.fill(&mut before, 7)?;
            q.launch(&hold, 1, (gate, &mut x))?;
            assert_eq!(before.read()?, [7; 4]);
            let other = q.on(&other)?;
            other.copy(&before, &mut copy)?;
            assert_eq!(copy.read()?, [7; 4]);
            before.write()?[0] = 8;
            gate[0].store(1, Ordering::Release);
            Ok(())
        });
        run.unwrap();
    });
    assert!(ended, "the host waited for the kernel");
    assert_eq!((x[0], before[0]), (1, 8));
}

#[test]
fn another_list_waits_for_what_was_enqueued_before_a_kernel_that_waits_for_the_host_alone() {
    let (context, mut gate) = buffers(2);
    let Some(hold) = hold(&context) else {
        return;
    };
    let device = context.first_device().unwrap();
    let (queue, other) = (context.queue(device), context.queue(device));
    let (queue, other) = (queue.unwrap(), other.unwrap());
    let area = context.host_area();
    let [mut x, mut before, mut copy] = [1, 4, 4].map(|len| area.mmap::<u32>(len).unwrap());
    let gate = gate.as_atomics();
    let ended = comes_to_its_end(gate, || {
        let run = queue.scope(|q| {
            let mut x = q.lend_mut(&mut x);
            let mut before = q.lend_mut(&mut before);
            let mut copy = q.lend_mut(&mut copy);
            q.fill(&mut before, 7)?;
            q.launch(&hold, 1, (gate, &mut x))?;
            // Not known to the host to be done.
            q.on(&other)?.copy(&before, &mut copy)?;
            assert_eq!(copy.read()?, [7; 4]);
            gate[0].store(1, Ordering::Release);
            Ok(())
        });
        run.unwrap();
    });
    assert!(ended, "the other list waited for the kernel");
}

#[test]
fn any_number_of_operations_can_be_enqueued_while_a_kernel_waits_for_the_host() {
    let (context, mut gate) = buffers(2);
    let Some(hold) = hold(&context) else {
        return;
    };
    let device = context.first_device().unwrap();
    let [queue, one, two] = [(); 3].map(|()| context.queue(device).unwrap());
    let area = context.host_area();
    let [mut x, mut y] = [1, 4].map(|len| area.mmap::<u32>(len).unwrap());
    let gate = gate.as_atomics();
    let ended = comes_to_its_end(gate, || {
        let run = queue.scope(|q| {
            let mut x = q.lend_mut(&mut x);
            let mut y = q.lend_mut(&mut y);
            let (one, two) = (q.on(&one)?, q.on(&two)?);
            q.launch(&hold, 1, (gate, &mut x))?;
            // Each waits for the other queue's last.
            for round in 0..400 {
                one.fill(&mut y, round)?;
                two.fill(&mut y, round)?;
            }
            gate[0].store(1, Ordering::Release);
            Ok(())
        });
        run.unwrap();
    });
    assert!(ended, "enqueuing waited for the kernel");
    assert_eq!((x[0], y[0]), (1, 399));
}
