//! What an area adds to the C calls, for allocating and freeing one buffer: batches of both, one
//! after the other, so that noise on the machine meets both alike; then the instructions of both.
//!
//! `cargo bench --features cpu --bench overhead`

mod intel;
mod nothing;
mod pairs;
mod valgrind;

use pairs::{Areas, SIZES};
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use ze_area::{Area, Placement, sys};

/// How long one batch takes, about: much shorter than what disturbs it.
const BATCH: Duration = Duration::from_micros(100);
/// How many batches of each kind a line of the table is made from.
const BATCHES: usize = 1001;
/// How many pairs the instructions are counted of.
const COUNTED: u64 = 100_000;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["count", way, placement, bytes, pairs] => {
            count(way, placement, bytes.parse()?, pairs.parse()?)?;
        }
        _ if arguments.contains(&"--bench") => {
            if let Some(code) = intel::with_settings()? {
                return Ok(ExitCode::from(code));
            }
            times()?;
            instructions()?;
        }
        _ => println!("nothing is measured without --bench, which `cargo bench` gives"),
    }
    Ok(ExitCode::SUCCESS)
}

fn times() -> Result<(), Box<dyn Error>> {
    // SAFETY: every buffer is dropped before the next is made.
    let nothing = unsafe { nothing::context() }?;
    let contexts = [("nothing", Some(nothing)), ("Intel", intel::context())];
    println!("Nanoseconds per allocate and free, raw and through an area");
    println!(
        "{:8} {:6} {:>9} | {:>9} {:>9} {:>7} {:>7} | {:>9} {:>9} {:>7}",
        "", "", "", "medians", "", "area is", "", "minima", "", ""
    );
    println!(
        "{:8} {:6} {:>9} | {:>9} {:>9} {:>7} {:>7} | {:>9} {:>9} {:>7}",
        "driver", "memory", "bytes", "raw", "area", "+", "x", "raw", "area", "+"
    );
    for (driver, context) in contexts {
        let Some(areas) = context.as_ref().and_then(Areas::new) else {
            continue;
        };
        for bytes in SIZES {
            line(driver, &areas.device, &areas, bytes)?;
        }
        for bytes in SIZES {
            line(driver, &areas.shared, &areas, bytes)?;
        }
        for bytes in SIZES {
            line(driver, &areas.host, &areas, bytes)?;
        }
    }
    Ok(())
}

fn line<A: Area>(
    driver: &str,
    area: &A,
    areas: &Areas,
    bytes: usize,
) -> Result<(), Box<dyn Error>> {
    let raw = |pairs| success(pairs::raw::<A::Placement>(areas.raw, bytes, pairs));
    let through = |pairs| pairs::area(area, bytes, pairs).map_err(Into::into);
    // Finds out how many pairs make a batch, and warms up.
    let mut pairs = 1;
    while time(&raw, pairs)? * (pairs as f64) < BATCH.as_nanos() as f64 {
        pairs *= 2;
    }
    time(&through, pairs)?;
    let mut batches = Vec::with_capacity(BATCHES);
    for batch in 0..BATCHES {
        batches.push(if batch % 2 == 0 {
            let first = time(&raw, pairs)?;
            (first, time(&through, pairs)?)
        } else {
            let first = time(&through, pairs)?;
            (time(&raw, pairs)?, first)
        });
    }
    let median = |of: fn(&(f64, f64)) -> f64| {
        let mut values: Vec<f64> = batches.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let least = |of: fn(&(f64, f64)) -> f64| batches.iter().map(of).fold(f64::INFINITY, f64::min);
    let (least_raw, least_area) = (least(|b| b.0), least(|b| b.1));
    println!(
        "{:8} {:6} {:>9} | {:>9.1} {:>9.1} {:>7.1} {:>7.3} | {:>9.1} {:>9.1} {:>7.1}",
        driver,
        A::Placement::KIND,
        bytes,
        median(|b| b.0),
        median(|b| b.1),
        median(|b| b.1 - b.0),
        median(|b| b.1 / b.0),
        least_raw,
        least_area,
        least_area - least_raw,
    );
    Ok(())
}

/// Nanoseconds per pair.
fn time(
    make: &impl Fn(u64) -> Result<(), Box<dyn Error>>,
    pairs: u64,
) -> Result<f64, Box<dyn Error>> {
    let begin = Instant::now();
    make(pairs)?;
    Ok(begin.elapsed().as_nanos() as f64 / pairs as f64)
}

fn success(code: sys::ze_result_t) -> Result<(), Box<dyn Error>> {
    if code == sys::ZE_RESULT_SUCCESS {
        Ok(())
    } else {
        Err(format!("a C call returned {:#x}", code.0).into())
    }
}

fn instructions() -> Result<(), Box<dyn Error>> {
    if !valgrind::is_there("instructions per pair")? {
        return Ok(());
    }
    println!("\nInstructions per allocate and free, with the driver that does nothing");
    println!("{:6} {:>7} {:>7} {:>7}", "memory", "raw", "area", "+");
    for placement in ["device", "shared", "host"] {
        let of = |way| -> Result<f64, Box<dyn Error>> {
            let run = |pairs| valgrind::instructions(&["count", way, placement, "4096", pairs]);
            let empty = run("0")?;
            let full = run(&COUNTED.to_string())?;
            Ok(full.saturating_sub(empty) as f64 / COUNTED as f64)
        };
        let (raw, area) = (of("raw")?, of("area")?);
        println!("{placement:6} {raw:>7.1} {area:>7.1} {:>7.1}", area - raw);
    }
    Ok(())
}

/// What runs under valgrind.
fn count(way: &str, placement: &str, bytes: usize, pairs: u64) -> Result<(), Box<dyn Error>> {
    // SAFETY: every buffer is dropped before the next is made.
    let context = unsafe { nothing::context() }?;
    let areas = Areas::new(&context).ok_or("the driver has no device")?;
    match placement {
        "device" => one(way, &areas.device, &areas, bytes, pairs),
        "shared" => one(way, &areas.shared, &areas, bytes, pairs),
        "host" => one(way, &areas.host, &areas, bytes, pairs),
        other => Err(format!("no placement: {other}").into()),
    }
}

fn one<A: Area>(
    way: &str,
    area: &A,
    areas: &Areas,
    bytes: usize,
    pairs: u64,
) -> Result<(), Box<dyn Error>> {
    match way {
        "raw" => success(pairs::raw::<A::Placement>(areas.raw, bytes, pairs)),
        "area" => Ok(pairs::area(area, bytes, pairs)?),
        other => Err(format!("neither raw nor area: {other}").into()),
    }
}
