//! The table, and the same figures as CSV.

use crate::contender::{Failure, Who};
use crate::job::{Job, size};
use crate::measure::{Cell, Row};
use std::fmt::Write;
use std::path::Path;

/// What is said before the table.
const LEGEND: &str = "\
Nanoseconds for an allocation and a free, median of the rounds (calls of the driver for it; most memory
held of the driver, in its pages of 64 KiB). Two threads: the time of one of them.

- mimalloc: on host memory, whatever the row says: the limit.
- raw: zeMemAllocDevice, -Shared, -Host and zeMemFree. area: through an area, without a pool, as AML does.
- UMF, SYCL's: the disjoint pool of UMF 1.2 over the calls of raw, with the parameters of Intel's SYCL runtime
  and by the calls that it makes (umfPoolAlignedMalloc, umfFree: it has only the address). That runtime does
  not pool shared memory; the rows have its parameters for device memory.
- UMF, default: with UMF's own parameters, and by its cheapest calls (umfPoolMalloc, umfPoolFree).
- pool: with default settings. pool, keeps all: with kept_capacity as large as what the pattern works on.
- RMM, the pools of RAPIDS, needs CUDA: it cannot take part.
";

/// The names of the columns before those of the contenders, and how wide they are.
const HEAD: [(&str, usize); 3] = [("pattern", 16), ("memory", 6), ("size", 13)];
const WIDTH: usize = 24;
const LAST: &str = "pool : UMF";

pub(crate) fn head() {
    println!("{LEGEND}");
    let mut line = String::new();
    let mut rule = String::new();
    for (name, width) in HEAD {
        push(&mut line, &format!("| {name:width$} "));
        push(&mut rule, "|---");
    }
    for who in Who::COLUMNS {
        push(&mut line, &format!("| {:>WIDTH$} ", who.name()));
        push(&mut rule, "|---:");
    }
    println!("{line}| {LAST} |\n{rule}|---:|");
}

pub(crate) fn line(row: &Row) {
    let job = &row.job;
    let mut line = String::new();
    let values = [name(job), job.placement.to_string(), job.scale()];
    for (value, (_, width)) in values.iter().zip(HEAD) {
        push(&mut line, &format!("| {value:width$} "));
    }
    for who in Who::COLUMNS {
        let text = row.cell(who).map_or_else(|| "-".into(), text);
        push(&mut line, &format!("| {text:>WIDTH$} "));
    }
    let ratio = row.ratio(Who::Pool, Who::UmfSycl);
    let ratio = ratio.map_or_else(|| "-".into(), |ratio| format!("{ratio:.3}"));
    println!("{line}| {ratio:>10} |");
}

/// What a pattern with a cost of its own takes without an allocator.
pub(crate) fn own_costs(rows: &[Row]) {
    for row in rows {
        if let Some(nanos) = row.cell(Who::Nobody).and_then(Cell::nanos) {
            println!(
                "{} of {} {}: {} ns of each time are the queue between the threads",
                row.job.name,
                row.job.scale(),
                row.job.placement,
                number(nanos)
            );
        }
    }
}

/// The pattern of a row.
fn name(job: &Job) -> String {
    match (job.name, job.threads) {
        ("handoff", _) | (_, 1) => job.name.to_owned(),
        (name, threads) => format!("{name}, {threads} threads"),
    }
}

fn text(cell: &Cell) -> String {
    match (cell.nanos(), &cell.rounds) {
        (Some(nanos), _) if cell.who == Who::Mimalloc => number(nanos),
        (Some(nanos), _) => {
            let (calls, peak) = (number(cell.calls), size(cell.peak));
            format!("{} ({calls}; {peak})", number(nanos))
        }
        (None, Err(_)) => "failed".to_owned(),
        (None, Ok(_)) => "-".to_owned(),
    }
}

/// Three digits, or all before the point.
fn number(value: f64) -> String {
    let digits = match value {
        0.0 => 0,
        value if value < 0.095 => 3,
        value if value < 0.995 => 2,
        value if value < 9.95 && value.fract() != 0.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

/// Says why cells have no time.
pub(crate) fn failures(rows: &[Row]) {
    for row in rows {
        for cell in &row.cells {
            if let Err(error) = &cell.rounds {
                let (name, who) = (name(&row.job), cell.who.name());
                let (placement, scale) = (row.job.placement, row.job.scale());
                let error = error.split(';').next().unwrap_or(error);
                println!("failed: {name} {placement} {scale}, {who}: {error}");
            }
        }
    }
}

/// Writes all figures to a file.
pub(crate) fn write_csv(path: &Path, rows: &[Row]) -> Result<(), Failure> {
    let mut text = String::from(
        "pattern,memory,threads,size,contender,rounds,median_ns,least_ns,most_ns,calls,peak_bytes\n",
    );
    for row in rows {
        let job = &row.job;
        for cell in &row.cells {
            let (Some(median), Ok(rounds)) = (cell.nanos(), &cell.rounds) else {
                continue;
            };
            let least = rounds.iter().copied().fold(f64::INFINITY, f64::min);
            let most = rounds.iter().copied().fold(0.0, f64::max);
            writeln!(
                text,
                "{},{},{},{},\"{}\",{},{median:.2},{least:.2},{most:.2},{:.5},{}",
                job.name,
                job.placement,
                job.threads,
                job.scale,
                cell.who.name(),
                rounds.len(),
                cell.calls,
                cell.peak
            )?;
        }
    }
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()).into())
}

fn push(line: &mut String, text: &str) {
    line.push_str(text);
}
