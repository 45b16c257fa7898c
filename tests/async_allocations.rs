//! How often the library allocates for asynchronous work: not at all per operation of a scope once its
//! structures are warm, and a few times for an operation that is started.
#![cfg(feature = "cpu")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails, as it should"
)]

use core::ffi::c_void;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Write as _;
use std::sync::OnceLock;
use ze_area::sys::{self, Api, ZE_RESULT_SUCCESS as SUCCESS, ze_result_t};
use ze_area::{Context, Device, Driver, InOut, Kernel, Queue, ZeBuffer};

/// Counts the allocations of a thread while it is asked to.
struct Counting;

thread_local! {
    static COUNT: Cell<Option<usize>> = const { Cell::new(None) };
}

fn note() {
    let _ = COUNT.try_with(|count| count.set(count.get().map(|n| n + 1)));
}

// SAFETY: all is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: as the caller vouches.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller vouches.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How many allocations the thread makes meanwhile.
fn allocations(work: impl FnOnce()) -> usize {
    COUNT.set(Some(0));
    work();
    COUNT.replace(None).unwrap_or(0)
}

type List = sys::ze_command_list_handle_t;
type Event = sys::ze_event_handle_t;

unsafe extern "C" fn copy(
    _: List,
    _: *mut c_void,
    _: *const c_void,
    _: usize,
    _: Event,
    _: u32,
    _: *mut Event,
) -> ze_result_t {
    SUCCESS
}

unsafe extern "C" fn fill(
    _: List,
    _: *mut c_void,
    _: *const c_void,
    _: usize,
    _: usize,
    _: Event,
    _: u32,
    _: *mut Event,
) -> ze_result_t {
    SUCCESS
}

unsafe extern "C" fn launch(
    _: List,
    _: sys::ze_kernel_handle_t,
    _: *const sys::ze_group_count_t,
    _: Event,
    _: u32,
    _: *mut Event,
) -> ze_result_t {
    SUCCESS
}

unsafe extern "C" fn barrier(_: List, _: Event, _: u32, _: *mut Event) -> ze_result_t {
    SUCCESS
}

unsafe extern "C" fn synchronize(_: Event, _: u64) -> ze_result_t {
    SUCCESS
}

unsafe extern "C" fn of_event(_: Event) -> ze_result_t {
    SUCCESS
}

unsafe extern "C" fn argument(
    _: sys::ze_kernel_handle_t,
    _: u32,
    _: usize,
    _: *const c_void,
) -> ze_result_t {
    SUCCESS
}

/// A context on a driver that does nothing that it is told to, so that all allocations are the
/// library's.
fn idle() -> Context {
    static TABLE: OnceLock<Api> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let mut api = *ze_area::cpu::api();
        api.zeCommandListAppendMemoryCopy = copy;
        api.zeCommandListAppendMemoryFill = fill;
        api.zeCommandListAppendLaunchKernel = launch;
        api.zeCommandListAppendBarrier = barrier;
        api.zeEventHostSynchronize = synchronize;
        api.zeEventQueryStatus = of_event;
        api.zeEventHostReset = of_event;
        api.zeKernelSetArgumentValue = argument;
        api
    });
    // SAFETY: the table is the CPU driver's; what stands in touches no memory.
    let driver = unsafe { Driver::from_api(table, 0) }.unwrap();
    Context::builder().driver(&driver).build().unwrap()
}

struct World {
    queues: [Queue; 2],
    buffers: [ZeBuffer<u32, Device>; 2],
    twice: Option<Kernel<(InOut<u32>,)>>,
}

impl World {
    fn new(context: &Context) -> Self {
        let gpu = context.first_device().unwrap();
        let module = context.module(gpu).file("tests/kernels/twice.spv");
        if let Err(error) = &module {
            let required = std::env::var("ZE_AREA_REQUIRE").unwrap_or_default();
            assert!(!required.split(',').any(|word| word == "opencl"), "{error}");
            // Past the capture of the harness.
            let _ = writeln!(std::io::stderr(), "skipped: launches: {error}");
        }
        let area = context.device_area(gpu);
        Self {
            queues: core::array::from_fn(|_| context.queue(gpu).unwrap()),
            buffers: core::array::from_fn(|_| area.mmap(64).unwrap()),
            // SAFETY: that is its signature, and launches here have as many items as elements.
            twice: module.ok().map(|it| unsafe { it.kernel("twice") }.unwrap()),
        }
    }

    /// A scope with so many rounds of a fill, a copy and a launch, each of which waits for the one
    /// before; on two queues by turns, or on one.
    fn scope(&mut self, rounds: u32, both: bool) {
        let [first, second] = &self.queues;
        let [x, y] = &mut self.buffers;
        let done = first.scope(|q| {
            let second = q.on(second)?;
            let mut x = q.lend_mut(x);
            let mut y = q.lend_mut(y);
            for round in 0..rounds {
                let q = if both && round % 2 == 1 {
                    &second
                } else {
                    &**q
                };
                q.fill(&mut x, 0x0102_0304)?;
                q.copy(&x, &mut y)?;
                if let Some(twice) = &self.twice {
                    q.launch(twice, 64, (&mut y,))?;
                }
            }
            Ok(())
        });
        done.unwrap();
    }
}

#[test]
fn operations_of_a_scope_allocate_nothing() {
    let context = idle();
    let mut world = World::new(&context);
    world.scope(10, false);
    let few = allocations(|| world.scope(10, false));
    let many = allocations(|| world.scope(1000, false));
    assert_eq!(
        few, many,
        "allocations of scopes with 30 and 3000 operations"
    );
    assert!(few <= 6, "{few} for a scope");
}

#[test]
fn operations_that_wait_for_other_queues_allocate_nothing() {
    let context = idle();
    let mut world = World::new(&context);
    // Up to the number of events at which they are used again.
    world.scope(2000, true);
    let few = allocations(|| world.scope(1000, true));
    let many = allocations(|| world.scope(4000, true));
    assert_eq!(
        few, many,
        "allocations of scopes with 3000 and 12000 operations"
    );
    assert!(few <= 24, "{few} for a scope");
}

#[test]
fn starting_an_operation_allocates_once() {
    let context = idle();
    let World {
        queues,
        buffers,
        twice,
    } = World::new(&context);
    let [queue, _] = &queues;
    let [x, y] = buffers;
    let mut ends = queue.start_copy(x, y).unwrap().wait().unwrap();
    for _ in 0..3 {
        let mut given = Some(ends);
        let mut back = None;
        let count = allocations(|| {
            let (x, y) = given.take().unwrap();
            back = Some(queue.start_copy(x, y).unwrap().wait().unwrap());
        });
        assert_eq!(count, 1);
        ends = back.unwrap();
    }
    if let Some(twice) = twice {
        let mut given = Some((ends.0,));
        let start = |args| {
            queue
                .start_launch(&twice, 64, args)
                .unwrap()
                .wait()
                .unwrap()
        };
        given = given.map(start);
        let count = allocations(|| given = given.take().map(start));
        assert_eq!(count, 1);
    }
}
