//! What is measured: the rows of the table.

use crate::contender::{Failure, Who};
use crate::options::Options;
use crate::pattern::{MIXED_LIVE, Pattern};
use crate::trace::Trace;
use ze_area::PlacementKind;

const PAIR: [usize; 5] = [64, 4 << 10, 64 << 10, 1 << 20, 16 << 20];
pub(crate) const HOLD: [usize; 4] = [64, 4 << 10, 64 << 10, 1 << 20];
const HANDOFF: [usize; 2] = [64, 64 << 10];
const GROWTH: [usize; 4] = [10, 1_000, 100_000, 1_000_000];
/// How many buffers are held, where their bytes allow it.
pub(crate) const LIVE: usize = 1000;
/// The most bytes that are held, by all threads: a DG1 without hardware gives out 2.86 GB.
const MOST_HELD: usize = 3 << 29;
/// Above so many buffers, each with 64 KiB of the driver, there is no memory for them.
const MOST_DRIVER_BUFFERS: usize = 10_000;

/// The placements, in the order of the table.
pub(crate) const PLACEMENTS: [PlacementKind; 3] = [
    PlacementKind::Device,
    PlacementKind::Shared,
    PlacementKind::Host,
];

/// One row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job {
    /// What `--only` calls it.
    pub(crate) name: &'static str,
    pub(crate) placement: PlacementKind,
    pub(crate) threads: usize,
    /// What changes from row to row: bytes, or how many buffers live.
    pub(crate) scale: usize,
    pub(crate) pattern: Pattern,
}

impl Job {
    /// Whether that contender has a part in it.
    pub(crate) fn has(&self, who: Who) -> bool {
        match (self.name, who) {
            ("handoff", Who::Nobody) => true,
            (_, Who::Nobody) => false,
            ("growth", Who::Raw | Who::Area) => self.scale <= MOST_DRIVER_BUFFERS,
            _ => true,
        }
    }

    /// What the row changes, in words.
    pub(crate) fn scale(&self) -> String {
        match self.pattern {
            Pattern::Hold { live, .. } if self.name == "growth" => format!("{live} live"),
            Pattern::Hold { live, bytes, .. } if live != LIVE => {
                format!("{} x {live}", size(bytes))
            }
            Pattern::Replay(trace) => format!("{} tensors", trace.tensors),
            Pattern::Mixed => format!("{MIXED_LIVE} live"),
            _ => size(self.scale),
        }
    }

    /// All bytes of the driver that its threads have at once, at most.
    pub(crate) fn working_set(&self) -> usize {
        self.pattern.working_set() * self.threads
    }
}

/// All rows that are asked for.
pub(crate) fn all(options: &Options) -> Result<Vec<Job>, Failure> {
    let trace: &'static Trace = Box::leak(Box::new(Trace::shipped()?));
    let mut jobs = Vec::new();
    for placement in PLACEMENTS {
        let mut job = |name, threads, scale, pattern| {
            let is_simple = threads == 1 && matches!(name, "pair" | "hold");
            let is_left_out = options.quick && placement != PlacementKind::Device && !is_simple;
            if options.has(name) && !is_left_out {
                jobs.push(Job {
                    name,
                    placement,
                    threads,
                    scale,
                    pattern,
                });
            }
        };
        for threads in [1, 2] {
            for bytes in PAIR {
                job("pair", threads, bytes, Pattern::Pair { bytes });
            }
            for bytes in HOLD {
                let live = LIVE.min(MOST_HELD / bytes / threads);
                let batch = live;
                job("hold", threads, bytes, Pattern::Hold { bytes, live, batch });
            }
        }
        for bytes in HANDOFF {
            job("handoff", 2, bytes, Pattern::Handoff { bytes });
        }
        job("trace", 1, trace.peak, Pattern::Replay(trace));
        job("mixed", 1, 0, Pattern::Mixed);
        if placement == PlacementKind::Device {
            for live in GROWTH {
                let (bytes, batch) = (64, live.min(1000));
                job("growth", 1, live, Pattern::Hold { bytes, live, batch });
            }
        }
    }
    if jobs.is_empty() {
        let names = "pair, hold, handoff, trace, mixed, growth";
        return Err(format!("--only takes one of: {names}").into());
    }
    Ok(jobs)
}

/// A number of bytes, as people write it.
pub(crate) fn size(bytes: usize) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(value < 10.0 && value.fract() > 0.05);
    format!("{value:.digits$} {}", UNITS[unit])
}
