//! Compares allocators over Intel's driver, which needs no hardware for it: one run, one table.
//!
//! ```console
//! $ cargo bench --features cpu --bench pools -- [--quick] [--only PATTERN] [--csv FILE] [--svg FOLDER]
//! $ cargo bench --features cpu --bench pools -- trace [--write]
//! ```
//!
//! The first takes about four minutes, with `--quick` half a minute (then shared and host memory have
//! `pair` and `hold` on one thread only). The patterns:
//!
//! | | |
//! |---|---|
//! | `pair` | allocates a buffer and frees it, on one thread and on two |
//! | `hold` | has 1000 buffers (fewer where they would be more than 1.5 GiB), frees all in random order and allocates them again, on one thread and on two |
//! | `handoff` | one thread allocates, another frees |
//! | `trace` | the tensors of a language model that answers a prompt |
//! | `mixed` | has 40 buffers of 64 KiB to 64 MiB, frees any one and allocates one of another size |
//! | `growth` | as `hold`, with up to 1,000,000 buffers, of which 1000 at a time are freed |
//!
//! Every round makes every allocator anew, warms it up and measures it, one after the other in
//! changing order, on threads that stay on a processor each. Medians are over the rounds, of which
//! there are 11, or fewer (at least 3) where the driver is so slow that they would take more than a
//! second. Calls of the driver and its memory are counted in a run of their own, through a table of
//! functions between allocator and driver.
//!
//! `trace` alone checks that `traces/gpt2.csv` is what the generator makes, as every run does;
//! `trace --write` writes it.

mod contender;
mod counting;
mod driver;
#[path = "../intel/mod.rs"]
mod intel;
mod job;
mod live;
mod measure;
mod mimalloc;
mod options;
mod ours;
mod pattern;
mod plot;
mod processors;
mod random;
mod report;
mod ring;
mod trace;
mod umf;
mod verdicts;

use contender::Failure;
use driver::Ground;
use measure::Grounds;
use options::Options;
use std::process::ExitCode;

fn main() -> Result<ExitCode, Failure> {
    let options = Options::parse()?;
    if options.trace && options.write {
        println!("wrote {}", trace::write()?.display());
        return Ok(ExitCode::SUCCESS);
    }
    if !trace::is_shipped() {
        return Err("traces/gpt2.csv is not what the generator makes: trace --write".into());
    }
    if options.trace || !options.bench {
        println!("traces/gpt2.csv is what the generator makes");
        if !options.trace {
            println!("nothing is measured without --bench, which `cargo bench` gives");
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(code) = intel::with_settings()? {
        return Ok(ExitCode::from(code));
    }
    compare(&options)?;
    Ok(ExitCode::SUCCESS)
}

fn compare(options: &Options) -> Result<(), Failure> {
    let Some(context) = intel::context() else {
        return Ok(());
    };
    let counted = counting::context(context.driver())?;
    let grounds = Grounds {
        plain: Ground::new(context)?,
        counted: Ground::new(counted)?,
    };
    let umf = umf::Umf::load();
    let jobs = job::all(options)?;
    report::head();
    let mut rows = Vec::new();
    for job in jobs {
        let row = measure::row(job, &grounds, umf, options);
        report::line(&row);
        rows.push(row);
    }
    println!();
    report::own_costs(&rows);
    report::failures(&rows);
    if let Some(path) = &options.csv {
        report::write_csv(path, &rows)?;
    }
    if let Some(folder) = &options.svg {
        plot::write(folder, &rows)?;
    }
    verdicts::print(&rows);
    Ok(())
}
