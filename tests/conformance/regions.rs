//! Copies of regions: every element of the region arrives, and nothing else is written.

use crate::contents::numbers;
use crate::drivers::{Subject, Work};
use crate::promises;
use bytemuck::Pod;
use core::fmt::Debug;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use ze_area::{Area, Context, Element, Error, ErrorKind, Layout, Queue, Result, Source, ZeDevice};

promises![
    regions_of_every_shape_arrive_between_all_memories,
    a_region_that_leaves_an_end_is_refused_with_the_number_and_the_limit,
    an_empty_region_copies_nothing,
    a_region_of_another_context_is_refused,
    a_region_goes_between_two_parts_of_one_buffer,
    a_region_larger_than_one_stage_arrives_whole,
];

/// Where an end of a copy lies.
#[derive(Debug, Clone, Copy)]
enum Memory {
    Device,
    Shared,
    Host,
    Vector,
    /// On the last device.
    FarDevice,
    /// A slice of shared memory of the last device.
    FarSlice,
}

const MEMORIES: [Memory; 6] = [
    Memory::Device,
    Memory::Shared,
    Memory::Host,
    Memory::Vector,
    Memory::FarDevice,
    Memory::FarSlice,
];

/// Where a region lies in an end: its origin, gaps behind rows and slices, elements behind the last.
#[derive(Debug, Clone, Copy)]
struct End {
    memory: Memory,
    origin: [usize; 3],
    row_gap: usize,
    slice_gap: usize,
    tail: usize,
}

#[derive(Debug, Clone)]
struct Case {
    source: End,
    target: End,
    extent: [usize; 3],
    /// Whether there are no slices.
    flat: bool,
}

impl Case {
    fn extent(&self) -> [usize; 3] {
        let [width, height, depth] = self.extent;
        [width, height, if self.flat { 1 } else { depth }]
    }

    /// The layout, a function from coordinates to the number of the element, and how many there are.
    fn layout(&self, end: &End) -> (Layout, impl Fn(usize, usize, usize) -> usize, usize) {
        let [width, height, depth] = self.extent();
        let [x0, y0, z0] = end.origin;
        let z0 = if self.flat { 0 } else { z0 };
        let row = x0 + width + end.row_gap;
        let slice = row * (y0 + height) + end.slice_gap;
        let layout = if self.flat {
            Layout::rows(row).at([x0, y0])
        } else {
            Layout::rows(row).slice_pitch(slice).at([x0, y0, z0])
        };
        let at = move |x, y, z| (z0 + z) * slice + (y0 + y) * row + x0 + x;
        let last = match (width, height, depth) {
            (0, _, _) | (_, 0, _) | (_, _, 0) => 0,
            _ => at(width - 1, height - 1, depth - 1) + 1,
        };
        (layout, at, last + end.tail)
    }
}

fn end() -> impl Strategy<Value = End> {
    let memory = proptest::sample::select(&MEMORIES[..]);
    let origin = [0_usize..4, 0_usize..3, 0_usize..3];
    // Without gaps in half of the cases, since rows are then put together.
    let gap = || prop_oneof![Just(0_usize), 0_usize..5];
    (
        memory,
        prop_oneof![Just([0; 3]), origin],
        gap(),
        gap(),
        0_usize..3,
    )
        .prop_map(|(memory, origin, row_gap, slice_gap, tail)| End {
            memory,
            origin,
            row_gap,
            slice_gap,
            tail,
        })
}

fn case() -> impl Strategy<Value = Case> {
    let extent = [0_usize..9, 0_usize..6, 0_usize..5];
    (end(), end(), extent, any::<bool>()).prop_map(|(source, target, extent, flat)| Case {
        source,
        target,
        extent,
        flat,
    })
}

/// What a case runs with.
struct Bench<'a> {
    subject: &'a Subject,
    context: &'a Context,
    queue: Queue,
    near: &'a ZeDevice,
    far: &'a ZeDevice,
}

impl Bench<'_> {
    /// Puts the data into the source's memory, and copies from there.
    fn copy<T: Pod + Debug>(&self, case: &Case, source: &[T], target: &mut [T]) {
        let device = self.context.device_area(self.near);
        let far = self.context.device_area(self.far);
        match case.source.memory {
            Memory::Device => self.from(case, &device.mmap_from_slice(source).unwrap(), target),
            Memory::Shared => {
                let source = device.shared().mmap_from_slice(source).unwrap();
                self.from(case, &source, target);
            }
            Memory::Host => {
                let area = self.context.host_area();
                self.from(case, &area.mmap_from_slice(source).unwrap(), target);
            }
            Memory::Vector => self.from(case, &source.to_vec(), target),
            Memory::FarDevice => self.from(case, &far.mmap_from_slice(source).unwrap(), target),
            Memory::FarSlice => {
                let source = far.shared().mmap_from_slice(source).unwrap();
                self.from(case, &source[..], target);
            }
        }
    }

    /// Copies to the target's memory, which has what is in `target`, and takes it back from there.
    fn from<T, S>(&self, case: &Case, source: &S, target: &mut [T])
    where
        T: Pod + Debug,
        S: Source<Element = T> + ?Sized,
    {
        let device = self.context.device_area(self.near);
        let far = self.context.device_area(self.far);
        match case.target.memory {
            Memory::Device => self.to(case, source, &device, target),
            Memory::Shared => self.to(case, source, &device.shared(), target),
            Memory::Host => self.to(case, source, &self.context.host_area(), target),
            Memory::Vector => {
                let (from, _, _) = case.layout(&case.source);
                let (to, _, _) = case.layout(&case.target);
                let mut vector = target.to_vec();
                self.queue
                    .copy_region(source, from, &mut vector, to, case.extent())
                    .unwrap();
                target.copy_from_slice(&vector);
            }
            Memory::FarDevice => self.to(case, source, &far, target),
            Memory::FarSlice => {
                let (from, _, _) = case.layout(&case.source);
                let (to, _, _) = case.layout(&case.target);
                let mut shared = far.shared().mmap_from_slice(target).unwrap();
                self.queue
                    .copy_region(source, from, &mut shared[..], to, case.extent())
                    .unwrap();
                target.copy_from_slice(&shared);
            }
        }
    }

    fn to<T, S, A>(&self, case: &Case, source: &S, area: &A, target: &mut [T])
    where
        T: Pod + Debug,
        S: Source<Element = T> + ?Sized,
        A: Area,
    {
        let (from, _, _) = case.layout(&case.source);
        let (to, _, _) = case.layout(&case.target);
        let mut buffer = area.mmap_from_slice(target).unwrap();
        self.queue
            .copy_region(source, from, &mut buffer, to, case.extent())
            .unwrap();
        self.queue.copy(&buffer, target).unwrap();
    }

    fn check<T: Pod + PartialEq + Debug>(&self, case: &Case, element: impl Fn(usize) -> T) {
        let [width, height, depth] = case.extent();
        let (_, from, source_len) = case.layout(&case.source);
        let (_, to, target_len) = case.layout(&case.target);
        let source: Vec<T> = (0..source_len).map(&element).collect();
        let mut target: Vec<T> = (0..target_len).map(|i| element(i + 101)).collect();
        let mut expected = target.clone();
        for z in 0..depth {
            for y in 0..height {
                for x in 0..width {
                    expected[to(x, y, z)] = source[from(x, y, z)];
                }
            }
        }
        let before = target.clone();
        self.copy(case, &source, &mut target);
        let executes = self.subject.executes(Work::Other, "copies of regions");
        if executes {
            assert_eq!(target, expected);
        }
        let mut target = before.clone();
        let is_far = |memory| matches!(memory, Memory::FarDevice | Memory::FarSlice);
        let far = is_far(case.source.memory) || is_far(case.target.memory);
        let far = far && self.near != self.far;
        match self.in_scope(case, &source, &mut target) {
            Err(Error::WrongDevice { .. } | Error::SliceOfBuffer { .. }) if far => {
                assert_eq!(target, before);
            }
            Err(error) => panic!("{error}"),
            Ok(()) => {
                // Without elements an end is nobody's.
                assert!(
                    !far || expected == before || source.is_empty(),
                    "not refused"
                );
                assert!(!executes || target == expected, "in a scope");
            }
        }
    }

    /// The copy again, in a scope.
    fn in_scope<T: Pod>(&self, case: &Case, source: &[T], target: &mut [T]) -> Result<()> {
        let near = self.context.device_area(self.near);
        let far = self.context.device_area(self.far);
        let host = self.context.host_area();
        let ((from, _, _), (to, _, _)) = (case.layout(&case.source), case.layout(&case.target));
        macro_rules! copy {
            ($source:expr, $target:expr) => {
                self.queue.scope(|q| {
                    let (source, mut target) = (q.lend($source), q.lend_mut($target));
                    q.copy_region(&source, from, &mut target, to, case.extent())
                })
            };
        }
        macro_rules! to {
            ($source:expr, $area:expr) => {{
                let mut buffer = $area.mmap_from_slice(target)?;
                copy!($source, &mut buffer)?;
                self.queue.copy(&buffer, target)
            }};
        }
        macro_rules! from {
            ($source:expr) => {
                match case.target.memory {
                    Memory::Device => to!($source, near),
                    Memory::Shared => to!($source, near.shared()),
                    Memory::Host => to!($source, host),
                    Memory::Vector => copy!($source, &mut *target),
                    Memory::FarDevice => to!($source, far),
                    Memory::FarSlice => {
                        let mut buffer = far.shared().mmap_from_slice(target)?;
                        copy!($source, &mut buffer[..])?;
                        target.copy_from_slice(&buffer);
                        Ok(())
                    }
                }
            };
        }
        match case.source.memory {
            Memory::Device => {
                let buffer = near.mmap_from_slice(source)?;
                from!(&buffer)
            }
            Memory::Shared => {
                let buffer = near.shared().mmap_from_slice(source)?;
                from!(&buffer)
            }
            Memory::Host => {
                let buffer = host.mmap_from_slice(source)?;
                from!(&buffer)
            }
            Memory::Vector => from!(source),
            Memory::FarDevice => {
                let buffer = far.mmap_from_slice(source)?;
                from!(&buffer)
            }
            Memory::FarSlice => {
                let buffer = far.shared().mmap_from_slice(source)?;
                from!(&buffer[..])
            }
        }
    }
}

fn regions_of_every_shape_arrive_between_all_memories(subject: &Subject) {
    let context = subject.context();
    let near = subject.device();
    let bench = Bench {
        subject,
        context: &context,
        queue: context.queue(near).unwrap(),
        near,
        far: context.devices().last().unwrap(),
    };
    let config = Config {
        cases: if subject.config.in_process { 600 } else { 40 },
        failure_persistence: None,
        ..Config::default()
    };
    fn bytes<const N: usize>(i: usize) -> [u8; N] {
        core::array::from_fn(|at| u8::try_from((i * 31 + at * 7) % 251).unwrap())
    }
    let run = TestRunner::new(config).run(&case(), |case| {
        bench.check(&case, bytes::<1>);
        bench.check(&case, bytes::<3>);
        bench.check(&case, bytes::<12>);
        Ok(())
    });
    if let Err(error) = run {
        panic!("{error}");
    }
}

fn a_region_that_leaves_an_end_is_refused_with_the_number_and_the_limit(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    let source = area.mmap_from_slice(&numbers(100)).unwrap();
    let mut target = area.mmap_from_slice(&[7_u32; 50]).unwrap();
    let mut refused = |from: Layout, to: Layout, extent: [usize; 3]| {
        let error = queue
            .copy_region(&source, from, &mut target, to, extent)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        let Error::BadRegion {
            end, value, limit, ..
        } = error
        else {
            panic!("{error}");
        };
        let text = error.to_string();
        assert!(text.contains(&value.to_string()), "{text}");
        assert!(text.contains(&limit.to_string()), "{text}");
        (end, value, limit)
    };
    let rows = Layout::rows;
    // By one element, at each end.
    assert_eq!(refused(rows(9), rows(5), [5, 11, 1]), ("target", 55, 50));
    assert_eq!(
        refused(rows(10).at([6, 0]), rows(5), [5, 1, 1]),
        ("source", 11, 10)
    );
    assert_eq!(
        refused(rows(10).at([1, 1]), rows(9), [9, 10, 1]),
        ("source", 110, 100)
    );
    assert_eq!(refused(rows(10), rows(4), [5, 1, 1]), ("target", 5, 4));
    assert_eq!(refused(rows(10), rows(5), [5, 1, 2]), ("source", 2, 1));
    let slices = Layout::slices(5, 2);
    assert_eq!(refused(slices, slices, [5, 2, 6]), ("target", 60, 50));
    assert_eq!(refused(slices, slices, [5, 3, 2]), ("source", 15, 10));
    // What overflows.
    let max = usize::MAX;
    assert_eq!(refused(rows(max), rows(5), [5, 2, 1]).0, "source");
    assert_eq!(refused(rows(10), rows(max / 4 + 2), [5, 5, 1]).0, "target");
    assert_eq!(
        refused(rows(10), rows(5).at([0, max]), [5, 1, 1]).0,
        "target"
    );
    assert_eq!(refused(rows(10), rows(5), [max / 4 + 2, 1, 1]).0, "source");
    assert_eq!(refused(rows(max), rows(max), [1, max, 1]).0, "source");
    assert_eq!(
        refused(rows(10), slices.at([0, 0, max]), [1, 1, 1]).0,
        "target"
    );
    // Slices of the host are as long as they are.
    let mut short = [0_u32; 9];
    let copied = queue.copy_region(&source, rows(10), &mut short[..], rows(5), [5, 2]);
    assert!(matches!(
        copied,
        Err(Error::BadRegion {
            end: "target",
            value: 10,
            limit: 9,
            ..
        })
    ));
    queue
        .copy_region(&source, rows(10), &mut short[..], rows(5), [4, 2])
        .unwrap();
    let read = queue.to_vec(&target).unwrap();
    if subject.executes(Work::HostDevice, "uploads and read-back") {
        assert_eq!(read, [7; 50]);
    }
}

fn an_empty_region_copies_nothing(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let mut target = context
        .device_area(subject.device())
        .mmap_from_slice(&[7_u8; 9])
        .unwrap();
    let rows = Layout::rows;
    for extent in [[0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 0, 0]] {
        for layout in [rows(0), rows(3), rows(usize::MAX).at([usize::MAX, 2])] {
            queue
                .copy_region(&[1_u8; 9], layout, &mut target, layout, extent)
                .unwrap();
        }
    }
    let mut nothing = context.host_area().mmap::<u8>(0).unwrap();
    queue
        .copy_region(&target, rows(3), &mut nothing, rows(3), [0, 0])
        .unwrap();
    let error = queue.copy_region(&target, rows(3), &mut nothing, rows(3), [1, 1]);
    assert!(matches!(error, Err(Error::BadRegion { limit: 0, .. })));
    let read = queue.to_vec(&target).unwrap();
    if subject.executes(Work::HostDevice, "uploads and read-back") {
        assert_eq!(read, [7; 9]);
    }
}

fn a_region_of_another_context_is_refused(subject: &Subject) {
    let (context, other) = (subject.context(), subject.context());
    let queue = context.queue(subject.device()).unwrap();
    let mut own = context.host_area().mmap::<u8>(9).unwrap();
    let mut alien = other.host_area().mmap::<u8>(9).unwrap();
    let layout = Layout::rows(3);
    let error = queue.copy_region(&alien, layout, &mut own, layout, [3, 3]);
    assert!(matches!(
        error,
        Err(Error::WrongContext { what: "source", .. })
    ));
    let error = queue.copy_region(&own, layout, &mut alien, layout, [3, 3]);
    assert!(matches!(
        error,
        Err(Error::WrongContext { what: "target", .. })
    ));
}

fn a_region_goes_between_two_parts_of_one_buffer(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    let data = numbers(80);
    let mut buffer = area.mmap_from_slice(&data).unwrap();
    let (low, mut high) = buffer.split_at_mut(40).unwrap();
    let (from, to) = (Layout::rows(8).at([1, 2]), Layout::rows(10).at([0, 1]));
    queue
        .copy_region(&low, from, &mut high, to, [3, 3])
        .unwrap();
    let read = queue.to_vec(&buffer).unwrap();
    if subject.executes(Work::Other, "copies of regions") {
        let mut expected = data.clone();
        for y in 0..3 {
            for x in 0..3 {
                expected[40 + (1 + y) * 10 + x] = data[(2 + y) * 8 + 1 + x];
            }
        }
        assert_eq!(read, expected);
    }
}

fn a_region_larger_than_one_stage_arrives_whole(subject: &Subject) {
    fn through<T, S>(
        queue: &Queue,
        source: &S,
        area: &impl Area,
        pitch: usize,
        width: usize,
    ) -> Vec<T>
    where
        T: Element + bytemuck::NoUninit,
        S: Source<Element = T> + ?Sized,
    {
        let mut target = area.mmap::<T>(width * 3).unwrap();
        let (from, to) = (Layout::rows(pitch).at([5, 0]), Layout::rows(width));
        queue
            .copy_region(source, from, &mut target, to, [width, 3])
            .unwrap();
        queue.to_vec(&target).unwrap()
    }
    let context = subject.context();
    let [near, far] = [subject.device(), context.devices().last().unwrap()];
    let queue = context.queue(near).unwrap();
    // Rows of 5 MB, of which not one fits a stage of 4 MiB.
    let (pitch, width) = (1_250_011, 1_250_003);
    let data = numbers(pitch * 3);
    let source = context.device_area(near).mmap_from_slice(&data).unwrap();
    let mut expected = Vec::new();
    for row in data.chunks(pitch) {
        expected.extend_from_slice(&row[5..5 + width]);
    }
    let far = context.device_area(far);
    for read in [
        through(&queue, &source, &far, pitch, width),
        through(&queue, &data, &far, pitch, width),
        through(&queue, &data[..], &context.host_area(), pitch, width),
    ] {
        if subject.executes(Work::Other, "copies of regions") {
            assert!(read == expected);
        }
    }
}
