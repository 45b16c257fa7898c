//! A table of measurements through all placements of memory and back, checked on the way.
//!
//! ```text
//! cargo run --release --features cpu --example quickstart [FILE.csv]
//! ```
//!
//! The file has a line of headers. Its first column names the rows, all others are numbers. Without
//! a file it is the sea surface temperature off Peru, 1950 to 2010: see `examples/data/README.md`.
//! `ZE_AREA_DRIVER=cpu` takes the CPU driver where there is a GPU too.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use ze_area::{Context, Device, Host, MemoryUse, PlacementKind, Shared, ZeBuffer, ZeDevice};

const DEFAULT_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/elnino.csv");

fn main() -> ExitCode {
    // The library says through `tracing` when it falls back to the CPU driver.
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .without_time()
        .init();
    let file = std::env::args_os().nth(1);
    if file.as_ref().is_some_and(|file| file == "--help") {
        println!(
            "quickstart [FILE.csv]: moves a table of numbers through all placements of memory"
        );
        return ExitCode::SUCCESS;
    }
    match run(&file.map_or(PathBuf::from(DEFAULT_FILE), PathBuf::from)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(file: &Path) -> Result<(), Box<dyn Error>> {
    let table = Table::read(file)?;
    let context = Context::new()?;
    let gpu = context.first_device()?;
    println!("file      {}: {table}", file.display());
    println!("driver    {}", context.driver().origin());
    println!("device    {}\n", gpu.name());

    let same = tour(&table, &context, gpu)?;

    let memory = context.memory();
    println!(
        "\n{:<10}{:>15}{:>15}",
        "memory", "at the peak", "at the end"
    );
    for placement in [
        PlacementKind::Device,
        PlacementKind::Shared,
        PlacementKind::Host,
    ] {
        let MemoryUse {
            peak_bytes,
            live_bytes,
            ..
        } = memory.of(placement);
        println!("{placement:<10}{peak_bytes:>9} bytes{live_bytes:>9} bytes");
    }
    if !memory.is_empty() {
        return Err(format!("memory was not freed:\n{memory}").into());
    }
    if !same {
        return Err("values came back other than they are in the file".into());
    }
    println!("\nEvery value and every summary came back as it is in the file.");
    Ok(())
}

/// Moves the values from placement to placement and returns whether they stayed the same.
fn tour(table: &Table, context: &Context, gpu: &ZeDevice) -> ze_area::Result<bool> {
    let queue = context.queue(gpu)?;
    let on_device = context.device_area(gpu);

    let host: ZeBuffer<f64, Host> = context.host_area().mmap_from_slice(&table.values)?;
    let mut device: ZeBuffer<f64, Device> = on_device.mmap(host.len())?;
    queue.copy(&host, &mut device)?;
    let shared: ZeBuffer<f64, Shared> = on_device.shared().mmap_copy(&queue, &device)?;
    queue.copy(&shared, &mut device)?;
    let vec: Vec<f64> = queue.to_vec(&device)?;

    // The host reads `host` and `shared` in place; `device[0]` would not compile.
    let mut same = table.check("file -> host", &host);
    same &= table.check("host -> device -> shared", &shared);
    same &= table.check("shared -> device -> Vec", &vec);

    println!("\nsummary of the shared buffer");
    table.print_summaries(&shared);
    Ok(same)
}

/// A file's numbers, column after column.
struct Table {
    headers: Vec<String>,
    rows: usize,
    values: Vec<f64>,
}

impl Table {
    fn read(file: &Path) -> Result<Self, Box<dyn Error>> {
        let name = file.display();
        let in_file = |error: csv::Error| format!("{name}: {error}");
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_path(file)
            .map_err(in_file)?;
        let headers = reader.headers().map_err(in_file)?.iter().skip(1);
        let headers: Vec<String> = headers.map(str::to_owned).collect();
        let mut columns = vec![Vec::new(); headers.len()];
        for record in reader.records() {
            let record = record.map_err(in_file)?;
            let line = record.position().map_or(0, csv::Position::line);
            for ((cell, header), column) in record.iter().skip(1).zip(&headers).zip(&mut columns) {
                match cell.parse::<f64>() {
                    Ok(value) if value.is_finite() => column.push(value),
                    _ if cell.is_empty() => {
                        return Err(format!("{name}:{line}: column {header} has no value").into());
                    }
                    _ => {
                        let what = format!("{cell:?} in column {header} is not a number");
                        return Err(format!("{name}:{line}: {what}").into());
                    }
                }
            }
        }
        let rows = columns.first().map_or(0, Vec::len);
        if rows == 0 {
            return Err(format!(
                "{name}: no numbers: wanted are a line of headers, then lines of a name and \
                 numbers, with commas between"
            )
            .into());
        }
        Ok(Self {
            headers,
            rows,
            values: columns.concat(),
        })
    }

    /// Compares values and summaries with those of the file, bit by bit, and says how it went.
    fn check(&self, way: &str, values: &[f64]) -> bool {
        let differ = |(a, b): &(&f64, &f64)| a.to_bits() != b.to_bits();
        let wrong = self.values.iter().zip(values).filter(differ).count();
        let summaries = |values: &[f64]| -> Vec<_> {
            let columns = values.chunks(self.rows).map(summary);
            columns.map(|column| column.map(f64::to_bits)).collect()
        };
        let same = wrong == 0 && summaries(values) == summaries(&self.values);
        if same {
            println!("{way:<28}same values, same summaries");
        } else {
            println!("{way:<28}{wrong} of {} values differ", values.len());
        }
        same
    }

    fn print_summaries(&self, values: &[f64]) {
        let [mean, sd, min, max] = ["mean", "std dev", "min", "max"];
        println!(
            "{:<16}{:>8}{mean:>12}{sd:>12}{min:>12}{max:>12}",
            "column", "count"
        );
        for (header, column) in self.headers.iter().zip(values.chunks(self.rows)) {
            let [mean, sd, min, max] = summary(column);
            let count = column.len();
            println!("{header:<16}{count:>8}{mean:>12.3}{sd:>12.3}{min:>12.3}{max:>12.3}");
        }
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} rows, {} columns of numbers",
            self.rows,
            self.headers.len()
        )
    }
}

/// The mean, the standard deviation (of a sample), the minimum and the maximum.
fn summary(column: &[f64]) -> [f64; 4] {
    let count = column.len() as f64;
    let mean = column.iter().sum::<f64>() / count;
    let squares: f64 = column.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (squares / (count - 1.0).max(1.0)).sqrt();
    let min = column.iter().copied().fold(f64::INFINITY, f64::min);
    let max = column.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    [mean, deviation, min, max]
}
