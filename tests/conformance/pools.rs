//! Pools: their buffers are those of their area, in whatever order they come and go.

use crate::alignment::hold;
use crate::contents::index;
use crate::drivers::{Subject, Work};
use crate::kernels::{kernel, ran};
use crate::lifetimes::put_together;
use crate::modules::setup;
use crate::{in_each_placement, promises};
use bytemuck::{Pod, Zeroable};
use ze_area::{Align, Alignment, Area, Error, Host, In, InOut, Pool, Queue, Shared, ZeBuffer};

promises![
    buffers_of_a_pool_are_aligned_as_those_of_its_area,
    an_element_aligned_above_a_pool_is_aligned,
    a_pool_rounds_sizes_up_by_an_eighth_at_most,
    contents_stay_while_other_buffers_of_a_pool_come_and_go,
    mmap_of_a_pool_gives_zeros_where_memory_is_used_again,
    a_pool_makes_buffers_in_every_way,
    buffers_of_a_pool_are_viewed_and_cast,
    a_buffer_of_a_pool_can_be_taken_apart_and_put_together,
    an_empty_buffer_takes_nothing_of_a_pool,
    buffers_of_pools_of_all_placements_are_copied,
    buffers_of_a_pool_are_arguments_of_kernels,
    buffers_of_a_pool_are_at_home_in_its_context_only,
    shared_buffers_of_a_pool_take_hints,
    clones_are_the_same_pool_and_pools_are_not,
];

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Checks that no two ranges of bytes have one in common.
pub(crate) fn apart(mut ranges: Vec<(usize, usize)>) {
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{pair:x?} overlap");
    }
}

pub(crate) fn range<T, P: ze_area::Placement>(buffer: &ZeBuffer<T, P>) -> (usize, usize) {
    (buffer.device_ptr().addr(), buffer.size_in_bytes())
}

fn buffers_of_a_pool_are_aligned_as_those_of_its_area(subject: &Subject) {
    const SIZES: &[usize] = &[64, 1, 4097, 63, 65, 65_535, 200_000, 65_537, 1000, 61_441];
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        // Twice, so that the second finds memory that was used before.
        macro_rules! hold_twice {
            ($($align:expr),*) => {$(
                let pool = area.align::<{ $align }>().pool().unwrap();
                assert_eq!(pool.alignment().bytes(), $align);
                hold(&pool, $align, SIZES);
                hold(&pool, $align, SIZES);
            )*};
        }
        hold_twice!(1, 64, 128, 4 * KIB, 64 * KIB, 2 * MIB);
        for power in [0, 6, 7, 12, 16, 21] {
            let pool = area.runtime_align(1 << power).unwrap().pool().unwrap();
            hold(&pool, 1 << power, SIZES);
            hold(&pool, 1 << power, SIZES);
        }
    });
    in_each_placement!(context, subject.device(), |area| {
        let area = area.align::<{ 4 * KIB }>();
        let pool = Pool::builder(&area)
            .smallest_bucket(16 * KIB)
            .slab_size(MIB)
            .largest_pooled(128 * KIB)
            .build()
            .unwrap();
        hold(&pool, 4 * KIB, SIZES);
    });
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(524288))]
struct Wide([[u8; 4096]; 128]);

fn an_element_aligned_above_a_pool_is_aligned(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        let pool = area.runtime_align(64).unwrap().pool().unwrap();
        let mut held = Vec::new();
        for len in [1, 1, 2, 1, 3] {
            let small = pool.mmap::<u8>(100_000).unwrap();
            let wide = pool.mmap_uninit::<Wide>(len).unwrap();
            assert!(wide.device_ptr().is_aligned());
            held.push((small, wide));
        }
        let all = held.iter().flat_map(|(a, b)| [range(a), range(b)]);
        apart(all.collect());
        held.swap_remove(2);
        let again = pool.mmap_uninit::<Wide>(2).unwrap();
        assert!(again.device_ptr().is_aligned());
        drop(again);
        drop(held);
        assert_eq!(pool.stats().live_bytes, 0);
        pool.trim();
        assert!(context.memory().is_empty(), "{:?}", context.memory());
    });
}

/// The sizes of the classes from one granule on, and those beside each.
fn borders(granule: usize, most: usize) -> Vec<usize> {
    let mut sizes = Vec::new();
    let mut granules = 1_usize;
    while granules * granule <= most {
        let size = granules * granule;
        sizes.extend([size - 1, size, size + 1]);
        granules += if granules < 16 {
            1
        } else {
            1 << (granules.ilog2() - 3)
        };
    }
    sizes
}

fn a_pool_rounds_sizes_up_by_an_eighth_at_most(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        let pool = Pool::builder(&area).share_slabs(true).build().unwrap();
        let mut sizes = borders(64, 64 * KIB);
        sizes.extend(borders(64 * KIB, 2 * MIB));
        sizes.extend([64 * MIB - 1, 64 * MIB]);
        let mut largest_of_last_class = 0;
        sizes.sort_unstable();
        for bytes in sizes {
            let buffer = pool.mmap_uninit::<u8>(bytes).unwrap();
            assert_eq!(buffer.size_in_bytes(), bytes);
            let taken = usize::try_from(pool.stats().live_bytes).unwrap();
            let granule = if bytes <= 60 * KIB { 64 } else { 64 * KIB };
            assert!(taken >= bytes, "{bytes} in {taken}");
            let added = taken - bytes;
            assert!(
                added < granule || added <= bytes / 8,
                "{bytes} in {taken} bytes"
            );
            assert!(taken >= largest_of_last_class, "{bytes} in {taken} bytes");
            largest_of_last_class = taken;
        }
        assert_eq!(pool.stats().live_bytes, 0);
    });
}

/// Numbers that look random.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(11);
        (self.0 >> 33) as usize % sides
    }

    /// A size, small ones as often as large ones.
    pub(crate) fn size(&mut self, doublings: usize) -> usize {
        let most = 1 << (1 + self.roll(doublings));
        1 + self.roll(most)
    }
}

fn contents_stay_while_other_buffers_of_a_pool_come_and_go(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let checked = subject.executes(Work::Other, "contents of pools");
    in_each_placement!(context, subject.device(), |area| {
        let pool = Pool::builder(&area)
            .kept_capacity(MIB)
            .largest_pooled(256 * KIB)
            .build()
            .unwrap();
        let mut dice = Dice(1);
        let mut held: Vec<(u8, ZeBuffer<u8, _>)> = Vec::new();
        for round in 0..600_usize {
            if held.len() > 60 || (dice.roll(3) == 0 && !held.is_empty()) {
                let (byte, buffer) = held.swap_remove(dice.roll(held.len()));
                let read = queue.to_vec(&buffer).unwrap();
                assert!(
                    !checked || read.iter().all(|&b| b == byte),
                    "{} bytes changed",
                    read.len()
                );
            } else {
                let byte = u8::try_from(round % 251).unwrap();
                let data = vec![byte; dice.size(19)];
                held.push((byte, pool.mmap_from_slice(&data).unwrap()));
            }
            if round % 50 == 0 {
                apart(held.iter().map(|(_, buffer)| range(buffer)).collect());
            }
            if round % 150 == 149 {
                pool.trim();
            }
        }
        for (byte, buffer) in held {
            let read = queue.to_vec(&buffer).unwrap();
            assert!(!checked || read.iter().all(|&b| b == byte));
        }
    });
}

fn mmap_of_a_pool_gives_zeros_where_memory_is_used_again(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let checked = subject.executes(Work::Other, "zeros in memory that is used again");
    in_each_placement!(context, subject.device(), |area| {
        let pool = area.pool().unwrap();
        for size in [1, 64, 1000, 4096, 65_536, 1 << 20] {
            drop(pool.mmap_from_slice(&vec![0xA5_u8; size]).unwrap());
            let before = pool.stats().driver_allocations;
            let buffer = pool.mmap::<u8>(size).unwrap();
            assert_eq!(pool.stats().driver_allocations, before, "{size} bytes");
            let read = queue.to_vec(&buffer).unwrap();
            assert!(!checked || read.iter().all(|&b| b == 0), "{size} bytes");
        }
    });
}

fn every_way<A: Area>(subject: &Subject, queue: &Queue, pool: &A) {
    let data: Vec<u32> = (0..1009).map(index).collect();
    let other = pool.context().host_area().mmap_from_slice(&data).unwrap();
    let made = [
        pool.mmap_from_slice(&data).unwrap(),
        pool.mmap_from_fn(data.len(), index).unwrap(),
        pool.mmap_copy(queue, &other).unwrap(),
        pool.mmap_copy(queue, &data).unwrap(),
        queue.clone_in(pool, &other).unwrap(),
        {
            let fresh = pool.mmap_uninit::<u32>(data.len()).unwrap();
            queue.init(fresh, &other).unwrap()
        },
        {
            let mut target = pool.mmap::<u32>(data.len()).unwrap();
            queue.copy(&other, &mut target).unwrap();
            target
        },
    ];
    apart(made.iter().map(range).collect());
    for buffer in made {
        assert_eq!(buffer.len(), data.len());
        assert!(buffer.is_in(pool.context()));
        let read = queue.to_vec(&buffer).unwrap();
        if subject.executes(Work::Other, "buffers of pools") {
            assert_eq!(read, data);
        }
        buffer.free().unwrap();
    }
    let zeros = pool.mmap::<u64>(1009).unwrap();
    let read = queue.to_vec(&zeros).unwrap();
    if subject.executes(Work::Other, "buffers of pools") {
        assert_eq!(read, [0; 1009]);
    }
}

fn a_pool_makes_buffers_in_every_way(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    in_each_placement!(context, subject.device(), |area| {
        let pool = area.pool().unwrap();
        every_way(subject, &queue, &pool);
        every_way(subject, &queue, &pool.clone());
        let stats = pool.stats();
        assert_eq!((stats.live_buffers, stats.live_bytes), (0, 0), "{stats}");
        assert_eq!(stats.allocations, 16);
    });
}

fn buffers_of_a_pool_are_viewed_and_cast(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let device = context.device_area(subject.device()).pool().unwrap();
    let mut buffer = device.mmap_from_fn(100, index).unwrap();
    let (left, right) = buffer.split_at_mut(50).unwrap();
    assert_eq!((left.len(), right.len()), (50, 50));
    queue
        .fill(&mut buffer.slice_mut(10..20).unwrap(), 7)
        .unwrap();
    let read = queue.to_vec(&buffer.slice(10..21).unwrap()).unwrap();
    if subject.executes(Work::Other, "fills") {
        assert_eq!(read, [7, 7, 7, 7, 7, 7, 7, 7, 7, 7, index(20)]);
    }
    assert_eq!(buffer.cast::<u8>().unwrap().len(), 400);
    let address = buffer.device_ptr().addr();
    let buffer = buffer.into_cast::<u16>().unwrap();
    assert_eq!((buffer.len(), buffer.device_ptr().addr()), (200, address));
    let returned = buffer.into_cast::<[u8; 3]>().unwrap_err();
    assert_eq!(returned.buffer.len(), 200, "the buffer comes back");
    assert_eq!(device.stats().live_buffers, 1);
    drop(returned);
    assert_eq!(device.stats().live_buffers, 0);

    let shared = context
        .device_area(subject.device())
        .shared()
        .pool()
        .unwrap();
    let mut buffer: ZeBuffer<u32, Shared> = shared.mmap(100).unwrap();
    buffer[99] = 5;
    buffer.cast_mut::<u8>().unwrap()[0] = 1;
    assert_eq!(
        (buffer[0], buffer[99]),
        (u32::from_ne_bytes([1, 0, 0, 0]), 5)
    );
    let atomics = buffer.as_atomics();
    atomics[1].store(3, core::sync::atomic::Ordering::Relaxed);
    assert_eq!(buffer.iter().sum::<u32>(), 8 + buffer[0]);
}

fn a_buffer_of_a_pool_can_be_taken_apart_and_put_together(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        for largest in [64 * MIB, 0] {
            let pool = Pool::builder(&area)
                .largest_pooled(largest)
                .build()
                .unwrap();
            let buffer = pool.mmap_from_slice(&[1_u32, 2, 3]).unwrap();
            let (address, placement) = (buffer.device_ptr(), buffer.placement());
            let before = (context.memory(), pool.stats());
            let parts = buffer.into_raw_parts();
            assert_eq!((parts.pointer.cast_const(), parts.len), (address, 3));
            assert!(parts.base.is_null() && parts.bytes == 0 && parts.slot.is_some());
            assert_eq!((context.memory(), pool.stats()), before, "still the pool's");
            // While it is apart, nobody else gets it.
            let others: Vec<_> = (0..100)
                .map(|_| pool.mmap_uninit::<u32>(3).unwrap())
                .collect();
            let mut ranges: Vec<_> = others.iter().map(range).collect();
            ranges.push((address.addr(), 12));
            apart(ranges);
            drop(others);
            pool.trim();
            assert!(context.describe(address).unwrap().is_some());
            // SAFETY: the parts are those of a buffer of the pool.
            let again = unsafe { put_together(&pool, parts) };
            assert_eq!((again.len(), again.placement()), (3, placement));
            assert_eq!(again.device_ptr(), address);
            drop(pool);
            // Also where the parts outlive the pool.
            let parts = again.into_raw_parts();
            // SAFETY: as above, of the same context and placement.
            let again = unsafe { put_together(&area, parts) };
            assert!(!context.memory().is_empty());
            again.free().unwrap();
            assert!(context.memory().is_empty(), "{:?}", context.memory());
        }
    });
}

fn an_empty_buffer_takes_nothing_of_a_pool(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        let pool = area.align::<4096>().pool().unwrap();
        let before = pool.stats();
        let empty = pool.mmap::<u64>(0).unwrap();
        assert!(empty.is_empty() && empty.device_ptr().addr() % 4096 == 0);
        assert!(pool.mmap_from_slice::<u8>(&[]).unwrap().is_empty());
        assert_eq!(pool.stats(), before);
        assert_eq!(before.allocations, 0);
        let parts = empty.into_raw_parts();
        assert!(parts.slot.is_none());
        let error = pool.mmap_uninit::<u64>(usize::MAX / 4).unwrap_err();
        assert!(matches!(error, Error::SizeOverflow { .. }), "{error}");
        let error = pool.mmap_uninit::<u8>(isize::MAX as usize).unwrap_err();
        assert!(error.to_string().contains("bytes"), "{error}");
        assert_eq!(pool.stats(), before);
    });
}

/// From every placement to every other, pooled or not, many buffers at a time.
fn copied<A: Area, B: Area>(subject: &Subject, queue: &Queue, a: &A, b: &B) {
    let sources: Vec<_> = (0..20_u32)
        .map(|i| a.mmap_from_slice(&[i; 100]).unwrap())
        .collect();
    let mut targets: Vec<_> = (0..20).map(|_| b.mmap::<u32>(100).unwrap()).collect();
    for (source, target) in sources.iter().zip(&mut targets) {
        queue.copy(source, target).unwrap();
    }
    for (i, target) in (0..20_u32).zip(&targets) {
        let read = queue.to_vec(target).unwrap();
        if subject.executes(Work::Other, "copies between pools") {
            assert_eq!(read, [i; 100]);
        }
    }
}

fn buffers_of_pools_of_all_placements_are_copied(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    in_each_placement!(context, subject.device(), |a| {
        in_each_placement!(context, subject.device(), |b| {
            copied(subject, &queue, &a.pool().unwrap(), &b.pool().unwrap());
            copied(subject, &queue, &a, &b.pool().unwrap());
            copied(subject, &queue, &a.pool().unwrap(), &b);
        });
        let pool = a.pool().unwrap();
        copied(subject, &queue, &pool, &pool);
    });
}

fn buffers_of_a_pool_are_arguments_of_kernels(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let saxpy = kernel::<(In<f32>, InOut<f32>, f32)>(&module, "saxpy");
    in_each_placement!(context, subject.device(), |area| {
        let pool = area.pool().unwrap();
        let x = pool.mmap_from_slice(&[2.0_f32; 1009]).unwrap();
        // Around what is written lie others.
        let before = pool.mmap_from_slice(&[7.0_f32; 1009]).unwrap();
        let mut y = pool.mmap_from_slice(&[1.0_f32; 1009]).unwrap();
        let after = pool.mmap_from_slice(&[7.0_f32; 1009]).unwrap();
        queue.launch(&saxpy, 1009, (&x, &mut y, 3.0)).unwrap();
        let read = [&x, &before, &y, &after].map(|buffer| queue.to_vec(buffer).unwrap());
        if ran(subject) {
            let expected = [2.0, 7.0, 7.0, 7.0].map(|value| vec![value; 1009]);
            assert_eq!(read, expected);
        }
        let pending = queue.start_launch(&saxpy, 1009, (x, y, 1.0)).unwrap();
        let (_, y, _) = pending.wait().unwrap();
        let read = queue.to_vec(&y).unwrap();
        assert!(!ran(subject) || read == [9.0; 1009]);
    });
}

fn foreign<A: Area<Align = Align<64>>>(subject: &Subject, pool: &A) {
    let other = subject.context();
    let queue = other.queue(subject.device()).unwrap();
    let mut buffer = pool.mmap::<u32>(3).unwrap();
    assert!(buffer.is_in(pool.context()) && !buffer.is_in(&other));
    let error = queue.copy(&buffer, &mut [0; 3]).unwrap_err();
    assert!(matches!(error, Error::WrongContext { .. }), "{error}");
    let error = queue.fill(&mut buffer, 1).unwrap_err();
    assert!(matches!(error, Error::WrongContext { .. }), "{error}");
}

fn buffers_of_a_pool_are_at_home_in_its_context_only(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        let pool = area.pool().unwrap();
        foreign(subject, &pool);
        let buffer = pool.mmap::<u8>(100).unwrap();
        let info = context.describe(buffer.device_ptr()).unwrap().unwrap();
        assert_eq!(info.placement, buffer.placement());
        assert!(info.size >= 100);
    });
    if let [_, second, ..] = context.devices() {
        let pool = context.device_area(second).pool().unwrap();
        assert_eq!(pool.device(), Some(second));
        let buffer = pool.mmap::<u32>(3).unwrap();
        let queue = context.queue(subject.device()).unwrap();
        let returned = queue.start_copy(buffer, vec![0; 3]).unwrap_err();
        let named = matches!(returned.error, Error::WrongDevice { .. });
        assert!(named, "{returned:?}");
        let there = context.queue(second).unwrap();
        let (_, read) = there
            .start_copy(returned.buffer.0, vec![1; 3])
            .unwrap()
            .wait()
            .unwrap();
        assert!(!subject.executes(Work::Other, "started copies") || read == [0; 3]);
    }
    assert!(context.host_area().pool().unwrap().device().is_none());
}

fn shared_buffers_of_a_pool_take_hints(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let pool = context
        .device_area(subject.device())
        .shared()
        .pool()
        .unwrap();
    let buffers: Vec<_> = (0..4).map(|_| pool.mmap::<u8>(5000).unwrap()).collect();
    for buffer in &buffers {
        queue.prefetch(buffer).unwrap();
    }
    assert_eq!(buffers[3][4999], 0);
}

fn clones_are_the_same_pool_and_pools_are_not(subject: &Subject) {
    let context = subject.context();
    let area = context.host_area();
    let pool: Pool<Align<64>, Host> = Pool::builder(&area).name("one").build().unwrap();
    let clone = pool.clone();
    let buffer = clone.mmap::<u8>(100).unwrap();
    assert_eq!(pool.stats(), clone.stats());
    assert_eq!(pool.stats().live_buffers, 1);
    assert_eq!(clone.settings().name, "one");
    assert!(format!("{clone:?}").contains("\"one\""));
    let other = area.pool().unwrap();
    assert_eq!(other.stats().live_buffers, 0);
    drop(pool);
    let more = clone.mmap::<u8>(100).unwrap();
    assert_eq!(clone.stats().driver_allocations, 1, "a clone keeps it open");
    drop((buffer, more, clone));
    assert!(context.memory().is_empty());
}
