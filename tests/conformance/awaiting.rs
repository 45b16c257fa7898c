//! Awaiting what is pending: each operation wakes its task, and nothing polls for it.

use crate::drivers::{Subject, Work};
use crate::gate::{until, while_held};
use crate::promises;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context as TaskContext, Poll, Waker};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Wake;
use std::thread::{self, Thread};
use std::time::Duration;
use ze_area::{Awaited, Device, Queue, ZeBuffer};

promises![
    awaiting_gives_both_ends_back,
    an_operation_is_polled_twice_at_most,
    an_operation_wakes_its_task_from_another_thread,
    the_waker_of_the_last_poll_is_woken_alone,
    what_has_resolved_stays_pending,
    dropping_what_was_polled_waits,
    two_tasks_await_operations_of_one_queue,
    a_hundred_operations_are_awaited_at_once,
    what_is_awaited_outlives_its_queue,
];

type Copy = Awaited<(ZeBuffer<u32, Device>, Vec<u32>)>;

/// A waker that notes what is done with it.
struct Noted {
    wakes: AtomicUsize,
    /// Whether a wake came from the thread that sleeps.
    at_home: AtomicBool,
    sleeper: Thread,
}

impl Noted {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            wakes: AtomicUsize::new(0),
            at_home: AtomicBool::new(false),
            sleeper: thread::current(),
        })
    }

    fn wakes(&self) -> usize {
        self.wakes.load(Ordering::Acquire)
    }
}

impl Wake for Noted {
    fn wake(self: Arc<Self>) {
        let at_home = thread::current().id() == self.sleeper.id();
        self.at_home.fetch_or(at_home, Ordering::AcqRel);
        self.wakes.fetch_add(1, Ordering::AcqRel);
        self.sleeper.unpark();
    }
}

fn poll<F: Future + Unpin>(future: &mut F, waker: &Arc<Noted>) -> Poll<F::Output> {
    let waker = Waker::from(Arc::clone(waker));
    Pin::new(future).poll(&mut TaskContext::from_waker(&waker))
}

/// Polls when woken and at no other time; how often that was.
fn run<F: Future + Unpin>(mut future: F) -> (F::Output, usize) {
    let waker = Noted::new();
    let mut polls = 0;
    loop {
        let seen = waker.wakes();
        polls += 1;
        if let Poll::Ready(output) = poll(&mut future, &waker) {
            return (output, polls);
        }
        until("woken", || {
            thread::park_timeout(Duration::from_millis(100));
            waker.wakes() > seen
        });
    }
}

fn start(subject: &Subject, queue: &Queue, value: u32) -> Copy {
    let area = queue.context().device_area(subject.device());
    let source = area.mmap_from_slice(&[value; 100]).unwrap();
    queue
        .start_copy(source, vec![0; 100])
        .unwrap()
        .into_future()
}

fn copied(subject: &Subject) -> bool {
    subject.executes(Work::HostDevice, "copies that are awaited")
}

fn awaiting_gives_both_ends_back(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    for len in [0, 1, 1009, (4 << 20) + 1] {
        let back: ze_area::Result<Vec<u8>> = pollster::block_on(async {
            let source = area.mmap_from_slice(&vec![3_u8; len])?;
            let target = area.mmap::<u8>(len)?;
            let address = target.device_ptr();
            let (_, target) = queue.start_copy(source, target)?.await?;
            assert_eq!(target.device_ptr(), address);
            let (_, back) = queue.start_copy(target, vec![0; len])?.await?;
            Ok(back)
        });
        let back = back.unwrap();
        assert_eq!(back.len(), len);
        if subject.executes(Work::Other, "copies that are awaited") {
            assert!(back.iter().all(|&byte| byte == 3), "{len} bytes");
        }
    }
}

fn an_operation_is_polled_twice_at_most(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    for value in 0..100 {
        let (result, polls) = run(start(subject, &queue, value));
        assert!(polls <= 2, "{polls} polls");
        let (_, target) = result.unwrap();
        if copied(subject) {
            assert_eq!(target, [value; 100]);
        }
    }
}

fn an_operation_wakes_its_task_from_another_thread(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    while_held(subject, &context, &queue, |_, gate| {
        let mut copy = start(subject, &queue, 8);
        let waker = Noted::new();
        assert!(poll(&mut copy, &waker).is_pending());
        thread::sleep(Duration::from_millis(20));
        assert!(poll(&mut copy, &waker).is_pending());
        assert_eq!(waker.wakes(), 0, "not before it is done");
        gate.open();
        until("woken", || waker.wakes() > 0);
        let Poll::Ready(Ok((_, target))) = poll(&mut copy, &waker) else {
            panic!("woken before it was done");
        };
        assert_eq!(target, [8; 100]);
        assert_eq!(waker.wakes(), 1);
        assert!(!waker.at_home.load(Ordering::Acquire));
    });
}

fn the_waker_of_the_last_poll_is_woken_alone(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    while_held(subject, &context, &queue, |_, gate| {
        let mut copy = start(subject, &queue, 8);
        let [first, last] = [Noted::new(), Noted::new()];
        assert!(poll(&mut copy, &first).is_pending());
        assert!(poll(&mut copy, &last).is_pending());
        assert_eq!(Arc::strong_count(&first), 1, "it was dropped");
        gate.open();
        until("woken", || last.wakes() > 0);
        assert_eq!((first.wakes(), last.wakes()), (0, 1));
        assert!(poll(&mut copy, &first).is_ready());
    });
}

fn what_has_resolved_stays_pending(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let mut copy = start(subject, &queue, 8);
    let (result, _) = run(&mut copy);
    assert!(result.is_ok());
    let waker = Noted::new();
    for _ in 0..3 {
        assert!(poll(&mut copy, &waker).is_pending());
    }
    assert_eq!(format!("{copy:?}"), "Awaited(None)");
    drop(copy);
    assert_eq!((waker.wakes(), Arc::strong_count(&waker)), (0, 1));
}

fn dropping_what_was_polled_waits(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    while_held(subject, &context, &queue, |_, gate| {
        let source = Arc::new(vec![7_u32; 100]);
        let target = context.host_area().mmap::<u32>(100).unwrap();
        let copy = queue.start_copy(Arc::clone(&source), target).unwrap();
        let mut copy = copy.into_future();
        assert!(poll(&mut copy, &Noted::new()).is_pending());
        let dropped = AtomicBool::new(false);
        thread::scope(|threads| {
            threads.spawn(|| {
                drop(copy);
                dropped.store(true, Ordering::Release);
            });
            thread::sleep(Duration::from_millis(20));
            assert!(!dropped.load(Ordering::Acquire));
            gate.open();
        });
        assert_eq!(Arc::strong_count(&source), 1);
    });
    // And one that nothing holds.
    let mut copy = start(subject, &queue, 1);
    let _ = poll(&mut copy, &Noted::new());
}

fn two_tasks_await_operations_of_one_queue(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let checked = copied(subject);
    let tasks = [1_u32, 2].map(|task| {
        let copies: Vec<_> = (0..50)
            .map(|number| start(subject, &queue, task * 1000 + number))
            .collect();
        thread::spawn(move || {
            pollster::block_on(async {
                for (number, copy) in (0..).zip(copies) {
                    let (_, target) = copy.await.unwrap();
                    assert!(!checked || target == [task * 1000 + number; 100]);
                }
            });
        })
    });
    for task in tasks {
        task.join().unwrap();
    }
}

/// Resolves when all do; counts how often each was polled.
struct Join {
    copies: Vec<(Option<Copy>, usize)>,
    targets: Vec<Vec<u32>>,
}

impl Future for Join {
    type Output = Vec<Vec<u32>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let Self { copies, targets } = &mut *self;
        let mut left = 0;
        for (slot, polls) in copies {
            let Some(copy) = slot else { continue };
            *polls += 1;
            match Pin::new(copy).poll(context) {
                Poll::Ready(result) => {
                    targets.push(result.unwrap().1);
                    *slot = None;
                }
                Poll::Pending => left += 1,
            }
        }
        if left > 0 {
            return Poll::Pending;
        }
        Poll::Ready(core::mem::take(targets))
    }
}

fn a_hundred_operations_are_awaited_at_once(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let second = context.queue(subject.device()).unwrap();
    let copies = (0..100).map(|number| {
        let queue = if number % 2 == 0 { &queue } else { &second };
        (Some(start(subject, queue, number)), 0)
    });
    let mut join = Join {
        copies: copies.collect(),
        targets: Vec::new(),
    };
    let (mut targets, polls) = run(&mut join);
    assert!(polls <= 101, "{polls} polls for 100 wakes");
    targets.sort();
    assert_eq!(targets.len(), 100);
    if copied(subject) {
        assert!(targets.into_iter().eq((0..100).map(|n| vec![n; 100])));
    }
}

fn what_is_awaited_outlives_its_queue(subject: &Subject) {
    let context = subject.context();
    for _ in 0..20 {
        let queue = context.queue(subject.device()).unwrap();
        let mut copy = start(subject, &queue, 9);
        let _ = poll(&mut copy, &Noted::new());
        drop(queue);
        let (result, _) = run(&mut copy);
        assert!(result.is_ok() || copied(subject));
    }
}
