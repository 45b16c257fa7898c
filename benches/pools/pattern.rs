//! What is done with an allocator: the inner loops, the same for all.

use crate::contender::{Contender, Failure};
use crate::counting;
use crate::live::Live;
use crate::processors;
use crate::random::Random;
use crate::ring::Ring;
use crate::trace::{Event, Trace};
use core::hint::black_box;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

/// What is done, over and over: a pass of it is the least that is timed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pattern {
    /// Allocates one and frees it.
    Pair { bytes: usize },
    /// Has `live` buffers, frees `batch` of them in random order and allocates as many again.
    /// `live` is a multiple of `batch`.
    Hold {
        bytes: usize,
        live: usize,
        batch: usize,
    },
    /// One thread allocates, another frees.
    Handoff { bytes: usize },
    /// Does what a program did.
    Replay(&'static Trace),
    /// Has [`MIXED_LIVE`] buffers, frees any one and allocates one of another size.
    Mixed,
}

/// How many buffers of mixed sizes live at once.
pub(crate) const MIXED_LIVE: usize = 40;
/// Their sizes, in bytes.
pub(crate) const MIXED_SIZES: (usize, usize) = (64 << 10, 64 << 20);
/// How many sizes are drawn, before they repeat.
const MIXED_DRAWN: usize = 4096;
/// How many buffers a pass hands over.
const HANDED_OVER: u64 = 1000;

/// What one run found out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// How long it took, on one thread.
    pub(crate) time: Duration,
    /// Nanoseconds for an allocation and a free, on one thread.
    pub(crate) nanos: f64,
    /// Calls of the driver for an allocation and a free, where they are counted.
    pub(crate) calls: f64,
}

impl Sample {
    /// How long one pass took of so many.
    pub(crate) fn time_of_one(&self, passes: u64) -> Duration {
        self.time.div_f64(passes as f64)
    }
}

impl Pattern {
    /// How often one thread allocates and frees in a pass.
    fn operations(self) -> u64 {
        match self {
            Self::Pair { .. } | Self::Mixed => 1,
            Self::Hold { batch, .. } => batch as u64,
            Self::Handoff { .. } => HANDED_OVER,
            Self::Replay(trace) => trace.tensors as u64,
        }
    }

    /// How many passes are enough to count calls.
    pub(crate) fn counted_passes(self) -> u64 {
        match self {
            Self::Pair { .. } => 100,
            Self::Mixed => 400,
            Self::Handoff { .. } => 2,
            Self::Hold { .. } | Self::Replay(_) => 1,
        }
    }

    /// How many bytes of the driver one thread has at once, at most, where no two buffers share a page.
    pub(crate) fn working_set(self) -> usize {
        let page = |bytes: usize| bytes.next_multiple_of(counting::PAGE);
        match self {
            Self::Pair { bytes } => page(bytes),
            Self::Hold { bytes, live, .. } => page(bytes) * live,
            Self::Handoff { bytes } => page(bytes) * 1000,
            Self::Replay(trace) => trace.peak + trace.slots * counting::PAGE,
            // Twice what they have in the mean.
            Self::Mixed => {
                let sizes = drawn();
                2 * MIXED_LIVE * (sizes.iter().sum::<usize>() / sizes.len())
            }
        }
    }

    /// Does `warm` passes untimed, then `passes` timed, on each of so many threads.
    pub(crate) fn run<C: Contender>(
        self,
        contender: &C,
        threads: usize,
        warm: u64,
        passes: u64,
    ) -> Result<Sample, Failure> {
        match self {
            Self::Handoff { bytes } => handoff(contender, bytes, warm, passes),
            _ => self.in_threads(contender, threads, warm, passes),
        }
    }

    /// Each thread goes on until the last one is done, so that none is timed alone.
    fn in_threads<C: Contender>(
        self,
        contender: &C,
        threads: usize,
        warm: u64,
        passes: u64,
    ) -> Result<Sample, Failure> {
        let (ready, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let all = |count: &AtomicUsize| count.load(Ordering::Acquire) == threads;
        let work = |thread: usize| -> Result<(Duration, u64), Failure> {
            processors::pin(thread);
            let worker = Worker::new(self, contender, thread).and_then(|mut worker| {
                worker.run(warm)?;
                Ok(worker)
            });
            // Also where something failed, for the others wait.
            ready.fetch_add(1, Ordering::AcqRel);
            let mut spins = 0;
            while !all(&ready) {
                processors::pause(&mut spins);
            }
            let timed = worker.and_then(|mut worker| {
                let timed = worker.timed(passes)?;
                Ok((worker, timed))
            });
            done.fetch_add(1, Ordering::AcqRel);
            let (mut worker, timed) = timed?;
            while !all(&done) {
                worker.run(1)?;
            }
            Ok(timed)
        };
        let results: Vec<_> = std::thread::scope(|scope| {
            let work = &work;
            let threads: Vec<_> = (0..threads)
                .map(|thread| scope.spawn(move || work(thread)))
                .collect();
            threads.into_iter().map(ScopedJoinHandle::join).collect()
        });
        let (mut time, mut calls) = (Duration::ZERO, 0);
        for result in results {
            let (its_time, its_calls) = result.map_err(|_| "a thread panicked")??;
            time += its_time;
            calls += its_calls;
        }
        Ok(self.sample(time, calls, threads as u64, passes))
    }

    /// `time` is that of all threads together.
    fn sample(self, time: Duration, calls: u64, threads: u64, passes: u64) -> Sample {
        let operations = (self.operations() * passes * threads) as f64;
        Sample {
            time: time.div_f64(threads as f64),
            nanos: time.as_nanos() as f64 / operations,
            calls: calls as f64 / operations,
        }
    }
}

/// The sizes of mixed buffers.
fn drawn() -> Vec<usize> {
    let mut random = Random::new(1);
    let (least, most) = MIXED_SIZES;
    (0..MIXED_DRAWN).map(|_| random.size(least, most)).collect()
}

/// One thread's part of a pattern: what it has allocated, and where it is.
enum Worker<'c, C: Contender> {
    Pair {
        contender: &'c C,
        bytes: usize,
    },
    Hold {
        live: Live<'c, C>,
        bytes: usize,
        batch: usize,
        order: Vec<usize>,
        next: usize,
    },
    Replay {
        live: Live<'c, C>,
        trace: &'static Trace,
    },
    Mixed {
        live: Live<'c, C>,
        sizes: Vec<usize>,
        next: usize,
        random: Random,
    },
}

impl<'c, C: Contender> Worker<'c, C> {
    fn new(pattern: Pattern, contender: &'c C, thread: usize) -> Result<Self, Failure> {
        let mut random = Random::new(2 + thread as u64);
        Ok(match pattern {
            Pattern::Pair { bytes } | Pattern::Handoff { bytes } => Self::Pair { contender, bytes },
            Pattern::Hold { bytes, live, batch } => {
                let mut slots = Live::new(contender, live);
                for slot in 0..live {
                    slots.allocate(slot, bytes)?;
                }
                Self::Hold {
                    live: slots,
                    bytes,
                    batch,
                    order: random.order(live),
                    next: 0,
                }
            }
            Pattern::Replay(trace) => Self::Replay {
                live: Live::new(contender, trace.slots),
                trace,
            },
            Pattern::Mixed => {
                let (sizes, mut live) = (drawn(), Live::new(contender, MIXED_LIVE));
                for (slot, &bytes) in sizes.iter().enumerate().take(MIXED_LIVE) {
                    live.allocate(slot, bytes)?;
                }
                Self::Mixed {
                    live,
                    sizes,
                    next: MIXED_LIVE,
                    random,
                }
            }
        })
    }

    /// Does that many passes; how long they took, and how many calls of the driver.
    fn timed(&mut self, passes: u64) -> Result<(Duration, u64), Failure> {
        let calls = counting::calls_here();
        let begin = Instant::now();
        self.run(passes)?;
        let time = begin.elapsed();
        Ok((time, counting::calls_here() - calls))
    }

    #[inline(never)]
    fn run(&mut self, passes: u64) -> Result<(), Failure> {
        match self {
            Self::Pair { contender, bytes } => {
                let pair = || {
                    let handle = contender.allocate(black_box(*bytes))?;
                    black_box(C::address(&handle));
                    contender.free(handle)
                };
                for _ in 0..passes {
                    if let Err(error) = pair() {
                        return Err(error.into());
                    }
                }
            }
            Self::Hold {
                live,
                bytes,
                batch,
                order,
                next,
            } => {
                for _ in 0..passes {
                    let slots = &order[*next..*next + *batch];
                    for &slot in slots {
                        live.free(slot)?;
                    }
                    for &slot in slots {
                        live.allocate(slot, *bytes)?;
                    }
                    *next = (*next + *batch) % order.len();
                }
            }
            Self::Replay { live, trace } => {
                for _ in 0..passes {
                    for &event in &trace.events {
                        match event {
                            Event::Allocate { slot, bytes } => live.allocate(slot, bytes)?,
                            Event::Free { slot } => live.free(slot)?,
                        }
                    }
                }
            }
            Self::Mixed {
                live,
                sizes,
                next,
                random,
            } => {
                for _ in 0..passes {
                    let slot = random.below(MIXED_LIVE);
                    live.free(slot)?;
                    live.allocate(slot, sizes[*next])?;
                    *next = (*next + 1) % sizes.len();
                }
            }
        }
        Ok(())
    }
}

/// One thread allocates, another frees; timed from when the first `warm` passes are through.
fn handoff<C: Contender>(
    contender: &C,
    bytes: usize,
    warm: u64,
    passes: u64,
) -> Result<Sample, Failure> {
    let (warm, items) = (warm * HANDED_OVER, passes * HANDED_OVER);
    let mut ring = Ring::new();
    let (mut producer, mut consumer) = ring.sides();
    let produce = move || -> Result<(), Failure> {
        processors::pin(0);
        for _ in 0..warm + items {
            match contender.allocate(black_box(bytes)) {
                Ok(handle) => producer.put(handle),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    };
    let consume = move || -> Result<(Duration, u64), Failure> {
        processors::pin(1);
        let mut freed = Ok(());
        // To the end also where one fails, for the producer waits.
        let mut free = |count: u64| {
            for _ in 0..count {
                let Some(handle) = consumer.take() else { break };
                if let Err(error) = contender.free(handle) {
                    freed = Err(error.into());
                }
            }
        };
        free(warm);
        let calls = counting::calls();
        let begin = Instant::now();
        free(items);
        let time = begin.elapsed();
        freed.map(|()| (time, counting::calls() - calls))
    };
    let (produced, consumed) = std::thread::scope(|scope| {
        let (produce, consume) = (scope.spawn(produce), scope.spawn(consume));
        (produce.join(), consume.join())
    });
    produced.map_err(|_| "a thread panicked")??;
    let (time, calls) = consumed.map_err(|_| "a thread panicked")??;
    Ok(Pattern::Handoff { bytes }.sample(time, calls, 1, passes))
}
