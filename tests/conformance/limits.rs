//! The limit of a context on its memory.

use crate::drivers::{Subject, assert_empty};
use crate::spy::{self, Answer};
use crate::{in_each_placement, promises};
use core::ffi::c_void;
use core::mem::MaybeUninit;
use std::collections::BTreeMap;
use std::sync::{Barrier, Mutex, TryLockError};
use ze_area::sys::{self, ze_result_t};
use ze_area::{
    Align, Area, Context, Device, DeviceArea, Driver, Error, ErrorKind, Host, HostArea, LimitOf,
    Ownership, PlacementKind, Shared, ZeBuffer,
};

promises![
    a_limit_is_exact_and_of_all_placements_together,
    a_context_without_a_limit_has_none,
    a_request_beyond_the_limit_does_not_reach_the_driver,
    memory_that_is_freed_counts_no_more,
    a_limit_that_is_reached_says_all_there_is_to_know,
    contexts_do_not_share_a_limit,
    threads_never_pass_the_limit,
    a_call_that_fails_takes_nothing_of_the_limit,
    memory_that_could_not_be_freed_goes_on_counting,
    raw_parts_count_as_the_report_says,
    what_is_there_only_to_align_counts,
    clones_count,
    a_context_that_other_code_made_can_have_a_limit,
];

const LIMIT: usize = 10_000;
const OUT_OF_DEVICE_MEMORY: u32 = 0x7000_0003;
const UNKNOWN: u32 = 0x7fff_fffe;

fn limited(driver: &Driver, limit: usize) -> Context {
    let builder = Context::builder().driver(driver);
    builder.memory_limit(limit as u64).build().unwrap()
}

/// A limited context of the spying driver.
fn spied(subject: &Subject) -> Context {
    limited(&spy::driver(subject, |_| {}), LIMIT)
}

/// Areas that add nothing to align.
struct Areas {
    device: DeviceArea<Align<1>, Device>,
    shared: DeviceArea<Align<1>, Shared>,
    host: HostArea<Align<1>>,
}

impl Areas {
    fn new(context: &Context) -> Self {
        let device = context.default_device_area().unwrap().align::<1>();
        Self {
            shared: device.shared(),
            device,
            host: context.host_area().align::<1>(),
        }
    }
}

fn ask<A: Area>(area: &A, bytes: usize) -> Result<ZeBuffer<MaybeUninit<u8>, A::Placement>, Error> {
    area.mmap_uninit::<u8>(bytes)
}

/// The limit is reached with so many bytes live.
fn assert_reached<A: Area>(area: &A, bytes: usize, live: usize) {
    let error = ask(area, bytes).unwrap_err();
    let Error::LimitReached {
        limit,
        requested,
        held_bytes,
        ..
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!((limit, requested), (LIMIT as u64, bytes));
    assert_eq!(held_bytes, live as u64);
}

/// What is left of the limit can be had to the last byte, and not one more.
fn assert_left(context: &Context, left: usize) {
    let area = context.host_area().align::<1>();
    assert_reached(&area, left + 1, LIMIT - left);
    if left > 0 {
        drop(ask(&area, left).unwrap());
    }
}

fn a_limit_is_exact_and_of_all_placements_together(subject: &Subject) {
    let context = limited(subject.driver(), LIMIT);
    assert_eq!(context.memory_limit(), Some(LIMIT as u64));
    let areas = Areas::new(&context);
    let on_device = ask(&areas.device, 6000).unwrap();
    assert_left(&context, 4000);
    let on_host = ask(&areas.host, 3000).unwrap();
    let shared = ask(&areas.shared, 1000).unwrap();
    assert_eq!(context.memory().live_bytes(), LIMIT as u64);
    assert_reached(&areas.device, 1, LIMIT);
    assert_reached(&areas.shared, 1, LIMIT);
    assert_reached(&areas.host, 1, LIMIT);
    // What takes no memory is always there.
    assert!(ask(&areas.device, 0).is_ok());
    drop(shared);
    assert_reached(&areas.host, 1001, LIMIT - 1000);
    let all = ask(&areas.host, 1000).unwrap();
    drop((on_device, on_host, all));
    assert_empty(&context);
    assert_left(&context, LIMIT);
}

fn a_context_without_a_limit_has_none(subject: &Subject) {
    assert_eq!(subject.context().memory_limit(), None);
    let nothing = Context::builder().driver(subject.driver()).memory_limit(0);
    let nothing = nothing.build().unwrap();
    assert_eq!(nothing.memory_limit(), Some(0));
    assert!(ask(&nothing.host_area(), 1).is_err());
}

fn a_request_beyond_the_limit_does_not_reach_the_driver(subject: &Subject) {
    let context = spied(subject);
    let device = context.first_device().unwrap();
    in_each_placement!(context, device, |area| {
        assert!(ask(&area, LIMIT + 1).is_err());
        assert!(area.mmap::<u64>(LIMIT).is_err());
        assert!(area.mmap_from_slice(&[0_u8; LIMIT + 1]).is_err());
    });
    assert_eq!(spy::asked(), []);
    assert_eq!(context.memory().host.peak_buffers, 0);
}

fn memory_that_is_freed_counts_no_more(subject: &Subject) {
    let context = limited(subject.driver(), LIMIT);
    let device = context.first_device().unwrap();
    in_each_placement!(context, device, |area| {
        let area = area.align::<1>();
        for _ in 0..3 {
            drop(ask(&area, LIMIT).unwrap());
            ask(&area, LIMIT).unwrap().free().unwrap();
            assert_eq!(area.mmap::<[u8; 2]>(LIMIT / 2).unwrap().len(), LIMIT / 2);
        }
    });
    assert_left(&context, LIMIT);
}

fn a_limit_that_is_reached_says_all_there_is_to_know(subject: &Subject) {
    let context = limited(subject.driver(), LIMIT);
    let areas = Areas::new(&context);
    let held = (
        ask(&areas.device, 2000).unwrap(),
        ask(&areas.host, 3000).unwrap(),
        ask(&areas.host, 4000).unwrap(),
    );
    let error = ask(&areas.shared, 1001).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert_eq!((error.call(), error.code()), (None, None));
    let text = error.to_string();
    for word in [
        "limit of 10000 bytes of this context",
        "1001 bytes of shared memory",
        "9000 bytes are held",
        "buffers of areas: 7000 bytes of host memory in 2 buffers, buffers of areas: 2000 bytes of \
         device memory in 1 buffer)",
        "ContextBuilder::memory_limit",
        "drop some",
        "trim",
    ] {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
    let Error::LimitReached {
        of,
        limit: 10_000,
        placement: PlacementKind::Shared,
        requested: 1001,
        padding: 0,
        held_bytes: 9000,
        holders,
    } = error
    else {
        panic!("{text}")
    };
    assert_eq!(*of, LimitOf::Context);
    let named: Vec<_> = holders
        .iter()
        .map(|held| (held.name(), held.placement(), held.bytes(), held.buffers()))
        .collect();
    let name = "buffers of areas";
    let host = (name, PlacementKind::Host, 7000, 2);
    assert_eq!(named, [host, (name, PlacementKind::Device, 2000, 1)]);
    drop(held);
}

fn contexts_do_not_share_a_limit(subject: &Subject) {
    let (one, other) = (
        limited(subject.driver(), LIMIT),
        limited(subject.driver(), LIMIT),
    );
    let of_one = ask(&one.host_area().align::<1>(), LIMIT).unwrap();
    let of_other = ask(&other.host_area().align::<1>(), LIMIT).unwrap();
    let third = subject.context();
    let of_third = ask(&third.host_area(), 2 * LIMIT).unwrap();
    // Clones are the same context.
    assert_reached(&one.clone().host_area(), 1, LIMIT);
    drop((of_one, of_other, of_third));
}

/// What the driver was asked for and has not freed, and the most that was.
#[derive(Default)]
struct Given {
    now: usize,
    most: usize,
    sizes: BTreeMap<usize, usize>,
}

impl Given {
    fn add(&mut self, bytes: usize) {
        self.now += bytes;
        self.most = self.most.max(self.now);
    }
}

/// By context: other trials run in the same process.
static GIVEN: Mutex<BTreeMap<usize, Given>> = Mutex::new(BTreeMap::new());

fn with_given<R>(context: sys::ze_context_handle_t, f: impl FnOnce(&mut Given) -> R) -> R {
    loop {
        // The thread sanitizer does not see how the standard library's lock waits.
        match GIVEN.try_lock() {
            Ok(mut given) => return f(given.entry(context.addr()).or_default()),
            Err(TryLockError::WouldBlock) => std::thread::yield_now(),
            Err(TryLockError::Poisoned(_)) => panic!("a trial failed with the lock"),
        }
    }
}

/// Counts the bytes from before the driver has them to give until after it took them back.
unsafe fn counted(
    context: sys::ze_context_handle_t,
    bytes: usize,
    out: *mut *mut c_void,
    call: impl FnOnce() -> ze_result_t,
) -> ze_result_t {
    with_given(context, |given| given.add(bytes));
    let result = call();
    with_given(context, |given| {
        if result == sys::ZE_RESULT_SUCCESS {
            // SAFETY: the driver has written to the target.
            given.sizes.insert(unsafe { *out }.addr(), bytes);
        } else {
            given.now -= bytes;
        }
    });
    result
}

unsafe extern "C" fn counted_device(
    context: sys::ze_context_handle_t,
    desc: *const sys::ze_device_mem_alloc_desc_t,
    bytes: usize,
    align: usize,
    device: sys::ze_device_handle_t,
    out: *mut *mut c_void,
) -> ze_result_t {
    let alloc = spy::behind().zeMemAllocDevice;
    // SAFETY: all is passed on.
    let call = || unsafe { alloc(context, desc, bytes, align, device, out) };
    // SAFETY: the target is the library's.
    unsafe { counted(context, bytes, out, call) }
}

unsafe extern "C" fn counted_host(
    context: sys::ze_context_handle_t,
    desc: *const sys::ze_host_mem_alloc_desc_t,
    bytes: usize,
    align: usize,
    out: *mut *mut c_void,
) -> ze_result_t {
    let alloc = spy::behind().zeMemAllocHost;
    // SAFETY: all is passed on.
    let call = || unsafe { alloc(context, desc, bytes, align, out) };
    // SAFETY: the target is the library's.
    unsafe { counted(context, bytes, out, call) }
}

unsafe extern "C" fn counted_free(
    context: sys::ze_context_handle_t,
    pointer: *mut c_void,
) -> ze_result_t {
    let bytes = with_given(context, |given| given.sizes.remove(&pointer.addr())).unwrap();
    // SAFETY: all is passed on.
    let result = unsafe { (spy::behind().zeMemFree)(context, pointer) };
    with_given(context, |given| given.now -= bytes);
    result
}

/// Takes and drops buffers of many sizes, of which not even its own always fit; how many it got and
/// how many not.
fn churn<B>(seed: usize, take: impl Fn(usize) -> Result<B, Error>) -> (usize, usize) {
    let mut held = [None, None, None];
    let (mut got, mut refused) = (0, 0);
    let mut random = seed;
    for round in 0..300 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        held[round % 3] = None;
        match take(1 + (random >> 33) % (LIMIT / 2)) {
            Ok(buffer) => {
                held[round % 3] = Some(buffer);
                got += 1;
            }
            Err(error) => {
                assert!(matches!(error, Error::LimitReached { .. }), "{error}");
                refused += 1;
            }
        }
    }
    (got, refused)
}

fn threads_never_pass_the_limit(subject: &Subject) {
    let driver = spy::driver(subject, |api| {
        api.zeMemAllocDevice = counted_device;
        api.zeMemAllocHost = counted_host;
        api.zeMemFree = counted_free;
    });
    let context = limited(&driver, LIMIT);
    let areas = Areas::new(&context);
    let queue = context.queue(context.first_device().unwrap()).unwrap();
    let source = context.host_area().align::<1>();
    let source = source.mmap::<u8>(LIMIT / 10).unwrap();
    let start = Barrier::new(6);
    let run = |seed: usize| {
        start.wait();
        match seed % 3 {
            0 => churn(seed, |bytes| ask(&areas.device, bytes)),
            1 => churn(seed, |bytes| ask(&areas.host, bytes)),
            _ => churn(seed, |bytes| queue.try_clone(&source.slice(..bytes / 5)?)),
        }
    };
    let done: Vec<_> = std::thread::scope(|threads| {
        let run = &run;
        let threads: Vec<_> = (0..6)
            .map(|seed| threads.spawn(move || run(seed)))
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    drop(source);
    let got: usize = done.iter().map(|(got, _)| got).sum();
    let refused: usize = done.iter().map(|(_, refused)| refused).sum();
    assert!(got > 0 && refused > 0, "{got} {refused}");
    let most = with_given(context.as_raw(), |given| given.most);
    assert!(most > LIMIT / 2 && most <= LIMIT, "{most}");
    let memory = context.memory();
    for part in [memory.device, memory.host] {
        assert!(part.peak_bytes <= LIMIT as u64, "{part:?}");
    }
    assert_empty(&context);
    assert_left(&context, LIMIT);
}

fn a_call_that_fails_takes_nothing_of_the_limit(subject: &Subject) {
    let context = spied(subject);
    let device = context.first_device().unwrap();
    for answer in [
        Answer::Code(OUT_OF_DEVICE_MEMORY),
        Answer::Code(UNKNOWN),
        Answer::Pointer(0),
    ] {
        spy::answer(Some(answer));
        in_each_placement!(context, device, |area| {
            let error = ask(&area.align::<1>(), LIMIT).unwrap_err();
            assert!(!matches!(error, Error::LimitReached { .. }), "{error}");
        });
        spy::answer(None);
        assert_left(&context, LIMIT);
    }
}

fn memory_that_could_not_be_freed_goes_on_counting(subject: &Subject) {
    let context = spied(subject);
    let area = context.host_area().align::<1>();
    let buffer = ask(&area, 600).unwrap();
    spy::answer_frees(Some(UNKNOWN));
    let buffer = buffer.free().unwrap_err().buffer;
    spy::answer_frees(None);
    assert_left(&context, LIMIT - 600);
    let address = buffer.device_ptr().cast_mut();
    spy::answer_frees(Some(UNKNOWN));
    drop(buffer);
    spy::answer_frees(None);
    // Not live by the report, and yet there.
    assert_eq!(context.memory().host.live_bytes, 0);
    assert_eq!(context.memory().host.leaked_bytes, 600);
    let error = ask(&area, LIMIT).unwrap_err().to_string();
    let says = "(lost in failed frees: 600 bytes of host memory in 1 buffer)";
    assert!(error.contains(says), "{error}");
    assert_left(&context, LIMIT - 600);
    let api = context.driver().api();
    // SAFETY: the buffer is gone and could not free its memory, so nobody else will.
    let freed = unsafe { (api.zeMemFree)(context.as_raw(), address.cast()) };
    assert_eq!(freed, sys::ZE_RESULT_SUCCESS);
}

fn raw_parts_count_as_the_report_says(subject: &Subject) {
    let context = limited(subject.driver(), LIMIT);
    let area = context.host_area().align::<1>();
    let parts = ask(&area, 7000).unwrap().into_raw_parts();
    assert_eq!(context.memory().live_bytes(), 0);
    assert_left(&context, LIMIT);
    let others = ask(&area, 6000).unwrap();
    // The memory is there, so that it cannot be refused.
    // SAFETY: the parts are those of a buffer of this context.
    let buffer: ZeBuffer<MaybeUninit<u8>, Host> =
        unsafe { ZeBuffer::from_raw_parts(&context, parts) };
    assert_eq!(context.memory().live_bytes(), 13_000);
    assert_reached(&area, 1, 13_000);
    drop(others);
    assert_left(&context, 3000);
    drop(buffer);
    assert_left(&context, LIMIT);
}

fn what_is_there_only_to_align_counts(subject: &Subject) {
    const ALIGN: usize = 1 << 16;
    let context = limited(subject.driver(), 3 * ALIGN);
    let area = context.host_area().align::<ALIGN>();
    let buffer = ask(&area, ALIGN).unwrap();
    let live = usize::try_from(context.memory().live_bytes()).unwrap();
    let byte_wise = context.host_area().align::<1>();
    assert!(ask(&byte_wise, 3 * ALIGN - live + 1).is_err());
    let rest = ask(&byte_wise, 3 * ALIGN - live).unwrap();
    let error = ask(&area, 1).unwrap_err();
    let Error::LimitReached {
        requested, padding, ..
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(requested, 1 + padding);
    let is_padded = live > ALIGN;
    assert_eq!(padding > 0, is_padded, "{error}");
    let says = format!("({padding} of them to align");
    assert_eq!(error.to_string().contains(&says), is_padded, "{error}");
    drop((buffer, rest));
    assert_empty(&context);
}

fn clones_count(subject: &Subject) {
    let context = limited(subject.driver(), 3 << 16);
    let queue = context.queue(context.first_device().unwrap()).unwrap();
    let source = context.host_area().mmap::<u8>(1 << 16).unwrap();
    let clone = queue.try_clone(&source).unwrap();
    assert_eq!(clone.len(), 1 << 16);
    // Two are left no room for, even where nothing is added to align.
    let second = queue.try_clone(&source).map_err(|error| error.kind());
    let third = queue.try_clone(&source).unwrap_err();
    assert!(matches!(third, Error::LimitReached { .. }), "{third}");
    drop((clone, second));
    assert!(queue.try_clone(&source).is_ok());
}

fn a_context_that_other_code_made_can_have_a_limit(subject: &Subject) {
    let owner = subject.context();
    let builder = Context::builder().driver(subject.driver());
    let builder = builder.memory_limit(LIMIT as u64);
    // SAFETY: the handle is that of a context of this driver with all devices, which outlives the
    // one that is made of it.
    let context = unsafe { builder.build_from_raw(owner.as_raw(), Ownership::Borrowed) }.unwrap();
    assert_eq!(context.memory_limit(), Some(LIMIT as u64));
    // What is allocated by others in the same context of the driver is not counted.
    let of_owner = ask(&owner.host_area(), 500).unwrap();
    assert_left(&context, LIMIT);
    drop(of_owner);
}
