//! Kernels: launches do what the same code does on the host.

use crate::drivers::{Subject, Work};
use crate::modules::{KERNELS, module, setup};
use crate::promises;
use bytemuck::{Pod, Zeroable};
use ze_area::{
    Area, Context, Device, Error, Grid, In, InOut, Kernel, Launch, Local, Module, Nullable, Out,
    Queue, ZeBuffer, local,
};

promises![
    a_launch_does_what_the_kernel_says_in_every_placement,
    a_launch_works_on_parts_of_buffers,
    scalars_of_every_size_arrive,
    structures_arrive_by_value,
    doubles_arrive,
    local_memory_is_there_for_each_group,
    a_pointer_may_be_null,
    an_empty_buffer_is_null_to_the_kernel,
    a_constant_pointer_reads_a_buffer,
    a_kernel_takes_sixteen_arguments,
    a_kernel_takes_no_arguments,
    too_much_local_memory_is_refused,
    a_rule_sees_the_launch_and_refuses_it,
    a_rule_tells_a_line_of_items_from_other_grids,
    threads_launch_one_kernel_at_once_each_with_its_own_arguments,
    a_launch_with_a_buffer_of_another_context_is_refused,
    a_launch_with_what_is_on_another_device_is_refused,
    every_device_runs_kernels,
    modules_kernels_and_queues_drop_in_any_order,
];

/// A kernel of [`KERNELS`], which the launches of its callers keep in bounds.
pub(crate) fn kernel<S: ze_area::Signature>(module: &Module, name: &str) -> Kernel<S> {
    // SAFETY: the signatures in the callers are those of `tests/kernels/kernels.cl`, and every launch
    // has as many elements as its items use.
    unsafe { module.kernel(name) }.unwrap()
}

pub(crate) fn ran(subject: &Subject) -> bool {
    subject.executes(Work::Other, "results of kernels")
}

fn saxpy(subject: &Subject, queue: &Queue, module: &Module, x: &impl Area, y: &impl Area) {
    let saxpy = kernel::<(In<f32>, InOut<f32>, f32)>(module, "saxpy");
    for len in [1_u16, 7, 256, 1009, 10_000] {
        let from: Vec<f32> = (0..len).map(f32::from).collect();
        let expected: Vec<f32> = from.iter().map(|x| 1.0 + 0.5 * x).collect();
        let x = x.mmap_from_slice(&from).unwrap();
        let mut y = y.mmap_from_slice(&vec![1.0_f32; from.len()]).unwrap();
        queue.launch(&saxpy, from.len(), (&x, &mut y, 0.5)).unwrap();
        let read = queue.to_vec(&y).unwrap();
        if ran(subject) {
            assert_eq!(read, expected, "{:?} to {:?}", x.placement(), y.placement());
        }
    }
}

fn a_launch_does_what_the_kernel_says_in_every_placement(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let device = context.device_area(subject.device());
    let shared = device.clone().shared();
    let host = context.host_area();
    saxpy(subject, &queue, &module, &device, &device);
    saxpy(subject, &queue, &module, &device, &shared);
    saxpy(subject, &queue, &module, &shared, &host);
    saxpy(subject, &queue, &module, &host, &device);
}

fn a_launch_works_on_parts_of_buffers(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let saxpy = kernel::<(In<f32>, InOut<f32>, f32)>(&module, "saxpy");
    let area = context.device_area(subject.device());
    let mut both = area.mmap_from_slice(&[1.0_f32; 100]).unwrap();
    let (mut first, mut second) = both.split_at_mut(40).unwrap();
    let mut middle = second.as_view_mut().into_slice(5..45).unwrap();
    queue
        .launch(&saxpy, 40, (&first, &mut middle, 2.0))
        .unwrap();
    let view = second.as_view();
    let mut start = first.as_view_mut().into_slice(..10).unwrap();
    queue.launch(&saxpy, 10, (&view, &mut start, 10.0)).unwrap();
    let read = queue.to_vec(&both).unwrap();
    if ran(subject) {
        let mut expected = [1.0_f32; 100];
        expected[45..85].fill(3.0);
        expected[..5].fill(11.0);
        expected[5..10].fill(31.0);
        assert_eq!(read, expected);
    }
}

fn scalars_of_every_size_arrive(subject: &Subject) {
    type Scalars = (Out<i64>, i8, u8, i16, u16, i32, u32, i64, f32);
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let scalars = kernel::<Scalars>(&module, "scalars");
    let mut out = context.host_area().mmap::<i64>(8).unwrap();
    let values = (
        -7,
        200,
        -30_000,
        60_000,
        -2_000_000_000,
        4_000_000_000,
        i64::MIN,
        -5.0,
    );
    let (c, b, s, t, i, u, l, f) = values;
    queue
        .launch(&scalars, 1, (&mut out, c, b, s, t, i, u, l, f))
        .unwrap();
    if ran(subject) {
        let expected = [
            -7,
            200,
            -30_000,
            60_000,
            -2_000_000_000,
            4_000_000_000,
            i64::MIN,
            -5,
        ];
        assert_eq!(out, expected);
    }
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Step {
    direction: [f32; 4],
    count: i32,
    weight: i16,
    sign: i8,
    padding: [u8; 9],
}

fn structures_arrive_by_value(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let walk = kernel::<(Out<f32>, Step)>(&module, "walk");
    let mut out = context.host_area().mmap::<f32>(3).unwrap();
    let step = Step {
        direction: [1.0, 2.0, 3.0, 99.0],
        count: 10,
        weight: 2,
        sign: -1,
        padding: [0; 9],
    };
    queue.launch(&walk, 3, (&mut out, step)).unwrap();
    if ran(subject) {
        assert_eq!(out, [-120.0; 3]);
    }
}

fn doubles_arrive(subject: &Subject) {
    let context = subject.context();
    let bytes = include_bytes!("../kernels/doubles.spv");
    let module = match context.module(subject.device()).spirv(bytes) {
        Ok(module) => module,
        Err(error) => return subject.not_applicable(&format!("kernels with doubles: {error}")),
    };
    let scale = kernel::<(InOut<f64>, f64)>(&module, "scale");
    let queue = context.queue(subject.device()).unwrap();
    let mut x = context.host_area().mmap_from_slice(&[1.5, -2.0]).unwrap();
    queue.launch(&scale, 2, (&mut x, 2_f64.powi(300))).unwrap();
    if ran(subject) {
        assert_eq!(x, [1.5, -2.0].map(|x| x * 2_f64.powi(300)));
    }
}

fn local_memory_is_there_for_each_group(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let reduce = kernel::<(In<u32>, Out<u32>, Local<u32>)>(&module, "reduce");
    let numbers: Vec<u32> = (0..1024).collect();
    let x = context.host_area().mmap_from_slice(&numbers).unwrap();
    for group in [1, 16, 64] {
        let mut sums = context.host_area().mmap::<u32>(1024 / group).unwrap();
        let grid = Grid::from(1024).group_size([group]);
        queue
            .launch(&reduce, grid, (&x, &mut sums, local(group)))
            .unwrap();
        if ran(subject) {
            let expected: Vec<u32> = numbers
                .chunks(group)
                .map(|part| part.iter().sum())
                .collect();
            assert_eq!(sums[..], expected);
        }
    }
}

type Nulls = (
    Out<u32>,
    Nullable<In<u32>>,
    Nullable<InOut<u32>>,
    Nullable<In<u32>>,
);

fn a_pointer_may_be_null(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let nulls = kernel::<Nulls>(&module, "nulls");
    let area = context.device_area(subject.device());
    let x = area.mmap::<u32>(1).unwrap();
    let mut y = area.mmap::<u32>(1).unwrap();
    let mut out = context.host_area().mmap::<u32>(1).unwrap();
    for bits in 0..8_u32 {
        let is = |bit: u32| bits >> bit & 1 == 1;
        let x0 = (!is(0)).then_some(&x);
        let y = (!is(1)).then_some(&mut y);
        let z = (!is(2)).then_some(&x);
        queue.launch(&nulls, 1, (&mut out, x0, y, z)).unwrap();
        if ran(subject) {
            assert_eq!(out[0], bits);
        }
    }
}

fn an_empty_buffer_is_null_to_the_kernel(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let nulls = kernel::<(Out<u32>, In<u32>, InOut<u32>, In<u32>)>(&module, "nulls");
    let area = context.device_area(subject.device());
    let x = area.mmap::<u32>(1).unwrap();
    let mut empty = area.mmap::<u32>(0).unwrap();
    let mut out = context.host_area().mmap::<u32>(1).unwrap();
    queue
        .launch(&nulls, 1, (&mut out, &x, &mut empty, &x))
        .unwrap();
    if ran(subject) {
        assert_eq!(out[0], 0b010);
    }
}

fn a_constant_pointer_reads_a_buffer(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let next = kernel::<(In<u32>, Out<u32>)>(&module, "from_constant");
    let x = context
        .device_area(subject.device())
        .mmap_from_slice(&[5, 6, 7])
        .unwrap();
    let mut out = context.host_area().mmap::<u32>(3).unwrap();
    queue.launch(&next, [3], (&x, &mut out)).unwrap();
    if ran(subject) {
        assert_eq!(out, [6, 7, 8]);
    }
}

fn a_kernel_takes_sixteen_arguments(subject: &Subject) {
    type Sixteen = (
        Out<u64>,
        In<u32>,
        u32,
        u32,
        u32,
        u32,
        u32,
        u32,
        u32,
        u32,
        u32,
        u32,
        u32,
        u32,
        u32,
        u64,
    );
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let sixteen = kernel::<Sixteen>(&module, "sixteen");
    let x = context
        .host_area()
        .mmap_from_slice(&[1000_u32, 2000])
        .unwrap();
    let mut out = context.host_area().mmap::<u64>(2).unwrap();
    let args = (
        &mut out,
        &x,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        10,
        11,
        12,
        13,
        1 << 40,
    );
    queue.launch(&sixteen, 2, args).unwrap();
    if ran(subject) {
        let sum: u64 = (1..=13).map(|i| i * i).sum::<u64>() + (1 << 40);
        assert_eq!(out, [1000 + sum, 2000 + sum]);
    }
}

fn a_kernel_takes_no_arguments(subject: &Subject) {
    let Some((_context, queue, module)) = setup(subject) else {
        return;
    };
    let nothing = kernel::<()>(&module, "nothing");
    queue.launch(&nothing, [64], ()).unwrap();
    assert_eq!(nothing.name(), "nothing");
    assert_eq!(nothing.properties().arguments, 0);
}

fn too_much_local_memory_is_refused(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let reduce = kernel::<(In<u32>, Out<u32>, Local<u32>)>(&module, "reduce");
    let limit = subject.device().compute_limits().max_shared_local_memory as usize;
    let x = context.host_area().mmap::<u32>(1).unwrap();
    let mut sums = context.host_area().mmap::<u32>(1).unwrap();
    let args = (&x, &mut sums, local(limit / 4 + 1));
    let error = queue.launch(&reduce, 1, args).unwrap_err();
    assert!(matches!(error, Error::TooMuchLocalMemory { .. }), "{error}");
    let args = (&x, &mut sums, local(usize::MAX / 2));
    let error = queue.launch(&reduce, 1, args).unwrap_err();
    assert!(matches!(error, Error::SizeOverflow { .. }), "{error}");
}

fn a_rule_sees_the_launch_and_refuses_it(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let rule = |launch: &Launch<'_>| {
        assert_eq!((launch.len(1), launch.len(2)), (None, None));
        assert_eq!(
            (launch.value::<u32>(0), launch.value::<u64>(1)),
            (None, None)
        );
        let [x, y, z] = launch.global_size();
        assert_eq!(x * y * z, launch.items());
        assert!(launch.items().is_multiple_of(launch.group_size()[0]));
        let (n, len) = (launch.value::<u32>(1).unwrap(), launch.len(0).unwrap());
        n as usize <= len
    };
    // SAFETY: the kernel writes below the number that it is told, which the rule compares with the
    // length.
    let iota = unsafe { module.kernel_where::<(Out<u32>, u32)>("iota", rule) }.unwrap();
    let mut out = context.host_area().mmap::<u32>(100).unwrap();
    queue.launch(&iota, 128, (&mut out, 100)).unwrap();
    if ran(subject) {
        assert!(out.iter().copied().eq(0..100));
    }
    let error = queue.launch(&iota, 128, (&mut out, 101)).unwrap_err();
    assert!(matches!(error, Error::LaunchRefused { .. }), "{error}");
    let text = error.to_string();
    for part in ["iota", "128x1x1", "argument 0 of 100 elements"] {
        assert!(text.contains(part), "{text}");
    }
    let mut part = out.slice_mut(..50).unwrap();
    assert!(queue.launch(&iota, 128, (&mut part, 51)).is_err());
    let reduce_rule = |launch: &Launch<'_>| launch.len(2) == Some(4) && launch.len(3).is_none();
    // SAFETY: the launch below is in bounds.
    let reduce =
        unsafe { module.kernel_where::<(In<u32>, Out<u32>, Local<u32>)>("reduce", reduce_rule) }
            .unwrap();
    let x = context.host_area().mmap::<u32>(4).unwrap();
    let grid = Grid::from(4).group_size(4);
    queue
        .launch(&reduce, grid, (&x, &mut out, local(4)))
        .unwrap();
    assert!(
        queue
            .launch(&reduce, grid, (&x, &mut out, local(8)))
            .is_err()
    );
}

fn a_rule_tells_a_line_of_items_from_other_grids(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let rule = |launch: &Launch<'_>| {
        // What is no buffer holds nothing.
        assert!(!launch.is_line_within(&[0, 1]));
        launch.is_line_within(&[0])
    };
    // SAFETY: the kernel doubles the element of each item, and the rule lets nothing through but a
    // line of no more items than elements.
    let twice = unsafe { module.kernel_where::<(InOut<u32>,)>("twice", rule) }.unwrap();
    let mut x = context.host_area().mmap_from_slice(&[1_u32; 64]).unwrap();
    let lines: [Grid; 3] = [64.into(), [64, 1].into(), [64, 1, 1].into()];
    for line in lines {
        queue.launch(&twice, line, (&mut x,)).unwrap();
    }
    if ran(subject) {
        assert_eq!(x, [8; 64]);
    }
    let others: [Grid; 5] = [
        [8, 8].into(),
        [1, 2].into(),
        [1, 1, 64].into(),
        65.into(),
        // One row was asked for; the kernel sees two.
        Grid::from([32, 1]).group_size([32, 2]).padded(),
    ];
    for other in others {
        let error = queue.launch(&twice, other, (&mut x,)).unwrap_err();
        assert!(
            matches!(error, Error::LaunchRefused { .. }),
            "{other}: {error}"
        );
    }
}

fn threads_launch_one_kernel_at_once_each_with_its_own_arguments(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let saxpy = kernel::<(In<f32>, InOut<f32>, f32)>(&module, "saxpy");
    let other = context.queue(subject.device()).unwrap();
    let checked = ran(subject);
    std::thread::scope(|scope| {
        for thread in 0..4_u16 {
            let saxpy = saxpy.clone();
            let queue = if thread < 2 { &queue } else { &other };
            let area = context.host_area();
            scope.spawn(move || {
                let len = 64 * (usize::from(thread) + 1);
                let x = area.mmap_from_slice(&vec![1.0_f32; len]).unwrap();
                let mut y = area.mmap::<f32>(len).unwrap();
                let factor = f32::from(thread) + 1.0;
                for round in 1..=50_u16 {
                    let grid = Grid::from(len).group_size(16 * (usize::from(thread % 2) + 1));
                    queue.launch(&saxpy, grid, (&x, &mut y, factor)).unwrap();
                    let sum = factor * f32::from(round);
                    assert!(!checked || y.iter().all(|y| *y == sum), "{sum}");
                }
            });
        }
    });
}

fn a_launch_with_a_buffer_of_another_context_is_refused(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let other = subject.context();
    let twice = kernel::<(InOut<u32>,)>(&module, "twice");
    let mut x = other.host_area().mmap::<u32>(4).unwrap();
    let error = queue.launch(&twice, 4, (&mut x,)).unwrap_err();
    assert!(
        matches!(
            error,
            Error::WrongContext {
                operation: "launch",
                what: "argument 0"
            }
        ),
        "{error}"
    );
    let queue = other.queue(subject.device()).unwrap();
    let error = queue.launch(&twice, 4, (&mut x,)).unwrap_err();
    assert!(
        matches!(error, Error::WrongContext { what: "kernel", .. }),
        "{error}"
    );
    drop(context);
}

fn a_launch_with_what_is_on_another_device_is_refused(subject: &Subject) {
    let Some((context, queue, module_of_near)) = setup(subject) else {
        return;
    };
    let Some(far) = context.devices().get(1) else {
        return subject.not_applicable("launches with another device: there is only one");
    };
    let twice = kernel::<(InOut<u32>,)>(&module_of_near, "twice");
    let mut x = context.device_area(far).mmap::<u32>(4).unwrap();
    let error = queue.launch(&twice, 4, (&mut x,)).unwrap_err();
    assert!(
        matches!(
            error,
            Error::WrongDevice {
                what: "argument 0",
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("device 1") && error.to_string().contains("device 0"));
    let module_of_far = context.module(far).spirv(KERNELS).unwrap();
    let of_far = kernel::<(InOut<u32>,)>(&module_of_far, "twice");
    let mut host = context.host_area().mmap_from_slice(&[4; 4]).unwrap();
    let error = queue.launch(&of_far, 4, (&mut host,)).unwrap_err();
    assert!(
        matches!(error, Error::WrongDevice { what: "kernel", .. }),
        "{error}"
    );
    let queue = context.queue(far).unwrap();
    queue.launch(&of_far, 4, (&mut host,)).unwrap();
    queue.launch(&of_far, 4, (&mut x,)).unwrap();
    if ran(subject) {
        assert_eq!(host, [8; 4]);
    }
}

fn every_device_runs_kernels(subject: &Subject) {
    let Some((context, _, _)) = setup(subject) else {
        return;
    };
    for root in context.devices() {
        let of_root = module(subject, &context, root).unwrap();
        for device in core::iter::once(root).chain(root.sub_devices()) {
            let own = module(subject, &context, device).unwrap();
            assert_eq!(own.device(), device);
            let queue = context.queue(device).unwrap();
            for module in [&of_root, &own] {
                let twice = kernel::<(InOut<u32>,)>(module, "twice");
                let area = context.device_area(device);
                let mut x = area.mmap_from_slice(&[1, 2, 3]).unwrap();
                queue.launch(&twice, 3, (&mut x,)).unwrap();
                let read = queue.to_vec(&x).unwrap();
                if ran(subject) {
                    assert_eq!(read, [2, 4, 6]);
                }
            }
        }
    }
}

fn modules_kernels_and_queues_drop_in_any_order(subject: &Subject) {
    let context = Context::builder().driver(subject.driver()).build().unwrap();
    let Some(module) = module(subject, &context, subject.device()) else {
        return;
    };
    let queue = context.queue(subject.device()).unwrap();
    let twice = kernel::<(InOut<u32>,)>(&module, "twice");
    let clone = twice.clone();
    let nothing = kernel::<()>(&module, "nothing");
    let mut x: ZeBuffer<u32, Device> = context
        .device_area(subject.device())
        .mmap_from_slice(&[1; 100])
        .unwrap();
    drop((module, context, nothing, twice));
    queue.launch(&clone, 100, (&mut x,)).unwrap();
    let read = queue.to_vec(&x).unwrap();
    drop(queue);
    drop(clone);
    drop(x);
    if ran(subject) {
        assert_eq!(read, [2; 100]);
    }
}
