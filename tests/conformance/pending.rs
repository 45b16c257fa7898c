//! Operations that own what they work on: both ends come back, whatever happens.

use crate::drivers::{Subject, Work};
use crate::gate::{until, while_held};
use crate::kernels::kernel;
use crate::modules::{module, setup};
use crate::promises;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use ze_area::{
    Area, Error, Grid, Host, In, InOut, Launch, Nullable, Out, Pending, Queue, ZeBuffer,
};

promises![
    a_started_copy_gives_both_ends_back,
    a_copy_starts_from_what_is_shared_by_arc,
    a_copy_that_cannot_start_gives_both_ends_back,
    a_started_copy_becomes_complete,
    starting_does_not_wait_and_waiting_does,
    dropping_a_pending_operation_waits,
    threads_have_many_operations_pending_at_once,
    a_pending_operation_moves_between_threads,
    a_pending_operation_outlives_its_queue_and_context,
    a_started_launch_gives_its_arguments_back,
    a_started_launch_keeps_kernel_and_module,
    a_launch_that_cannot_start_gives_its_arguments_back,
    a_started_launch_without_items_is_done,
];

fn copied(subject: &Subject) -> bool {
    subject.executes(Work::Other, "started copies")
}

fn bytes(len: usize) -> Vec<u8> {
    let mut state = 7_u32;
    let next = || {
        state = state.wrapping_mul(0x915F_77F5).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    core::iter::repeat_with(next).take(len).collect()
}

const LENS: [usize; 4] = [0, 1, 1009, (4 << 20) + 1];

/// Copies between two placements, and between each of them and the host.
fn there_and_back(subject: &Subject, queue: &Queue, a: &impl Area, b: &impl Area) {
    for len in LENS {
        let data = bytes(len);
        let first = a.mmap::<u8>(len).unwrap();
        let second = b.mmap::<u8>(len).unwrap();
        let addresses = (data.as_ptr(), first.device_ptr(), second.device_ptr());

        let (data, first) = queue.start_copy(data, first).unwrap().wait().unwrap();
        let (first, second) = queue.start_copy(first, second).unwrap().wait().unwrap();
        let back = vec![0; len];
        let target = back.as_ptr();
        let (second, back) = queue.start_copy(second, back).unwrap().wait().unwrap();

        let now = (data.as_ptr(), first.device_ptr(), second.device_ptr());
        assert_eq!(now, addresses, "{len} bytes");
        assert_eq!((back.as_ptr(), back.len()), (target, len));
        let (first, second) = (
            queue.to_vec(&first).unwrap(),
            queue.to_vec(&second).unwrap(),
        );
        if copied(subject) {
            assert!(first == data, "{len} bytes");
            assert!(second == data, "{len} bytes");
            assert!(back == data, "{len} bytes");
        }
    }
}

fn a_started_copy_gives_both_ends_back(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let device = context.device_area(subject.device());
    let shared = device.clone().shared();
    let host = context.host_area();
    there_and_back(subject, &queue, &device, &device);
    there_and_back(subject, &queue, &device, &shared);
    there_and_back(subject, &queue, &shared, &device);
    there_and_back(subject, &queue, &device, &host);
    there_and_back(subject, &queue, &host, &device);
    there_and_back(subject, &queue, &shared, &shared);
    there_and_back(subject, &queue, &shared, &host);
    there_and_back(subject, &queue, &host, &shared);
    there_and_back(subject, &queue, &host, &host);
    let between = queue.start_copy(bytes(1009), vec![0_u8; 1009]).unwrap();
    let (source, target) = between.wait().unwrap();
    if copied(subject) {
        assert_eq!(source, target);
    }
}

fn a_copy_starts_from_what_is_shared_by_arc(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    let data = Arc::new(bytes(3001));
    let buffer = Arc::new(area.mmap_from_slice(&data).unwrap());
    let mut of_buffer = Vec::new();
    let mut of_vec = Vec::new();
    for _ in 0..8 {
        let target = area.mmap::<u8>(3001).unwrap();
        of_vec.push(queue.start_copy(Arc::clone(&data), target).unwrap());
        let target = vec![0; 3001];
        of_buffer.push(queue.start_copy(Arc::clone(&buffer), target).unwrap());
    }
    assert_eq!(
        (Arc::strong_count(&data), Arc::strong_count(&buffer)),
        (9, 9)
    );
    for pending in of_vec {
        let (source, target) = pending.wait().unwrap();
        assert!(Arc::ptr_eq(&source, &data));
        let read = queue.to_vec(&target).unwrap();
        if copied(subject) {
            assert!(read == *data);
        }
    }
    for pending in of_buffer {
        let (source, target) = pending.wait().unwrap();
        assert!(Arc::ptr_eq(&source, &buffer));
        if copied(subject) {
            assert!(target == *data);
        }
    }
    assert_eq!(
        (Arc::strong_count(&data), Arc::strong_count(&buffer)),
        (1, 1)
    );
}

fn a_copy_that_cannot_start_gives_both_ends_back(subject: &Subject) {
    let context = subject.context();
    let other = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());

    let short = queue.start_copy(area.mmap::<u32>(3).unwrap(), vec![7; 4]);
    let returned = short.unwrap_err();
    let lens = matches!(
        returned.error,
        Error::LengthMismatch {
            source_len: 3,
            target_len: 4
        }
    );
    assert!(lens, "{returned:?}");
    let (source, target) = returned.buffer;
    assert_eq!((source.len(), target), (3, vec![7; 4]));

    let foreign = other.host_area().mmap_from_slice(&[1_u32, 2, 3]).unwrap();
    let returned = queue.start_copy(foreign, source).unwrap_err();
    let context_named = matches!(
        returned.error,
        Error::WrongContext {
            operation: "copy",
            what: "source"
        }
    );
    assert!(context_named, "{returned:?}");
    let (foreign, source) = returned.buffer;
    assert_eq!(foreign, [1, 2, 3]);
    let returned = queue.start_copy(source, foreign).unwrap_err();
    let context_named = matches!(returned.error, Error::WrongContext { what: "target", .. });
    assert!(context_named, "{returned:?}");
    let (source, _foreign) = returned.buffer;

    if let [_, second, ..] = context.devices() {
        let away = context.device_area(second).mmap::<u32>(3).unwrap();
        let returned = queue.start_copy(source, away).unwrap_err();
        let device_named = matches!(returned.error, Error::WrongDevice { what: "target", .. });
        assert!(device_named, "{returned:?}");
        let (source, away) = returned.buffer;
        let there = context.queue(second).unwrap();
        let (away, _) = there.start_copy(away, vec![0; 3]).unwrap().wait().unwrap();
        drop((source, away));
    }
}

fn a_started_copy_becomes_complete(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    let pending = queue
        .start_copy(area.mmap::<u32>(64).unwrap(), vec![1; 64])
        .unwrap();
    if subject.executes(Work::Other, "completion without waiting") {
        until("complete", || pending.is_complete());
        assert!(format!("{pending:?}").contains("is_complete: true"));
    }
    pending.wait().unwrap();
}

fn starting_does_not_wait_and_waiting_does(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    while_held(subject, &context, &queue, |_, gate| {
        let target = context.host_area().mmap::<u8>(100).unwrap();
        let pending = queue.start_copy(bytes(100), target).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        assert!(!pending.is_complete());
        gate.open();
        let (source, target) = pending.wait().unwrap();
        assert_eq!(*target, *source);
    });
}

fn dropping_a_pending_operation_waits(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    while_held(subject, &context, &queue, |_, gate| {
        let source = Arc::new(bytes(100));
        let target = context.device_area(subject.device()).mmap(100).unwrap();
        let pending = queue.start_copy(Arc::clone(&source), target).unwrap();
        let dropped = AtomicBool::new(false);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                drop(pending);
                dropped.store(true, Ordering::Release);
            });
            std::thread::sleep(Duration::from_millis(20));
            assert!(!dropped.load(Ordering::Acquire));
            assert_eq!(Arc::strong_count(&source), 2);
            gate.open();
        });
        assert_eq!(Arc::strong_count(&source), 1, "what it owned was dropped");
    });
}

fn threads_have_many_operations_pending_at_once(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    let checked = copied(subject);
    std::thread::scope(|threads| {
        for thread in 0..4_u32 {
            let (queue, area) = (&queue, &area);
            threads.spawn(move || {
                let mut all = Vec::new();
                for number in 0..250 {
                    let value = thread << 16 | number;
                    let source = area.mmap_from_slice(&[value; 16]).unwrap();
                    all.push((value, queue.start_copy(source, vec![0; 16]).unwrap()));
                }
                // Half of them are waited for in another order, half are dropped.
                for (value, pending) in all.drain(125..).rev() {
                    let (_, target) = pending.wait().unwrap();
                    assert!(!checked || target == [value; 16]);
                }
            });
        }
    });
}

fn a_pending_operation_moves_between_threads(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    let start = || {
        let source = area.mmap_from_slice(&[5_u64; 100]).unwrap();
        queue.start_copy(source, vec![0; 100]).unwrap()
    };
    let started = std::thread::scope(|threads| threads.spawn(start).join().unwrap());
    let wait = move || {
        let _ = started.is_complete();
        started.wait().unwrap().1
    };
    let target = std::thread::spawn(wait).join().unwrap();
    if copied(subject) {
        assert_eq!(target, [5; 100]);
    }
}

fn a_pending_operation_outlives_its_queue_and_context(subject: &Subject) {
    let kept = subject.context();
    let context = kept.clone();
    let start = |len| {
        let queue = context.queue(subject.device()).unwrap();
        let source = context.host_area().mmap_from_slice(&bytes(len)).unwrap();
        queue.start_copy(source, vec![0; len]).unwrap()
    };
    let all: Vec<_> = LENS.into_iter().map(start).collect();
    drop(context);
    drop(kept.clone());
    for pending in all {
        let (source, target) = pending.wait().unwrap();
        if copied(subject) {
            assert!(*source == *target);
        }
    }
}

type Twice = (InOut<u32>,);

fn a_started_launch_gives_its_arguments_back(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let area = context.device_area(subject.device());
    let saxpy = kernel::<(In<f32>, InOut<f32>, f32)>(&module, "saxpy");
    let x = Arc::new(area.mmap_from_slice(&[2.0_f32; 1000]).unwrap());
    let y = context
        .host_area()
        .mmap_from_slice(&[1.0_f32; 1000])
        .unwrap();
    let (from, to) = (x.device_ptr(), y.device_ptr());
    let args = (Arc::clone(&x), y, 3.0);
    let pending = queue.start_launch(&saxpy, 1000, args).unwrap();
    let (again, y, factor) = pending.wait().unwrap();
    assert_eq!(
        (again.device_ptr(), y.device_ptr(), factor),
        (from, to, 3.0)
    );
    // As a buffer of its own, and once more.
    drop(again);
    let x = Arc::try_unwrap(x).unwrap();
    let pending = queue.start_launch(&saxpy, 1000, (x, y, 1.0)).unwrap();
    let (x, y, _) = pending.wait().unwrap();
    if copied(subject) {
        assert_eq!(y, [9.0; 1000]);
    }

    let nulls = kernel::<(
        Out<u32>,
        Nullable<In<u32>>,
        Nullable<InOut<u32>>,
        Nullable<In<u32>>,
    )>(&module, "nulls");
    let shared = Arc::new(area.shared().mmap::<u32>(1).unwrap());
    let out = context.host_area().mmap::<u32>(1).unwrap();
    let none = None::<ZeBuffer<u32, Host>>;
    let args = (out, Some(Arc::clone(&shared)), none, Some(shared));
    let (out, ..) = queue.start_launch(&nulls, 1, args).unwrap().wait().unwrap();
    if copied(subject) {
        assert_eq!(out, [2]);
    }
    drop(x);
}

fn a_started_launch_keeps_kernel_and_module(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    let start = |queue: &Queue| {
        let module = module(subject, &context, subject.device())?;
        let twice = kernel::<Twice>(&module, "twice");
        let x = area.mmap_from_slice(&[4_u32; 500]).unwrap();
        Some(queue.start_launch(&twice, 500, (x,)).unwrap())
    };
    let ends_well = |pending: Pending<(ZeBuffer<u32, _>,)>| {
        let (x,) = pending.wait().unwrap();
        let read = queue.to_vec(&x).unwrap();
        if copied(subject) {
            assert_eq!(read, [8; 500]);
        }
    };
    let Some(pending) = start(&queue) else {
        return;
    };
    ends_well(pending);
    while_held(subject, &context, &queue, |_, gate| {
        if let Some(pending) = start(&queue) {
            assert!(!pending.is_complete());
            gate.open();
            ends_well(pending);
        }
    });
}

fn a_launch_that_cannot_start_gives_its_arguments_back(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let rule = |launch: &Launch<'_>| launch.is_line_within(&[0]);
    // SAFETY: that is its signature, and the rule keeps it in bounds.
    let twice = unsafe { module.kernel_where::<Twice>("twice", rule) }.unwrap();
    let x = context.host_area().mmap_from_slice(&[3_u32; 64]).unwrap();
    let address = x.as_ptr();

    let returned = queue.start_launch(&twice, 65, (x,)).unwrap_err();
    let refused = matches!(returned.error, Error::LaunchRefused { .. });
    assert!(refused, "{returned:?}");
    let grid = Grid::from(64).group_size(5);
    let returned = queue
        .start_launch(&twice, grid, returned.buffer)
        .unwrap_err();
    assert!(
        matches!(returned.error, Error::BadGrid { .. }),
        "{returned:?}"
    );
    let (x,) = returned.buffer;
    assert_eq!((x.as_ptr(), &*x), (address, &[3; 64][..]));

    let other = subject.context();
    let foreign = other.host_area().mmap_from_slice(&[3_u32; 64]).unwrap();
    let returned = queue.start_launch(&twice, 64, (foreign,)).unwrap_err();
    let what = "argument 0";
    let foreign =
        matches!(returned.error, Error::WrongContext { what: found, .. } if found == what);
    assert!(foreign, "{returned:?}");

    let (x,) = queue
        .start_launch(&twice, 64, (x,))
        .unwrap()
        .wait()
        .unwrap();
    if copied(subject) {
        assert_eq!(x, [6; 64]);
    }
}

fn a_started_launch_without_items_is_done(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let twice = kernel::<Twice>(&module, "twice");
    let x = context.host_area().mmap_from_slice(&[3_u32; 4]).unwrap();
    let (x,) = queue.start_launch(&twice, 0, (x,)).unwrap().wait().unwrap();
    assert_eq!(x, [3; 4]);
    let empty = context.host_area().mmap::<u32>(0).unwrap();
    let (empty,) = queue
        .start_launch(&twice, [4, 0], (empty,))
        .unwrap()
        .wait()
        .unwrap();
    assert!(empty.is_empty());
}
