//! Fills that are started own their target: any element, any length, and it comes back.

use crate::drivers::{Subject, Work};
use crate::{in_each_placement, promises};
use bytemuck::{Pod, Zeroable};
use core::fmt::Debug;
use ze_area::{Area, Error, Queue};

promises![
    a_started_fill_fills_with_elements_of_every_size,
    a_started_fill_of_nothing_is_done,
    started_fills_are_done_in_any_order,
    a_fill_that_cannot_be_started_gives_the_target_back,
];

/// An element of any size.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(transparent)]
struct Bytes<const N: usize>([u8; N]);

// SAFETY: as of the array, of which it has the layout: all zeros are a value of it.
unsafe impl<const N: usize> Zeroable for Bytes<N> {}
// SAFETY: as above: all bytes are values of it, and it has no others.
unsafe impl<const N: usize> Pod for Bytes<N> {}

/// A pattern in which every byte differs from its neighbours, and no part repeats another.
fn pattern<const N: usize>(seed: usize) -> Bytes<N> {
    let byte = |at| u8::try_from((at * 7 + at / 251 + seed) % 251).unwrap();
    Bytes(core::array::from_fn(byte))
}

fn check<T, A>(subject: &Subject, queue: &Queue, area: &A, value: T, lens: &[usize])
where
    T: Pod + PartialEq + Debug,
    A: Area,
{
    for &len in lens {
        let target = area.mmap::<T>(len).unwrap();
        let at = target.device_ptr();
        let target = queue.start_fill(target, value).unwrap().wait().unwrap();
        assert_eq!((target.len(), target.device_ptr()), (len, at));
        let read = queue.to_vec(&target).unwrap();
        if subject.executes(Work::Other, "fills") {
            let size = size_of::<T>();
            assert!(read.iter().all(|n| *n == value), "{len} of {size} bytes");
        }
    }
}

fn a_started_fill_fills_with_elements_of_every_size(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    let host = context.host_area();
    macro_rules! sizes {
        ($($size:literal)*) => {$(
            let value = pattern::<$size>($size);
            check(subject, &queue, &area, value, &[1, 2, 3, 1000, 1001]);
            check(subject, &queue, &host, value, &[7]);
            check(subject, &queue, &area.shared(), Bytes([0x5a; $size]), &[5]);
        )*};
    }
    sizes!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33);
    sizes!(64 100 128 256);
    // Beyond what is written out on the host, by one element and by many, and by parts of one.
    check(
        subject,
        &queue,
        &host,
        pattern::<3>(1),
        &[21_845, 21_846, 100_003],
    );
    check(
        subject,
        &queue,
        &host,
        pattern::<100>(2),
        &[655, 656, 1311, 7001],
    );
    check(subject, &queue, &area, pattern::<70_000>(3), &[1, 2, 3, 11]);
    check(subject, &queue, &area, [1_u32, 2, 3], &[40_001]);
}

fn a_started_fill_of_nothing_is_done(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    in_each_placement!(context, subject.device(), |area| {
        check(subject, &queue, &area, 7_u8, &[0]);
        check(subject, &queue, &area, [1_u8, 2, 3], &[0]);
        check(subject, &queue, &area, pattern::<70_000>(3), &[0]);
    });
}

fn started_fills_are_done_in_any_order(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let host = context.host_area();
    for drops in [false, true] {
        let pending: Vec<_> = (0..20_u8)
            .map(|n| {
                let target = host.mmap::<[u8; 3]>(30_000).unwrap();
                queue.start_fill(target, [n, n + 1, n + 2]).unwrap()
            })
            .collect();
        for (n, pending) in (0..20_u8).zip(pending).rev() {
            if drops && n % 2 == 0 {
                drop(pending);
                continue;
            }
            let filled = pending.wait().unwrap();
            if subject.executes(Work::Other, "fills") {
                assert_eq!(filled, [[n, n + 1, n + 2]; 30_000]);
            }
        }
    }
    assert_eq!(context.memory().live_buffers(), 0);
}

fn a_fill_that_cannot_be_started_gives_the_target_back(subject: &Subject) {
    let (context, other) = (subject.context(), subject.context());
    let queue = context.queue(subject.device()).unwrap();
    let alien = other.host_area().mmap_from_slice(&[1_u32, 2, 3]).unwrap();
    let returned = queue.start_fill(alien, 9).unwrap_err();
    let error = returned.error;
    assert!(
        matches!(
            error,
            Error::WrongContext {
                operation: "fill",
                what: "target"
            }
        ),
        "{error}"
    );
    assert_eq!(returned.buffer, [1, 2, 3]);
    if let [_, far, ..] = context.devices() {
        let area = context.device_area(far).shared();
        let returned = queue
            .start_fill(area.mmap_from_slice(&[4_u32, 5]).unwrap(), 9)
            .unwrap_err();
        let error = returned.error;
        assert!(
            matches!(
                error,
                Error::WrongDevice {
                    operation: "fill",
                    what: "target",
                    ..
                }
            ),
            "{error}"
        );
        assert_eq!(returned.buffer, [4, 5]);
    }
}
