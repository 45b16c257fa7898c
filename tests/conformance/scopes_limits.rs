//! Scopes: what they refuse, that they do not wait, and what they tell of their time.

use crate::contents::numbers;
use crate::drivers::{Subject, Work};
use crate::{promises, spy};
use core::cell::Cell;
use core::ffi::c_void;
use core::ptr::null_mut;
use std::sync::mpsc;
use std::time::Duration;
use ze_area::sys::{self, Api, ze_result_t};
use ze_area::{Context, Error, ErrorKind, Profile, Queue};

promises![
    a_scope_refuses_what_is_of_another_context,
    a_scope_refuses_a_queue_of_another_context,
    a_scope_refuses_ends_of_different_lengths,
    a_scope_takes_memory_of_the_parts_of_its_device,
    a_scope_refuses_a_slice_of_a_buffer_where_devices_are_several,
    a_copy_in_a_scope_returns_before_it_is_done,
    a_profile_has_a_line_for_each_operation,
    a_profile_of_nothing_is_empty,
];

fn a_scope_refuses_what_is_of_another_context(subject: &Subject) {
    let (context, other) = (subject.context(), subject.context());
    let queue = context.queue(subject.device()).unwrap();
    let own = context.host_area().mmap::<u32>(10);
    let mut own = own.unwrap();
    let mut on_device = other.device_area(subject.device()).mmap::<u32>(10).unwrap();
    let mut on_host = other.host_area().mmap_from_slice(&[3_u32; 10]).unwrap();
    queue
        .scope(|q| {
            let mut own = q.lend_mut(&mut own);
            let mut on_device = q.lend_mut(&mut on_device);
            let mut on_host = q.lend_mut(&mut on_host);
            for (result, which) in [
                (q.copy(&own, &mut on_device), "target"),
                (q.copy(&on_device, &mut own), "source"),
                (q.copy(&on_host.slice(..)?, &mut own), "source"),
                (q.copy(&own, &mut on_host.slice_mut(..)?), "target"),
                (q.fill(&mut on_device, 1), "target"),
                (q.fill(&mut on_host, 1), "target"),
            ] {
                let error = result.unwrap_err();
                assert!(
                    matches!(error, Error::WrongContext { what, .. } if what == which),
                    "{error}"
                );
                assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            }
            // What was refused is as before, and the scope goes on.
            assert_eq!(on_host.read()?, [3; 10]);
            q.fill(&mut own, 4)
        })
        .unwrap();
    if subject.executes(Work::Other, "fills") {
        assert_eq!(own, [4; 10]);
    }
}

fn a_scope_refuses_a_queue_of_another_context(subject: &Subject) {
    let (context, other) = (subject.context(), subject.context());
    let queue = context.queue(subject.device()).unwrap();
    let alien = other.queue(subject.device()).unwrap();
    queue
        .scope(|q| {
            let error = q.on(&alien).unwrap_err();
            assert!(
                matches!(error, Error::WrongContext { what: "queue", .. }),
                "{error}"
            );
            q.on(&queue.clone()).map(drop)
        })
        .unwrap();
}

fn a_scope_refuses_ends_of_different_lengths(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let source = context.host_area().mmap::<u32>(10).unwrap();
    let mut target = [1_u32; 9];
    let refused = queue.scope(|q| q.copy(&q.lend(&source), &mut q.lend_mut(&mut target)));
    assert!(matches!(
        refused,
        Err(Error::LengthMismatch {
            source_len: 10,
            target_len: 9
        })
    ));
    assert_eq!(target, [1; 9]);
}

fn a_scope_takes_memory_of_the_parts_of_its_device(subject: &Subject) {
    let context = subject.context();
    let [part, _, ..] = subject.device().sub_devices() else {
        return subject.not_applicable("memory of parts of a device: it has none");
    };
    let whole = context.queue(subject.device()).unwrap();
    let queue = context.queue(part).unwrap();
    let data = numbers(1000);
    let mut buffer = context.device_area(part).mmap::<u32>(1000).unwrap();
    let mut back = vec![0; 1000];
    whole
        .scope(|q| {
            let (data, mut buffer) = (q.lend(&data), q.lend_mut(&mut buffer));
            q.copy(&data, &mut buffer)?;
            q.on(&queue)?.copy(&buffer, &mut q.lend_mut(&mut back))
        })
        .unwrap();
    if subject.executes(Work::HostDevice, "uploads and read-back") {
        assert!(back == data);
    }
}

fn a_scope_refuses_a_slice_of_a_buffer_where_devices_are_several(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let source = context.host_area().mmap_from_slice(&numbers(10)).unwrap();
    let mut target = context.host_area().mmap::<u32>(10).unwrap();
    let copied = queue.scope(|q| {
        let (source, mut target) = (q.lend(&source[..]), q.lend_mut(&mut target));
        q.copy(&source, &mut target)
    });
    if context.driver().devices().len() > 1 {
        let error = copied.unwrap_err();
        assert!(
            matches!(error, Error::SliceOfBuffer { what: "source", .. }),
            "{error}"
        );
        assert!(error.to_string().contains("q.lend("), "{error}");
    } else {
        copied.unwrap();
    }
    // The buffer itself is taken.
    queue
        .scope(|q| q.copy(&q.lend(&source), &mut q.lend_mut(&mut target)))
        .unwrap();
    if subject.executes(Work::Other, "copies between buffers") {
        assert!(target == source);
    }
}

thread_local! {
    /// What copies of this thread wait for, and the function that takes it.
    static GATE: Cell<sys::ze_event_handle_t> = const { Cell::new(null_mut()) };
    static COPY: Cell<Option<Copy>> = const { Cell::new(None) };
}

type Copy = unsafe extern "C" fn(
    sys::ze_command_list_handle_t,
    *mut c_void,
    *const c_void,
    usize,
    sys::ze_event_handle_t,
    u32,
    *mut sys::ze_event_handle_t,
) -> ze_result_t;

/// A copy that the device does not begin before the gate is open.
unsafe extern "C" fn gated_copy(
    list: sys::ze_command_list_handle_t,
    target: *mut c_void,
    source: *const c_void,
    bytes: usize,
    signal: sys::ze_event_handle_t,
    _: u32,
    _: *mut sys::ze_event_handle_t,
) -> ze_result_t {
    let mut gate = GATE.get();
    let count = u32::from(!gate.is_null());
    let gate = if gate.is_null() {
        null_mut()
    } else {
        &raw mut gate
    };
    // SAFETY: all is passed on; the event is live, and the driver copies the list of events.
    unsafe { COPY.get().unwrap()(list, target, source, bytes, signal, count, gate) }
}

/// An event that the host signals, live until the driver is asked to end it.
struct Gate {
    api: &'static Api,
    pool: sys::ze_event_pool_handle_t,
    event: sys::ze_event_handle_t,
}

// SAFETY: handles of events are used by any thread.
unsafe impl Sync for Gate {}

impl Gate {
    fn new(context: &Context) -> Self {
        let api = context.driver().api();
        let of_pool = sys::ze_event_pool_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_EVENT_POOL_DESC,
            flags: sys::ZE_EVENT_POOL_FLAG_HOST_VISIBLE,
            count: 1,
            ..Default::default()
        };
        let of_event = sys::ze_event_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_EVENT_DESC,
            ..Default::default()
        };
        let (mut pool, mut event) = (null_mut(), null_mut());
        let (create_pool, create) = (api.zeEventPoolCreate, api.zeEventCreate);
        let (context, pools) = (context.as_raw(), &raw mut pool);
        // SAFETY: the context is live, descriptor and target outlive the call.
        let made = unsafe { create_pool(context, &raw const of_pool, 0, null_mut(), pools) };
        assert_eq!(made, sys::ZE_RESULT_SUCCESS);
        // SAFETY: as above, and the pool is live and has room.
        let made = unsafe { create(pool, &raw const of_event, &raw mut event) };
        assert_eq!(made, sys::ZE_RESULT_SUCCESS);
        Self { api, pool, event }
    }

    fn open(&self) {
        // SAFETY: the event is live.
        let signalled = unsafe { (self.api.zeEventHostSignal)(self.event) };
        assert_eq!(signalled, sys::ZE_RESULT_SUCCESS);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // SAFETY: the event is live, and all that waits for it is done.
        unsafe { (self.api.zeEventDestroy)(self.event) };
        // SAFETY: the pool is live, and its event is gone.
        unsafe { (self.api.zeEventPoolDestroy)(self.pool) };
    }
}

fn a_copy_in_a_scope_returns_before_it_is_done(subject: &Subject) {
    if !subject.executes(Work::Other, "copies that wait") {
        return;
    }
    let mut behind = None;
    let driver = spy::driver(subject, |api| {
        behind = Some(api.zeCommandListAppendMemoryCopy);
        api.zeCommandListAppendMemoryCopy = gated_copy;
    });
    COPY.set(behind);
    let context = Context::builder().driver(&driver).build().unwrap();
    let queue = context.queue(&context.devices()[0]).unwrap();
    let gate = Gate::new(&context);
    let data = numbers(1000);
    let mut back = vec![0; 1000];
    let area = context.default_device_area().unwrap();
    let mut buffer = area.mmap::<u32>(1000).unwrap();
    let (returned, late) = mpsc::channel::<()>();
    std::thread::scope(|threads| {
        let gate = &gate;
        let watch = threads.spawn(move || {
            // Where the copy waits, it is let go: the test fails and does not hang.
            let late = late.recv_timeout(Duration::from_secs(60)).is_err();
            gate.open();
            late
        });
        queue
            .scope(|q| {
                let data = q.lend(&data);
                let (mut buffer, mut back) = (q.lend_mut(&mut buffer), q.lend_mut(&mut back));
                GATE.set(gate.event);
                let copied = q.copy(&data, &mut buffer);
                GATE.set(null_mut());
                copied?;
                q.copy(&buffer, &mut back)?;
                returned.send(()).unwrap();
                Ok(())
            })
            .unwrap();
        assert!(!watch.join().unwrap(), "the copy waited for the device");
    });
    assert!(back == data);
    drop(gate);
    buffer.free().unwrap();
    drop(queue);
}

/// Fills and copies on two queues, each after the one before.
fn profiled(subject: &Subject, first: &Queue, second: &Queue, context: &Context) -> Profile {
    let area = context.device_area(subject.device());
    let mut buffer = area.mmap::<u32>(100_000).unwrap();
    let mut back = vec![0; 100_000];
    let (value, profile) = first
        .profile(|q| {
            let (mut buffer, mut back) = (q.lend_mut(&mut buffer), q.lend_mut(&mut back));
            q.fill(&mut buffer, 0x0102_0304)?;
            q.copy(&buffer.slice(..10)?, &mut back.slice_mut(..10)?)?;
            q.on(second)?.copy(&buffer, &mut back)?;
            q.wait()?;
            q.copy(&buffer.slice(5..6)?, &mut back.slice_mut(7..8)?)?;
            Ok(41)
        })
        .unwrap();
    assert_eq!(value, 41);
    if subject.executes(Work::Other, "fills") {
        assert!(back.iter().all(|&n| n == 0x0102_0304));
    }
    profile
}

fn a_profile_has_a_line_for_each_operation(subject: &Subject) {
    let context = subject.context();
    let [first, second] = [(); 2].map(|()| context.queue(subject.device()).unwrap());
    for _ in 0..3 {
        let profile = profiled(subject, &first, &second, &context);
        let lines: Vec<_> = profile
            .operations
            .iter()
            .map(|operation| (&*operation.name, operation.bytes, operation.queue))
            .collect();
        assert_eq!(
            lines,
            [
                ("fill", 400_000, 0),
                ("copy", 40, 0),
                ("copy", 400_000, 1),
                ("copy", 4, 0)
            ]
        );
        let text = profile.to_string();
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(text.starts_with("queue"), "{text}");
        assert!(text.contains("400000  fill"), "{text}");
        if !subject.executes(Work::Other, "times of operations") {
            continue;
        }
        let times: Vec<_> = profile
            .operations
            .iter()
            .map(|operation| operation.time.clone().unwrap())
            .collect();
        assert!(times.iter().all(|time| time.start <= time.end), "{text}");
        for (before, after) in times.iter().zip(&times[1..]) {
            assert!(before.end <= after.start, "{text}");
        }
        assert_eq!(times[0].start, Duration::ZERO);
        assert_eq!(profile.span(), times[3].end);
        let took = profile.operations[2].duration().unwrap();
        assert_eq!(took, times[2].end - times[2].start);
        assert!(took < Duration::from_secs(60), "{text}");
    }
}

fn a_profile_of_nothing_is_empty(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let ((), profile) = queue.profile(|_| Ok(())).unwrap();
    assert_eq!(profile, Profile::default());
    assert_eq!(profile.span(), Duration::ZERO);
    assert_eq!(profile.to_string().lines().count(), 1);
    let failed = queue.profile(|q| q.copy(&q.lend(&[1_u8]), &mut q.lend_mut(&mut [1_u8; 0])));
    assert!(failed.is_err());
}
