//! Measures one row: every contender once to count, then all in turn, round after round.

use crate::contender::{Buffers, Contender, Failure, Nobody, Who};
use crate::counting;
use crate::driver::{Ground, Raw};
use crate::job::Job;
use crate::mimalloc::Mimalloc;
use crate::options::Options;
use crate::ours::Place;
use crate::pattern::Sample;
use crate::umf::{Parameters, Umf, UmfPool};
use std::time::{Duration, Instant};
use ze_area::{Device, Host, PlacementKind, Shared};

/// What a pool that keeps all keeps at least, in bytes: as much as one with default settings.
const LEAST_KEPT: usize = 64 << 20;

/// The two ways to the driver.
pub(crate) struct Grounds {
    /// Straight, for times.
    pub(crate) plain: Ground,
    /// Through the counting table.
    pub(crate) counted: Ground,
}

/// What was found out about one contender in one row.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    pub(crate) who: Who,
    /// Nanoseconds for an allocation and a free, of each round in turn; or why there is none.
    pub(crate) rounds: Result<Vec<f64>, String>,
    /// Calls of the driver for an allocation and a free.
    pub(crate) calls: f64,
    /// The most bytes held of the driver at once.
    pub(crate) peak: usize,
}

impl Cell {
    /// The median, in nanoseconds.
    pub(crate) fn nanos(&self) -> Option<f64> {
        self.rounds.as_deref().ok().and_then(median)
    }

    /// The shortest time, in nanoseconds.
    pub(crate) fn least(&self) -> Option<f64> {
        let rounds = self.rounds.as_deref().ok()?;
        rounds.iter().copied().min_by(f64::total_cmp)
    }
}

/// What was found out about all of them.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) job: Job,
    pub(crate) cells: Vec<Cell>,
}

impl Row {
    pub(crate) fn cell(&self, who: Who) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.who == who)
    }

    /// The median of one's time over the other's, round by round.
    pub(crate) fn ratio(&self, who: Who, to: Who) -> Option<f64> {
        let rounds = |who| self.cell(who)?.rounds.as_deref().ok();
        let both = rounds(who)?.iter().zip(rounds(to)?);
        median(&both.map(|(a, b)| a / b).collect::<Vec<_>>())
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Measures a row.
pub(crate) fn row(job: Job, grounds: &Grounds, umf: Option<&'static Umf>, of: &Options) -> Row {
    match job.placement {
        PlacementKind::Device => place::<Device>(job, grounds, umf, of),
        PlacementKind::Shared => place::<Shared>(job, grounds, umf, of),
        PlacementKind::Host => place::<Host>(job, grounds, umf, of),
    }
}

fn place<P: Place>(
    job: Job,
    grounds: &Grounds,
    umf: Option<&'static Umf>,
    options: &Options,
) -> Row {
    let everybody = Who::COLUMNS.into_iter().chain([Who::Nobody]);
    let missing = |who| umf.is_none() && matches!(who, Who::Umf | Who::UmfSycl);
    let mut cells: Vec<Measured> = everybody
        .filter(|&who| job.has(who) && !missing(who))
        .map(|who| prepare::<P>(who, job, grounds, umf, options))
        .collect();
    for round in 0..options.rounds() {
        // Not always the same one after the same other.
        cells.rotate_left(1);
        if round % 2 == 1 {
            cells.reverse();
        }
        for measured in &mut cells {
            let Measured { cell, passes, took } = measured;
            let Ok(rounds) = &mut cell.rounds else {
                continue;
            };
            if round >= options.least_rounds() && *took > options.most() {
                continue;
            }
            let begin = Instant::now();
            match once::<P>(cell.who, job, &grounds.plain, umf, *passes) {
                Ok(sample) => rounds.push(sample.nanos),
                Err(error) => cell.rounds = Err(error.to_string()),
            }
            *took += begin.elapsed();
        }
    }
    let cells = cells.into_iter().map(|measured| measured.cell).collect();
    Row { job, cells }
}

/// A cell that is being filled.
struct Measured {
    cell: Cell,
    /// How many passes make a round.
    passes: u64,
    /// How long the rounds took so far, with what is not timed.
    took: Duration,
}

/// Counts, and finds out how many passes make a round.
fn prepare<P: Place>(
    who: Who,
    job: Job,
    grounds: &Grounds,
    umf: Option<&'static Umf>,
    options: &Options,
) -> Measured {
    counting::take_peak();
    let counted = job.pattern.counted_passes();
    let sample = once::<P>(who, job, &grounds.counted, umf, counted);
    let peak = counting::take_peak();
    let calls = sample.as_ref().map_or(0.0, |sample| sample.calls);
    let passes = sample.and_then(|sample| {
        // Where one pass is long enough, no other has to be tried.
        if sample.time_of_one(counted) >= options.round() {
            return Ok(1);
        }
        calibrate::<P>(who, job, &grounds.plain, umf, options)
    });
    let (rounds, passes) = match passes {
        Ok(passes) => (Ok(Vec::new()), passes),
        Err(error) => (Err(error.to_string()), 0),
    };
    let cell = Cell {
        who,
        rounds,
        calls,
        peak,
    };
    Measured {
        cell,
        passes,
        took: Duration::ZERO,
    }
}

fn calibrate<P: Place>(
    who: Who,
    job: Job,
    ground: &Ground,
    umf: Option<&'static Umf>,
    options: &Options,
) -> Result<u64, Failure> {
    let mut passes = 1;
    loop {
        let time = once::<P>(who, job, ground, umf, passes)?.time;
        if time >= options.round() {
            return Ok(passes);
        }
        let missing = options.round().as_nanos() / time.as_nanos().max(1);
        passes *= u64::try_from(missing).unwrap_or(u64::MAX).clamp(2, 64);
    }
}

/// Runs a contender that is made for it and has nothing left over from before: so no contender
/// meets what another keeps of the driver's memory.
fn once<P: Place>(
    who: Who,
    job: Job,
    ground: &Ground,
    umf: Option<&'static Umf>,
    passes: u64,
) -> Result<Sample, Failure> {
    // The driver's own state is as warm as it gets once a pattern is set up.
    let warm = match who {
        Who::Raw | Who::Area if passes == 1 => 0,
        _ => (passes / 4).max(1),
    };
    let run = Run { job, warm, passes };
    let calls = ground.calls::<P>();
    let area = || P::area(&ground.context, &ground.device);
    match (who, umf) {
        (Who::Mimalloc, _) => run.of(&Mimalloc),
        (Who::Raw, _) => run.of(&Raw(calls)),
        (Who::Area, _) => run.of(&Buffers(area())),
        (Who::UmfSycl, Some(umf)) => {
            let parameters = Parameters::of_sycl(job.placement);
            run.of(&UmfPool::<P, true>::new(umf, &calls, Some(parameters))?)
        }
        (Who::Umf, Some(umf)) => run.of(&UmfPool::<P, false>::new(umf, &calls, None)?),
        (Who::UmfSycl | Who::Umf, None) => Err("there is no UMF".into()),
        (Who::Pool, _) => run.of(&Buffers(P::pool(&area(), None)?)),
        (Who::PoolKept, _) => {
            // An eighth more: that is what classes of sizes may add.
            let kept = job.working_set() + job.working_set() / 8;
            let kept = kept.max(LEAST_KEPT);
            run.of(&Buffers(P::pool(&area(), Some(kept))?))
        }
        (Who::Nobody, _) => run.of(&Nobody),
    }
}

/// How a contender is run.
#[derive(Clone, Copy)]
struct Run {
    job: Job,
    warm: u64,
    passes: u64,
}

impl Run {
    fn of(self, contender: &impl Contender) -> Result<Sample, Failure> {
        let Self { job, warm, passes } = self;
        job.pattern.run(contender, job.threads, warm, passes)
    }
}
