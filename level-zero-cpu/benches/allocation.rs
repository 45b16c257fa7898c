//! Allocating and freeing, and large copies: this driver beside Intel's without hardware, each in
//! child processes of its own that take turns.
//!
//! `cargo bench -p level-zero-cpu --bench allocation [-- FILTER]`
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program that measures, and stops where it can't"
)]

use level_zero_cpu::{Config, Instance, api};
use level_zero_sys::{self as sys, Api};
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::ptr::null_mut;
use std::time::Instant;

const MODE: &str = "LEVEL_ZERO_CPU_BENCH";
const ROUNDS: usize = 3;
const SIZES: [(&str, usize); 5] = [
    ("64 B", 64),
    ("4 KiB", 4 << 10),
    ("64 KiB", 64 << 10),
    ("1 MiB", 1 << 20),
    ("16 MiB", 16 << 20),
];
const KINDS: [&str; 3] = ["device", "host", "shared"];

/// A driver that is measured. Handles may be used by any thread.
#[derive(Clone, Copy)]
struct Gpu {
    api: &'static Api,
    context: sys::ze_context_handle_t,
    device: sys::ze_device_handle_t,
}

// SAFETY: the calls that are measured may be made by all threads.
unsafe impl Send for Gpu {}
// SAFETY: as above.
unsafe impl Sync for Gpu {}

fn done(result: sys::ze_result_t) {
    assert_eq!(result, sys::ZE_RESULT_SUCCESS);
}

impl Gpu {
    fn open(intel: bool) -> Option<Self> {
        let api: &'static Api = if intel {
            // SAFETY: the machine's loader.
            let library = unsafe { sys::Library::system() }.ok()?;
            Box::leak(Box::new(library)).api()
        } else {
            api()
        };
        let driver = if intel {
            // SAFETY: takes flags only.
            if unsafe { (api.zeInit)(0) } != sys::ZE_RESULT_SUCCESS {
                return None;
            }
            let (mut count, mut driver) = (1, null_mut());
            // SAFETY: room for one.
            done(unsafe { (api.zeDriverGet)(&raw mut count, &raw mut driver) });
            driver
        } else {
            let config = Config::new().device_memory(8 << 30).host_memory(8 << 30);
            let instance = Box::leak(Box::new(Instance::new(config).unwrap()));
            instance.driver_handle()
        };
        let (mut count, mut device, mut context) = (1, null_mut(), null_mut());
        // SAFETY: room for one.
        done(unsafe { (api.zeDeviceGet)(driver, &raw mut count, &raw mut device) });
        let desc = sys::ze_context_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_CONTEXT_DESC,
            pNext: null_mut(),
            flags: 0,
        };
        // SAFETY: the descriptor and the place for the handle outlive the call.
        done(unsafe { (api.zeContextCreate)(driver, &raw const desc, &raw mut context) });
        Some(Self {
            api,
            context,
            device,
        })
    }

    fn alloc(self, kind: &str, size: usize) -> *mut c_void {
        let device = sys::ze_device_mem_alloc_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_DEVICE_MEM_ALLOC_DESC,
            pNext: null_mut(),
            flags: 0,
            ordinal: 0,
        };
        let host = sys::ze_host_mem_alloc_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_HOST_MEM_ALLOC_DESC,
            pNext: null_mut(),
            flags: 0,
        };
        let (api, context, mut pointer) = (self.api, self.context, null_mut());
        let out = &raw mut pointer;
        done(match kind {
            // SAFETY: descriptors and result are live.
            "device" => unsafe {
                (api.zeMemAllocDevice)(context, &raw const device, size, 64, self.device, out)
            },
            // SAFETY: as above.
            "host" => unsafe { (api.zeMemAllocHost)(context, &raw const host, size, 64, out) },
            // SAFETY: as above.
            _ => unsafe {
                (api.zeMemAllocShared)(
                    context,
                    &raw const device,
                    &raw const host,
                    size,
                    64,
                    self.device,
                    out,
                )
            },
        });
        pointer
    }

    fn free(self, pointer: *mut c_void) {
        // SAFETY: allocated by this program, and used no more.
        done(unsafe { (self.api.zeMemFree)(self.context, pointer) });
    }

    fn list(self) -> sys::ze_command_list_handle_t {
        let desc = sys::ze_command_queue_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_COMMAND_QUEUE_DESC,
            pNext: null_mut(),
            ordinal: 0,
            index: 0,
            flags: 0,
            mode: sys::ZE_COMMAND_QUEUE_MODE_SYNCHRONOUS,
            priority: sys::ZE_COMMAND_QUEUE_PRIORITY_NORMAL,
        };
        let mut list = null_mut();
        let create = self.api.zeCommandListCreateImmediate;
        // SAFETY: the descriptor and the place for the handle outlive the call.
        done(unsafe { create(self.context, self.device, &raw const desc, &raw mut list) });
        list
    }
}

fn nanos(start: Instant, count: usize) -> f64 {
    start.elapsed().as_secs_f64() * 1e9 / f64::from(u32::try_from(count).unwrap())
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// One at a time.
fn pair(gpu: Gpu, kind: &str, size: usize) -> f64 {
    let batch = if kind == "shared" { 20 } else { 200 };
    let run = || {
        let start = Instant::now();
        for _ in 0..batch {
            gpu.free(black_box(gpu.alloc(kind, size)));
        }
        nanos(start, batch)
    };
    run();
    median((0..25).map(|_| run()).collect())
}

/// Holds `held`, frees one at random and allocates another, over and over.
fn hold(gpu: Gpu, kind: &str, size: usize, held: usize, seed: u64) -> f64 {
    let mut live: Vec<_> = (0..held).map(|_| gpu.alloc(kind, size)).collect();
    let mut state = seed;
    let batch = if kind == "shared" { 50 } else { 500 };
    let mut run = || {
        let start = Instant::now();
        for _ in 0..batch {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let slot = usize::try_from(state >> 33).unwrap() % held;
            gpu.free(live[slot]);
            live[slot] = gpu.alloc(kind, size);
        }
        nanos(start, batch)
    };
    for _ in 0..5 {
        run();
    }
    let result = median((0..25).map(|_| run()).collect());
    for pointer in live {
        gpu.free(pointer);
    }
    result
}

/// What two threads take at once, each.
fn twice(work: impl Fn(u64) -> f64 + Sync) -> f64 {
    std::thread::scope(|scope| {
        let threads = [1, 2].map(|seed| {
            let work = &work;
            scope.spawn(move || work(seed * 77))
        });
        let times = threads.map(|thread| thread.join().unwrap());
        times.iter().sum::<f64>() / 2.0
    })
}

fn case(name: &str, filter: &str, work: impl FnOnce() -> f64) {
    if name.contains(filter) {
        println!("{name}\t{}", work());
    }
}

/// The child: prints a line for each case.
fn measure(mode: &str, filter: &str) {
    let (who, product) = mode.split_once(' ').unwrap();
    let Some(gpu) = Gpu::open(who == "intel") else {
        println!("none");
        return;
    };
    for kind in KINDS {
        for (label, size) in SIZES {
            let name = |what: &str| format!("{kind}, {label}, {what}");
            if product == "skl" {
                // DG1 has no room for so many.
                if size <= 4 << 10 && kind != "shared" {
                    let held = 100_000;
                    case(&name("hold 100000"), filter, || {
                        hold(gpu, kind, size, held, 9)
                    });
                }
                continue;
            }
            case(&name("pair"), filter, || pair(gpu, kind, size));
            case(&name("pair, 2 threads"), filter, || {
                twice(|_| pair(gpu, kind, size))
            });
            if size <= 1 << 20 {
                case(&name("hold 1000"), filter, || {
                    hold(gpu, kind, size, 1000, 9)
                });
            }
            if size <= 64 << 10 {
                case(&name("hold 1000, 2 threads"), filter, || {
                    twice(|seed| hold(gpu, kind, size, 1000, seed))
                });
            }
        }
    }
    if product == "dg1" {
        for (label, size) in [("64 MiB", 64 << 20), ("1 GiB", 1 << 30)] {
            for (what, from, to) in [
                ("upload", "", "device"),
                ("copy device to device", "device", "device"),
                ("copy host to device", "host", "device"),
            ] {
                let name = format!("{what}, {label}");
                case(&name, filter, || copy(gpu, who, size, from, to));
            }
        }
    }
}

/// A copy of this driver, or a plain one beside it; Intel's without hardware copies nothing.
fn copy(gpu: Gpu, who: &str, size: usize, from: &str, to: &str) -> f64 {
    let mut source = vec![1_u8; size];
    if who == "intel" {
        let mut target = vec![2_u8; size];
        let mut run = || {
            let start = Instant::now();
            black_box(&mut target).copy_from_slice(black_box(&source));
            nanos(start, 1)
        };
        return median((0..5).map(|_| run()).collect());
    }
    let list = gpu.list();
    let run = |target: *mut c_void, source: *const c_void| {
        let append = gpu.api.zeCommandListAppendMemoryCopy;
        let start = Instant::now();
        // SAFETY: both of `size` bytes.
        done(unsafe { append(list, target, source, size, null_mut(), 0, null_mut()) });
        nanos(start, 1)
    };
    let target = gpu.alloc(to, size);
    let memory = if from.is_empty() {
        source.as_mut_ptr().cast()
    } else {
        gpu.alloc(from, size)
    };
    run(memory, target);
    run(target, memory);
    let result = median((0..5).map(|_| run(target, memory)).collect());
    gpu.free(target);
    if !from.is_empty() {
        gpu.free(memory);
    }
    result
}

/// Runs this program as one driver, and adds what it says.
fn child(mode: &str, filter: &str, found: &mut BTreeMap<String, Vec<f64>>) {
    let product = mode.split_once(' ').unwrap().1;
    let output = Command::new(std::env::current_exe().unwrap())
        .arg(filter)
        .env(MODE, mode)
        .env("NEOReadDebugKeys", "1")
        .env("SetCommandStreamReceiver", "1")
        .env("ProductFamilyOverride", product)
        .env("AUBDumpCaptureFileName", "/dev/null")
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for line in text.lines() {
        if let Some((name, value)) = line.split_once('\t') {
            let samples = found.entry(name.to_owned()).or_default();
            samples.push(value.parse().unwrap());
        }
    }
}

fn main() -> ExitCode {
    let filter = std::env::args()
        .skip(1)
        .find(|word| !word.starts_with("--"));
    let filter = filter.unwrap_or_default();
    if let Ok(mode) = std::env::var(MODE) {
        measure(&mode, &filter);
        return ExitCode::SUCCESS;
    }
    let (mut ours, mut intel) = (BTreeMap::new(), BTreeMap::new());
    for _ in 0..ROUNDS {
        for product in ["dg1", "skl"] {
            child(&format!("intel {product}"), &filter, &mut intel);
            child(&format!("ours {product}"), &filter, &mut ours);
        }
    }
    println!("medians in ns; beside copies stands memcpy instead of Intel's driver");
    println!("| what | this driver | Intel's | ratio |\n|---|---|---|---|");
    for (name, samples) in ours {
        let own = median(samples);
        match intel.remove(&name).map(median) {
            Some(other) => println!("| {name} | {own:.0} | {other:.0} | {:.2} |", own / other),
            None => println!("| {name} | {own:.0} | - | - |"),
        }
    }
    ExitCode::SUCCESS
}
