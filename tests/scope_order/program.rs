//! Programs over scopes, and what they have to leave behind.

use crate::model::{self, Faults, Random};
use ze_area::{
    Area, Context, DeviceArea, Layout, LentMut, Queue, Result, ScopeQueue, Shared, System, ZeBuffer,
};

/// How many elements a buffer has.
pub(crate) const LEN: usize = 12;

/// How many buffers there are of the driver, and of the host; beside them one is only read.
const OF_DRIVER: usize = 3;
const OF_HOST: usize = 2;
const BUFFERS: usize = OF_DRIVER + OF_HOST;

pub(crate) struct World {
    pub(crate) seed: u64,
    faults: Faults,
    context: Context,
    /// More than the library notes readers apart.
    pub(crate) queues: [Queue; 6],
}

/// An operation of a program. Places are those of elements.
#[derive(Debug, Clone, Copy)]
enum Step {
    Copy {
        queue: usize,
        from: usize,
        to: usize,
        start: usize,
        at: usize,
        len: usize,
    },
    CopyConstant {
        queue: usize,
        to: usize,
        start: usize,
        len: usize,
    },
    CopyHalf {
        queue: usize,
        buffer: usize,
        up: bool,
    },
    /// From rows of 4 to rows of 3.
    Region {
        queue: usize,
        from: usize,
        to: usize,
        origins: [[usize; 2]; 2],
        extent: [usize; 2],
    },
    Fill {
        queue: usize,
        buffer: usize,
        start: usize,
        len: usize,
        value: u32,
    },
    Read {
        buffer: usize,
    },
    Write {
        buffer: usize,
        at: usize,
        value: u32,
    },
    Wait,
}

impl Step {
    fn random(random: &mut Random, queues: usize) -> Self {
        let queue = random.below(queues);
        let len = match random.below(3) {
            0 => LEN,
            _ => 1 + random.below(LEN),
        };
        let start = random.below(LEN - len + 1);
        let buffer = random.below(BUFFERS);
        let value = u32::try_from(random.below(1 << 30)).unwrap();
        match random.below(28) {
            24.. => {
                let extent @ [width, height] = [1 + random.below(3), 1 + random.below(3)];
                let source = [random.below(5 - width), random.below(4 - height)];
                let target = [random.below(4 - width), random.below(5 - height)];
                Self::Region {
                    queue,
                    from: (buffer + 1 + random.below(BUFFERS - 1)) % BUFFERS,
                    to: buffer,
                    origins: [source, target],
                    extent,
                }
            }
            0..11 => Self::Copy {
                queue,
                from: (buffer + 1 + random.below(BUFFERS - 1)) % BUFFERS,
                to: buffer,
                start,
                at: random.below(LEN - len + 1),
                len,
            },
            11..13 => Self::CopyConstant {
                queue,
                to: buffer,
                start,
                len,
            },
            13..15 => Self::CopyHalf {
                queue,
                buffer,
                up: value.is_multiple_of(2),
            },
            15..20 => Self::Fill {
                queue,
                buffer: buffer % OF_DRIVER,
                start,
                len,
                value,
            },
            20..22 => Self::Read { buffer },
            22 => Self::Write {
                buffer,
                at: start,
                value,
            },
            _ => Self::Wait,
        }
    }

    /// Does what the operation does.
    fn apply(self, state: &mut [Vec<u32>; BUFFERS], constant: &[u32]) {
        match self {
            Self::Copy {
                from,
                to,
                start,
                at,
                len,
                ..
            } => {
                let part = state[from][start..start + len].to_vec();
                state[to][at..at + len].copy_from_slice(&part);
            }
            Self::Region {
                from,
                to,
                origins: [[from_x, from_y], [to_x, to_y]],
                extent: [width, height],
                ..
            } => {
                for row in 0..height {
                    let start = (from_y + row) * 4 + from_x;
                    let part = state[from][start..start + width].to_vec();
                    let start = (to_y + row) * 3 + to_x;
                    state[to][start..start + width].copy_from_slice(&part);
                }
            }
            Self::CopyConstant { to, start, len, .. } => {
                state[to][start..start + len].copy_from_slice(&constant[start..start + len]);
            }
            Self::CopyHalf { buffer, up, .. } => {
                let (from, to) = if up { (0, LEN / 2) } else { (LEN / 2, 0) };
                state[buffer].copy_within(from..from + LEN / 2, to);
            }
            Self::Fill {
                buffer,
                start,
                len,
                value,
                ..
            } => state[buffer][start..start + len].fill(value),
            Self::Write { buffer, at, value } => state[buffer][at] = value,
            Self::Read { .. } | Self::Wait => {}
        }
    }
}

/// What is lent to the scope of a program.
enum Lent<'scope> {
    Driver(LentMut<'scope, u32, Shared>),
    Host(LentMut<'scope, u32, System>),
}

/// Runs the block with the handle in it, of either kind.
macro_rules! either {
    ($lent:expr, |$handle:ident| $body:expr) => {
        match $lent {
            Lent::Driver($handle) => $body,
            Lent::Host($handle) => $body,
        }
    };
}

/// Tries until the driver does not fail.
macro_rules! persist {
    ($call:expr) => {
        loop {
            if let Ok(value) = $call {
                break value;
            }
        }
    };
}

fn copy<'scope>(
    queue: &ScopeQueue<'scope>,
    (from, start): (&Lent<'scope>, usize),
    (to, at): (&mut Lent<'scope>, usize),
    len: usize,
) -> Result<()> {
    either!(from, |from| either!(to, |to| if len == LEN {
        queue.copy(from, to)
    } else {
        let part = from.slice(start..start + len)?;
        queue.copy(&part, &mut to.slice_mut(at..at + len)?)
    }))
}

/// Runs a program of that many operations, and compares with what it has to do.
pub(crate) fn check(world: &World, seed: u64, operations: usize) -> Result<(), String> {
    let mut random = Random::new(seed ^ 0xabcd);
    let steps: Vec<_> = (0..operations)
        .map(|_| Step::random(&mut random, world.queues.len()))
        .collect();
    let of = |first: usize| (first * 100..).map(|n| u32::try_from(n).unwrap());
    let mut state: [Vec<u32>; BUFFERS] = core::array::from_fn(|i| of(i).take(LEN).collect());
    let area = world.area().shared();
    let mut buffers: [ZeBuffer<u32, Shared>; OF_DRIVER] =
        core::array::from_fn(|i| area.mmap_from_slice(&state[i]).unwrap());
    let mut slices: [Vec<u32>; OF_HOST] = core::array::from_fn(|i| state[OF_DRIVER + i].clone());
    let constant: Vec<u32> = of(50).take(LEN).collect();
    let on_device = world.area().mmap_from_slice(&constant).unwrap();

    let mut failure = None;
    // What fails in it is of the end's wait, or told by `failure`.
    let ended = world.queues[0].scope(|q| {
        let of_driver = buffers.iter_mut().map(|b| Lent::Driver(q.lend_mut(b)));
        let of_host = slices.iter_mut().map(|s| Lent::Host(q.lend_mut(s)));
        let mut lent: Vec<_> = of_driver.chain(of_host).map(Some).collect();
        let on_device = q.lend(&on_device);
        let queues: Vec<_> = world
            .queues
            .iter()
            .map(|queue| q.on(queue))
            .collect::<Result<_>>()?;
        for (number, step) in steps.iter().enumerate() {
            let done = match *step {
                Step::Copy {
                    queue,
                    from,
                    to,
                    start,
                    at,
                    len,
                } => {
                    let mut target = lent[to].take().unwrap();
                    let source = lent[from].as_ref().unwrap();
                    let done = copy(&queues[queue], (source, start), (&mut target, at), len);
                    lent[to] = Some(target);
                    done
                }
                Step::Region {
                    queue,
                    from,
                    to,
                    origins: [source, target],
                    extent,
                } => {
                    let mut lent_target = lent[to].take().unwrap();
                    let lent_source = lent[from].as_ref().unwrap();
                    let layouts = (Layout::rows(4).at(source), Layout::rows(3).at(target));
                    // Again where it failed: a part of it may have been copied.
                    let done = loop {
                        let done = either!(lent_source, |x| either!(&mut lent_target, |y| {
                            queues[queue].copy_region(x, layouts.0, y, layouts.1, extent)
                        }));
                        if done.is_ok() || world.faults == Faults::None {
                            break done;
                        }
                    };
                    lent[to] = Some(lent_target);
                    done
                }
                Step::CopyConstant {
                    queue,
                    to,
                    start,
                    len,
                } => {
                    let part = on_device.slice(start..start + len)?;
                    either!(lent[to].as_mut().unwrap(), |to| queues[queue]
                        .copy(&part, &mut to.slice_mut(start..start + len)?))
                }
                Step::CopyHalf { queue, buffer, up } => {
                    either!(lent[buffer].as_mut().unwrap(), |handle| {
                        let (mut low, mut high) = handle.split_at_mut(LEN / 2)?;
                        if up {
                            queues[queue].copy(&low, &mut high)
                        } else {
                            queues[queue].copy(&high, &mut low)
                        }
                    })
                }
                Step::Fill {
                    queue,
                    buffer,
                    start,
                    len,
                    value,
                } => match lent[buffer].as_mut().unwrap() {
                    Lent::Driver(handle) if len == LEN => queues[queue].fill(handle, value),
                    Lent::Driver(handle) => {
                        queues[queue].fill(&mut handle.slice_mut(start..start + len)?, value)
                    }
                    Lent::Host(_) => Ok(()),
                },
                Step::Read { buffer } => {
                    let read = either!(lent[buffer].as_ref().unwrap(), |h| persist!(h.read()));
                    if *read != state[buffer] {
                        failure = Some(format!(
                            "{steps:?}: at {number} reads {read:?} instead of {:?}",
                            state[buffer]
                        ));
                    }
                    Ok(())
                }
                Step::Write { buffer, at, value } => {
                    // In one go, for the borrow: what failed once is done the next time.
                    either!(lent[buffer].as_mut().unwrap(), |h| {
                        while h.write().is_err() {}
                        h.write().map(|elements| elements[at] = value)
                    })
                }
                Step::Wait => {
                    let waited = q.wait();
                    if model::unfinished() > 0 {
                        failure = Some(format!("{steps:?}: at {number} is not done"));
                    }
                    waited
                }
            };
            match done {
                Ok(()) => step.apply(&mut state, &constant),
                Err(error) if world.faults == Faults::None => return Err(error),
                Err(_) => {}
            }
        }
        Ok(())
    });
    if let Some(failure) = failure {
        return Err(failure);
    }
    if let (Err(error), Faults::None) = (ended, world.faults) {
        return Err(error.to_string());
    }
    let accusations = model::accusations();
    if !accusations.is_empty() {
        return Err(format!("{steps:?}: {accusations:?}"));
    }
    for (index, expected) in state.iter().enumerate() {
        let found = match index {
            0..OF_DRIVER => &buffers[index][..],
            _ => &slices[index - OF_DRIVER],
        };
        if found != expected {
            return Err(format!(
                "{steps:?}: buffer {index} ends as {found:?} instead of {expected:?}"
            ));
        }
    }
    Ok(())
}

/// The shortest beginning of a program that fails.
pub(crate) fn shortest_failure(
    seed: u64,
    operations: usize,
    faults: Faults,
) -> Option<(usize, String)> {
    (1..=operations).find_map(|operations| {
        let world = World::new(seed, faults);
        let why = check(&world, seed, operations).err()?;
        Some((operations, why))
    })
}

impl World {
    pub(crate) fn new(seed: u64, faults: Faults) -> Self {
        let context = model::context(seed, faults);
        let device = context.devices()[0].clone();
        Self {
            seed,
            faults,
            queues: core::array::from_fn(|_| context.queue(&device).unwrap()),
            context,
        }
    }

    pub(crate) fn area(&self) -> DeviceArea {
        self.context.device_area(&self.context.devices()[0])
    }

    pub(crate) fn buffers<A: Area>(area: &A, count: usize) -> Vec<ZeBuffer<u32, A::Placement>> {
        (0..count)
            .map(|n| {
                area.mmap_from_slice(&[u32::try_from(n).unwrap(); LEN])
                    .unwrap()
            })
            .collect()
    }

    pub(crate) fn finished(&self) {
        let accusations = model::accusations();
        assert!(
            accusations.is_empty(),
            "seed {}: {accusations:?}",
            self.seed
        );
    }
}
