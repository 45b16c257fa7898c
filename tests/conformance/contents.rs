//! What is in a buffer: after allocating, writing, viewing it.

use crate::drivers::{Subject, Work};
use crate::{in_each_placement, promises};
use bytemuck::{Pod, Zeroable};
use core::mem::MaybeUninit;
use ze_area::{Device, Host, HostAccess, Queue, Shared, ZeBuffer, ZeSlice, ZeSliceMut};

promises![
    mmap_is_zero_where_memory_was_used_before,
    mmap_from_slice_has_the_elements,
    mmap_from_fn_calls_once_for_each_element_in_order,
    mmap_from_fn_goes_beyond_one_piece,
    a_function_that_panics_leaves_nothing,
    an_uninitialised_buffer_is_written_by_init,
    an_uninitialised_buffer_is_written_by_the_host,
    elements_can_be_structures,
    shared_and_host_buffers_are_slices,
    parts_of_a_buffer_are_its_memory,
    casts_keep_the_bytes,
];

/// Lengths in elements: none, one, odd ones, large ones.
pub(crate) const LENGTHS: &[usize] = &[0, 1, 3, 63, 64, 65, 1023, 4097, 65_537, 1_000_003];

pub(crate) fn numbers(len: usize) -> Vec<u32> {
    (0..)
        .map(|i: u32| i.wrapping_mul(2_654_435_761))
        .take(len)
        .collect()
}

/// The number of an element, as an element.
pub(crate) fn index(index: usize) -> u32 {
    u32::try_from(index).unwrap()
}

fn mmap_is_zero_where_memory_was_used_before(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    for &len in LENGTHS {
        drop(context.host_area().mmap_from_fn(len, |_| u32::MAX).unwrap());
        assert_eq!(context.host_area().mmap::<u32>(len).unwrap(), vec![0; len]);
        let area = context.device_area(subject.device());
        drop(area.shared().mmap_from_fn(len, |_| u32::MAX).unwrap());
        assert_eq!(area.shared().mmap::<u32>(len).unwrap(), vec![0; len]);
        drop(area.mmap_from_fn(len, |_| u32::MAX).unwrap());
        let zeroed = area.mmap::<u32>(len).unwrap();
        let read = queue.to_vec(&zeroed).unwrap();
        if subject.executes(Work::Other, "device memory is zero (a fill)") {
            assert_eq!(read, vec![0; len]);
        }
    }
}

fn mmap_from_slice_has_the_elements(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    for &len in LENGTHS {
        let source = numbers(len);
        assert_eq!(
            context.host_area().mmap_from_slice(&source).unwrap(),
            source
        );
        assert_eq!(area.shared().mmap_from_slice(&source).unwrap(), source);
        let on_device = area.mmap_from_slice(&source).unwrap();
        assert_eq!(on_device.len(), len);
        let read = queue.to_vec(&on_device).unwrap();
        if subject.executes(Work::HostDevice, "uploads and read-back") {
            assert_eq!(read, source);
        }
    }
}

fn mmap_from_fn_calls_once_for_each_element_in_order(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        for len in [0, 1, 5, 700_001] {
            let mut calls = 0;
            let buffer = area
                .mmap_from_fn(len, |index| {
                    assert_eq!(index, calls);
                    calls += 1;
                    self::index(index)
                })
                .unwrap();
            assert_eq!((buffer.len(), calls), (len, len));
        }
    });
}

fn mmap_from_fn_goes_beyond_one_piece(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    // A piece is 1 MiB: one less, exactly, one more, several and a bit.
    for len in [(1 << 18) - 1, 1 << 18, (1 << 18) + 1, (3 << 18) + 17] {
        let source = numbers(len);
        let buffer = area.mmap_from_fn(len, |i| source[i]).unwrap();
        assert_eq!(
            context
                .host_area()
                .mmap_from_fn(len, |i| source[i])
                .unwrap(),
            source
        );
        let read = queue.to_vec(&buffer).unwrap();
        if subject.executes(Work::HostDevice, "uploads in pieces") {
            assert!(read == source);
        }
    }
    // Elements that do not divide a piece.
    let odd = area.mmap_from_fn(100_001, |i| [index(i); 5]).unwrap();
    let read = queue.to_vec(&odd).unwrap();
    if subject.executes(Work::HostDevice, "uploads in pieces") {
        assert!((0..).zip(&read).all(|(i, element)| *element == [i; 5]));
    }
}

fn a_function_that_panics_leaves_nothing(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        let unwound = std::panic::catch_unwind(|| {
            area.mmap_from_fn(600_000, |i| {
                if i == 300_000 {
                    // A panic that nobody is told of.
                    std::panic::resume_unwind(Box::new(()));
                }
                index(i)
            })
        });
        assert!(unwound.is_err());
        assert_eq!(context.memory().live_buffers(), 0);
    });
}

fn an_uninitialised_buffer_is_written_by_init(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    for &len in LENGTHS {
        let source = numbers(len);
        let fresh = context
            .device_area(subject.device())
            .mmap_uninit::<u32>(len)
            .unwrap();
        let address = fresh.device_ptr().addr();
        let on_device: ZeBuffer<u32, Device> = queue.init(fresh, &source).unwrap();
        assert_eq!(
            (on_device.len(), on_device.device_ptr().addr()),
            (len, address)
        );
        let read = queue.to_vec(&on_device).unwrap();
        if subject.executes(Work::HostDevice, "initialisation by a copy from the host") {
            assert_eq!(read, source);
        }
        let fresh = context.host_area().mmap_uninit::<u32>(len).unwrap();
        let on_host: ZeBuffer<u32, Host> = queue.init(fresh, &on_device).unwrap();
        if subject.executes(Work::Other, "initialisation of host memory by a copy") {
            assert_eq!(on_host, source);
        }
    }
}

fn an_uninitialised_buffer_is_written_by_the_host(subject: &Subject) {
    let context = subject.context();
    let source = numbers(5000);
    let fresh = context.host_area().mmap_uninit::<u32>(5000).unwrap();
    assert_eq!(fresh.write_from_slice(&source).unwrap(), source);
    let shared = context.device_area(subject.device()).shared();
    let fresh = shared.mmap_uninit::<u32>(5000).unwrap();
    assert_eq!(fresh.write_from_slice(&source).unwrap(), source);
    let mut fresh = shared.mmap_uninit::<u32>(5000).unwrap();
    for (slot, number) in fresh.iter_mut().zip(&source) {
        *slot = MaybeUninit::new(*number);
    }
    // SAFETY: all elements are written.
    assert_eq!(unsafe { fresh.assume_init() }, source);
}

#[derive(Debug, Clone, Copy, PartialEq, Zeroable, Pod)]
#[repr(C)]
struct Particle {
    position: [f32; 3],
    mass: f32,
    id: u64,
}

fn elements_can_be_structures(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let particle = |i: usize| Particle {
        position: [i as f32, 0.5, -1.0],
        mass: f32::INFINITY,
        id: i as u64,
    };
    let source: Vec<Particle> = (0..777).map(particle).collect();
    let on_device = context
        .device_area(subject.device())
        .mmap_from_fn(777, particle)
        .unwrap();
    let read = queue.to_vec(&on_device).unwrap();
    if subject.executes(Work::HostDevice, "uploads of structures") {
        assert_eq!(read, source);
    }
    let mut on_host = context.host_area().mmap::<Particle>(777).unwrap();
    assert_eq!(on_host[3], Particle::zeroed());
    on_host.copy_from_slice(&source);
    assert_eq!(on_host, source);
    let ids: Vec<u64> = on_host.iter().map(|particle| particle.id).collect();
    assert!(ids.into_iter().eq(0..777));
}

/// What the host does with a buffer it can reach.
fn use_as_slice<P: HostAccess>(mut buffer: ZeBuffer<u32, P>) {
    let len = buffer.len();
    assert!(buffer.iter().all(|&number| number == 0));
    for (i, number) in (&mut buffer).into_iter().enumerate() {
        *number = u32::try_from(i).unwrap();
    }
    buffer[1] += 10;
    *buffer.get_mut(2).unwrap() = 20;
    assert_eq!(buffer[..4], [0, 11, 20, 3]);
    assert_eq!(buffer.get(len), None);
    assert_eq!(
        (buffer.first(), buffer.last()),
        (Some(&0), Some(&index(len - 1)))
    );
    buffer.sort_unstable_by(|a, b| b.cmp(a));
    assert!(buffer.windows(2).all(|pair| pair[0] >= pair[1]));
    assert_eq!((&buffer).into_iter().count(), len);
    assert_eq!(buffer.to_vec(), buffer.as_slice());
    assert_eq!(buffer.as_slice().as_ptr(), buffer.device_ptr());
    let text = format!("{buffer:?}");
    assert!(
        text.contains("u32") && text.contains(&len.to_string()),
        "{text}"
    );
}

fn shared_and_host_buffers_are_slices(subject: &Subject) {
    let context = subject.context();
    for len in [64, 70_000] {
        use_as_slice(context.host_area().mmap(len).unwrap());
        use_as_slice(
            context
                .device_area(subject.device())
                .shared()
                .mmap(len)
                .unwrap(),
        );
    }
    let host = context.host_area().mmap_from_slice(&[1, 2]).unwrap();
    let shared = context.device_area(subject.device()).shared();
    assert_eq!(host, shared.mmap_from_slice(&[1, 2]).unwrap());
}

fn parts_of_a_buffer_are_its_memory(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let mut buffer = context
        .device_area(subject.device())
        .mmap_from_slice(&numbers(100))
        .unwrap();
    let start = buffer.device_ptr();
    let view: ZeSlice<'_, u32, Device> = buffer.slice(10..20).unwrap();
    assert_eq!((view.len(), view.size_in_bytes()), (10, 40));
    assert_eq!(view.device_ptr(), start.wrapping_add(10));
    assert_eq!(
        view.slice(2..=3).unwrap().device_ptr(),
        start.wrapping_add(12)
    );
    let (low, high) = view.split_at(4).unwrap();
    assert_eq!((low.len(), high.len()), (4, 6));
    assert_eq!(high.device_ptr(), start.wrapping_add(14));
    let (mut low, mut high): (ZeSliceMut<'_, u32, Device>, _) = buffer.split_at_mut(50).unwrap();
    queue.copy(&[1; 50], &mut low).unwrap();
    queue.copy(&[2; 50], &mut high).unwrap();
    queue
        .copy(&[3; 5], &mut high.as_view_mut().into_slice(45..).unwrap())
        .unwrap();
    let read = queue.to_vec(&buffer).unwrap();
    if subject.executes(Work::HostDevice, "copies to parts") {
        assert_eq!(read, [[1; 50].as_slice(), &[2; 45], &[3; 5]].concat());
    }

    let mut shared = context
        .device_area(subject.device())
        .shared()
        .mmap::<u32>(10)
        .unwrap();
    shared.slice_mut(3..6).unwrap().fill(9);
    let (mut low, high) = shared.split_at_mut(4).unwrap();
    low[0] = high[0];
    assert_eq!(low, [9, 0, 0, 9]);
    assert_eq!(shared, [9, 0, 0, 9, 9, 9, 0, 0, 0, 0]);
    assert_eq!(shared.slice(4..).unwrap().as_slice().len(), 6);
}

fn casts_keep_the_bytes(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let host = context.host_area();
    let mut buffer = host
        .mmap_from_slice(&[0x0403_0201_u32.to_le(), 0x0807_0605_u32.to_le()])
        .unwrap();
    assert_eq!(buffer.cast::<u8>().unwrap(), [1, 2, 3, 4, 5, 6, 7, 8]);
    buffer.cast_mut::<u8>().unwrap()[0] = 9;
    assert_eq!(buffer[0].to_le_bytes()[0], 9);
    let address = buffer.device_ptr().addr();
    let bytes: ZeBuffer<u8, Host> = buffer.into_cast().unwrap();
    assert_eq!(bytes, [9, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(bytes.device_ptr().addr(), address);
    assert_eq!(context.memory().host.live_buffers, 1);
    bytes.into_cast::<u64>().unwrap().free().unwrap();
    assert_eq!(context.memory().host.live_buffers, 0);

    let floats = context
        .device_area(subject.device())
        .mmap_from_slice(&[1.0_f32, -0.0])
        .unwrap();
    let bits = floats.into_cast::<u32>().unwrap();
    check_bits(subject, &queue, &bits);
    let shared: ZeBuffer<f32, Shared> = context
        .device_area(subject.device())
        .shared()
        .mmap_from_slice(&[1.0, -0.0])
        .unwrap();
    let bits = shared.cast::<u32>().unwrap();
    assert_eq!(bits, [0x3f80_0000, 0x8000_0000]);
}

fn check_bits(subject: &Subject, queue: &Queue, bits: &ZeBuffer<u32, Device>) {
    let read = queue.to_vec(bits).unwrap();
    if subject.executes(Work::HostDevice, "uploads") {
        assert_eq!(read, [0x3f80_0000, 0x8000_0000]);
    }
}
