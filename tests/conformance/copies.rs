//! Queues: what they copy and fill is there when they return.

use crate::contents::{LENGTHS, numbers};
use crate::drivers::{Subject, Work};
use crate::{in_each_placement, promises};
use ze_area::{Area, Context, Element, ErrorKind, PlacementKind, Queue, ZeBuffer, ZeDevice};

promises![
    what_is_uploaded_can_be_read_back,
    copies_go_between_all_placements,
    copies_reach_the_memory_of_another_device,
    slices_of_another_devices_shared_memory_can_be_copied,
    slices_of_another_contexts_memory_can_be_copied,
    mmap_copy_allocates_and_copies,
    host_slices_arrays_and_vectors_are_ends_of_copies,
    parts_copy_without_touching_the_rest,
    a_large_copy_arrives_whole,
    fills_take_patterns_of_any_size,
    a_fill_of_a_part_stays_in_it,
    a_host_slice_can_be_filled,
    a_queue_and_its_clone_are_one,
    threads_share_a_queue,
    a_barrier_waits,
    every_device_has_a_queue,
];

fn what_is_uploaded_can_be_read_back(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    for &len in LENGTHS {
        let source = numbers(len);
        let mut buffer = context
            .device_area(subject.device())
            .mmap::<u32>(len)
            .unwrap();
        queue.copy(&source, &mut buffer).unwrap();
        let mut back = vec![0; len];
        queue.copy(&buffer, &mut back).unwrap();
        let read = queue.to_vec(&buffer).unwrap();
        if subject.executes(Work::HostDevice, "uploads and read-back") {
            assert!(back == source && read == source, "{len} elements");
        }
    }
}

/// Uploads to an area, copies from there to another, and reads that.
fn between<S: Area, D: Area>(subject: &Subject, queue: &Queue, from: &S, to: &D) {
    for len in [1, 7, 4096, 100_003] {
        let data = numbers(len);
        let source: ZeBuffer<u32, S::Placement> = from.mmap_from_slice(&data).unwrap();
        let mut target: ZeBuffer<u32, D::Placement> = to.mmap(len).unwrap();
        queue.copy(&source, &mut target).unwrap();
        let read = queue.to_vec(&target).unwrap();
        let (from, to) = (source.placement(), target.placement());
        if subject.executes(Work::Other, "copies between buffers") {
            assert!(read == data, "{len} elements from {from} to {to} memory");
        }
    }
}

fn copies_go_between_all_placements(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    in_each_placement!(context, subject.device(), |source| {
        in_each_placement!(context, subject.device(), |target| {
            between(subject, &queue, &source, &target);
        });
    });
}

fn copies_reach_the_memory_of_another_device(subject: &Subject) {
    let context = subject.context();
    let [near, far] = [0, 1].map(|i| context.devices().get(i));
    let (Some(near), Some(far)) = (near, far) else {
        return subject.not_applicable("copies to another device: there is only one");
    };
    let queue = context.queue(near).unwrap();
    let far = context.device_area(far);
    between(subject, &queue, &context.host_area(), &far);
    between(subject, &queue, &context.device_area(near), &far);
    between(subject, &queue, &far, &context.device_area(near).shared());
    between(subject, &queue, &far.shared(), &context.device_area(near));

    let mut on_far = far.mmap::<u32>(1000).unwrap();
    queue.fill(&mut on_far, 7).unwrap();
    queue.barrier().unwrap();
    if subject.executes(Work::Other, "fills") {
        assert!(queue.to_vec(&on_far).unwrap() == [7; 1000]);
    }
}

fn slices_of_another_devices_shared_memory_can_be_copied(subject: &Subject) {
    let context = subject.context();
    let [near, far] = [0, 1].map(|i| context.devices().get(i));
    let (Some(near), Some(far)) = (near, far) else {
        return subject.not_applicable("copies to another device: there is only one");
    };
    let queue = context.queue(near).unwrap();
    let data = numbers(5000);
    let mut shared = context
        .device_area(far)
        .shared()
        .mmap_from_slice(&data)
        .unwrap();
    let uploaded = context
        .device_area(near)
        .mmap_from_slice(&shared[1..])
        .unwrap();
    let mut copied = context.device_area(near).mmap::<u32>(5000).unwrap();
    queue.copy(&shared[..], &mut copied).unwrap();
    queue.copy(&copied, &mut shared[..]).unwrap();
    let read = queue.to_vec(&uploaded).unwrap();
    if subject.executes(Work::HostDevice, "uploads and read-back") {
        assert!(read == data[1..]);
    }
    if subject.executes(Work::Other, "copies between buffers") {
        assert!(shared == data && queue.to_vec(&copied).unwrap() == data);
    }
}

fn mmap_copy_allocates_and_copies(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let data = numbers(5001);
    in_each_placement!(context, subject.device(), |source| {
        let source = source.mmap_from_slice(&data).unwrap();
        in_each_placement!(context, subject.device(), |area| {
            let copy = area.mmap_copy(&queue, &source).unwrap();
            let part = area.mmap_copy(&queue, &source.slice(1..).unwrap()).unwrap();
            let (all, rest) = (queue.to_vec(&copy).unwrap(), queue.to_vec(&part).unwrap());
            if subject.executes(Work::Other, "copies between buffers") {
                assert!(all == data && rest == data[1..]);
            }
        });
    });
    let area = context.device_area(subject.device());
    let read = queue
        .to_vec(&area.mmap_copy(&queue, &data[7..]).unwrap())
        .unwrap();
    if subject.executes(Work::HostDevice, "uploads and read-back") {
        assert!(read == data[7..]);
    }
    let other = subject.context();
    let alien = other.host_area().mmap_from_slice(&data).unwrap();
    let error = area.mmap_copy(&queue, &alien).unwrap_err();
    assert!(matches!(
        error,
        ze_area::Error::WrongContext { what: "source", .. }
    ));
    assert_eq!(context.memory().device.live_buffers, 0);
}

fn host_slices_arrays_and_vectors_are_ends_of_copies(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    in_each_placement!(context, subject.device(), |area| {
        let mut buffer = area.mmap::<u16>(4).unwrap();
        let of_device = buffer.placement() == PlacementKind::Device;
        let work = if of_device {
            Work::HostDevice
        } else {
            Work::Other
        };
        let checked = subject.executes(work, "copies between slices and shared or host buffers");
        let (mut slice, mut array, mut vector) = ([0_u16; 6], [0_u16; 4], vec![0_u16; 4]);

        queue.copy(&[1, 2, 3, 4][..], &mut buffer).unwrap();
        queue.copy(&buffer, &mut slice[1..5]).unwrap();
        queue.copy(&[5, 6, 7, 8], &mut buffer).unwrap();
        queue.copy(&buffer, &mut array).unwrap();
        queue.copy(&vec![9, 10, 11, 12], &mut buffer).unwrap();
        queue.copy(&buffer.as_view(), &mut vector).unwrap();
        if checked {
            assert_eq!(slice, [0, 1, 2, 3, 4, 0]);
            assert_eq!(array, [5, 6, 7, 8]);
            assert_eq!(vector, [9, 10, 11, 12]);
        }
    });
    let mut target = [0_u8; 3];
    queue.copy(&[1, 2, 3], &mut target).unwrap();
    if subject.executes(Work::Other, "copies between host slices") {
        assert_eq!(target, [1, 2, 3]);
    }
}

fn parts_copy_without_touching_the_rest(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    let mut buffer = area.mmap_from_slice(&[7_u8; 10_000]).unwrap();
    let mut expected = vec![7_u8; 10_000];
    for (start, len) in [(0, 1), (1, 3), (63, 2), (4095, 2), (5000, 4097), (9999, 1)] {
        let mark = u8::try_from(len % 251).unwrap();
        let data = vec![mark; len];
        queue
            .copy(&data, &mut buffer.slice_mut(start..start + len).unwrap())
            .unwrap();
        expected[start..start + len].copy_from_slice(&data);
        let part = queue
            .to_vec(&buffer.slice(start..start + len).unwrap())
            .unwrap();
        if subject.executes(Work::HostDevice, "copies to and from parts") {
            assert_eq!(part, data);
        }
    }
    let read = queue.to_vec(&buffer).unwrap();
    if subject.executes(Work::HostDevice, "copies to and from parts") {
        assert_eq!(read, expected);
    }
    // Between two parts of one buffer.
    let (low, mut high) = buffer.split_at_mut(5000).unwrap();
    queue.copy(&low, &mut high).unwrap();
    let read = queue.to_vec(&buffer).unwrap();
    if subject.executes(Work::Other, "copies inside a buffer") {
        assert_eq!(read[5000..], expected[..5000]);
        assert_eq!(read[..5000], expected[..5000]);
    }
}

fn a_large_copy_arrives_whole(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let data = numbers((16 << 20) + 1);
    let buffer = context
        .device_area(subject.device())
        .mmap_from_slice(&data)
        .unwrap();
    let read = queue.to_vec(&buffer).unwrap();
    if subject.executes(Work::HostDevice, "uploads and read-back") {
        assert!(read == data);
    }
}

/// Fills a buffer of an area with one value, in `len` elements.
fn fill<A: Area, T>(subject: &Subject, queue: &Queue, area: &A, value: T, len: usize)
where
    T: Element + bytemuck::NoUninit + PartialEq,
{
    let mut buffer: ZeBuffer<T, A::Placement> = area.mmap(len).unwrap();
    queue.fill(&mut buffer, value).unwrap();
    let read = queue.to_vec(&buffer).unwrap();
    let largest = queue.device().queue_groups()[0].max_fill_pattern;
    let bytes = bytemuck::bytes_of(&value);
    let one_byte = bytes.iter().all(|byte| *byte == bytes[0]);
    let lawful = size_of::<T>().is_power_of_two() && size_of::<T>() <= largest;
    let written_out = !one_byte && !lawful;
    let of_device = buffer.placement() == PlacementKind::Device;
    // More than 64 KiB is copied from what is there.
    let at_once = size_of_val(&value) * len <= 1 << 16;
    let (work, what) = if written_out && of_device && at_once {
        (Work::HostDevice, "fills that are written out")
    } else {
        (Work::Other, "fills")
    };
    if subject.executes(work, what) {
        assert!(read.iter().all(|element| *element == value));
    }
}

fn fills_take_patterns_of_any_size(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    macro_rules! patterns {
        ($area:expr, $($size:literal)*) => {$(
            let value: [u8; $size] = core::array::from_fn(|i| u8::try_from(i + 1).unwrap());
            for len in [1, 2, 1000, 70_001] {
                fill(subject, &queue, $area, value, len);
            }
            fill(subject, &queue, $area, [0xab_u8; $size], 1000);
        )*};
    }
    in_each_placement!(context, subject.device(), |area| {
        patterns!(&area, 1 2 3 4 8 12 16 24);
        fill(subject, &queue, &area, 1.5_f32, 1001);
        fill(subject, &queue, &area, -1_i64, 1001);
        fill(subject, &queue, &area, [1_u64, 2, 3], 1001);
    });
}

fn a_fill_of_a_part_stays_in_it(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    in_each_placement!(context, subject.device(), |area| {
        let mut buffer = area.mmap_from_slice(&[[1_u8; 3]; 100]).unwrap();
        queue
            .fill(&mut buffer.slice_mut(10..20).unwrap(), [4, 5, 6])
            .unwrap();
        let mut bytes = buffer.into_cast::<u8>().unwrap();
        queue.fill(&mut bytes.slice_mut(299..).unwrap(), 9).unwrap();
        let read = queue.to_vec(&bytes).unwrap();
        if subject.executes(Work::Other, "fills") {
            let mut expected = [[1; 3]; 100];
            expected[10..20].fill([4, 5, 6]);
            expected[99][2] = 9;
            assert_eq!(read, expected.as_flattened());
        }
    });
}

fn a_host_slice_can_be_filled(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let mut numbers = vec![0_u32; 100_000];
    queue.fill(&mut numbers[1..], 5).unwrap();
    if subject.executes(Work::Other, "fills of host slices") {
        assert_eq!(numbers[0], 0);
        assert!(numbers[1..].iter().all(|&number| number == 5));
    }
}

fn a_queue_and_its_clone_are_one(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let clone = queue.clone();
    assert_eq!(queue.device(), clone.device());
    drop(queue);
    let buffer = context
        .device_area(subject.device())
        .mmap_from_slice(&[1, 2, 3])
        .unwrap();
    let read = clone.to_vec(&buffer).unwrap();
    if subject.executes(Work::HostDevice, "uploads and read-back") {
        assert_eq!(read, [1, 2, 3]);
    }
}

fn threads_share_a_queue(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    let checked = subject.executes(Work::HostDevice, "uploads and read-back");
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let (queue, area) = (&queue, &area);
            scope.spawn(move || {
                for round in 0..20 {
                    let data = vec![thread * 1000 + round; 10_000];
                    let buffer = area.mmap_from_slice(&data).unwrap();
                    let read = queue.to_vec(&buffer).unwrap();
                    assert!(!checked || read == data);
                }
            });
        }
    });
}

fn a_barrier_waits(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    queue.barrier().unwrap();
    let mut buffer = context
        .device_area(subject.device())
        .mmap::<u8>(64)
        .unwrap();
    queue.copy(&[3; 64], &mut buffer).unwrap();
    queue.barrier().unwrap();
    queue.barrier().unwrap();
}

fn every_device_has_a_queue(subject: &Subject) {
    let context = subject.context();
    for device in context.devices() {
        let queue = context.queue(device).unwrap();
        assert_eq!(queue.device(), device);
        let buffer = context
            .device_area(device)
            .mmap_from_slice(&numbers(1000))
            .unwrap();
        let read = queue.to_vec(&buffer).unwrap();
        if subject.executes(Work::HostDevice, "uploads and read-back") {
            assert_eq!(read, numbers(1000));
        }
    }
}

fn slices_of_another_contexts_memory_can_be_copied(subject: &Subject) {
    let context = subject.context();
    let [near, far] = [0, 1].map(|i| context.devices().get(i));
    let (Some(near), Some(far)) = (near, far) else {
        return subject.not_applicable("copies to another device: there is only one");
    };
    let of = |device: &ZeDevice| {
        Context::builder()
            .driver(context.driver())
            .devices([device.clone()])
            .build()
            .unwrap()
    };
    let (of_near, of_far) = (of(near), of(far));
    let data = numbers(5000);
    let mut host = of_near.host_area().mmap_from_slice(&data).unwrap();
    let area = of_far.device_area(far);
    let queue = of_far.queue(far).unwrap();
    let mut buffer = area.mmap::<u32>(5000).unwrap();
    if let Err(error) = queue.copy(&host[..], &mut buffer) {
        // As good an answer: the memory is the driver's, and not of this context.
        let refused = subject.executes(Work::Other, "copies between contexts");
        assert!(
            refused && error.kind() == ErrorKind::InvalidArgument,
            "{error}"
        );
        assert!(area.mmap_from_slice(&host[..]).is_err());
        assert!(queue.copy(&buffer, &mut host[..]).is_err());
        assert!(queue.to_vec(&host[7..9]).is_err());
        return;
    }
    drop(buffer);
    let buffer = area.mmap_from_slice(&host[..]).unwrap();
    queue.fill(&mut host[..], 0).unwrap();
    queue.copy(&buffer, &mut host[..]).unwrap();
    if subject.executes(Work::HostDevice, "uploads and read-back") {
        assert!(host == data);
    }
    assert_eq!(queue.to_vec(&host[7..9]).unwrap().len(), 2);
}
