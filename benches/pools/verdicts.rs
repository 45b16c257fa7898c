//! What the pool has to reach, and whether it does: printed, never asserted, for machines differ.

use crate::contender::Who;
use crate::job::{HOLD, LIVE, size};
use crate::measure::{Cell, Row};
use ze_area::PlacementKind;

/// From these bytes on, a thousand buffers are more than the pool keeps by default.
const LARGE: usize = 64 << 10;
const SLAB: f64 = 65_536.0;

/// Prints a line for each that was measured.
pub(crate) fn print(rows: &[Row]) {
    println!("\nWhat must hold (Device, 1 thread, where nothing else is said):\n");
    let verdicts = Verdicts(rows);
    verdicts.against_umf_and_mimalloc();
    verdicts.threads();
    verdicts.shared();
    verdicts.memory();
}

struct Verdicts<'r>(&'r [Row]);

impl Verdicts<'_> {
    fn row(&self, name: &str, of: PlacementKind, threads: usize, bytes: usize) -> Option<&Row> {
        let mut rows = self.0.iter();
        rows.find(|row| {
            let job = &row.job;
            let kind = (job.name, job.placement, job.threads);
            kind == (name, of, threads) && job.scale == bytes
        })
    }

    fn on_device(&self, name: &str, bytes: usize) -> Option<&Row> {
        self.row(name, PlacementKind::Device, 1, bytes)
    }

    fn against_umf_and_mimalloc(&self) {
        let (umf, limit) = (Who::UmfSycl, Who::Mimalloc);
        for bytes in HOLD {
            let ratio = |to| self.on_device("pair", bytes)?.ratio(Who::Pool, to);
            line("pair", bytes, "pool : UMF (SYCL's)", ratio(umf), 1.0 / 4.0);
            if bytes <= LARGE {
                line("pair", bytes, "pool : mimalloc", ratio(limit), 2.0);
            }
        }
        for bytes in HOLD {
            let ratio = |who, to| self.on_device("hold", bytes)?.ratio(who, to);
            if bytes < LARGE {
                let of_umf = ratio(Who::Pool, umf);
                line("hold", bytes, "pool : UMF (SYCL's)", of_umf, 1.0 / 3.0);
            } else {
                let what = "pool that keeps all : UMF (SYCL's)";
                line("hold", bytes, what, ratio(Who::PoolKept, umf), 1.0 / 20.0);
                line("hold", bytes, "pool : raw", ratio(Who::Pool, Who::Raw), 1.0);
            }
        }
    }

    /// Beside each what a second thread costs mimalloc: up to some KiB its threads share nothing, so
    /// there it is the machine's part, whose processors may be halves of one core.
    fn threads(&self) {
        for name in ["pair", "hold"] {
            for bytes in HOLD {
                let ratio = |who| {
                    let time = |threads| {
                        let row = self.row(name, PlacementKind::Device, threads, bytes)?;
                        row.cell(who)?.nanos()
                    };
                    over(time(2), time(1))
                };
                let who = who(name, bytes);
                let limit = ratio(Who::Mimalloc).map(|ratio| format!(" (mimalloc: {ratio:.3})"));
                let what = format!("{}, 2 threads : 1{}", who.name(), limit.unwrap_or_default());
                line(name, bytes, &what, ratio(who), 1.3);
            }
        }
    }

    /// The shortest times: the rows were measured far apart, and other work only adds.
    fn shared(&self) {
        for name in ["pair", "hold"] {
            for bytes in HOLD {
                let who = who(name, bytes);
                let time = |placement| {
                    let row = self.row(name, placement, 1, bytes)?;
                    row.cell(who)?.least()
                };
                let what = format!("{}, Shared : Device", who.name());
                let (shared, device) = (PlacementKind::Shared, PlacementKind::Device);
                line(name, bytes, &what, over(time(shared), time(device)), 1.3);
            }
        }
    }

    fn memory(&self) {
        for (bytes, factor) in [(64, 1.5), (4 << 10, 1.02)] {
            let payload = (bytes * LIVE) as f64;
            let cell = self.on_device("hold", bytes);
            let peak = cell.and_then(|row| row.cell(Who::Pool)).and_then(measured);
            let ratio = peak.map(|cell| cell.peak as f64 / payload);
            let what = "pool's memory : payload (with a slab)";
            line("hold", bytes, what, ratio, factor + SLAB / payload);
        }
    }
}

/// The pool that has to reach it: where the default does not keep all, the one that does.
fn who(name: &str, bytes: usize) -> Who {
    if name == "hold" && bytes >= LARGE {
        Who::PoolKept
    } else {
        Who::Pool
    }
}

fn measured(cell: &Cell) -> Option<&Cell> {
    cell.rounds.is_ok().then_some(cell)
}

fn over(value: Option<f64>, base: Option<f64>) -> Option<f64> {
    Some(value? / base?)
}

fn line(name: &str, bytes: usize, what: &str, ratio: Option<f64>, most: f64) {
    let Some(ratio) = ratio else { return };
    let verdict = if ratio <= most {
        "holds"
    } else {
        "DOES NOT HOLD"
    };
    let size = size(bytes);
    println!("- {name} {size:>6}: {what}: {ratio:.3}, at most {most:.3}: {verdict}");
}
