//! What a queue and a scope add to the C calls that enqueue, with a driver that does nothing: batches of
//! both, one after the other, so that noise on the machine meets both alike; then the instructions of
//! both.
//!
//! `cargo bench --features cpu --bench enqueue`

#[path = "nothing/enqueue.rs"]
mod nothing;
mod valgrind;

use core::ffi::c_void;
use core::hint::black_box;
use std::error::Error;
use std::time::{Duration, Instant};
use ze_area::{Context, Device, Driver, Grid, In, InOut, Kernel, Queue, ZeBuffer, sys};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// How long one batch takes, about: much shorter than what disturbs it.
const BATCH: Duration = Duration::from_micros(100);
/// How many batches of each kind a line of the table is made from.
const BATCHES: usize = 1001;
/// How many operations the instructions are counted of.
const COUNTED: u64 = 100_000;
/// How many elements the buffers have.
const LEN: usize = 1024;

/// What is measured: an operation as the C calls that it takes, and as the library's call.
const OPERATIONS: [&str; 5] = [
    "copy",
    "copy in a scope",
    "fill in a scope",
    "launch",
    "launch in a scope",
];

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["count", way, operation, times] => {
            Bench::new()?.run(way == "raw", operation, times.parse()?)
        }
        _ if arguments.contains(&"--bench") => {
            times()?;
            instructions()
        }
        _ => {
            println!("nothing is measured without --bench, which `cargo bench` gives");
            Ok(())
        }
    }
}

fn times() -> Outcome {
    let mut bench = Bench::new()?;
    println!("Nanoseconds per operation, as C calls and through the library; medians");
    println!("{:20} {:>7} {:>7} {:>7}", "operation", "raw", "safe", "+");
    for operation in OPERATIONS {
        let mut time = |raw, times| -> Outcome<f64> {
            let begin = Instant::now();
            bench.run(raw, operation, times)?;
            Ok(begin.elapsed().as_nanos() as f64 / times as f64)
        };
        let mut times = 1;
        while time(false, times)? * (times as f64) < BATCH.as_nanos() as f64 {
            times *= 2;
        }
        let mut raws = Vec::with_capacity(BATCHES);
        let mut safes = Vec::with_capacity(BATCHES);
        for _ in 0..BATCHES {
            raws.push(time(true, times)?);
            safes.push(time(false, times)?);
        }
        let median = |values: &mut Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let (raw, safe) = (median(&mut raws), median(&mut safes));
        println!("{operation:20} {raw:>7.1} {safe:>7.1} {:>7.1}", safe - raw);
    }
    Ok(())
}

fn instructions() -> Outcome {
    if !valgrind::is_there("instructions per operation")? {
        return Ok(());
    }
    println!("\nInstructions per operation");
    println!("{:20} {:>7} {:>7} {:>7}", "operation", "raw", "safe", "+");
    for operation in OPERATIONS {
        let of = |way| -> Outcome<f64> {
            let run = |times| valgrind::instructions(&["count", way, operation, times]);
            let empty = run("1")?;
            let full = run(&(COUNTED + 1).to_string())?;
            Ok(full.saturating_sub(empty) as f64 / COUNTED as f64)
        };
        let (raw, safe) = (of("raw")?, of("safe")?);
        println!("{operation:20} {raw:>7.1} {safe:>7.1} {:>7.1}", safe - raw);
    }
    Ok(())
}

struct Bench {
    api: &'static sys::Api,
    queue: Queue,
    saxpy: Kernel<(In<f32>, InOut<f32>, f32)>,
    x: ZeBuffer<f32, Device>,
    y: ZeBuffer<f32, Device>,
    /// Whether a barrier belongs to the C calls: on a list that is not synchronous, each operation
    /// needs the one before it done.
    ordered: bool,
}

impl Bench {
    fn new() -> Outcome<Self> {
        let api: &'static sys::Api = Box::leak(Box::new(nothing::over(ze_area::cpu::api())));
        // SAFETY: all calls that do something are the CPU driver's; what the others leave out nobody
        // looks at.
        let driver = unsafe { Driver::from_api(api, 0) }?;
        let context = Context::builder().driver(&driver).build()?;
        let gpu = context.first_device()?;
        let spirv = include_bytes!("../tests/kernels/kernels.spv");
        let module = context.module(gpu).spirv(spirv)?;
        // SAFETY: that is its signature, and it never runs.
        let saxpy = unsafe { module.kernel("saxpy") }?;
        let area = context.device_area(gpu);
        Ok(Self {
            api,
            queue: context.queue(gpu)?,
            saxpy,
            x: area.mmap(LEN)?,
            y: area.mmap(LEN)?,
            ordered: false,
        })
    }

    fn run(&mut self, raw: bool, operation: &str, times: u64) -> Outcome {
        self.ordered = operation.ends_with("scope");
        match (raw, operation) {
            (true, "copy" | "copy in a scope") => self.raw_copy(times),
            (true, "fill in a scope") => self.raw_fill(times),
            (true, _) => self.raw_launch(times),
            (false, "copy") => {
                for _ in 0..times {
                    self.queue.copy(black_box(&self.x), &mut self.y)?;
                }
                Ok(())
            }
            (false, "launch") => {
                let grid = Grid::from([LEN]).group_size([64]);
                for _ in 0..times {
                    let arguments = (black_box(&self.x), &mut self.y, 2.0);
                    self.queue.launch(&self.saxpy, grid, arguments)?;
                }
                Ok(())
            }
            (false, _) => self.in_scope(operation, times),
        }
    }

    fn in_scope(&mut self, operation: &str, times: u64) -> Outcome {
        let grid = Grid::from([LEN]).group_size([64]);
        self.queue.scope(|q| {
            let x = q.lend(&self.x);
            let mut y = q.lend_mut(&mut self.y);
            match operation {
                "copy in a scope" => (0..times).try_for_each(|_| q.copy(black_box(&x), &mut y)),
                "fill in a scope" => (0..times).try_for_each(|_| q.fill(black_box(&mut y), 1.5)),
                _ => (0..times)
                    .try_for_each(|_| q.launch(&self.saxpy, grid, (black_box(&x), &mut y, 2.0))),
            }
        })?;
        Ok(())
    }

    fn raw_copy(&mut self, times: u64) -> Outcome {
        let bytes = size_of::<f32>() * LEN;
        let (x, y) = (self.x.device_ptr(), self.y.device_mut_ptr());
        let api = self.api;
        self.raw(times, |list| {
            // SAFETY: as the specification asks; nothing is done.
            unsafe {
                (api.zeCommandListAppendMemoryCopy)(
                    list,
                    y.cast(),
                    black_box(x).cast(),
                    bytes,
                    core::ptr::null_mut(),
                    0,
                    core::ptr::null_mut(),
                )
            }
        })
    }

    fn raw_fill(&mut self, times: u64) -> Outcome {
        let bytes = size_of::<f32>() * LEN;
        let y = self.y.device_mut_ptr();
        let api = self.api;
        self.raw(times, |list| {
            let pattern = 1.5_f32.to_ne_bytes();
            // SAFETY: as the specification asks; nothing is done.
            unsafe {
                (api.zeCommandListAppendMemoryFill)(
                    list,
                    black_box(y).cast(),
                    pattern.as_ptr().cast(),
                    pattern.len(),
                    bytes,
                    core::ptr::null_mut(),
                    0,
                    core::ptr::null_mut(),
                )
            }
        })
    }

    fn raw_launch(&mut self, times: u64) -> Outcome {
        let (x, y) = (self.x.device_ptr(), self.y.device_mut_ptr());
        let (api, kernel) = (self.api, self.saxpy.as_raw());
        let groups = sys::ze_group_count_t {
            groupCountX: 16,
            groupCountY: 1,
            groupCountZ: 1,
        };
        self.raw(times, |list| {
            let a = 2.0_f32;
            let set = |index, size, value: *const c_void| {
                // SAFETY: as the specification asks; nothing is done.
                unsafe { (api.zeKernelSetArgumentValue)(kernel, index, size, value) }
            };
            set(0, size_of_val(&x), (&raw const x).cast());
            set(1, size_of_val(&y), (&raw const y).cast());
            set(2, size_of_val(&a), (&raw const a).cast());
            // SAFETY: as the specification asks; nothing is done.
            unsafe {
                (api.zeCommandListAppendLaunchKernel)(
                    list,
                    black_box(kernel),
                    &raw const groups,
                    core::ptr::null_mut(),
                    0,
                    core::ptr::null_mut(),
                )
            }
        })
    }

    fn raw(
        &self,
        times: u64,
        append: impl Fn(sys::ze_command_list_handle_t) -> sys::ze_result_t,
    ) -> Outcome {
        let code = self.queue.with_raw(|list| {
            for _ in 0..times {
                if self.ordered {
                    let null = core::ptr::null_mut();
                    // SAFETY: as the specification asks; nothing is done.
                    unsafe {
                        (self.api.zeCommandListAppendBarrier)(black_box(list), null, 0, null.cast())
                    };
                }
                let code = append(list);
                if code != sys::ZE_RESULT_SUCCESS {
                    return code;
                }
            }
            sys::ZE_RESULT_SUCCESS
        })?;
        match code {
            sys::ZE_RESULT_SUCCESS => Ok(()),
            code => Err(format!("a C call returned {:#x}", code.0).into()),
        }
    }
}
