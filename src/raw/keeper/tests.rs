//! A keeper that is none of the library's own, on a driver that runs out of memory when told to.

use super::*;
use crate::cpu::{Config, Instance};
use crate::{Context, Driver, Error, ErrorKind, Host, PlacementKind, ZeBuffer, sys};
use core::mem::{MaybeUninit, take};
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::channel;

const OUT_OF_HOST_MEMORY: sys::ze_result_t = sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY;
const OUT_OF_DEVICE_MEMORY: sys::ze_result_t = sys::ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY;
const ALLOCATE: &str = "zeMemAllocHost";

type Bytes = ZeBuffer<MaybeUninit<u8>, Host>;

/// Keeps idle memory and has some in use, of ten buffers for each allocation.
struct Fake {
    idle: Mutex<Vec<Bytes>>,
    in_use: Vec<Bytes>,
    asked: AtomicUsize,
    while_asked: Box<dyn Fn() + Send + Sync>,
    while_dropped: Box<dyn Fn() + Send + Sync>,
}

impl Fake {
    fn new(idle: Vec<Bytes>) -> Self {
        Self {
            idle: Mutex::new(idle),
            in_use: Vec::new(),
            asked: AtomicUsize::new(0),
            while_asked: Box::new(|| ()),
            while_dropped: Box::new(|| ()),
        }
    }

    /// Keeps `bytes` bytes of the context.
    fn keeping(context: &Context, bytes: usize) -> Self {
        Self::new(vec![bytes_of(context, bytes).unwrap()])
    }

    fn registered(self, context: &Context) -> Arc<Self> {
        let fake = Arc::new(self);
        let weak: Weak<Self> = Arc::downgrade(&fake);
        context.inner().register(weak);
        fake
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Debug for Fake {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Fake").finish_non_exhaustive()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        (self.while_dropped)();
    }
}

impl Keeper for Fake {
    fn give_back(&self) -> usize {
        self.asked.fetch_add(1, Ordering::SeqCst);
        (self.while_asked)();
        take(&mut *lock(&self.idle)).iter().map(ZeBuffer::len).sum()
    }

    fn holder(&self) -> Holder {
        let idle = lock(&self.idle);
        let bytes: usize = idle.iter().chain(&self.in_use).map(ZeBuffer::len).sum();
        let in_use = self.in_use.len() as u64;
        Holder::new("fake", PlacementKind::Host, bytes as u64, 10 * in_use)
    }

    fn allocations(&self) -> u64 {
        (lock(&self.idle).len() + self.in_use.len()) as u64
    }
}

fn bytes_of(context: &Context, bytes: usize) -> Result<Bytes, Error> {
    context.host_area().align::<1>().mmap_uninit(bytes)
}

fn world(limit: Option<u64>) -> (Instance, Context) {
    let instance = Instance::new(Config::new()).unwrap();
    let driver = Driver::from_cpu(&instance).unwrap();
    let builder = Context::builder().driver(&driver);
    let builder = match limit {
        Some(limit) => builder.memory_limit(limit),
        None => builder,
    };
    (instance, builder.build().unwrap())
}

/// The next so many allocations fail for want of memory; what is called from now on is logged.
fn run_out(instance: &Instance, times: u64, code: sys::ze_result_t) {
    for nth in 1..=times {
        instance.fail(ALLOCATE, nth, code);
    }
    instance.log(true);
    drop(instance.take_log());
}

fn calls(instance: &Instance) -> Vec<&'static str> {
    let log = instance.take_log();
    log.iter().map(|record| record.call).collect()
}

#[test]
fn where_memory_runs_out_idle_memory_is_given_back_and_it_is_asked_for_once_more() {
    for limit in [None, Some(1 << 20)] {
        for code in [OUT_OF_HOST_MEMORY, OUT_OF_DEVICE_MEMORY] {
            let (instance, context) = world(limit);
            let fake = Fake::keeping(&context, 4096).registered(&context);
            run_out(&instance, 1, code);
            let buffer = bytes_of(&context, 100).unwrap();
            assert_eq!(calls(&instance), [ALLOCATE, "zeMemFree", ALLOCATE]);
            assert_eq!(fake.asked(), 1);
            assert_eq!(context.memory().live_bytes(), 100);
            drop(buffer);
        }
    }
}

#[test]
fn memory_is_asked_for_twice_at_most() {
    for limit in [None, Some(1 << 20)] {
        let (instance, context) = world(limit);
        let fake = Fake::keeping(&context, 4096).registered(&context);
        run_out(&instance, 2, OUT_OF_DEVICE_MEMORY);
        let error = bytes_of(&context, 100).unwrap_err();
        assert!(matches!(error, Error::OutOfMemory { live_bytes: 0, .. }));
        assert_eq!(calls(&instance), [ALLOCATE, "zeMemFree", ALLOCATE]);
        assert_eq!(fake.asked(), 1);
        assert!(bytes_of(&context, 1 << 20).is_ok());
    }
}

#[test]
fn where_nothing_comes_back_memory_is_asked_for_once() {
    let (instance, context) = world(None);
    let fake = Fake::new(Vec::new()).registered(&context);
    run_out(&instance, 1, OUT_OF_DEVICE_MEMORY);
    let error = bytes_of(&context, 100).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert_eq!(calls(&instance), [ALLOCATE]);
    assert_eq!(fake.asked(), 1);
}

#[test]
fn other_failures_ask_nobody() {
    let (instance, context) = world(None);
    let fake = Fake::keeping(&context, 4096).registered(&context);
    run_out(&instance, 1, sys::ZE_RESULT_ERROR_DEVICE_LOST);
    assert_eq!(
        bytes_of(&context, 100).unwrap_err().kind(),
        ErrorKind::Failure
    );
    assert_eq!(calls(&instance), [ALLOCATE]);
    assert_eq!(fake.asked(), 0);
}

#[test]
fn where_the_driver_ignores_alignments_memory_is_asked_for_once_more_too() {
    let instance = Instance::new(Config::new().honour_alignment(false)).unwrap();
    let driver = Driver::from_cpu(&instance).unwrap();
    for limit in [None, Some(1 << 22)] {
        let builder = Context::builder().driver(&driver);
        let builder = match limit {
            Some(limit) => builder.memory_limit(limit),
            None => builder,
        };
        let context = builder.build().unwrap();
        let area = context.host_area().align::<{ 1 << 20 }>();
        drop(area.mmap_uninit::<u8>(1).unwrap());
        let fake = Fake::keeping(&context, 4096).registered(&context);
        run_out(&instance, 1, OUT_OF_HOST_MEMORY);
        let buffer = area.mmap_uninit::<u8>(1).unwrap();
        assert_eq!(calls(&instance), [ALLOCATE, "zeMemFree", ALLOCATE]);
        assert_eq!(buffer.device_ptr().addr() % (1 << 20), 0);
        assert_eq!(fake.asked(), 1);
    }
}

#[test]
fn at_the_limit_idle_memory_is_given_back_before_there_is_an_error() {
    let (instance, context) = world(Some(10_000));
    let fake = Fake::keeping(&context, 4000).registered(&context);
    run_out(&instance, 0, OUT_OF_HOST_MEMORY);
    let first = bytes_of(&context, 6000).unwrap();
    assert_eq!(fake.asked(), 0);
    let second = bytes_of(&context, 4000).unwrap();
    assert_eq!(fake.asked(), 1);
    assert_eq!(calls(&instance), [ALLOCATE, "zeMemFree", ALLOCATE]);
    drop((first, second));
}

#[test]
fn a_request_above_the_limit_takes_nothing_from_who_keeps_memory() {
    let (_instance, context) = world(Some(10_000));
    let fake = Fake::keeping(&context, 4000).registered(&context);
    let error = bytes_of(&context, 10_001).unwrap_err();
    assert!(matches!(
        error,
        Error::LimitReached {
            held_bytes: 4000,
            ..
        }
    ));
    assert_eq!(fake.asked(), 0);
}

#[test]
fn an_error_at_the_limit_names_who_holds_the_memory() {
    let (_instance, context) = world(Some(10_000));
    let mut fake = Fake::new(Vec::new());
    fake.in_use.push(bytes_of(&context, 5000).unwrap());
    let fake = fake.registered(&context);
    let gone = Fake::keeping(&context, 1).registered(&context);
    drop(gone);
    let own = [2000, 1000].map(|bytes| bytes_of(&context, bytes).unwrap());
    let device = context.default_device_area().unwrap();
    let on_device = device.align::<1>().mmap_uninit::<u8>(500).unwrap();
    let error = bytes_of(&context, 2000).unwrap_err();
    let Error::LimitReached { holders, .. } = &error else {
        panic!("{error}")
    };
    let named: Vec<_> = holders
        .iter()
        .map(|h| (h.name(), h.placement(), h.bytes(), h.buffers()))
        .collect();
    let areas = "buffers of areas";
    assert_eq!(
        named,
        [
            ("fake", PlacementKind::Host, 5000, 10),
            (areas, PlacementKind::Host, 3000, 2),
            (areas, PlacementKind::Device, 500, 1),
        ]
    );
    let text = error.to_string();
    let says = "(fake: 5000 bytes of host memory in 10 buffers, buffers of areas: 3000 bytes of host \
         memory in 2 buffers, buffers of areas: 500 bytes of device memory in 1 buffer)";
    assert!(text.contains(says), "{text}");
    drop((own, on_device, fake));
}

#[test]
fn trim_gives_back_what_all_keep() {
    let (_instance, context) = world(None);
    let fakes = [100, 20].map(|bytes| Fake::keeping(&context, bytes).registered(&context));
    let other = world(None);
    let elsewhere = Fake::keeping(&other.1, 3).registered(&other.1);
    assert_eq!(context.trim(), 120);
    assert_eq!(context.memory().live_bytes(), 0);
    assert_eq!(context.trim(), 0);
    assert_eq!(fakes.each_ref().map(|fake| fake.asked()), [2, 2]);
    assert_eq!(elsewhere.asked(), 0);
    assert_eq!(other.1.trim(), 3);
}

#[test]
fn who_is_asked_may_allocate_register_and_go() {
    let (instance, context) = world(None);
    let others = Arc::new(Mutex::new(Vec::new()));
    let (inside, registered) = (context.clone(), Arc::clone(&others));
    let mut fake = Fake::keeping(&context, 4096);
    fake.while_asked = Box::new(move || {
        let other = Fake::keeping(&inside, 64).registered(&inside);
        lock(&registered).push(other);
    });
    let fake = fake.registered(&context);
    run_out(&instance, 1, OUT_OF_DEVICE_MEMORY);
    let buffer = bytes_of(&context, 100).unwrap();
    assert_eq!((fake.asked(), lock(&others).len()), (1, 1));
    assert_eq!(context.memory().live_bytes(), 164);
    drop((buffer, fake));
    assert_eq!(context.trim(), 64);
    lock(&others).clear();
}

#[test]
fn who_allocates_while_it_is_asked_and_finds_no_memory_asks_nobody() {
    let (instance, context) = world(None);
    let inside = context.clone();
    let mut fake = Fake::keeping(&context, 4096);
    fake.while_asked = Box::new(move || {
        let error = bytes_of(&inside, 100).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    });
    let fake = fake.registered(&context);
    run_out(&instance, 3, OUT_OF_DEVICE_MEMORY);
    assert!(bytes_of(&context, 100).is_err());
    assert_eq!(
        calls(&instance),
        [ALLOCATE, ALLOCATE, "zeMemFree", ALLOCATE]
    );
    assert_eq!(fake.asked(), 1);
    // Asked again afterwards.
    run_out(&instance, 3, OUT_OF_DEVICE_MEMORY);
    assert!(bytes_of(&context, 100).is_err());
    assert_eq!(fake.asked(), 2);
}

#[test]
fn who_is_dropped_while_it_is_asked_ends_outside_of_the_lock() {
    let (_instance, context) = world(None);
    let slot: Arc<Mutex<Option<Arc<Fake>>>> = Arc::default();
    let (last, inside) = (Arc::clone(&slot), context.clone());
    let mut fake = Fake::keeping(&context, 10);
    // What is asked is then the one owner.
    fake.while_asked = Box::new(move || drop(lock(&last).take()));
    let ended = Arc::new(AtomicUsize::new(0));
    let end = Arc::clone(&ended);
    fake.while_dropped = Box::new(move || {
        inside.inner().register(Weak::<Fake>::new());
        end.fetch_add(1, Ordering::SeqCst);
    });
    *lock(&slot) = Some(fake.registered(&context));
    assert_eq!(context.trim(), 10);
    assert_eq!(ended.load(Ordering::SeqCst), 1);
    assert_eq!(context.trim(), 0);
}

#[test]
fn who_is_gone_is_forgotten() {
    let (_instance, context) = world(None);
    let stays = Fake::new(Vec::new()).registered(&context);
    for _ in 0..1000 {
        drop(Fake::new(Vec::new()).registered(&context));
    }
    let known = lock(&context.inner().keepers().registered).len();
    assert!(known < 16, "{known}");
    context.trim();
    assert_eq!(stays.asked(), 1);
}

#[test]
fn what_another_thread_had_given_back_meanwhile_is_worth_another_attempt() {
    let (instance, context) = world(None);
    let (begun, began) = channel();
    let (end, ended) = channel();
    let begun = Mutex::new(begun);
    let ended = Mutex::new(ended);
    let waits = std::thread::current().id();
    // Has nothing for the first thread, which waits here until the other one is done.
    let mut empty = Fake::new(Vec::new());
    empty.while_asked = Box::new(move || {
        if std::thread::current().id() == waits {
            lock(&begun).send(()).unwrap();
            lock(&ended).recv().unwrap();
        }
    });
    let empty = empty.registered(&context);
    let full = Fake::keeping(&context, 4096).registered(&context);
    run_out(&instance, 1, OUT_OF_DEVICE_MEMORY);
    let other = &context;
    std::thread::scope(|threads| {
        threads.spawn(move || {
            began.recv().unwrap();
            assert_eq!(other.trim(), 4096);
            end.send(()).unwrap();
        });
        assert!(bytes_of(&context, 100).is_ok());
    });
    assert_eq!((empty.asked(), full.asked()), (2, 2));
}
