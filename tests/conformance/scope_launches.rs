//! Launches in scopes: they do not wait, and what depends on each other follows each other.

use crate::drivers::{Subject, Work};
use crate::gate::{Gate, gates, hold, turn, until, while_held};
use crate::kernels::kernel;
use crate::modules::{module, setup};
use crate::promises;
use std::sync::atomic::{AtomicU32, Ordering};
use ze_area::{Atomic, Error, Grid, In, InOut, Kernel, Launch, Out, QueueGroupFlags};

promises![
    a_chain_of_copies_and_launches_does_what_the_host_does,
    one_lent_buffer_is_read_by_two_arguments,
    a_launch_in_a_scope_works_on_parts_of_one_buffer,
    launches_of_two_queues_follow_each_other,
    one_kernel_is_launched_a_thousand_times_in_a_scope,
    a_kernel_may_be_dropped_right_after_its_launch,
    threads_launch_one_kernel_in_scopes_of_their_own,
    a_refused_launch_leaves_the_scope_usable,
    a_launch_returns_before_the_kernel_is_done,
    a_copy_waits_for_the_kernel_that_writes_its_source,
    launches_with_the_same_atomics_follow_each_other,
    additions_of_the_host_and_of_launches_all_count,
];

type Saxpy = (In<f32>, InOut<f32>, f32);
type Twice = (InOut<u32>,);

fn ran(subject: &Subject) -> bool {
    subject.executes(Work::Other, "launches in scopes")
}

fn a_chain_of_copies_and_launches_does_what_the_host_does(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let saxpy = kernel::<Saxpy>(&module, "saxpy");
    let area = context.device_area(subject.device());
    for len in [1_u16, 7, 1009, 20_000] {
        let input: Vec<f32> = (0..len).map(f32::from).collect();
        let mut expected = vec![1.0; input.len()];
        for factor in [0.5, 2.0] {
            for (y, x) in expected.iter_mut().zip(&input) {
                *y += factor * x;
            }
        }
        let mut x = area.mmap::<f32>(input.len()).unwrap();
        let mut y = area.shared().mmap::<f32>(input.len()).unwrap();
        let mut output = vec![0.0; input.len()];
        queue
            .scope(|q| {
                let input = q.lend(&input);
                let mut x = q.lend_mut(&mut x);
                let mut y = q.lend_mut(&mut y);
                let mut output = q.lend_mut(&mut output);
                q.copy(&input, &mut x)?;
                q.fill(&mut y, 1.0)?;
                q.launch(&saxpy, usize::from(len), (&x, &mut y, 0.5))?;
                q.launch(&saxpy, usize::from(len), (&x, &mut y, 2.0))?;
                q.copy(&y, &mut output)
            })
            .unwrap();
        if ran(subject) {
            assert_eq!(output, expected, "{len} elements");
        }
    }
}

fn one_lent_buffer_is_read_by_two_arguments(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let nulls = kernel::<(Out<u32>, In<u32>, InOut<u32>, In<u32>)>(&module, "nulls");
    let mut x = context.host_area().mmap::<u32>(4).unwrap();
    let mut y = context.host_area().mmap::<u32>(4).unwrap();
    let mut out = context.host_area().mmap_from_slice(&[9_u32]).unwrap();
    queue
        .scope(|q| {
            let mut out = q.lend_mut(&mut out);
            let mut y = q.lend_mut(&mut y);
            let x_mut = q.lend_mut(&mut x);
            q.launch(&nulls, 1, (&mut out, &x_mut, &mut y, &x_mut))?;
            q.launch(
                &nulls,
                1,
                (&mut out, &x_mut.slice(1..)?, &mut y, &x_mut.slice(..2)?),
            )
        })
        .unwrap();
    queue
        .scope(|q| {
            let x = q.lend(&x);
            q.launch(
                &nulls,
                1,
                (&mut q.lend_mut(&mut out), &x, &mut q.lend_mut(&mut y), &x),
            )
        })
        .unwrap();
    if ran(subject) {
        assert_eq!(out, [0], "none is null");
    }
}

fn a_launch_in_a_scope_works_on_parts_of_one_buffer(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let saxpy = kernel::<Saxpy>(&module, "saxpy");
    let area = context.device_area(subject.device());
    let mut both = area.mmap_from_slice(&[1.0_f32; 100]).unwrap();
    queue
        .scope(|q| {
            let mut both = q.lend_mut(&mut both);
            for factor in [2.0, 10.0] {
                let (first, mut second) = both.split_at_mut(40)?;
                q.launch(&saxpy, 40, (&first, &mut second, factor))?;
                let (mut first, second) = both.split_at_mut(40)?;
                q.launch(&saxpy, 10, (&second, &mut first, 1.0))?;
            }
            Ok(())
        })
        .unwrap();
    let read = queue.to_vec(&both).unwrap();
    if ran(subject) {
        let mut expected = [1.0_f32; 100];
        for factor in [2.0, 10.0] {
            for i in 0..40 {
                expected[40 + i] += factor * expected[i];
            }
            for i in 0..10 {
                expected[i] += expected[40 + i];
            }
        }
        assert_eq!(read, expected);
    }
}

fn launches_of_two_queues_follow_each_other(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let twice = kernel::<Twice>(&module, "twice");
    let again = kernel::<Twice>(&module, "twice");
    let other = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    let mut x = area.mmap_from_slice(&[1_u32; 3000]).unwrap();
    let mut back = vec![0; 3000];
    queue
        .scope(|q| {
            let other = q.on(&other)?;
            let mut x = q.lend_mut(&mut x);
            let mut back = q.lend_mut(&mut back);
            for _ in 0..10 {
                q.launch(&twice, 3000, (&mut x,))?;
                other.launch(&again, 3000, (&mut x,))?;
                // The same kernel on both.
                other.launch(&twice, 3000, (&mut x,))?;
            }
            q.copy(&x, &mut back)
        })
        .unwrap();
    if ran(subject) {
        assert_eq!(back, [1 << 30; 3000]);
    }
}

fn one_kernel_is_launched_a_thousand_times_in_a_scope(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let iota = kernel::<(Out<u32>, u32)>(&module, "iota");
    let mut buffers: Vec<_> = (0..10)
        .map(|_| context.host_area().mmap::<u32>(1000).unwrap())
        .collect();
    queue
        .scope(|q| {
            let mut lent: Vec<_> = buffers
                .iter_mut()
                .map(|buffer| q.lend_mut(buffer))
                .collect();
            for n in 1..=1000_u32 {
                // Each launch has fewer items write than its grid has.
                q.launch(&iota, 1000, (&mut lent[n as usize % 10], n))?;
            }
            Ok(())
        })
        .unwrap();
    if ran(subject) {
        for buffer in &buffers {
            assert!(buffer.iter().copied().take(991).eq(0..991));
        }
        assert_eq!(buffers[0][999], 999);
        assert_eq!(buffers[1][991], 0, "no launch here had as many");
    }
}

fn a_kernel_may_be_dropped_right_after_its_launch(subject: &Subject) {
    let Some((context, queue, first)) = setup(subject) else {
        return;
    };
    drop(first);
    let area = context.device_area(subject.device());
    let mut x = area.mmap_from_slice(&[5_u32; 500]).unwrap();
    queue
        .scope(|q| {
            let mut x = q.lend_mut(&mut x);
            for _ in 0..3 {
                let Some(module) = module(subject, &context, subject.device()) else {
                    return Ok(());
                };
                let twice = kernel::<Twice>(&module, "twice");
                drop(module);
                q.launch(&twice, 500, (&mut x,))?;
                drop(twice);
            }
            Ok(())
        })
        .unwrap();
    let read = queue.to_vec(&x).unwrap();
    if ran(subject) {
        assert_eq!(read, [40; 500]);
    }
    let mut y = area.mmap_from_slice(&[5_u32; 500]).unwrap();
    while_held(subject, &context, &queue, |_, gate| {
        queue
            .scope(|q| {
                let module = module(subject, &context, subject.device()).unwrap();
                let twice = kernel::<Twice>(&module, "twice");
                q.launch(&twice, 500, (&mut q.lend_mut(&mut y),))?;
                drop((module, twice));
                gate.open();
                Ok(())
            })
            .unwrap();
        assert_eq!(queue.to_vec(&y).unwrap(), [10; 500]);
    });
}

fn threads_launch_one_kernel_in_scopes_of_their_own(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let saxpy = kernel::<Saxpy>(&module, "saxpy");
    let second = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    let checked = ran(subject);
    std::thread::scope(|threads| {
        for thread in 0..4_u16 {
            let (saxpy, area) = (&saxpy, &area);
            let queue = if thread % 2 == 0 { &queue } else { &second };
            threads.spawn(move || {
                let factor = f32::from(thread) + 1.0;
                let x = area.mmap_from_slice(&[1.0_f32; 600]).unwrap();
                let mut y = area.mmap::<f32>(600).unwrap();
                let mut back = vec![0.0; 600];
                for round in 1..=10_u16 {
                    queue
                        .scope(|q| {
                            let x = q.lend(&x);
                            let mut y = q.lend_mut(&mut y);
                            for _ in 0..10 {
                                q.launch(saxpy, 600, (&x, &mut y, factor))?;
                            }
                            q.copy(&y, &mut q.lend_mut(&mut back))
                        })
                        .unwrap();
                    let expected = f32::from(round) * 10.0 * factor;
                    assert!(!checked || back.iter().all(|&n| n == expected));
                }
            });
        }
    });
}

fn a_refused_launch_leaves_the_scope_usable(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let rule = |launch: &Launch<'_>| launch.is_line_within(&[0]);
    // SAFETY: that is its signature, and the rule keeps it in bounds.
    let twice = unsafe { module.kernel_where::<Twice>("twice", rule) }.unwrap();
    let other = subject.context();
    let mut foreign = other.host_area().mmap_from_slice(&[1_u32; 64]).unwrap();
    let mut x = context.host_area().mmap_from_slice(&[1_u32; 64]).unwrap();
    let second = context.devices().get(1);
    let mut away = second.map(|device| context.device_area(device).mmap::<u32>(64).unwrap());
    let elsewhere = second.map(|device| context.queue(device).unwrap());
    let copies = subject
        .device()
        .queue_groups()
        .iter()
        .find(|group| !group.flags.contains(QueueGroupFlags::COMPUTE));
    let copies = copies.map(|group| {
        let builder = context.queue_builder(subject.device());
        builder.ordinal(group.ordinal).build().unwrap()
    });
    queue
        .scope(|q| {
            let mut x = q.lend_mut(&mut x);
            q.launch(&twice, 64, (&mut x,))?;
            let refused = q.launch(&twice, 65, (&mut x,)).unwrap_err();
            assert!(matches!(refused, Error::LaunchRefused { .. }), "{refused}");
            let grid = Grid::from(64).group_size(5);
            let refused = q.launch(&twice, grid, (&mut x,)).unwrap_err();
            assert!(matches!(refused, Error::BadGrid { .. }), "{refused}");
            let mut foreign = q.lend_mut(&mut foreign);
            let refused = q.launch(&twice, 64, (&mut foreign,)).unwrap_err();
            assert!(matches!(refused, Error::WrongContext { .. }), "{refused}");
            if let Some(away) = &mut away {
                let refused = q.launch(&twice, 64, (&mut q.lend_mut(away),)).unwrap_err();
                assert!(matches!(refused, Error::WrongDevice { .. }), "{refused}");
            }
            if let Some(elsewhere) = &elsewhere {
                let refused = q.on(elsewhere)?.launch(&twice, 64, (&mut x,)).unwrap_err();
                assert!(matches!(refused, Error::WrongDevice { .. }), "{refused}");
            }
            if let Some(copies) = &copies {
                let refused = q.on(copies)?.launch(&twice, 64, (&mut x,)).unwrap_err();
                assert!(matches!(refused, Error::NoCompute { .. }), "{refused}");
            }
            q.launch(&twice, 0, (&mut x,))?;
            q.launch(&twice, 64, (&mut x,))
        })
        .unwrap();
    assert_eq!(foreign, [1; 64]);
    if ran(subject) {
        assert_eq!(x, [4; 64]);
    }
}

fn a_launch_returns_before_the_kernel_is_done(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    // That the gate is opened at all, by the thread that launched, is the promise.
    while_held(subject, &context, &queue, |_, gate| {
        assert_eq!(gate.0[0].load(Ordering::Acquire), 0);
        gate.open();
    });
}

fn a_copy_waits_for_the_kernel_that_writes_its_source(subject: &Subject) {
    let context = subject.context();
    let Some(module) = gates(subject, &context) else {
        return;
    };
    let hold = hold(&module);
    let queue = context.queue(subject.device()).unwrap();
    let other = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    let mut gate = area.shared().mmap::<u32>(2).unwrap();
    let mut x = area.mmap_from_slice(&[41_u32]).unwrap();
    let [mut back, mut across] = [[0_u32], [0_u32]];
    let atomics = gate.as_atomics();
    let checked = ran(subject);
    let _turn = turn();
    queue
        .scope(|q| {
            let gate = Gate(atomics.as_slice());
            let mut x = q.lend_mut(&mut x);
            let mut back = q.lend_mut(&mut back);
            let mut across = q.lend_mut(&mut across);
            q.launch(&hold, 1, (atomics, &mut x))?;
            q.copy(&x, &mut back)?;
            q.on(&other)?.copy(&x, &mut across)?;
            if checked {
                until("running", || gate.0[1].load(Ordering::Acquire) == 1);
            }
            gate.open();
            if checked {
                assert_eq!(*back.read()?, [42]);
            }
            Ok(())
        })
        .unwrap();
    if checked {
        assert_eq!((back, across), ([42], [42]));
    }
}

fn launches_with_the_same_atomics_follow_each_other(subject: &Subject) {
    let context = subject.context();
    let Some(module) = gates(subject, &context) else {
        return;
    };
    let queue = context.queue(subject.device()).unwrap();
    // SAFETY: that is its signature; it uses one element.
    let step: Kernel<(Atomic<u32>, u32, u32)> = unsafe { module.kernel("step") }.unwrap();
    let mut x = context.host_area().mmap::<u32>(1).unwrap();
    let atomics = x.as_atomics();
    queue
        .scope(|q| {
            for n in 0..200 {
                q.launch(&step, 1, (atomics, n, n + 1))?;
            }
            Ok(())
        })
        .unwrap();
    if ran(subject) {
        assert_eq!(x, [200]);
    }
}

fn additions_of_the_host_and_of_launches_all_count(subject: &Subject) {
    const ITEMS: u32 = 64 * 100;
    const LAUNCHES: u32 = 10;
    const EACH: u32 = 50_000;
    let context = subject.context();
    let Some(module) = gates(subject, &context) else {
        return;
    };
    let queue = context.queue(subject.device()).unwrap();
    let other = context.queue(subject.device()).unwrap();
    // SAFETY: that is its signature; it uses one element.
    let tally: Kernel<(Atomic<u32>,)> = unsafe { module.kernel("tally") }.unwrap();
    let mut x = context
        .device_area(subject.device())
        .shared()
        .mmap::<u32>(3)
        .unwrap();
    let all = x.as_atomics();
    let atomics = all.slice(1..2).unwrap();
    let add = |counter: &AtomicU32| {
        for _ in 0..EACH {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    };
    let concurrent = atomics.is_concurrent_on(subject.device());
    std::thread::scope(|threads| {
        if concurrent {
            threads.spawn(|| add(&atomics[0]));
        }
        queue
            .scope(|q| {
                let other = q.on(&other)?;
                for _ in 0..LAUNCHES / 2 {
                    q.launch(&tally, ITEMS as usize, (atomics,))?;
                    other.launch(&tally, ITEMS as usize, (atomics,))?;
                }
                if concurrent {
                    add(&atomics[0]);
                }
                Ok(())
            })
            .unwrap();
    });
    if ran(subject) && concurrent {
        assert_eq!(x, [0, ITEMS * LAUNCHES + 2 * EACH, 0]);
    }
}
