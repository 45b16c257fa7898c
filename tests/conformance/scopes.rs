//! Scopes: what is enqueued in them follows what it needs, and is done when they are over.

use crate::contents::numbers;
use crate::drivers::{Subject, Work};
use crate::{in_each_placement, promises};
use core::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use ze_area::{Area, Element, Error, Queue, Upload, ZeBuffer};

promises![
    a_chain_of_copies_is_done_in_order,
    a_scope_copies_between_all_placements,
    a_scope_fills_with_patterns_of_any_size,
    parts_of_what_is_lent_are_used_apart,
    the_host_reads_and_writes_in_the_middle_of_a_scope,
    queues_of_one_device_share_what_is_lent,
    queues_of_two_devices_share_a_host_buffer,
    a_scope_is_complete_when_its_closure_fails,
    a_scope_is_complete_when_its_closure_panics,
    handles_that_are_never_dropped_change_nothing,
    many_scopes_follow_each_other,
    threads_have_scopes_on_one_queue,
    scopes_nest,
];

/// What copies and fills within scopes are, on drivers that execute only some.
const SCOPES: &str = "work in scopes";

fn a_chain_of_copies_is_done_in_order(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    for len in [1, 7, 4096, 1_000_003] {
        let data = numbers(len);
        let mut links: Vec<_> = (0..8).map(|_| area.mmap::<u32>(len).unwrap()).collect();
        let mut back = vec![0; len];
        queue
            .scope(|q| {
                let data = q.lend(&data);
                let mut links: Vec<_> = links.iter_mut().map(|link| q.lend_mut(link)).collect();
                let mut back = q.lend_mut(&mut back);
                for link in &mut links {
                    q.fill(link, 9)?;
                }
                q.copy(&data, &mut links[0])?;
                for link in 1..8 {
                    let (before, after) = links.split_at_mut(link);
                    q.copy(&before[link - 1], &mut after[0])?;
                }
                q.copy(&links[7], &mut back)?;
                // After what read it.
                q.fill(&mut links[7], 1)
            })
            .unwrap();
        let read = queue.to_vec(&links[7]).unwrap();
        if subject.executes(Work::Other, SCOPES) {
            assert!(back == data, "{len} elements");
            assert!(read == vec![1; len]);
        }
    }
}

/// Copies from an area to another, and on to a slice, in one scope.
fn between<S: Area, D: Area>(subject: &Subject, queue: &Queue, from: &S, to: &D) {
    for len in [0, 1, 7, 63, (64 << 10) + 1] {
        let data: Vec<u8> = (0..len).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let mut source: ZeBuffer<u8, S::Placement> = from.mmap(len).unwrap();
        let mut target: ZeBuffer<u8, D::Placement> = to.mmap(len).unwrap();
        let (mut back, mut again) = (vec![0; len], vec![0; len]);
        queue
            .scope(|q| {
                let data = q.lend(&data);
                let (mut source, mut target) = (q.lend_mut(&mut source), q.lend_mut(&mut target));
                let (mut back, mut again) = (q.lend_mut(&mut back), q.lend_mut(&mut again[..]));
                assert_eq!((source.len(), back.is_empty()), (len, len == 0));
                q.copy(&data, &mut source)?;
                q.copy(&source, &mut target)?;
                q.copy(&target, &mut back)?;
                // From slice to slice.
                q.copy(&back, &mut again)
            })
            .unwrap();
        if subject.executes(Work::Other, SCOPES) {
            let (from, to) = (source.placement(), target.placement());
            assert!(back == data, "{len} elements from {from} to {to} memory");
            assert!(again == data, "{len} elements between slices");
        }
    }
}

fn a_scope_copies_between_all_placements(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    in_each_placement!(context, subject.device(), |source| {
        in_each_placement!(context, subject.device(), |target| {
            between(subject, &queue, &source, &target);
        });
    });
}

/// Fills a buffer of an area twice, and a part of it, in one scope.
fn fill<A: Area, T>(subject: &Subject, queue: &Queue, area: &A, value: T, len: usize)
where
    T: Element + Upload + PartialEq + core::fmt::Debug,
{
    let zero = T::zeroed();
    let mut buffer: ZeBuffer<T, A::Placement> = area.mmap(len).unwrap();
    queue
        .scope(|q| {
            let mut buffer = q.lend_mut(&mut buffer);
            q.fill(&mut buffer, zero)?;
            q.fill(&mut buffer, value)?;
            q.fill(&mut buffer.slice_mut(len / 2..len / 2 + 1)?, zero)
        })
        .unwrap();
    let read = queue.to_vec(&buffer).unwrap();
    if subject.executes(Work::Other, SCOPES) {
        let mut expected = vec![value; len];
        expected[len / 2] = zero;
        assert!(read == expected, "{len} elements of {value:?}");
    }
}

fn a_scope_fills_with_patterns_of_any_size(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    macro_rules! patterns {
        ($area:expr, $($size:literal)*) => {$(
            let value: [u8; $size] = core::array::from_fn(|i| u8::try_from(i % 255 + 1).unwrap());
            fill(subject, &queue, $area, value, 3);
            fill(subject, &queue, $area, [0xab_u8; $size], 100);
        )*};
    }
    in_each_placement!(context, subject.device(), |area| {
        patterns!(&area, 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 24 32 512);
        // Above what is written out at once, and above any pattern that drivers take.
        fill(subject, &queue, &area, [1_u8, 2, 3], 70_001);
        fill(
            subject,
            &queue,
            &area,
            [[1_u8, 2, 3, 4, 5, 6, 7, 8, 9, 10]; 10],
            100,
        );
        fill(subject, &queue, &area, [[1.5_f32; 32]; 32], 50);
        fill(subject, &queue, &area, [[1.5_f32; 11]; 31], 50);
        fill(subject, &queue, &area, -2_i64, 1);
    });
}

fn parts_of_what_is_lent_are_used_apart(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    in_each_placement!(context, subject.device(), |area| {
        let data = numbers(10);
        let mut buffer = area.mmap_from_slice(&data).unwrap();
        let (mut back, mut low, mut high) = ([0; 4], [0; 3], [0; 7]);
        queue
            .scope(|q| {
                let mut buffer = q.lend_mut(&mut buffer);
                let mut back = q.lend_mut(&mut back);
                let (mut to_low, mut to_high) = (q.lend_mut(&mut low), q.lend_mut(&mut high));
                // From part to part.
                let (first, mut second) = buffer.split_at_mut(5)?;
                q.copy(&first, &mut second)?;
                q.fill(&mut buffer.slice_mut(2..=4)?, 77)?;
                let (first, second) = (buffer.slice(..3)?, buffer.slice(3..)?);
                q.copy(&first, &mut to_low)?;
                q.copy(&second, &mut to_high)?;
                q.copy(&q.lend(&data).slice(6..8)?, &mut back.slice_mut(1..3)?)?;
                for refused in [
                    buffer.slice(..11).map(drop),
                    buffer.slice_mut(11..).map(drop),
                    buffer.split_at_mut(11).map(drop),
                    q.lend(&data).slice(10..=10).map(drop),
                ] {
                    assert!(matches!(refused, Err(Error::OutOfBounds { .. })));
                }
                Ok(())
            })
            .unwrap();
        if subject.executes(Work::Other, SCOPES) {
            let expected = [
                [data[0], data[1], 77, 77, 77],
                [data[0], data[1], data[2], data[3], data[4]],
            ]
            .concat();
            assert_eq!(queue.to_vec(&buffer).unwrap(), expected);
            assert_eq!([&low[..], &high[..]].concat(), expected);
            assert_eq!(back, [0, data[6], data[7], 0]);
        }
    });
}

fn the_host_reads_and_writes_in_the_middle_of_a_scope(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    let checked = subject.executes(Work::Other, SCOPES);
    let mut buffer = area.mmap::<u32>(1000).unwrap();
    let mut shared = area.shared().mmap::<u32>(1000).unwrap();
    let mut host = context.host_area().mmap::<u32>(1000).unwrap();
    let mut slice = vec![0_u32; 1000];
    queue
        .scope(|q| {
            let mut buffer = q.lend_mut(&mut buffer);
            let (mut shared, mut host) = (q.lend_mut(&mut shared), q.lend_mut(&mut host));
            let mut slice = q.lend_mut(&mut slice);
            for round in 0..10 {
                q.fill(&mut buffer, round)?;
                q.copy(&buffer, &mut shared)?;
                assert!(!checked || shared.read()?.iter().all(|&n| n == round));
                shared.write()?[7] = 100 + round;
                q.copy(&shared, &mut host)?;
                let seen = host.read()?;
                assert!(!checked || (seen[7] == 100 + round && seen[8] == round));
                // What is read is borrowed, and may be read by the device meanwhile.
                q.copy(&host, &mut slice)?;
                assert!(!checked || seen[7] == 100 + round);
                assert!(!checked || slice.read()?[7] == 100 + round);
                slice.write()?.fill(0);
            }
            q.wait()?;
            q.wait()
        })
        .unwrap();
    assert!(slice.iter().all(|&n| n == 0));
}

fn queues_of_one_device_share_what_is_lent(subject: &Subject) {
    let context = subject.context();
    let device = subject.device();
    let queues: Vec<_> = (0..6).map(|_| context.queue(device).unwrap()).collect();
    let mut buffer = context.device_area(device).mmap::<u32>(5000).unwrap();
    let mut copies = vec![vec![0_u32; 5000]; 6];
    for _ in 0..20 {
        queues[0]
            .scope(|q| {
                let mut buffer = q.lend_mut(&mut buffer);
                let mut copies: Vec<_> = copies.iter_mut().map(|copy| q.lend_mut(copy)).collect();
                for turn in 0..60 {
                    let (writer, reader) =
                        (q.on(&queues[turn % 6])?, q.on(&queues[(turn + 1) % 6])?);
                    writer.fill(&mut buffer, u32::try_from(turn).unwrap() + 1000)?;
                    reader.copy(&buffer, &mut copies[turn % 6])?;
                    // Reads of several queues, before it is written again.
                    writer.copy(&buffer, &mut copies[(turn + 3) % 6])?;
                }
                Ok(())
            })
            .unwrap();
        if subject.executes(Work::Other, SCOPES) {
            for (index, copy) in copies.iter().enumerate() {
                let last = match index {
                    3.. => 1054 + u32::try_from(index).unwrap(),
                    _ => 1057 + u32::try_from(index).unwrap(),
                };
                assert!(copy.iter().all(|&n| n == last), "{index}: {}", copy[0]);
            }
        }
    }
}

fn queues_of_two_devices_share_a_host_buffer(subject: &Subject) {
    let context = subject.context();
    let [near, far] = [0, 1].map(|i| context.devices().get(i));
    let (Some(near), Some(far)) = (near, far) else {
        return subject.not_applicable("scopes on two devices: there is only one");
    };
    let queues = [near, far].map(|device| context.queue(device).unwrap());
    let data = numbers(5001);
    let mut on_near = context.device_area(near).mmap::<u32>(5001).unwrap();
    let mut on_far = context.device_area(far).mmap::<u32>(5001).unwrap();
    let mut between = context.host_area().mmap::<u32>(5001).unwrap();
    queues[0]
        .scope(|q| {
            let far = q.on(&queues[1])?;
            let data = q.lend(&data);
            let (mut on_near, mut on_far) = (q.lend_mut(&mut on_near), q.lend_mut(&mut on_far));
            let mut between = q.lend_mut(&mut between);
            for error in [
                q.copy(&on_far, &mut between),
                q.copy(&data, &mut on_far),
                q.fill(&mut on_far, 1),
                far.copy(&on_near, &mut between),
                far.fill(&mut on_near.slice_mut(..2)?, 1),
            ] {
                assert!(matches!(error, Err(Error::WrongDevice { .. })), "{error:?}");
            }
            q.copy(&data, &mut on_near)?;
            q.copy(&on_near, &mut between)?;
            far.copy(&between, &mut on_far)?;
            q.fill(&mut between, 5)?;
            far.fill(&mut between.slice_mut(1..)?, 6)
        })
        .unwrap();
    let read = queues[0].to_vec(&on_far).unwrap();
    if subject.executes(Work::Other, SCOPES) {
        assert!(read == data);
        assert_eq!(between[..2], [5, 6]);
    }
}

fn a_scope_is_complete_when_its_closure_fails(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    let mut buffer = area.mmap::<u32>(1_000_000).unwrap();
    let mut back = vec![0; 1_000_000];
    let error = queue
        .scope(|q| {
            let (mut buffer, mut back) = (q.lend_mut(&mut buffer), q.lend_mut(&mut back));
            q.fill(&mut buffer, 0x1234)?;
            q.copy(&buffer, &mut back)?;
            q.copy(&buffer.slice(1..)?, &mut back)
        })
        .unwrap_err();
    assert!(matches!(error, Error::LengthMismatch { .. }), "{error}");
    if subject.executes(Work::Other, SCOPES) {
        assert!(back.iter().all(|&n| n == 0x1234));
    }
    back.fill(0);
    buffer.free().unwrap();
}

fn a_scope_is_complete_when_its_closure_panics(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    let mut buffer = area.mmap::<u32>(1_000_000).unwrap();
    let mut back = vec![0; 1_000_000];
    let caught = catch_unwind(AssertUnwindSafe(|| {
        queue.scope(|q| -> ze_area::Result<()> {
            let (mut buffer, mut back) = (q.lend_mut(&mut buffer), q.lend_mut(&mut back));
            q.fill(&mut buffer, 0x1234)?;
            q.copy(&buffer, &mut back)?;
            // Without a message.
            std::panic::resume_unwind(Box::new("the closure's own"));
        })
    }));
    let payload = caught.unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"the closure's own"));
    if subject.executes(Work::Other, SCOPES) {
        assert!(back.iter().all(|&n| n == 0x1234));
    }
    back.fill(0);
    queue.copy(&back, &mut buffer).unwrap();
    buffer.free().unwrap();
}

fn handles_that_are_never_dropped_change_nothing(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let other = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    let mut buffer = area.mmap::<u32>(500_000).unwrap();
    let mut back = vec![0; 500_000];
    queue
        .scope(|q| {
            let mut lent = q.lend_mut(&mut buffer);
            q.fill(&mut lent, 0x4321)?;
            let mut second = q.lend_mut(&mut back);
            q.on(&other)?.copy(&lent, &mut second)?;
            let _parts = ManuallyDrop::new(lent.split_at_mut(9)?);
            let _all = ManuallyDrop::new((lent, second));
            Ok(())
        })
        .unwrap();
    if subject.executes(Work::Other, SCOPES) {
        assert!(back.iter().all(|&n| n == 0x4321));
    }
    back.fill(0);
    buffer.free().unwrap();
}

fn many_scopes_follow_each_other(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    let mut buffer = area.mmap::<u32>(100).unwrap();
    for round in 0..300 {
        queue
            .scope(|q| q.fill(&mut q.lend_mut(&mut buffer), round))
            .unwrap();
        let read = queue.to_vec(&buffer).unwrap();
        if subject.executes(Work::Other, SCOPES) {
            assert!(read == [round; 100]);
        }
    }
}

fn threads_have_scopes_on_one_queue(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let second = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    let checked = subject.executes(Work::Other, SCOPES);
    std::thread::scope(|threads| {
        for thread in 0..4_u32 {
            let (queue, second, area) = (&queue, &second, &area);
            threads.spawn(move || {
                let mut buffer = area.mmap::<u32>(3000).unwrap();
                for round in 0..20 {
                    let value = thread * 0x10000 + round + 1;
                    let mut back = vec![0; 3000];
                    queue
                        .scope(|q| {
                            let second = q.on(second)?;
                            let mut buffer = q.lend_mut(&mut buffer);
                            let mut back = q.lend_mut(&mut back);
                            q.fill(&mut buffer, 0)?;
                            second.fill(&mut buffer, value)?;
                            q.copy(&buffer, &mut back)?;
                            assert!(!checked || back.read()?.iter().all(|&n| n == value));
                            second.fill(&mut buffer, 0)
                        })
                        .unwrap();
                    assert!(!checked || back.iter().all(|&n| n == value));
                }
            });
        }
    });
}

fn scopes_nest(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let other = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    let data = numbers(3000);
    let source = area.mmap_from_slice(&data).unwrap();
    let [mut outside, mut inside, mut same] = [(); 3].map(|()| vec![0_u32; 3000]);
    queue
        .scope(|q| {
            let source_out = q.lend(&source);
            let mut outside = q.lend_mut(&mut outside);
            q.copy(&source_out, &mut outside)?;
            for (inner, target) in [(&other, &mut inside), (&queue, &mut same)] {
                inner.scope(|inner| {
                    let source = inner.lend(&source);
                    inner.copy(&source, &mut inner.lend_mut(&mut *target))?;
                    // The outer one goes on from inside the inner one.
                    q.copy(&source_out, &mut outside)
                })?;
                assert!(!subject.executes(Work::Other, SCOPES) || *target == data);
            }
            Ok(())
        })
        .unwrap();
    if subject.executes(Work::Other, SCOPES) {
        assert!(outside == data);
    }
}
