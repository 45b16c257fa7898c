//! Programs over scopes, and what they have to leave behind.

use crate::model::{self, Faults, Random};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use ze_area::{
    Area, Context, Device, LentMut, Queue, Result, ScopeQueue, Shared, System, ZeBuffer,
};

/// How many elements a buffer has.
const LEN: usize = 12;

/// How many buffers there are of the driver, and of the host; beside them one is only read.
const OF_DRIVER: usize = 3;
const OF_HOST: usize = 2;
const BUFFERS: usize = OF_DRIVER + OF_HOST;

pub(crate) struct World {
    seed: u64,
    faults: Faults,
    context: Context,
    /// More than the library notes readers apart.
    queues: [Queue; 6],
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
        match random.below(24) {
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

    fn area(&self) -> ze_area::DeviceArea {
        self.context.device_area(&self.context.devices()[0])
    }

    fn buffers<A: Area>(area: &A, count: usize) -> Vec<ZeBuffer<u32, A::Placement>> {
        (0..count)
            .map(|n| {
                area.mmap_from_slice(&[u32::try_from(n).unwrap(); LEN])
                    .unwrap()
            })
            .collect()
    }

    fn finished(&self) {
        let accusations = model::accusations();
        assert!(
            accusations.is_empty(),
            "seed {}: {accusations:?}",
            self.seed
        );
    }

    /// Two queues write one buffer by turns, and depend on each other that many times.
    pub(crate) fn ping_pong(&self, dependencies: usize) {
        let mut buffer = self.area().shared().mmap::<u32>(LEN).unwrap();
        let [first, second, ..] = &self.queues;
        first
            .scope(|q| {
                let queues = [q.on(first)?, q.on(second)?];
                let mut buffer = q.lend_mut(&mut buffer);
                for turn in 0..=dependencies {
                    queues[turn % 2].fill(&mut buffer, u32::try_from(turn).unwrap() | 0x10000)?;
                }
                Ok(())
            })
            .unwrap();
        self.finished();
        assert_eq!(
            buffer,
            [u32::try_from(dependencies).unwrap() | 0x10000; LEN]
        );
    }

    /// The barriers of operations that have nothing to do with each other.
    pub(crate) fn independent(&self, count: usize) -> (usize, usize) {
        let source = self.area().mmap_from_slice(&[7_u32; LEN]).unwrap();
        let mut targets = Self::buffers(&self.area().shared(), count);
        model::barriers();
        self.queues[0]
            .scope(|q| {
                let source = q.lend(&source);
                for target in &mut targets {
                    q.copy(&source, &mut q.lend_mut(target))?;
                }
                Ok(())
            })
            .unwrap();
        self.finished();
        assert!(targets.iter().all(|target| *target == [7; LEN]));
        model::barriers()
    }

    /// The barriers of operations each of which needs the one before.
    pub(crate) fn chain(&self, links: usize) -> (usize, usize) {
        let mut buffers = Self::buffers(&self.area().shared(), links + 1);
        model::barriers();
        self.queues[0]
            .scope(|q| {
                let mut lent: Vec<_> = buffers.iter_mut().map(|b| q.lend_mut(b)).collect();
                for link in 0..links {
                    let (before, after) = lent.split_at_mut(link + 1);
                    q.copy(&before[link], &mut after[0])?;
                }
                Ok(())
            })
            .unwrap();
        self.finished();
        assert!(buffers.iter().all(|buffer| *buffer == [0; LEN]));
        model::barriers()
    }

    /// The barriers of copies from a buffer that was written before.
    pub(crate) fn readers(&self, count: usize) -> (usize, usize) {
        let mut source = self.area().mmap::<u32>(LEN).unwrap();
        let mut targets = Self::buffers(&self.area().shared(), count);
        model::barriers();
        self.queues[0]
            .scope(|q| {
                let mut source = q.lend_mut(&mut source);
                q.fill(&mut source, 0x1234)?;
                for target in &mut targets {
                    q.copy(&source, &mut q.lend_mut(target))?;
                }
                Ok(())
            })
            .unwrap();
        self.finished();
        assert!(targets.iter().all(|target| *target == [0x1234; LEN]));
        model::barriers()
    }

    /// All queues read one buffer before it is written again, and some of them after that.
    pub(crate) fn reads_of_all_queues(&self) {
        let mut source = self.area().shared().mmap::<u32>(LEN).unwrap();
        let mut targets = Self::buffers(&self.area().shared(), 2 * self.queues.len());
        self.queues[0]
            .scope(|q| {
                let mut source = q.lend_mut(&mut source);
                let mut targets: Vec<_> = targets.iter_mut().map(|t| q.lend_mut(t)).collect();
                q.on(&self.queues[3])?.fill(&mut source, 0x1111)?;
                let first = Random::new(self.seed).below(self.queues.len());
                for (n, target) in targets.iter_mut().enumerate() {
                    let queue = &self.queues[(first + n) % self.queues.len()];
                    q.on(queue)?.copy(&source, target)?;
                }
                let writer = Random::new(self.seed + 1).below(self.queues.len());
                q.on(&self.queues[writer])?.fill(&mut source, 0x2222)
            })
            .unwrap();
        self.finished();
        assert!(targets.iter().all(|t| *t == [0x1111; LEN]), "{targets:?}");
    }

    /// Reads a buffer that one queue wrote while another has not done anything.
    pub(crate) fn reads_one_queue(&self) {
        let mut buffers = Self::buffers(&self.area().shared(), 2);
        let [one, two] = &mut buffers[..] else {
            panic!("there are two");
        };
        let [first, second, ..] = &self.queues;
        // Most is left undone by a model that is not asked to wait.
        let mut undone = 0;
        first
            .scope(|q| {
                let (mut one, mut two) = (q.lend_mut(one), q.lend_mut(two));
                let second = q.on(second)?;
                for turn in 0..100 {
                    second.fill(&mut two, turn + 0x10000)?;
                }
                q.fill(&mut one, 0x5678)?;
                assert_eq!(one.read()?, [0x5678; LEN]);
                undone = model::unfinished();
                assert_eq!(two.read()?, [99 + 0x10000; LEN]);
                assert_eq!(model::unfinished(), 0);
                Ok(())
            })
            .unwrap();
        assert!(undone > 0, "the read waited for everything");
        self.finished();
    }

    /// Scopes whose closures do not come to their end.
    pub(crate) fn ends_early(&self) {
        let mut buffer = self.area().shared().mmap::<u32>(LEN).unwrap();
        let [first, second, ..] = &self.queues;
        for panics in [false, true] {
            buffer.fill(0);
            let ended = catch_unwind(AssertUnwindSafe(|| {
                first.scope(|q| -> Result<()> {
                    let mut buffer = q.lend_mut(&mut buffer);
                    q.fill(&mut buffer, 0x1111)?;
                    q.on(second)?.fill(&mut buffer, 0x2222)?;
                    if panics {
                        // Without a message.
                        resume_unwind(Box::new(()));
                    }
                    q.fill(&mut buffer.slice_mut(LEN + 1..)?, 0x3333)
                })
            }));
            assert_eq!(ended.is_err(), panics);
            assert!(ended.is_err() || ended.is_ok_and(|ended| ended.is_err()));
            self.finished();
            assert_eq!(buffer, [0x2222; LEN]);
        }
    }

    /// A fill whose element is no pattern, in a buffer that is longer than what is kept of it.
    pub(crate) fn fill_in_pieces(&self) {
        let len = (1 << 20) / 3;
        let mut buffer = self.area().shared().mmap::<[u8; 3]>(len).unwrap();
        let mut copy: ZeBuffer<[u8; 3], Device> = self.area().mmap(len).unwrap();
        let mut back = vec![[0_u8; 3]; len];
        let [first, second, ..] = &self.queues;
        first
            .scope(|q| {
                let mut buffer = q.lend_mut(&mut buffer);
                let (mut copy, mut back) = (q.lend_mut(&mut copy), q.lend_mut(&mut back));
                q.fill(&mut buffer, [9, 8, 7])?;
                q.fill(&mut buffer, [1, 2, 3])?;
                q.on(second)?.copy(&buffer, &mut copy)?;
                q.fill(&mut buffer, [4, 5, 6])?;
                q.copy(&copy, &mut back)
            })
            .unwrap();
        self.finished();
        assert!(back.iter().all(|element| *element == [1, 2, 3]));
        assert!(buffer.iter().all(|element| *element == [4, 5, 6]));
    }

    /// Fills with patterns of their own, which are read when the scope ends.
    pub(crate) fn many_patterns(&self, count: usize) {
        let mut buffer = self.area().shared().mmap::<u64>(count).unwrap();
        let value = |n: usize| n as u64 * 0x0101_0203_0405 + 1;
        self.queues[0]
            .scope(|q| {
                let mut buffer = q.lend_mut(&mut buffer);
                for n in 0..count {
                    q.fill(&mut buffer.slice_mut(n..=n)?, value(n))?;
                }
                Ok(())
            })
            .unwrap();
        self.finished();
        assert!((0..count).all(|n| buffer[n] == value(n)));
    }

    /// The calls of a scope in which buffers are lent and nothing is done with them.
    pub(crate) fn nothing(&self) -> usize {
        let source = self.area().mmap_from_slice(&[7_u32; LEN]).unwrap();
        let mut target = self.area().mmap::<u32>(LEN).unwrap();
        let mut empty = Vec::<u32>::new();
        model::calls();
        self.queues[0]
            .scope(|q| {
                let (_source, mut target) = (q.lend(&source), q.lend_mut(&mut target));
                let mut empty = q.lend_mut(&mut empty);
                q.on(&self.queues[1])?
                    .copy(&target.slice(3..3)?, &mut empty)?;
                q.fill(&mut target.slice_mut(..0)?, 3)?;
                q.wait()
            })
            .unwrap();
        model::calls()
    }
}
