//! Queues over lists that other code made, and calls of other code on a queue's list.

use crate::contents::numbers;
use crate::drivers::{Subject, Work};
use crate::kernels::{kernel, ran};
use crate::modules::module;
use crate::{promises, spy};
use core::cell::Cell;
use core::ffi::c_void;
use core::ptr::null_mut;
use core::time::Duration;
use std::sync::atomic::{AtomicBool, Ordering};
use ze_area::sys::{self, Api, ZE_RESULT_SUCCESS as SUCCESS};
use ze_area::{
    Advice, Context, Driver, Error, ErrorKind, InOut, Layout, Ownership, Queue, ZeDevice,
};

promises![
    an_operation_on_a_raw_list_is_done_when_it_returns,
    a_launch_on_a_raw_list_is_done_when_it_returns,
    an_operation_on_a_raw_list_waits_for_what_was_there_before,
    scopes_and_pending_operations_work_on_raw_lists,
    threads_share_a_queue_over_a_raw_list,
    an_owned_list_is_destroyed_after_the_last_that_uses_it,
    a_borrowed_list_is_still_usable_afterwards,
    a_list_that_is_refused_stays_its_owners,
    raw_calls_are_done_after_a_barrier,
    raw_calls_and_a_scope_share_a_list,
];

/// Calls a function of the table and checks that it succeeds.
macro_rules! ok {
    ($api:expr, $call:ident($($argument:expr),* $(,)?)) => {{
        // SAFETY: the handles are live and of one driver, and pointers are good for the call.
        let result = unsafe { ($api.$call)($($argument),*) };
        assert_eq!(result, SUCCESS, stringify!($call));
    }};
}

const MODES: [sys::ze_command_queue_mode_t; 2] = [
    sys::ZE_COMMAND_QUEUE_MODE_ASYNCHRONOUS,
    sys::ZE_COMMAND_QUEUE_MODE_SYNCHRONOUS,
];

/// Makes a list as a C program does.
fn list(
    context: &Context,
    device: &ZeDevice,
    ordinal: u32,
    mode: sys::ze_command_queue_mode_t,
) -> sys::ze_command_list_handle_t {
    let desc = sys::ze_command_queue_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_COMMAND_QUEUE_DESC,
        ordinal,
        mode,
        ..Default::default()
    };
    let (handle, device, mut list) = (context.as_raw(), device.as_raw(), null_mut());
    let api = context.driver().api();
    ok!(
        api,
        zeCommandListCreateImmediate(handle, device, &raw const desc, &raw mut list)
    );
    list
}

fn over(
    context: &Context,
    device: &ZeDevice,
    list: sys::ze_command_list_handle_t,
    ownership: Ownership,
) -> Queue {
    // SAFETY: callers give a list of the context and the device, in the first group that computes,
    // and destroy those that they lend after all else.
    unsafe {
        context
            .queue_builder(device)
            .build_from_raw(list, ownership)
    }
    .unwrap()
}

/// The group of queues that are built without a word about it.
fn group(context: &Context, device: &ZeDevice) -> u32 {
    context.queue(device).unwrap().ordinal()
}

/// A queue over an asynchronous list of its own.
pub(crate) fn asynchronous(context: &Context, device: &ZeDevice) -> Queue {
    let list = list(context, device, group(context, device), MODES[0]);
    over(context, device, list, Ownership::Owned)
}

/// Runs a check with a queue over a list of every mode and ownership.
fn with_each(context: &Context, device: &ZeDevice, check: impl Fn(&Queue)) {
    for mode in MODES {
        for ownership in [Ownership::Owned, Ownership::Borrowed] {
            let list = list(context, device, group(context, device), mode);
            check(&over(context, device, list, ownership));
            if ownership == Ownership::Borrowed {
                ok!(context.driver().api(), zeCommandListDestroy(list));
            }
        }
    }
}

/// So many that a device needs a while.
const MANY: usize = 300_001;

/// All that a queue does but launches; what each call has to have done is checked at once.
fn operations(subject: &Subject, context: &Context, queue: &Queue) {
    let moves = || subject.executes(Work::HostDevice, "uploads and read-back");
    let others = || subject.executes(Work::Other, "fills and copies between buffers");
    let area = context.device_area(subject.device());
    let host = context.host_area();
    let data = numbers(MANY);
    let fresh = area.mmap_uninit::<u32>(MANY).unwrap();
    let mut x = queue.init(fresh, &data).unwrap();
    let read = queue.to_vec(&x).unwrap();
    assert!(!moves() || read == data);
    let mut back = host.mmap::<u32>(MANY).unwrap();
    queue.copy(&x, &mut back).unwrap();
    assert!(!others() || back == data[..]);
    let part = queue.try_clone(&x.slice(7..99).unwrap()).unwrap();
    let read = queue.to_vec(&part).unwrap();
    assert!(!others() || read == data[7..99]);
    let clone = queue.clone_in(&host, &x).unwrap();
    assert!(!others() || clone == data[..]);
    // The host writes right afterwards what was a source.
    back.fill(1);
    queue.copy(&back, &mut x).unwrap();
    back.fill(2);
    let read = queue.to_vec(&x).unwrap();
    assert!(!others() || read == [1; MANY]);

    queue.fill(&mut back, 0x0102_0304).unwrap();
    assert!(!others() || back == [0x0102_0304; MANY]);
    let mut odd = host.mmap::<[u8; 3]>(MANY).unwrap();
    queue.fill(&mut odd, [1, 2, 3]).unwrap();
    assert!(!others() || odd == [[1, 2, 3]; MANY]);

    let (from, to) = (Layout::rows(1000), Layout::rows(999).at([0, 1]));
    queue
        .copy_region(&back, from, &mut x, to, [998, 299])
        .unwrap();
    let read = queue.to_vec(&x.slice(998..2000).unwrap()).unwrap();
    if others() {
        let row = [0x0102_0304; 998];
        assert_eq!((read[0], &read[1..999], read[999]), (1, &row[..], 1));
    }
    // Of the host, with gaps: through the stage.
    let mut rows = vec![5_u32; 3 * 1000];
    queue
        .copy_region(&x, Layout::rows(999).at([0, 1]), &mut rows, from, [998, 3])
        .unwrap();
    if others() {
        assert_eq!(
            (rows[997], rows[998], rows[1000]),
            (0x0102_0304, 5, 0x0102_0304)
        );
    }

    let shared = area.shared().mmap_from_slice(&data[..100]).unwrap();
    queue.prefetch(&shared).unwrap();
    queue.advise(&shared, Advice::SetReadMostly).unwrap();
    queue.barrier().unwrap();
    assert_eq!(shared, data[..100]);
}

fn an_operation_on_a_raw_list_is_done_when_it_returns(subject: &Subject) {
    let context = subject.context();
    with_each(&context, subject.device(), |queue| {
        operations(subject, &context, queue);
    });
}

fn a_launch_on_a_raw_list_is_done_when_it_returns(subject: &Subject) {
    let context = subject.context();
    let Some(module) = module(subject, &context, subject.device()) else {
        return;
    };
    let twice = kernel::<(InOut<u32>,)>(&module, "twice");
    with_each(&context, subject.device(), |queue| {
        let mut x = context.host_area().mmap_from_slice(&[1; MANY]).unwrap();
        queue.launch(&twice, MANY, (&mut x,)).unwrap();
        assert!(!ran(subject) || x == [2; MANY]);
        // The host writes at once what the kernel had.
        x.fill(21);
        queue.launch(&twice, MANY, (&mut x,)).unwrap();
        assert!(!ran(subject) || x == [42; MANY]);
    });
}

/// What holds a list up.
struct Gate {
    api: &'static Api,
    pool: sys::ze_event_pool_handle_t,
    event: sys::ze_event_handle_t,
    opened: AtomicBool,
}

// SAFETY: the specification lets any thread signal an event; the rest is atomic or only read.
unsafe impl Sync for Gate {}

impl Gate {
    fn new(context: &Context) -> Self {
        let desc = sys::ze_event_pool_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_EVENT_POOL_DESC,
            flags: sys::ZE_EVENT_POOL_FLAG_HOST_VISIBLE,
            count: 1,
            ..Default::default()
        };
        let (api, mut pool) = (context.driver().api(), null_mut());
        let (handle, none) = (context.as_raw(), null_mut());
        ok!(
            api,
            zeEventPoolCreate(handle, &raw const desc, 0, none, &raw mut pool)
        );
        let desc = sys::ze_event_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_EVENT_DESC,
            ..Default::default()
        };
        let mut event = null_mut();
        ok!(api, zeEventCreate(pool, &raw const desc, &raw mut event));
        let opened = AtomicBool::new(false);
        Self {
            api,
            pool,
            event,
            opened,
        }
    }

    /// Has everything that is enqueued on the queue from now on wait for the gate, which another
    /// thread opens a little later, and does what has to wait for that.
    fn hold(context: &Context, queue: &Queue, run: impl FnOnce()) {
        let gate = Self::new(context);
        std::thread::scope(|scope| {
            scope.spawn(|| gate.open());
            let (api, mut event) = (gate.api, gate.event);
            queue
                .with_raw(|list| {
                    let event = &raw mut event;
                    ok!(api, zeCommandListAppendBarrier(list, null_mut(), 1, event));
                })
                .unwrap();
            run();
            assert!(gate.opened.load(Ordering::Acquire), "nobody has waited");
        });
        // What waits for it is done, also where it does nothing else.
        queue.barrier().unwrap();
        ok!(gate.api, zeEventDestroy(gate.event));
        ok!(gate.api, zeEventPoolDestroy(gate.pool));
    }

    fn open(&self) {
        std::thread::sleep(Duration::from_millis(10));
        self.opened.store(true, Ordering::Release);
        ok!(self.api, zeEventHostSignal(self.event));
    }
}

fn an_operation_on_a_raw_list_waits_for_what_was_there_before(subject: &Subject) {
    if !subject.executes(Work::Other, "work that waits for events of the host") {
        return;
    }
    let context = subject.context();
    let area = context.device_area(subject.device()).shared();
    with_each(&context, subject.device(), |queue| {
        let hold = |run: &mut dyn FnMut()| Gate::hold(&context, queue, run);
        let mut x = area.mmap_from_slice(&numbers(50)).unwrap();
        let mut y = area.mmap_from_slice(&[7_u32; 50]).unwrap();
        let mut odd = area.mmap_from_slice(&[[7_u8; 3]; 50]).unwrap();
        hold(&mut || queue.copy(&x, &mut y).unwrap());
        assert_eq!(y, numbers(50)[..]);
        hold(&mut || queue.fill(&mut y, 5).unwrap());
        assert_eq!(y, [5; 50]);
        hold(&mut || queue.fill(&mut odd, [1, 2, 3]).unwrap());
        assert_eq!(odd, [[1, 2, 3]; 50]);
        hold(&mut || assert_eq!(queue.to_vec(&x).unwrap(), numbers(50)));
        hold(&mut || assert_eq!(queue.try_clone(&x).unwrap(), numbers(50)[..]));
        let rows = Layout::rows(8);
        let mut copy = || {
            queue
                .copy_region(&y, rows, &mut x, Layout::rows(9), [3, 4])
                .unwrap();
        };
        hold(&mut copy);
        assert_eq!((x[2], x[9], x[27 + 2]), (5, 5, 5));
        hold(&mut || queue.prefetch(&x).unwrap());
        hold(&mut || queue.advise(&x, Advice::SetReadMostly).unwrap());
        hold(&mut || queue.barrier().unwrap());
    });
}

fn scopes_and_pending_operations_work_on_raw_lists(subject: &Subject) {
    let context = subject.context();
    let area = context.device_area(subject.device());
    let data = numbers(MANY);
    let module = module(subject, &context, subject.device());
    with_each(&context, subject.device(), |queue| {
        let (mut x, mut y) = (area.mmap(MANY).unwrap(), area.mmap(MANY).unwrap());
        let mut back = vec![0; MANY];
        queue
            .scope(|q| {
                let (mut x, mut y) = (q.lend_mut(&mut x), q.lend_mut(&mut y));
                q.copy(&q.lend(&data), &mut x)?;
                if let Some(module) = &module {
                    let twice = kernel::<(InOut<u32>,)>(module, "twice");
                    q.launch(&twice, MANY, (&mut x,))?;
                }
                q.copy(&x, &mut y)?;
                // Of the same list, in between; and on another buffer.
                let other = queue.clone_in(&context.host_area(), &data[..9])?;
                assert!(!subject.executes(Work::Other, "copies to the host") || other == data[..9]);
                q.fill(&mut x, 3)?;
                q.copy(&y, &mut q.lend_mut(&mut back))
            })
            .unwrap();
        let factor = if module.is_some() { 2 } else { 1 };
        if ran(subject) {
            let mut pairs = back.iter().zip(&data);
            assert!(pairs.all(|(back, n)| *back == n.wrapping_mul(factor)));
            assert_eq!(queue.to_vec(&x).unwrap(), [3; MANY]);
        }
        let pending = queue.start_fill(x, 9).unwrap();
        let other = queue.start_copy(y, vec![0; MANY]).unwrap();
        // With what was started on the list still.
        let mut z = context.host_area().mmap::<u32>(9).unwrap();
        queue.fill(&mut z, 0x0102_0304).unwrap();
        assert!(!ran(subject) || z == [0x0102_0304; 9]);
        let (_, copied) = other.wait().unwrap();
        assert!(!ran(subject) || copied == back);
        let x = pending.wait().unwrap();
        let read = queue.to_vec(&x).unwrap();
        assert!(!ran(subject) || read == [9; MANY]);
    });
}

fn threads_share_a_queue_over_a_raw_list(subject: &Subject) {
    let context = subject.context();
    let queue = asynchronous(&context, subject.device());
    let fills = subject.executes(Work::Other, "fills");
    std::thread::scope(|scope| {
        for thread in 1..4_u32 {
            let (queue, context) = (queue.clone(), &*context);
            scope.spawn(move || {
                let mut x = context.host_area().mmap::<u32>(1000).unwrap();
                for round in 1..20 {
                    let value = thread * 0x0100_0001 * round;
                    queue.fill(&mut x, value).unwrap();
                    assert!(!fills || x == [value; 1000]);
                    queue
                        .scope(|q| q.fill(&mut q.lend_mut(&mut x), value + 1))
                        .unwrap();
                    assert!(!fills || x == [value + 1; 1000]);
                }
            });
        }
    });
}

thread_local! {
    static DESTROYED: Cell<usize> = const { Cell::new(0) };
}

unsafe extern "C" fn destroy(list: sys::ze_command_list_handle_t) -> sys::ze_result_t {
    DESTROYED.set(DESTROYED.get() + 1);
    // SAFETY: all is passed on.
    unsafe { (spy::behind().zeCommandListDestroy)(list) }
}

/// A context of the driver behind a table that counts how often this thread destroys lists.
fn counting(subject: &Subject) -> (Driver, Context) {
    let driver = spy::driver(subject, |api| api.zeCommandListDestroy = destroy);
    let context = Context::builder().driver(&driver).build().unwrap();
    DESTROYED.set(0);
    (driver, context)
}

fn an_owned_list_is_destroyed_after_the_last_that_uses_it(subject: &Subject) {
    let (driver, context) = counting(subject);
    let device = &driver.devices()[0];
    let queue = asynchronous(&context, device);
    // The one that told the group.
    assert_eq!(DESTROYED.take(), 1);
    let x = context.host_area().mmap::<u32>(MANY).unwrap();
    let pending = queue.start_fill(x, 1).unwrap();
    let clone = queue.clone();
    drop((queue, context));
    assert_eq!(DESTROYED.get(), 0);
    drop(clone);
    assert_eq!(DESTROYED.get(), 0, "the fill may be on it still");
    let x = pending.wait().unwrap();
    assert_eq!(DESTROYED.get(), 1);
    assert!(!subject.executes(Work::Other, "fills") || x == [1; MANY]);
}

fn a_borrowed_list_is_still_usable_afterwards(subject: &Subject) {
    let (driver, context) = counting(subject);
    let device = &driver.devices()[0];
    for mode in MODES {
        let list = list(&context, device, group(&context, device), mode);
        DESTROYED.set(0);
        let mut x = context.host_area().mmap::<u32>(10).unwrap();
        for value in 0x101..0x104 {
            let queue = over(&context, device, list, Ownership::Borrowed);
            queue.fill(&mut x, value).unwrap();
            queue
                .scope(|q| q.fill(&mut q.lend_mut(&mut x), value + 1))
                .unwrap();
        }
        assert_eq!(DESTROYED.get(), 0);
        ok!(
            driver.api(),
            zeCommandListAppendBarrier(list, null_mut(), 0, null_mut())
        );
        let queue = over(&context, device, list, Ownership::Borrowed);
        queue.barrier().unwrap();
        assert!(!subject.executes(Work::Other, "fills") || x == [0x104; 10]);
        drop(queue);
        ok!(driver.api(), zeCommandListDestroy(list));
        assert_eq!(DESTROYED.get(), 1);
    }
}

fn a_list_that_is_refused_stays_its_owners(subject: &Subject) {
    let (driver, context) = counting(subject);
    let device = &driver.devices()[0];
    let builder = || context.queue_builder(device);
    for ownership in [Ownership::Owned, Ownership::Borrowed] {
        // SAFETY: a null handle is refused.
        let error = unsafe { builder().build_from_raw(null_mut(), ownership) }.unwrap_err();
        assert!(
            matches!(
                error,
                Error::NullHandle {
                    what: "command list"
                }
            ),
            "{error}"
        );
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
    let list = list(&context, device, group(&context, device), MODES[0]);
    DESTROYED.set(0);
    // SAFETY: a group that is not there is refused.
    let refused = unsafe { builder().ordinal(77).build_from_raw(list, Ownership::Owned) };
    let error = refused.unwrap_err();
    assert!(
        matches!(error, Error::BadQueueGroup { ordinal: 77, .. }),
        "{error}"
    );
    // SAFETY: so is a queue that is not there.
    let refused = unsafe { builder().index(5000).build_from_raw(list, Ownership::Owned) };
    let error = refused.unwrap_err();
    assert!(
        matches!(error, Error::BadQueueIndex { index: 5000, .. }),
        "{error}"
    );
    if let [_, other, ..] = driver.devices() {
        let first = Context::builder().driver(&driver).devices([device.clone()]);
        let builder = first.build().unwrap().queue_builder(other);
        // SAFETY: so is a device that is not in the context.
        let refused = unsafe { builder.build_from_raw(list, Ownership::Owned) };
        let error = refused.unwrap_err();
        assert!(matches!(error, Error::DeviceNotInContext { .. }), "{error}");
    }
    assert_eq!(DESTROYED.get(), 0);
    drop(over(&context, device, list, Ownership::Owned));
    assert_eq!(DESTROYED.get(), 1);
}

/// Appends a copy as a C program does.
fn append(
    api: &Api,
    list: sys::ze_command_list_handle_t,
    target: *mut u32,
    source: *const u32,
    len: usize,
) {
    let (to, from): (*mut c_void, *const c_void) = (target.cast(), source.cast());
    let none = null_mut();
    ok!(
        api,
        zeCommandListAppendMemoryCopy(list, to, from, len * 4, none, 0, null_mut())
    );
}

/// Runs a check with an ordinary queue, and with one over each kind of list.
fn with_all(context: &Context, device: &ZeDevice, check: impl Fn(&Queue)) {
    check(&context.queue(device).unwrap());
    with_each(context, device, check);
}

fn raw_calls_are_done_after_a_barrier(subject: &Subject) {
    let context = subject.context();
    let area = context.device_area(subject.device());
    let data = numbers(MANY);
    with_all(&context, subject.device(), |queue| {
        let api = context.driver().api();
        let x = area.mmap_from_slice(&data).unwrap();
        let mut y = context.host_area().mmap::<u32>(MANY).unwrap();
        let mut copy = |held: bool| {
            y.fill(0);
            let target = y.device_mut_ptr();
            let call = || {
                let copy = |list| append(api, list, target, x.device_ptr(), MANY);
                queue.with_raw(copy).unwrap();
                queue.barrier().unwrap();
            };
            if held {
                Gate::hold(&context, queue, call);
            } else {
                call();
            }
            assert!(!subject.executes(Work::Other, "copies between buffers") || y == data[..]);
        };
        copy(false);
        if subject.executes(Work::Other, "work that waits for events of the host") {
            copy(true);
        }
    });
}

fn raw_calls_and_a_scope_share_a_list(subject: &Subject) {
    let context = subject.context();
    let area = context.device_area(subject.device());
    with_all(&context, subject.device(), |queue| {
        let api = context.driver().api();
        let data = area.mmap_from_slice(&numbers(1000)).unwrap();
        let mut x = area.mmap::<u32>(1000).unwrap();
        let mut y = context.host_area().mmap::<u32>(1000).unwrap();
        let (target, source) = (y.device_mut_ptr(), data.device_ptr());
        let mut back = vec![0_u32; 1000];
        queue
            .scope(|q| {
                let (mut x, mut back) = (q.lend_mut(&mut x), q.lend_mut(&mut back));
                q.fill(&mut x, 0x0101_0102)?;
                let sum = queue.with_raw(|list| {
                    append(api, list, target, source, 1000);
                    17
                })?;
                assert_eq!(sum, 17);
                q.copy(&x, &mut back)?;
                q.fill(&mut x, 0x0101_0103)?;
                queue.with_raw(|list| {
                    ok!(
                        api,
                        zeCommandListAppendBarrier(list, null_mut(), 0, null_mut())
                    );
                })?;
                // All of both is done.
                queue.barrier()?;
                q.fill(&mut x, 0x0101_0104)
            })
            .unwrap();
        let x = queue.to_vec(&x).unwrap();
        if subject.executes(Work::Other, "fills and copies") {
            assert_eq!(back, [0x0101_0102; 1000]);
            assert_eq!(x, [0x0101_0104; 1000]);
            assert_eq!(y, numbers(1000)[..]);
        }
    });
}
