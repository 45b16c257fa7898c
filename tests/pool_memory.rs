//! What a pool costs: the driver's memory that it holds, the host's memory that it knows it by, and what
//! it gives back when there is too little.
#![cfg(feature = "cpu")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::time::Duration;
use ze_area::cpu::{Config, Instance};
use ze_area::{
    Area, Context, Device, DeviceArea, Driver, Error, ErrorKind, HostArea, Pool, Poolable, Shared,
    ZeBuffer,
};

/// Counts what a thread allocates, and how often.
struct Counting;

thread_local! {
    static BYTES: Cell<isize> = const { Cell::new(0) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

fn note(bytes: isize) {
    let _ = BYTES.try_with(|all| all.set(all.get() + bytes));
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: all is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size().cast_signed());
        // SAFETY: as the caller vouches.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(-layout.size().cast_signed());
        // SAFETY: as the caller vouches.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
/// What a slab takes where nothing is said.
const SLAB: usize = 64 * KIB;

fn context(config: Config) -> (Instance, Context) {
    let instance = Instance::new(config).unwrap();
    let driver = Driver::from_cpu(&instance).unwrap();
    let context = Context::builder().driver(&driver).build().unwrap();
    (instance, context)
}

fn device_area(context: &Context) -> DeviceArea {
    context.default_device_area().unwrap()
}

fn hold<A: Area>(
    area: &A,
    bytes: usize,
    count: usize,
) -> Vec<ZeBuffer<MaybeUninit<u8>, A::Placement>> {
    (0..count)
        .map(|_| area.mmap_uninit(bytes).unwrap())
        .collect()
}

fn held(pool: &impl Held) -> usize {
    usize::try_from(pool.held()).unwrap()
}

/// A pool of any kind.
trait Held {
    fn held(&self) -> u64;
}

impl<A: ze_area::Alignment, P: ze_area::Placement> Held for Pool<A, P> {
    fn held(&self) -> u64 {
        self.stats().held_bytes
    }
}

fn small_buffers_share_slabs_in<R: Poolable>(area: &R) {
    for (bytes, most) in [(64, 1.5), (4 * KIB, 1.02)] {
        let pool = Pool::builder(area).share_slabs(true).build().unwrap();
        let live = hold(&pool, bytes, 1000);
        #[expect(clippy::cast_precision_loss, reason = "a few million")]
        let (held, payload) = (held(&pool) as f64, (live.len() * bytes) as f64);
        #[expect(clippy::cast_precision_loss, reason = "a few million")]
        let allowed = (payload * most).max(payload + SLAB as f64);
        assert!(held <= allowed, "{held} bytes for {payload}");
    }
}

#[test]
fn small_buffers_take_little_more_than_their_bytes() {
    let (_instance, context) = context(Config::new());
    small_buffers_share_slabs_in(&device_area(&context));
    small_buffers_share_slabs_in(&device_area(&context).shared());
    small_buffers_share_slabs_in(&context.host_area());
}

#[test]
fn what_a_pool_knows_takes_a_fiftieth_of_its_memory_at_4_kib() {
    let (_instance, context) = context(Config::new());
    let pool = device_area(&context).pool().unwrap();
    const COUNT: usize = 40_000;
    let mut live: Vec<ZeBuffer<MaybeUninit<u8>, Device>> = Vec::with_capacity(COUNT);
    let before = BYTES.get();
    live.extend((0..COUNT).map(|_| pool.mmap_uninit(4 * KIB).unwrap()));
    // With what the CPU driver's ledger takes for each slab.
    let known = usize::try_from(BYTES.get() - before).unwrap();
    assert!(known <= held(&pool) / 50, "{known} of {}", held(&pool));
    println!(
        "{known} bytes of the host for {} of the device",
        held(&pool)
    );
    // Freed, they are kept in magazines.
    live.clear();
    let known = usize::try_from(BYTES.get() - before).unwrap();
    assert!(known <= held(&pool) / 50, "{known} of {}", held(&pool));
}

#[test]
fn a_warm_pool_takes_nothing_from_the_host() {
    let (_instance, context) = context(Config::new());
    let pool = device_area(&context).pool().unwrap();
    let turn = || {
        drop(pool.mmap_uninit::<u8>(100).unwrap());
        let some: [_; 4] = std::array::from_fn(|n| pool.mmap_uninit::<u64>(1 + 9 * n).unwrap());
        drop(some);
    };
    (0..100).for_each(|_| turn());
    let before = CALLS.get();
    (0..1000).for_each(|_| turn());
    assert_eq!(CALLS.get(), before);
}

fn device_of(bytes: usize) -> (Instance, Context) {
    context(Config::new().device_memory(bytes as u64))
}

#[test]
fn pools_give_back_what_they_keep_where_the_driver_is_out_of_memory() {
    let (_instance, context) = device_of(64 * MIB);
    let keeps = device_area(&context).pool().unwrap();
    drop(hold(&keeps, MIB, 50));
    assert!(held(&keeps) >= 50 * MIB);
    // Another pool, and an area without one, get it.
    let other = device_area(&context).pool().unwrap();
    let some = hold(&other, MIB, 40);
    assert_eq!(held(&keeps), 0);
    drop(some);
    assert!(held(&other) >= 40 * MIB);
    let large: ZeBuffer<u8, Device> = device_area(&context).mmap(60 * MIB).unwrap();
    assert_eq!(held(&other), 0);
    // What lives is not taken from anybody.
    let error = other.mmap_uninit::<u8>(8 * MIB).unwrap_err();
    assert!(matches!(error, Error::OutOfMemory { .. }), "{error}");
    drop(large);
    other.mmap_uninit::<u8>(8 * MIB).unwrap();
}

#[test]
fn what_another_thread_keeps_is_given_back_too() {
    let (_instance, context) = device_of(64 * MIB);
    let pool = device_area(&context).pool().unwrap();
    let (done, wait) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
    std::thread::scope(|threads| {
        threads.spawn(|| {
            drop(pool.mmap_uninit::<u8>(16 * MIB).unwrap());
            done.wait();
            wait.wait();
        });
        done.wait();
        assert_eq!(held(&pool), 16 * MIB);
        let large: ZeBuffer<u8, Device> = device_area(&context).mmap(60 * MIB).unwrap();
        assert_eq!(held(&pool), 0);
        drop(large);
        wait.wait();
    });
}

#[test]
fn the_limit_of_a_pool_holds_and_the_error_names_its_largest_buffers() {
    let (_instance, context) = context(Config::new());
    let area = device_area(&context);
    let builder = Pool::builder(&area).name("weights").limit(10 * MIB as u64);
    let pool = builder.build().unwrap();
    let mut live = hold(&pool, MIB, 8);
    live.extend(hold(&pool, 4 * KIB, 16));
    // Idle memory makes room.
    drop(pool.mmap_uninit::<u8>(1900 * KIB).unwrap());
    live.push(pool.mmap_uninit(MIB).unwrap());
    let error = pool.mmap_uninit::<u8>(MIB).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    let Error::LimitReached {
        limit,
        requested,
        holders,
        ..
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!((*limit, *requested), (10 * MIB as u64, MIB));
    let bytes: Vec<u64> = holders.iter().map(ze_area::Holder::bytes).collect();
    assert_eq!(bytes, [9 * MIB as u64, 64 * KIB as u64]);
    let text = error.to_string();
    assert!(
        text.contains("\"weights\"") && text.contains("9 buffers"),
        "{text}"
    );
    assert!(pool.stats().peak_held_bytes <= 10 * MIB as u64);
    live.pop();
    pool.mmap_uninit::<u8>(MIB).unwrap();
}

#[test]
fn the_limit_of_a_context_makes_its_pools_give_back_and_names_them() {
    let instance = Instance::new(Config::new()).unwrap();
    let driver = Driver::from_cpu(&instance).unwrap();
    let builder = Context::builder().driver(&driver);
    let context = builder.memory_limit(10 * MIB as u64).build().unwrap();
    let host: HostArea = context.host_area();
    let idle = Pool::builder(&host).name("idle").build().unwrap();
    drop(hold(&idle, MIB, 9));
    let area = device_area(&context);
    let busy = Pool::builder(&area).name("busy").build().unwrap();
    let live = hold(&busy, MIB, 10);
    assert_eq!(held(&idle), 0);
    let error = idle.mmap_uninit::<u8>(1).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::LimitReached { .. }), "{text}");
    assert!(
        text.contains("busy: 10485760 bytes of device memory"),
        "{text}"
    );
    drop(live);
    idle.mmap_uninit::<u8>(1).unwrap();
}

#[test]
fn what_is_idle_for_long_is_given_back_a_part_at_a_time() {
    let (_instance, context) = context(Config::new());
    let area = device_area(&context).shared();
    let builder = Pool::builder(&area).idle_after(Duration::from_millis(1));
    let pool: Pool<_, Shared> = builder.build().unwrap();
    drop(hold(&pool, 64 * KIB, 640));
    let full = held(&pool);
    assert!(full >= 30 * MIB, "{full}");
    // The pool goes on being used, for other sizes, and past what threads keep.
    let mut sizes = Vec::new();
    for _ in 0..100 {
        std::thread::sleep(Duration::from_millis(2));
        for _ in 0..2 {
            drop(hold(&pool, 100, 300));
        }
        sizes.push(held(&pool));
    }
    let left = sizes.last().unwrap();
    assert!(*left < full / 8, "{sizes:?}");
    let at_first = sizes.iter().filter(|size| **size > full / 4).count();
    assert!(at_first > 0, "not all at once: {sizes:?}");
}

#[test]
fn an_alignment_that_no_memory_has_is_refused() {
    let (_instance, context) = context(Config::new());
    let area = context.host_area().runtime_align(1 << 63).unwrap();
    let error = area.pool().unwrap_err();
    assert!(matches!(error, Error::BadPoolSetting { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    // The largest that is taken has a driver refuse it, as it does without a pool.
    let area = context.host_area().runtime_align(1 << 60).unwrap();
    assert!(area.pool().unwrap().mmap_uninit::<u8>(1).is_err());
}

#[test]
fn a_limit_below_a_slab_serves_what_fits() {
    let (_instance, context) = context(Config::new());
    let area = device_area(&context);
    let builder = Pool::builder(&area).limit(60 * KIB as u64);
    let pool = builder.build().unwrap();
    let small = pool.mmap_uninit::<u8>(64).unwrap();
    let rest = pool.mmap_uninit::<u8>(60 * KIB - 64).unwrap();
    assert!(held(&pool) <= 60 * KIB);
    assert!(pool.mmap_uninit::<u8>(64).is_err());
    drop((small, rest));
    assert_eq!(held(&pool), 0);
}

#[test]
fn idle_memory_goes_back_where_a_thread_needs_nothing_of_others() {
    let (_instance, context) = context(Config::new());
    let area = device_area(&context);
    let builder = Pool::builder(&area).idle_after(Duration::from_millis(1));
    let pool = builder.build().unwrap();
    drop(hold(&pool, MIB, 40));
    assert!(held(&pool) >= 40 * MIB);
    // Each is served by what this thread keeps.
    for _ in 0..60 {
        std::thread::sleep(Duration::from_millis(2));
        for _ in 0..5000 {
            drop(pool.mmap_uninit::<u8>(1000).unwrap());
        }
    }
    assert!(held(&pool) < MIB, "{}", pool.stats());
}
