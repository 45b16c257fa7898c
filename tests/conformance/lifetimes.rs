//! Freed once, in whatever order and on whatever thread.

use crate::drivers::{Subject, Work, assert_empty};
use crate::{in_each_placement, promises};
use ze_area::{Area, Context, Device, FreePolicy, Host, RawParts, ZeBuffer};

promises![
    free_frees_and_so_does_drop,
    a_buffer_outlives_context_area_and_queue,
    a_queue_outlives_its_context,
    a_buffer_outlives_the_handles_of_its_driver,
    buffers_are_dropped_on_another_thread,
    four_threads_allocate_copy_and_free,
    threads_free_what_others_allocated,
    contexts_come_and_go,
    a_buffer_can_be_taken_apart_and_put_together,
    parts_that_are_kept_outlive_the_count,
    an_aligned_buffer_can_be_taken_apart,
    a_thousand_buffers_are_all_freed,
];

fn free_frees_and_so_does_drop(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        for len in [1, 100, 1 << 20] {
            let one = area.mmap::<u8>(len).unwrap();
            let two = area.mmap::<u8>(len).unwrap();
            let addresses = [one.device_ptr(), two.device_ptr()];
            assert_eq!(context.memory().live_buffers(), 2);
            one.free().unwrap();
            assert_eq!(context.memory().live_buffers(), 1);
            drop(two);
            assert_eq!(context.memory().live_buffers(), 0);
            for address in addresses {
                assert_eq!(context.describe(address).unwrap(), None);
            }
        }
    });
}

fn a_buffer_outlives_context_area_and_queue(subject: &Subject) {
    let context = Context::builder().driver(subject.driver()).build().unwrap();
    let device = subject.device();
    let queue = context.queue(device).unwrap();
    let area = context.device_area(device);
    let on_device = area.mmap_from_slice(&[1_u8; 100]).unwrap();
    let mut shared = area.shared().mmap::<u8>(100).unwrap();
    let mut on_host = context.host_area().mmap::<u8>(100).unwrap();
    drop(area);
    drop(context);
    let read = queue.to_vec(&on_device).unwrap();
    if subject.executes(Work::HostDevice, "uploads and read-back") {
        assert_eq!(read, [1; 100]);
    }
    drop(queue);
    shared.fill(1);
    on_host.copy_from_slice(&shared);
    assert_eq!(on_host, [1; 100]);
    drop(on_device);
    shared.free().unwrap();
    on_host.free().unwrap();
}

fn a_queue_outlives_its_context(subject: &Subject) {
    let queue = {
        let context = subject.context();
        context.queue(subject.device()).unwrap()
    };
    queue.barrier().unwrap();
    let area = {
        let context = subject.context();
        context.device_area(subject.device())
    };
    let buffer = area.mmap::<u8>(64).unwrap();
    let error = queue.to_vec(&buffer).unwrap_err();
    assert!(matches!(error, ze_area::Error::WrongContext { .. }));
    assert_eq!(area.context().memory().live_buffers(), 1);
}

fn a_buffer_outlives_the_handles_of_its_driver(subject: &Subject) {
    // A driver of its own, of which no handle is left but in the buffers.
    let own = subject.config.open().unwrap();
    let context = Context::builder().driver(own.driver()).build().unwrap();
    let device = own.device().clone();
    let mut on_host = context.host_area().mmap::<u32>(1000).unwrap();
    let on_device = context.device_area(&device).mmap::<u32>(1000).unwrap();
    drop((device, context, own));
    on_host[999] = 5;
    assert_eq!(on_host.iter().sum::<u32>(), 5);
    on_device.free().unwrap();
    on_host.free().unwrap();
}

fn buffers_are_dropped_on_another_thread(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        let buffers: Vec<_> = (0..8).map(|_| area.mmap::<u32>(1000).unwrap()).collect();
        assert_eq!(context.memory().live_buffers(), 8);
        std::thread::spawn(move || drop(buffers)).join().unwrap();
        assert_eq!(context.memory().live_buffers(), 0);
        let from_there = std::thread::spawn(move || area.mmap::<u32>(1000).unwrap());
        from_there.join().unwrap().free().unwrap();
    });
}

fn four_threads_allocate_copy_and_free(subject: &Subject) {
    let context = subject.context();
    let device = subject.device();
    let checked = subject.executes(Work::HostDevice, "uploads and read-back");
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let context = &context;
            scope.spawn(move || {
                let queue = context.queue(device).unwrap();
                let area = context.device_area(device);
                for round in 0..25_u32 {
                    let len = 1 + (thread as usize * 977 + round as usize * 4099) % 50_000;
                    let data = vec![thread << 16 | round; len];
                    let on_device = area.mmap_from_slice(&data).unwrap();
                    let mut shared = area.shared().mmap::<u32>(len).unwrap();
                    let on_host = context.host_area().mmap_from_slice(&data).unwrap();
                    let read = queue.to_vec(&on_device).unwrap();
                    assert!(!checked || read == data);
                    shared.copy_from_slice(&on_host);
                    assert!(shared == data);
                    shared.free().unwrap();
                }
            });
        }
    });
    assert_empty(&context);
}

fn threads_free_what_others_allocated(subject: &Subject) {
    let context = subject.context();
    let area = context.device_area(subject.device());
    let (give, take) = std::sync::mpsc::sync_channel::<ZeBuffer<u8, Device>>(8);
    let taker = std::thread::spawn(move || take.into_iter().map(drop).count());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let (area, give) = (&area, give.clone());
            scope.spawn(move || {
                for len in 1..60 {
                    give.send(area.mmap(len * 100).unwrap()).unwrap();
                }
            });
        }
    });
    drop(give);
    assert_eq!(taker.join().unwrap(), 3 * 59);
    assert_empty(&context);
}

fn contexts_come_and_go(subject: &Subject) {
    let first = subject.context();
    let kept = first.host_area().mmap_from_slice(&[5_u8; 10]).unwrap();
    for round in 0..20 {
        let context = subject.context();
        let buffer = context
            .device_area(subject.device())
            .mmap::<u8>(round + 1)
            .unwrap();
        let queue = context.queue(subject.device()).unwrap();
        assert_eq!(queue.to_vec(&buffer).unwrap().len(), round + 1);
    }
    assert_eq!(kept, [5; 10]);
}

/// # Safety
///
/// The parts must be those of a buffer of the area.
pub(crate) unsafe fn put_together<A: Area, T>(
    area: &A,
    parts: RawParts<T>,
) -> ZeBuffer<T, A::Placement> {
    // SAFETY: passed on to the caller.
    unsafe { ZeBuffer::from_raw_parts(area.context(), parts) }
}

fn a_buffer_can_be_taken_apart_and_put_together(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        let buffer = area.mmap_from_slice(&[1_u32, 2, 3]).unwrap();
        let (address, placement) = (buffer.device_ptr(), buffer.placement());
        let before = context.memory();
        let parts = buffer.into_raw_parts();
        assert_eq!((parts.pointer.cast_const(), parts.len), (address, 3));
        assert!(parts.bytes >= 12 && parts.policy == FreePolicy::Immediate);
        let info = context.describe(address).unwrap().unwrap();
        assert_eq!(info.base, parts.base.addr());
        assert_eq!(context.memory().live_buffers(), 0);
        assert_eq!(context.memory().live_bytes(), 0);
        // SAFETY: the parts are those of a buffer of the area.
        let again = unsafe { put_together(&area, parts) };
        assert_eq!((again.len(), again.placement()), (3, placement));
        assert_eq!(context.memory().live_buffers(), before.live_buffers());
        assert_eq!(context.memory().live_bytes(), before.live_bytes());
        again.free().unwrap();
        assert_eq!(context.describe(address).unwrap(), None);
    });
}

fn parts_that_are_kept_outlive_the_count(subject: &Subject) {
    let context = subject.context();
    let mut buffer = context.host_area().mmap::<u8>(64).unwrap();
    buffer[63] = 9;
    let parts = buffer.into_raw_parts();
    assert_empty(&context);
    // SAFETY: the memory is live and was written; nobody else has it.
    let bytes = unsafe { core::slice::from_raw_parts(parts.pointer, parts.len) };
    assert_eq!(bytes[63], 9);
    // SAFETY: the parts are those of a buffer of this context.
    let again: ZeBuffer<u8, Host> = unsafe { ZeBuffer::from_raw_parts(&context, parts) };
    assert_eq!(again[63], 9);
}

fn an_aligned_buffer_can_be_taken_apart(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        let area = area.align::<{ 1 << 21 }>();
        for _ in 0..4 {
            let buffer = area.mmap_uninit::<u8>(100).unwrap();
            let parts = buffer.into_raw_parts();
            assert_eq!(parts.pointer.addr() % (1 << 21), 0);
            let (base, end) = (parts.base.addr(), parts.base.addr() + parts.bytes);
            assert!(base <= parts.pointer.addr() && parts.pointer.addr() + 100 <= end);
            // SAFETY: the parts are those of a buffer of the area.
            unsafe { put_together(&area, parts) }.free().unwrap();
        }
    });
}

/// Keeps as many as asked, and frees them out of order.
fn hold_many<A: Area>(area: &A, count: usize) {
    let mut held: Vec<ZeBuffer<_, A::Placement>> = (0..count)
        .map(|i| area.mmap_uninit::<u8>(1 + i % 300).unwrap())
        .collect();
    assert_eq!(area.context().memory().live_buffers(), count as u64);
    while held.len() > 1 {
        held.swap_remove(held.len() / 2).free().unwrap();
    }
}

fn a_thousand_buffers_are_all_freed(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        hold_many(&area, 1000);
        assert_empty(&context);
    });
}
