//! Programs that bring about one situation each.

use crate::model::{self, Random};
use crate::program::{LEN, World};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use ze_area::{Device, Result, ZeBuffer};

impl World {
    /// Starts fills that are written out, and waits for the last one first.
    pub(crate) fn started_fills(&self) {
        let area = self.area().shared();
        let pending: Vec<_> = (1..4_u32)
            .map(|n| {
                let target = area.mmap::<[u32; 3]>(20_001).unwrap();
                self.queues[0].start_fill(target, [n, 7, 9]).unwrap()
            })
            .collect();
        for (n, pending) in (1..4_u32).zip(pending).rev() {
            let filled = pending.wait().unwrap();
            assert!(filled.iter().all(|element| *element == [n, 7, 9]));
        }
        self.finished();
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
