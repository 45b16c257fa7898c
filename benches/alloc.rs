//! Allocating and freeing one buffer through an area, and by the C calls, with Criterion.
//!
//! `cargo bench --features cpu --bench alloc`. Where the machine is noisy, `overhead` says more
//! about the difference: it measures both at the same time.

mod intel;
mod nothing;
mod pairs;

use criterion::{BenchmarkId, Criterion};
use pairs::{Areas, SIZES};
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use ze_area::{Area, Context, Placement, sys};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    if let Some(code) = intel::with_settings()? {
        return Ok(ExitCode::from(code));
    }
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .sample_size(30)
        .configure_from_args();
    // SAFETY: every buffer is dropped before the next is made.
    let nothing = unsafe { nothing::context() }?;
    groups(&mut criterion, "nothing", &nothing);
    if let Some(intel) = intel::context() {
        groups(&mut criterion, "intel", &intel);
    }
    criterion.final_summary();
    Ok(ExitCode::SUCCESS)
}

fn groups(criterion: &mut Criterion, driver: &str, context: &Context) {
    let Some(areas) = Areas::new(context) else {
        println!("skipped: {driver}: no device");
        return;
    };
    group(criterion, driver, &areas.device, &areas);
    group(criterion, driver, &areas.shared, &areas);
    group(criterion, driver, &areas.host, &areas);
}

fn group<A: Area>(criterion: &mut Criterion, driver: &str, area: &A, areas: &Areas) {
    let mut group = criterion.benchmark_group(format!("{driver}/{}", A::Placement::KIND));
    for bytes in SIZES {
        group.bench_function(BenchmarkId::new("raw", bytes), |bencher| {
            bencher.iter_custom(|pairs| {
                let begin = Instant::now();
                let code = pairs::raw::<A::Placement>(areas.raw, bytes, pairs);
                let time = begin.elapsed();
                assert_eq!(code, sys::ZE_RESULT_SUCCESS);
                time
            });
        });
        group.bench_function(BenchmarkId::new("area", bytes), |bencher| {
            bencher.iter_custom(|pairs| {
                let begin = Instant::now();
                let done = pairs::area(area, bytes, pairs);
                let time = begin.elapsed();
                assert!(done.is_ok(), "{done:?}");
                time
            });
        });
    }
    group.finish();
}
