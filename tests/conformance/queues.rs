//! Queues: which they are, hints, copies of buffers in buffers of their own.

use crate::contents::numbers;
use crate::drivers::{Subject, Work};
use crate::spy;
use crate::{in_each_placement, promises};
use bytemuck::{Pod, Zeroable};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use ze_area::{
    Advice, DriverMemory, Element, Engine, Error, ErrorKind, Priority, Queue, QueueGroup,
    QueueGroupFlags, QueueMode, Source, ZeBuffer,
};

promises![
    a_queue_says_what_it_is,
    every_queue_of_every_group_copies_and_fills,
    engines_take_the_group_that_they_promise,
    every_priority_and_mode_makes_a_queue,
    a_queue_that_the_device_has_not_is_refused,
    hints_are_taken_for_shared_memory_and_leave_it_as_it_is,
    a_hint_on_memory_of_another_context_is_refused,
    a_hint_reaches_shared_memory_of_another_device,
    a_clone_has_the_elements_and_is_memory_of_its_own,
    a_clone_is_aligned_to_64_bytes_and_to_its_element,
    a_clone_stays_on_the_device_of_its_source,
    a_clone_of_another_context_is_refused,
    clones_go_from_all_memories_to_all_areas,
    bytes_of_every_size_go_between_all_placements,
    fills_are_right_for_every_length,
    a_fill_takes_elements_larger_than_what_is_written_out_at_once,
    a_gibibyte_is_filled_and_copied_whole,
];

const COPIES: QueueGroupFlags = QueueGroupFlags::COPY.union(QueueGroupFlags::COMPUTE);

fn a_queue_says_what_it_is(subject: &Subject) {
    let context = subject.context();
    let device = subject.device();
    let queue = context.queue(device).unwrap();
    assert_eq!((queue.context(), queue.device()), (&*context, device));
    let group = &device.queue_groups()[queue.ordinal() as usize];
    assert_eq!(queue.group(), group);
    assert_eq!(
        queue.can_compute(),
        group.flags.contains(QueueGroupFlags::COMPUTE)
    );
    assert_eq!(queue.priority(), Priority::Normal);
    assert_eq!(queue.mode(), QueueMode::Asynchronous);
    let text = format!("{queue:?}");
    assert!(text.contains(device.name()), "{text}");
    // With nothing said a builder makes the same.
    let built = context.queue_builder(device).build().unwrap();
    assert_eq!(built.group(), queue.group());
}

fn works(subject: &Subject, queue: &Queue) {
    let area = queue.context().device_area(queue.device());
    let data = numbers(1001);
    let mut buffer = area.mmap::<u32>(1001).unwrap();
    queue.copy(&data, &mut buffer).unwrap();
    let read = queue.to_vec(&buffer).unwrap();
    if subject.executes(Work::HostDevice, "uploads and read-back") {
        assert!(read == data);
    }
    // Patterns that no group, some groups and all groups take.
    queue.fill(&mut buffer, 0x0403_0201).unwrap();
    let mut wide = area.mmap::<[u8; 256]>(33).unwrap();
    let value = core::array::from_fn(|i| u8::try_from(i).unwrap());
    queue.fill(&mut wide, value).unwrap();
    let mut odd = area.mmap::<[u8; 5]>(33).unwrap();
    queue.fill(&mut odd, [1, 2, 3, 4, 5]).unwrap();
    let (narrow, wide) = (queue.to_vec(&buffer).unwrap(), queue.to_vec(&wide).unwrap());
    let odd = queue.to_vec(&odd).unwrap();
    if subject.executes(Work::Other, "fills") {
        assert!(narrow == [0x0403_0201; 1001]);
        assert!(wide == [value; 33] && odd == [[1, 2, 3, 4, 5]; 33]);
    }
    queue.barrier().unwrap();
}

fn every_queue_of_every_group_copies_and_fills(subject: &Subject) {
    let context = subject.context();
    for device in context.devices() {
        for device in core::iter::once(device).chain(device.sub_devices()) {
            for group in device.queue_groups() {
                if !group.flags.intersects(COPIES) {
                    continue;
                }
                let of_group = context.queue_builder(device).ordinal(group.ordinal);
                for index in 0..group.queues {
                    let queue = of_group.clone().index(index).build().unwrap();
                    assert_eq!(queue.group(), group);
                    works(subject, &queue);
                }
                works(subject, &of_group.build().unwrap());
            }
        }
    }
}

fn engines_take_the_group_that_they_promise(subject: &Subject) {
    let context = subject.context();
    let device = subject.device();
    let made = |engine| context.queue_builder(device).engine(engine).build();
    let computes = |group: &&QueueGroup| group.flags.contains(QueueGroupFlags::COMPUTE);
    let first = device.queue_groups().iter().find(computes);
    assert_eq!(
        made(Engine::Any).unwrap().group(),
        context.queue(device).unwrap().group()
    );
    match first {
        Some(first) => {
            let queue = made(Engine::Compute).unwrap();
            assert_eq!(queue.group(), first);
            assert!(queue.can_compute());
        }
        None => assert!(matches!(
            made(Engine::Compute),
            Err(Error::NoComputeQueue { .. })
        )),
    }
    let copies_only = |group: &&QueueGroup| !computes(group) && group.flags.intersects(COPIES);
    let queue = made(Engine::Copy).unwrap();
    match device.queue_groups().iter().find(copies_only) {
        Some(group) => {
            assert_eq!(queue.group(), group);
            assert!(!queue.can_compute());
        }
        None => assert_eq!(queue.group(), made(Engine::Any).unwrap().group()),
    }
    works(subject, &queue);
    // What is said last holds.
    let builder = context.queue_builder(device);
    let queue = builder
        .ordinal(u32::MAX)
        .engine(Engine::Any)
        .build()
        .unwrap();
    assert_eq!(Some(queue.group()), first);
}

fn every_priority_and_mode_makes_a_queue(subject: &Subject) {
    let context = subject.context();
    for priority in [Priority::Low, Priority::Normal, Priority::High] {
        for mode in [QueueMode::Asynchronous, QueueMode::Synchronous] {
            let builder = context.queue_builder(subject.device());
            let queue = builder.priority(priority).mode(mode).build().unwrap();
            assert_eq!((queue.priority(), queue.mode()), (priority, mode));
            works(subject, &queue);
        }
    }
}

fn a_queue_that_the_device_has_not_is_refused(subject: &Subject) {
    let context = subject.context();
    let device = subject.device();
    let groups = device.queue_groups();
    let beyond = u32::try_from(groups.len()).unwrap();
    for asked in [beyond, beyond + 1, u32::MAX] {
        let error = context
            .queue_builder(device)
            .ordinal(asked)
            .build()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        let Error::BadQueueGroup { ordinal, count, .. } = error else {
            panic!("{error}");
        };
        assert_eq!((ordinal, count), (asked, groups.len()));
    }
    for group in groups.iter().filter(|group| group.flags.intersects(COPIES)) {
        for asked in [group.queues, u32::MAX] {
            let builder = context.queue_builder(device).ordinal(group.ordinal);
            let error = builder.index(asked).build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            let Error::BadQueueIndex {
                index,
                ordinal,
                count,
            } = error
            else {
                panic!("{error}");
            };
            assert_eq!(
                (index, ordinal, count),
                (asked, group.ordinal, group.queues)
            );
        }
    }
    let [near, far] = [0, 1].map(|i| context.devices().get(i));
    let (Some(near), Some(far)) = (near, far) else {
        return subject.not_applicable("a device outside the context: there is only one");
    };
    let alone = ze_area::Context::builder()
        .driver(context.driver())
        .devices([near.clone()]);
    let alone = alone.build().unwrap();
    let error = alone
        .queue_builder(far)
        .engine(Engine::Copy)
        .build()
        .unwrap_err();
    assert!(matches!(error, Error::DeviceNotInContext { .. }));
}

fn hints_are_taken_for_shared_memory_and_leave_it_as_it_is(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let data = numbers(100_003);
    let area = context.device_area(subject.device()).shared();
    let mut buffer = area.mmap_from_slice(&data).unwrap();
    for advice in Advice::ALL {
        queue.advise(&buffer, advice).unwrap();
        queue.advise(&buffer.slice(7..9).unwrap(), advice).unwrap();
        queue.prefetch(&buffer).unwrap();
    }
    queue.prefetch(&buffer.slice(1..).unwrap()).unwrap();
    queue.prefetch(&buffer.slice_mut(5..6).unwrap()).unwrap();
    assert!(buffer == data);
    // No elements, no call.
    queue.prefetch(&buffer.slice(3..3).unwrap()).unwrap();
    let empty = area.mmap::<u8>(0).unwrap();
    queue.prefetch(&empty).unwrap();
    queue.advise(&empty, Advice::BiasCached).unwrap();
}

fn a_hint_on_memory_of_another_context_is_refused(subject: &Subject) {
    let (context, other) = (subject.context(), subject.context());
    let queue = context.queue(subject.device()).unwrap();
    let alien = other
        .device_area(subject.device())
        .shared()
        .mmap::<u8>(9)
        .unwrap();
    let hints = [
        queue.prefetch(&alien),
        queue.advise(&alien, Advice::SetReadMostly),
    ];
    for (hint, operation) in hints.into_iter().zip(["prefetch", "advice"]) {
        let Err(Error::WrongContext {
            operation: named, ..
        }) = hint
        else {
            panic!("{hint:?}");
        };
        assert_eq!(named, operation);
    }
}

fn a_hint_reaches_shared_memory_of_another_device(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let data = numbers(5000);
    for device in context.devices() {
        for device in core::iter::once(device).chain(device.sub_devices()) {
            let area = context.device_area(device).shared();
            let buffer = area.mmap_from_slice(&data).unwrap();
            queue.prefetch(&buffer).unwrap();
            queue.advise(&buffer, Advice::SetPreferredLocation).unwrap();
            assert!(buffer == data);
        }
    }
}

fn a_clone_has_the_elements_and_is_memory_of_its_own(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let checked = subject.executes(Work::Other, "copies between buffers");
    in_each_placement!(context, subject.device(), |area| {
        for len in [0, 1, 7, 4096, 100_003] {
            let data = numbers(len);
            let mut source = area.mmap_from_slice(&data).unwrap();
            let twin = queue.try_clone(&source).unwrap();
            assert_eq!((twin.len(), twin.placement()), (len, source.placement()));
            assert!(twin.is_in(&context));
            let view = queue.try_clone(&source.slice(len / 2..).unwrap()).unwrap();
            let exclusive = queue
                .try_clone(&source.slice_mut(len / 2..).unwrap())
                .unwrap();
            if len > 0 {
                assert_ne!(twin.device_ptr(), source.device_ptr());
            }
            queue.fill(&mut source, 0).unwrap();
            drop(source);
            for (copy, from) in [(&twin, 0), (&view, len / 2), (&exclusive, len / 2)] {
                let read = queue.to_vec(copy).unwrap();
                assert!(!checked || read == data[from..]);
            }
        }
    });
}

fn a_clone_is_aligned_to_64_bytes_and_to_its_element(subject: &Subject) {
    #[derive(Debug, Clone, Copy, Zeroable, Pod)]
    #[repr(C, align(256))]
    struct Wide([u8; 256]);
    let context = spy::context(subject);
    let device = context.first_device().unwrap();
    let queue = context.queue(device).unwrap();
    in_each_placement!(context, device, |area| {
        let narrow = area.align::<1>().mmap::<u8>(100).unwrap();
        let wide = area.align::<256>().mmap::<Wide>(3).unwrap();
        for _ in 0..8 {
            spy::asked();
            let narrow = queue.try_clone(&narrow.slice(1..).unwrap()).unwrap();
            if subject.config.honours_alignment == Some(true) {
                assert_eq!(spy::asked()[0].align, 64);
            }
            let wide = queue.try_clone(&wide).unwrap();
            assert_eq!(narrow.device_ptr().addr() % 64, 0);
            assert_eq!(wide.device_ptr().addr() % 256, 0);
        }
    });
}

fn a_clone_stays_on_the_device_of_its_source(subject: &Subject) {
    fn check<M: DriverMemory<Element = u32>>(subject: &Subject, queue: &Queue, source: &M) {
        let twin = queue.try_clone(source).unwrap();
        let read = queue.to_vec(&twin).unwrap();
        if subject.executes(Work::Other, "copies between buffers") {
            assert!(read == numbers(5000));
        }
        let (context, parts) = (queue.context().clone(), twin.into_raw_parts());
        let device = parts.device;
        // SAFETY: the parts are those of a buffer of this context and placement.
        drop(unsafe { ZeBuffer::<u32, M::Placement>::from_raw_parts(&context, parts) });
        let near = queue.device().as_raw();
        let far = context.devices().last().unwrap().as_raw();
        assert!(
            device == far || device.is_null() || near == far,
            "{device:?}"
        );
    }
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let far = context.devices().last().unwrap();
    in_each_placement!(context, far, |area| {
        check(
            subject,
            &queue,
            &area.mmap_from_slice(&numbers(5000)).unwrap(),
        );
    });
}

fn a_clone_of_another_context_is_refused(subject: &Subject) {
    let (context, other) = (subject.context(), subject.context());
    let queue = context.queue(subject.device()).unwrap();
    in_each_placement!(other, subject.device(), |area| {
        let alien = area.mmap::<u8>(9).unwrap();
        let refused = |error| matches!(error, Error::WrongContext { what: "source", .. });
        let error = queue.try_clone(&alien).unwrap_err();
        // Before anything is allocated.
        assert!(error.to_string().contains("clone"), "{error}");
        assert!(refused(error));
        assert!(refused(
            queue.clone_in(&context.host_area(), &alien).unwrap_err()
        ));
    });
}

fn clones_go_from_all_memories_to_all_areas(subject: &Subject) {
    fn check<S>(subject: &Subject, queue: &Queue, source: &S)
    where
        S: Source<Element = u32> + ?Sized,
    {
        let context = queue.context();
        in_each_placement!(context, subject.device(), |area| {
            let area = area.align::<4096>();
            let copy = queue.clone_in(&area, source).unwrap();
            assert_eq!(copy.device_ptr().addr() % 4096, 0);
            let read = queue.to_vec(&copy).unwrap();
            if subject.executes(Work::Other, "copies between buffers") {
                assert!(read == numbers(1001));
            }
        });
    }
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    in_each_placement!(context, subject.device(), |area| {
        let source = area.mmap_from_slice(&numbers(1001)).unwrap();
        check(subject, &queue, &source);
        check(subject, &queue, &source.as_view());
    });
    check(subject, &queue, &numbers(1001)[..]);
}

fn bytes_of_every_size_go_between_all_placements(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let sizes = [0, 1, 3, 4097, 65_535, 65_536, 65_537];
    in_each_placement!(context, subject.device(), |from| {
        in_each_placement!(context, subject.device(), |to| {
            for len in sizes {
                let byte = |i: usize| u8::try_from(i % 251).unwrap();
                let source = from.mmap_from_fn(len, byte).unwrap();
                let mut target = to.mmap_from_slice(&vec![252; len + 2]).unwrap();
                let mut inner = target.slice_mut(1..=len).unwrap();
                queue.copy(&source, &mut inner).unwrap();
                let read = queue.to_vec(&target).unwrap();
                if subject.executes(Work::Other, "copies between buffers") {
                    assert!((0..len).all(|i| read[i + 1] == byte(i)));
                    assert_eq!((read[0], read[len + 1]), (252, 252));
                }
            }
        });
    });
}

fn fills_are_right_for_every_length(subject: &Subject) {
    fn check<T: Element + bytemuck::NoUninit + PartialEq>(
        subject: &Subject,
        queue: &Queue,
        (place, start, len, tail): (u8, usize, usize, usize),
        [before, value]: [T; 2],
    ) {
        let context = queue.context();
        let fill = |area: &dyn Fn(&[T]) -> Vec<T>, all: &[T]| {
            let read = area(all);
            let mut expected = all.to_vec();
            expected[start..start + len].fill(value);
            if subject.executes(Work::Other, "fills") {
                assert!(
                    read == expected,
                    "{len} elements of {} bytes",
                    size_of::<T>()
                );
            }
        };
        let all = vec![before; start + len + tail];
        macro_rules! in_area {
            ($area:expr) => {{
                let area = $area;
                let filled = |all: &[T]| {
                    let mut buffer = area.mmap_from_slice(all).unwrap();
                    let mut part = buffer.slice_mut(start..start + len).unwrap();
                    queue.fill(&mut part, value).unwrap();
                    queue.to_vec(&buffer).unwrap()
                };
                fill(&filled, &all);
            }};
        }
        match place {
            0 => in_area!(context.device_area(subject.device())),
            1 => in_area!(context.device_area(subject.device()).shared()),
            2 => in_area!(context.host_area()),
            _ => in_area!(context.device_area(context.devices().last().unwrap())),
        }
    }
    fn pair<const N: usize>() -> [[u8; N]; 2] {
        [0, 1].map(|salt| core::array::from_fn(|i| u8::try_from((i * 7 + salt) % 251).unwrap()))
    }
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let config = Config {
        cases: if subject.config.in_process { 100 } else { 10 },
        failure_persistence: None,
        ..Config::default()
    };
    // About the sizes at which the copies of the pattern double: 64 KiB, 128 KiB, ...
    let len = prop_oneof![
        0_usize..20,
        0_usize..70_000,
        5455_usize..5470,
        10_915_usize..10_930,
        21_840_usize..21_850
    ];
    let strategy = (0_u8..4, 0_usize..3, len, 0_usize..3);
    let run = TestRunner::new(config).run(&strategy, |case| {
        check(subject, &queue, case, pair::<1>());
        check(subject, &queue, case, pair::<3>());
        check(subject, &queue, case, pair::<12>());
        check(subject, &queue, case, pair::<16>());
        Ok(())
    });
    if let Err(error) = run {
        panic!("{error}");
    }
}

fn a_fill_takes_elements_larger_than_what_is_written_out_at_once(subject: &Subject) {
    // 68 KiB; 64 are written out.
    type Large = [[u8; 17]; 4096];
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    for len in [1, 2, 5] {
        let row = |i: usize| [u8::try_from(i % 251).unwrap(); 17];
        let mut buffer = area.mmap::<Large>(len).unwrap();
        queue.fill(&mut buffer, core::array::from_fn(row)).unwrap();
        let rows = buffer.into_cast::<[u8; 17]>().unwrap();
        let read = queue.to_vec(&rows).unwrap();
        if subject.executes(Work::Other, "fills") {
            assert_eq!(read.len(), len * 4096);
            assert!((0..read.len()).all(|i| read[i] == row(i % 4096)));
        }
    }
}

fn a_gibibyte_is_filled_and_copied_whole(subject: &Subject) {
    if subject.config.name != "cpu" {
        return subject.not_applicable("a GiB: once is enough, on the driver that is fast");
    }
    const PIECE: usize = 1 << 20;
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let value = [3_u32, 1, 2];
    let len = (1 << 30) / size_of_val(&value) + 1;
    let mut source = context
        .device_area(subject.device())
        .mmap::<[u32; 3]>(len)
        .unwrap();
    queue.fill(&mut source, value).unwrap();
    let mut target = context.host_area().mmap::<[u32; 3]>(len).unwrap();
    queue.copy(&source, &mut target).unwrap();
    drop(source);
    let expected = vec![value; PIECE];
    for piece in target.chunks(PIECE) {
        assert!(piece == &expected[..piece.len()]);
    }
}
