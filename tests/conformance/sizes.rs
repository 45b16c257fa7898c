//! Sizes from nothing to beyond the limit.

use crate::drivers::{Subject, Work, assert_empty};
use crate::lifetimes::put_together;
use crate::{in_each_placement, promises, spy};
use ze_area::{Area, Context, Error, ErrorKind, PlacementKind, ZeBuffer};

promises![
    every_size_can_be_had,
    an_empty_buffer_takes_no_memory,
    an_empty_buffer_does_what_others_do,
    the_largest_size_is_passed_on_and_one_more_is_not,
    relaxed_limits_pass_larger_sizes_on,
    sizes_are_counted_in_bytes_of_elements,
];

const SIZES: &[usize] = &[
    1,
    2,
    63,
    64,
    65,
    4095,
    4096,
    4097,
    65_535,
    65_536,
    65_537,
    (1 << 20) + 1,
    2 << 20,
    64 << 20,
];

fn every_size_can_be_had(subject: &Subject) {
    let context = subject.context();
    for &size in SIZES {
        in_each_placement!(context, subject.device(), |area| {
            let area = area.align::<1>();
            let buffer = area.mmap_uninit::<u8>(size).unwrap();
            assert_eq!((buffer.len(), buffer.size_in_bytes()), (size, size));
            let memory = context.memory();
            assert_eq!(memory.live_buffers(), 1);
            assert_eq!(memory.live_bytes(), size as u64);
            let info = context.describe(buffer.device_ptr()).unwrap().unwrap();
            assert_eq!(info.placement, buffer.placement());
            assert!(info.size >= size, "{info:?}");
            // The last byte belongs to it as well.
            let last = buffer.device_ptr().wrapping_add(size - 1);
            let of_last = context.describe(last).unwrap().unwrap();
            assert_eq!((of_last.base, of_last.id), (info.base, info.id));
        });
    }
}

/// An area's buffers of length 0.
fn empties<A: Area>(area: &A) -> [ZeBuffer<u64, A::Placement>; 3] {
    [
        area.mmap(0).unwrap(),
        area.mmap_from_slice(&[]).unwrap(),
        area.mmap_from_fn(0, |_| panic!("there is no element"))
            .unwrap(),
    ]
}

fn an_empty_buffer_takes_no_memory(subject: &Subject) {
    let context = spy::context(subject);
    let device = &context.devices()[0];
    in_each_placement!(context, device, |area| {
        for buffer in empties(&area) {
            assert!(buffer.is_empty() && buffer.size_in_bytes() == 0);
            assert!(!buffer.device_ptr().is_null());
            assert_eq!(context.memory().live_buffers(), 0);
            buffer.free().unwrap();
        }
        assert!(area.mmap_uninit::<u64>(0).unwrap().is_empty());
    });
    assert_eq!(spy::asked(), []);
    assert_eq!(spy::frees(), 0);
    let memory = context.memory();
    assert_eq!(memory.device.peak_buffers + memory.shared.peak_buffers, 0);
    assert_empty(&context);
}

fn an_empty_buffer_does_what_others_do(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let mut on_host = context.host_area().mmap::<u64>(0).unwrap();
    assert_eq!(on_host, [0_u64; 0]);
    assert_eq!(on_host.first(), None);
    assert!(on_host.as_mut_slice().is_empty());
    in_each_placement!(context, subject.device(), |area| {
        let [mut one, two, three] = empties(&area);
        queue.copy(&two, &mut one).unwrap();
        queue.copy(&three, &mut on_host).unwrap();
        queue.fill(&mut one, 7).unwrap();
        assert_eq!(queue.to_vec(&one).unwrap(), []);
        assert!(one.slice(..).unwrap().is_empty());
        assert!(one.slice(1..).is_err());
        assert_eq!(one.cast::<u8>().unwrap().len(), 0);
        let parts = two.into_raw_parts();
        assert!(parts.base.is_null() && parts.bytes == 0);
        // SAFETY: the parts are those of an empty buffer of the area.
        let again = unsafe { put_together(&area, parts) };
        queue.copy(&again, &mut one).unwrap();
        let fresh = area.mmap_uninit::<u64>(0).unwrap();
        assert!(queue.init(fresh, &again).unwrap().is_empty());
    });
}

/// Asks for that many bytes. The machine may not have them; the library must not refuse them.
fn ask<A: Area>(context: &Context, area: &A, bytes: usize) -> Result<(), Error> {
    spy::asked();
    let buffer = area.mmap_uninit::<u8>(bytes);
    assert_eq!(spy::asked()[0].bytes, bytes);
    match buffer {
        Ok(buffer) => {
            assert_eq!(buffer.len(), bytes);
            assert_eq!(context.memory().live_bytes(), bytes as u64);
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn the_largest_size_is_passed_on_and_one_more_is_not(subject: &Subject) {
    let context = spy::context(subject);
    let device = &context.devices()[0];
    let limit = usize::try_from(device.max_alloc_size()).unwrap();
    in_each_placement!(context, device, |area| {
        if let Err(error) = ask(&context, &area, limit) {
            assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
        }
        let beyond = area.mmap_uninit::<u8>(limit + 1);
        let placement = beyond
            .as_ref()
            .map_or(PlacementKind::Device, ZeBuffer::placement);
        match beyond {
            // Host memory is not a device's, so its limit is the driver's to know.
            Ok(_) => assert_eq!(placement, PlacementKind::Host),
            Err(error) => assert!(
                matches!(
                    error,
                    Error::TooLarge { .. }
                        | Error::UnsupportedSize { .. }
                        | Error::OutOfMemory {
                            placement: PlacementKind::Host,
                            ..
                        }
                ),
                "{error}"
            ),
        }
        assert_empty(&context);
    });
}

fn relaxed_limits_pass_larger_sizes_on(subject: &Subject) {
    let context = spy::context(subject);
    let device = &context.devices()[0];
    let limit = usize::try_from(device.max_alloc_size()).unwrap();
    in_each_placement!(context, device, |area| {
        let relaxed = area.relaxed_limits(true);
        if let Err(error) = ask(&context, &relaxed, limit + 1) {
            // A driver that cannot says so itself.
            let known = matches!(
                error,
                Error::OutOfMemory { .. } | Error::UnsupportedSize { .. }
            );
            assert!(known, "{error}");
            assert!(error.code().is_some() && error.call().is_some());
        }
        assert!(relaxed.mmap_uninit::<u8>(64).is_ok());
        let strict = relaxed.relaxed_limits(false);
        assert!(strict.mmap_uninit::<u8>(64).is_ok());
        assert_empty(&context);
    });
    let strict = context
        .device_area(device)
        .relaxed_limits(true)
        .relaxed_limits(false);
    let error = strict.mmap_uninit::<u8>(limit + 1).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

fn sizes_are_counted_in_bytes_of_elements(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    in_each_placement!(context, subject.device(), |area| {
        let area = area.align::<8>();
        let buffer = area.mmap_from_slice(&[[1_u16, 2, 3]; 5]).unwrap();
        assert_eq!((buffer.len(), buffer.size_in_bytes()), (5, 30));
        assert_eq!(context.memory().live_bytes(), 30);
        let read = queue.to_vec(&buffer).unwrap();
        let work = match buffer.placement() {
            PlacementKind::Device => Work::HostDevice,
            _ => Work::Other,
        };
        if subject.executes(work, "read-back of shared and host memory by the queue") {
            assert_eq!(read, [[1, 2, 3]; 5]);
        }
    });
}
