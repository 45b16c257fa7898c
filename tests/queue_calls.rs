//! What the driver is asked for by queues: where no result shows it.
#![cfg(feature = "cpu")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use core::cell::RefCell;
use core::ffi::c_void;
use std::sync::{Mutex, OnceLock};
use ze_area::sys::{self, Api};
use ze_area::{Advice, Context, Driver, Layout, Priority, QueueMode};

thread_local! {
    static LISTS: RefCell<Vec<sys::ze_command_queue_desc_t>> = const { RefCell::new(Vec::new()) };
    static REGIONS: RefCell<Vec<Call>> = const { RefCell::new(Vec::new()) };
    static HINTS: RefCell<Vec<(usize, usize, Option<u32>)>> = const { RefCell::new(Vec::new()) };
    static COPIES: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// A copy of a region as the driver was asked for it: what it spans in the target and in the source,
/// and how many bytes it has.
struct Call {
    target: usize,
    source: usize,
    spans: [usize; 2],
    bytes: usize,
}

unsafe extern "C" fn create(
    context: sys::ze_context_handle_t,
    device: sys::ze_device_handle_t,
    desc: *const sys::ze_command_queue_desc_t,
    list: *mut sys::ze_command_list_handle_t,
) -> sys::ze_result_t {
    // SAFETY: the library gives a valid descriptor.
    LISTS.with_borrow_mut(|all| all.push(unsafe { *desc }));
    // SAFETY: all is passed on.
    unsafe { (ze_area::cpu::api().zeCommandListCreateImmediate)(context, device, desc, list) }
}

unsafe extern "C" fn copy_region(
    list: sys::ze_command_list_handle_t,
    target: *mut c_void,
    to: *const sys::ze_copy_region_t,
    to_row: u32,
    to_slice: u32,
    source: *const c_void,
    from: *const sys::ze_copy_region_t,
    from_row: u32,
    from_slice: u32,
    signal: sys::ze_event_handle_t,
    count: u32,
    events: *mut sys::ze_event_handle_t,
) -> sys::ze_result_t {
    // SAFETY: the library gives a valid region.
    let region = unsafe { *to };
    let span = |row: u32, slice: u32| {
        let last = |count: u32, pitch: u32| (count - 1) as usize * pitch as usize;
        last(region.depth, slice) + last(region.height, row) + region.width as usize
    };
    let call = Call {
        target: target.addr(),
        source: source.addr(),
        spans: [span(to_row, to_slice), span(from_row, from_slice)],
        bytes: region.width as usize * region.height as usize * region.depth as usize,
    };
    REGIONS.with_borrow_mut(|all| all.push(call));
    let copy = ze_area::cpu::api().zeCommandListAppendMemoryCopyRegion;
    // SAFETY: all is passed on.
    unsafe {
        copy(
            list, target, to, to_row, to_slice, source, from, from_row, from_slice, signal, count,
            events,
        )
    }
}

unsafe extern "C" fn copy(
    list: sys::ze_command_list_handle_t,
    target: *mut c_void,
    source: *const c_void,
    bytes: usize,
    signal: sys::ze_event_handle_t,
    count: u32,
    events: *mut sys::ze_event_handle_t,
) -> sys::ze_result_t {
    COPIES.with_borrow_mut(|all| all.push(bytes));
    let copy = ze_area::cpu::api().zeCommandListAppendMemoryCopy;
    // SAFETY: all is passed on.
    unsafe { copy(list, target, source, bytes, signal, count, events) }
}

unsafe extern "C" fn prefetch(
    list: sys::ze_command_list_handle_t,
    range: *const c_void,
    bytes: usize,
) -> sys::ze_result_t {
    HINTS.with_borrow_mut(|all| all.push((range.addr(), bytes, None)));
    // SAFETY: all is passed on.
    unsafe { (ze_area::cpu::api().zeCommandListAppendMemoryPrefetch)(list, range, bytes) }
}

unsafe extern "C" fn advise(
    list: sys::ze_command_list_handle_t,
    device: sys::ze_device_handle_t,
    range: *const c_void,
    bytes: usize,
    advice: sys::ze_memory_advice_t,
) -> sys::ze_result_t {
    HINTS.with_borrow_mut(|all| all.push((range.addr(), bytes, Some(advice.0))));
    // SAFETY: all is passed on.
    unsafe {
        (ze_area::cpu::api().zeCommandListAppendMemAdvise)(list, device, range, bytes, advice)
    }
}

/// A context of the CPU driver behind the functions above.
fn context() -> Context {
    static TABLES: Mutex<Vec<&'static Api>> = Mutex::new(Vec::new());

    let mut api = *ze_area::cpu::api();
    api.zeCommandListCreateImmediate = create;
    api.zeCommandListAppendMemoryCopyRegion = copy_region;
    api.zeCommandListAppendMemoryCopy = copy;
    api.zeCommandListAppendMemoryPrefetch = prefetch;
    api.zeCommandListAppendMemAdvise = advise;
    // Kept where leak checkers find it: a table is never freed.
    let api: &'static Api = Box::leak(Box::new(api));
    TABLES.lock().unwrap().push(api);
    // SAFETY: the table is that of a driver; the functions above pass on all that they are given.
    let driver = unsafe { Driver::from_api(api, 0) }.unwrap();
    Context::builder().driver(&driver).build().unwrap()
}

#[test]
fn a_queue_is_made_as_the_builder_was_told() {
    let context = context();
    let device = context.first_device().unwrap();
    let explicit = sys::ZE_COMMAND_QUEUE_FLAG_EXPLICIT_ONLY;
    for group in device.queue_groups() {
        for index in (0..group.queues).map(Some).chain([None]) {
            for (priority, raw) in [
                (Priority::Low, sys::ZE_COMMAND_QUEUE_PRIORITY_PRIORITY_LOW),
                (Priority::Normal, sys::ZE_COMMAND_QUEUE_PRIORITY_NORMAL),
                (Priority::High, sys::ZE_COMMAND_QUEUE_PRIORITY_PRIORITY_HIGH),
            ] {
                let mut builder = context.queue_builder(device).ordinal(group.ordinal);
                if let Some(index) = index {
                    builder = builder.index(index);
                }
                LISTS.take();
                builder.priority(priority).build().unwrap();
                let [list] = LISTS.take()[..] else {
                    panic!("not one list");
                };
                assert_eq!(
                    (list.ordinal, list.index),
                    (group.ordinal, index.unwrap_or(0))
                );
                assert_eq!(list.flags, index.map_or(0, |_| explicit));
                assert_eq!(list.priority, raw);
                assert_eq!(list.mode, sys::ZE_COMMAND_QUEUE_MODE_SYNCHRONOUS);
            }
        }
    }
}

#[test]
fn a_scope_works_in_the_queue_that_was_built_and_in_its_mode() {
    let context = context();
    let device = context.first_device().unwrap();
    let group = device.queue_groups().last().unwrap();
    let mut buffer = context.device_area(device).mmap::<u32>(100).unwrap();
    for (mode, raw) in [
        (
            QueueMode::Asynchronous,
            sys::ZE_COMMAND_QUEUE_MODE_ASYNCHRONOUS,
        ),
        (
            QueueMode::Synchronous,
            sys::ZE_COMMAND_QUEUE_MODE_SYNCHRONOUS,
        ),
    ] {
        let builder = context.queue_builder(device).ordinal(group.ordinal);
        let builder = builder.index(group.queues - 1).priority(Priority::High);
        let queue = builder.mode(mode).build().unwrap();
        LISTS.take();
        queue
            .scope(|q| {
                let mut buffer = q.lend_mut(&mut buffer);
                q.fill(&mut buffer, 1)?;
                q.fill(&mut buffer, 7)
            })
            .unwrap();
        assert_eq!(queue.to_vec(&buffer).unwrap(), [7; 100]);
        let [list] = LISTS.take()[..] else {
            panic!("not one list");
        };
        assert_eq!(
            (list.ordinal, list.index),
            (group.ordinal, group.queues - 1)
        );
        assert_eq!(list.priority, sys::ZE_COMMAND_QUEUE_PRIORITY_PRIORITY_HIGH);
        assert_eq!(list.mode, raw);
    }
}

#[test]
fn a_driver_gets_no_slice_of_the_host_with_gaps() {
    let context = context();
    let device = context.first_device().unwrap();
    let queue = context.queue(device).unwrap();
    let mut buffer = context.device_area(device).mmap::<u32>(1000).unwrap();
    let host: Vec<u32> = (0..1000).collect();
    let mut back = vec![0; 1000];
    let (wide, tight) = (Layout::slices(11, 8), Layout::slices(7, 5));
    let gaps = |call: &Call| call.spans.map(|span| span > call.bytes);
    // With gaps on the device only.
    REGIONS.take();
    queue
        .copy_region(&host, tight, &mut buffer, wide, [7, 5, 3])
        .unwrap();
    queue
        .copy_region(&buffer, wide, &mut back, tight, [7, 5, 3])
        .unwrap();
    let calls = REGIONS.take();
    assert_eq!(calls.len(), 2);
    assert_eq!(gaps(&calls[0]), [true, false]);
    assert_eq!(calls[0].source, host.as_ptr().addr());
    assert_eq!(gaps(&calls[1]), [false, true]);
    assert_eq!(calls[1].target, back.as_ptr().addr());
    assert_eq!(back[..105], host[..105]);
    // With gaps on the host.
    queue
        .copy_region(&host, wide, &mut buffer, tight, [7, 5, 3])
        .unwrap();
    queue
        .copy_region(&host, wide, &mut buffer, wide, [7, 5, 3])
        .unwrap();
    queue
        .copy_region(&buffer, wide, &mut back, wide, [7, 5, 3])
        .unwrap();
    for call in REGIONS.take() {
        let of_buffer = buffer.device_ptr().addr();
        assert_eq!(
            gaps(&call),
            [call.target == of_buffer, call.source == of_buffer]
        );
    }
}

#[test]
fn a_region_without_gaps_is_one_plain_copy() {
    let context = context();
    let device = context.first_device().unwrap();
    let queue = context.queue(device).unwrap();
    let area = context.device_area(device);
    let source = area.mmap_from_slice(&[5_u32; 6000]).unwrap();
    let mut target = area.mmap::<u32>(6000).unwrap();
    COPIES.take();
    let layout = Layout::slices(20, 30);
    queue
        .copy_region(&source, layout, &mut target, layout, [20, 30, 10])
        .unwrap();
    queue
        .copy_region(&source, layout, &mut target, Layout::rows(20), [20, 2])
        .unwrap();
    assert_eq!(COPIES.take(), [24_000, 160]);
    assert!(REGIONS.take().is_empty());
}

#[test]
fn a_hint_names_the_bytes_and_the_advice() {
    let context = context();
    let queue = context.queue(context.first_device().unwrap()).unwrap();
    let area = context.default_device_area().unwrap().shared();
    let buffer = area.mmap::<u32>(1000).unwrap();
    let at = buffer.device_ptr().addr();
    HINTS.take();
    queue.prefetch(&buffer).unwrap();
    queue.prefetch(&buffer.slice(3..5).unwrap()).unwrap();
    queue.prefetch(&buffer.slice(3..3).unwrap()).unwrap();
    assert_eq!(HINTS.take(), [(at, 4000, None), (at + 12, 8, None)]);
    for (advice, raw) in Advice::ALL.into_iter().zip(0..) {
        queue.advise(&buffer.slice(1..).unwrap(), advice).unwrap();
        assert_eq!(HINTS.take(), [(at + 4, 3996, Some(raw))]);
    }
}

#[test]
fn a_long_fill_with_a_pattern_of_12_bytes_takes_few_calls() {
    let context = context();
    let device = context.first_device().unwrap();
    let queue = context.queue(device).unwrap();
    let mut buffer = context
        .device_area(device)
        .mmap::<[u32; 3]>(1 << 20)
        .unwrap();
    COPIES.take();
    queue.fill(&mut buffer, [1, 2, 3]).unwrap();
    let copies = COPIES.take();
    assert_eq!(copies.iter().sum::<usize>(), 12 << 20);
    assert_eq!(copies.len(), 1 + 8, "{copies:?}");
    assert!(queue.to_vec(&buffer).unwrap() == vec![[1, 2, 3]; 1 << 20]);
}

#[test]
fn a_hint_in_a_scope_names_the_bytes_and_the_advice() {
    let context = context();
    let queue = context.queue(context.first_device().unwrap()).unwrap();
    let area = context.default_device_area().unwrap().shared();
    let mut buffer = area.mmap::<u32>(1000).unwrap();
    let at = buffer.device_ptr().addr();
    HINTS.take();
    let ((), profile) = queue
        .profile(|q| {
            let mut buffer = q.lend_mut(&mut buffer);
            q.fill(&mut buffer, 1)?;
            q.prefetch(&buffer)?;
            q.prefetch(&buffer.slice(3..5)?)?;
            q.prefetch(&buffer.slice(3..3)?)?;
            assert_eq!(HINTS.take(), [(at, 4000, None), (at + 12, 8, None)]);
            for (advice, raw) in Advice::ALL.into_iter().zip(0..) {
                q.advise(&buffer.slice(1..)?, advice)?;
                assert_eq!(HINTS.take(), [(at + 4, 3996, Some(raw))]);
            }
            q.advise(&buffer.slice(9..9)?, Advice::ALL[0])?;
            assert!(HINTS.take().is_empty());
            let (low, mut high) = buffer.split_at_mut(500)?;
            let (from, to) = (Layout::rows(10), Layout::rows(9));
            q.copy_region(&low, from, &mut high, to, [7, 3])
        })
        .unwrap();
    let lines: Vec<_> = profile
        .operations
        .iter()
        .map(|operation| (&*operation.name, operation.bytes))
        .collect();
    assert_eq!(
        lines[..3],
        [("fill", 4000), ("prefetch", 4000), ("prefetch", 8)]
    );
    let advised = 3 + Advice::ALL.len();
    assert!(
        lines[3..advised]
            .iter()
            .all(|line| *line == ("advice", 3996))
    );
    assert_eq!(lines[advised..], [("region copy", 84)]);
    let timed = |operation: &ze_area::Operation| operation.time.is_some();
    assert!(profile.operations.iter().all(timed), "{profile}");
}

#[test]
fn a_region_of_many_rows_of_the_host_has_its_time() {
    let context = context();
    let queue = context.queue(context.first_device().unwrap()).unwrap();
    let mut buffer = context
        .default_device_area()
        .unwrap()
        .mmap::<u32>(100)
        .unwrap();
    let host: Vec<u32> = (0..100).collect();
    let (wide, tight) = (Layout::rows(10), Layout::rows(7));
    REGIONS.take();
    COPIES.take();
    let ((), profile) = queue
        .profile(|q| {
            q.copy_region(
                &q.lend(&host),
                wide,
                &mut q.lend_mut(&mut buffer),
                tight,
                [7, 3],
            )
        })
        .unwrap();
    // A row at a time, since the slice has gaps.
    assert!(REGIONS.take().is_empty());
    assert_eq!(COPIES.take(), [28; 3]);
    let [operation] = &profile.operations[..] else {
        panic!("{profile}");
    };
    assert!(operation.time.is_some());
    let read = queue.to_vec(&buffer.slice(..21).unwrap()).unwrap();
    assert_eq!(read[..7], host[..7]);
    assert_eq!(read[14..], host[20..27]);
}

thread_local! {
    static TIMEOUTS: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Is ready at the third call.
unsafe extern "C" fn synchronize(event: sys::ze_event_handle_t, timeout: u64) -> sys::ze_result_t {
    let calls = TIMEOUTS.with_borrow_mut(|all| {
        all.push(timeout);
        all.len()
    });
    if calls < 3 {
        return sys::ZE_RESULT_NOT_READY;
    }
    // SAFETY: all is passed on.
    unsafe { (ze_area::cpu::api().zeEventHostSynchronize)(event, u64::MAX) }
}

#[test]
fn a_wait_leaves_the_driver_now_and_then_and_goes_on() {
    static TABLE: OnceLock<Api> = OnceLock::new();
    let api = TABLE.get_or_init(|| Api {
        zeEventHostSynchronize: synchronize,
        ..*ze_area::cpu::api()
    });
    // SAFETY: the table is the CPU driver's, but for a wait that takes several calls.
    let driver = unsafe { Driver::from_api(api, 0) }.unwrap();
    let context = Context::builder().driver(&driver).build().unwrap();
    let queue = context.queue(context.first_device().unwrap()).unwrap();
    let (_, copied) = queue
        .start_copy(vec![7_u32; 9], vec![0; 9])
        .unwrap()
        .wait()
        .unwrap();
    assert_eq!(copied, [7; 9]);
    TIMEOUTS.with_borrow(|all| {
        assert_eq!(all.len(), 3);
        assert!(
            all.iter().all(|&timeout| timeout < 1_000_000_000),
            "{all:?}"
        );
    });
}
