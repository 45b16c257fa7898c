//! The conformance suite: one set of promises, kept on every driver that is present.
//!
//! Trials are named `<driver>::<promise>`. Intel's driver reads its environment once, so each of
//! its trials runs in a process of its own: this program, started again. Without hardware that
//! driver executes few kinds of work; what could not be checked for that reason is printed at the
//! end, as is every driver that is not here. `ZE_AREA_REQUIRE`, a list of `intel`, `cpu`, `loader`
//! and `gpu` with commas between, makes an absent one a failure.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy.toml allows them in tests, and these have no `#[test]`"
)]

#[path = "conformance/alignment.rs"]
mod alignment;
#[path = "conformance/aml.rs"]
mod aml;
#[path = "conformance/atomics.rs"]
mod atomics;
#[path = "conformance/awaiting.rs"]
mod awaiting;
#[path = "conformance/contents.rs"]
mod contents;
#[path = "conformance/copies.rs"]
mod copies;
#[path = "conformance/devices.rs"]
mod devices;
#[path = "conformance/drivers.rs"]
mod drivers;
#[path = "conformance/errors.rs"]
mod errors;
#[path = "conformance/exit.rs"]
mod exit;
#[path = "conformance/finding.rs"]
mod finding;
#[path = "conformance/gate.rs"]
mod gate;
#[path = "conformance/grids.rs"]
mod grids;
#[path = "conformance/interop.rs"]
mod interop;
#[path = "conformance/kernels.rs"]
mod kernels;
#[path = "conformance/lifetimes.rs"]
mod lifetimes;
#[path = "conformance/limits.rs"]
mod limits;
#[path = "conformance/memory_errors.rs"]
mod memory_errors;
#[path = "conformance/modules.rs"]
mod modules;
#[path = "conformance/pending.rs"]
mod pending;
#[path = "conformance/pools.rs"]
mod pools;
#[path = "conformance/pools_kept.rs"]
mod pools_kept;
#[path = "conformance/pools_lives.rs"]
mod pools_lives;
#[path = "conformance/pools_settings.rs"]
mod pools_settings;
#[path = "conformance/process.rs"]
mod process;
#[path = "conformance/queries.rs"]
mod queries;
#[path = "conformance/queues.rs"]
mod queues;
#[path = "conformance/raw_queues.rs"]
mod raw_queues;
#[path = "conformance/regions.rs"]
mod regions;
#[path = "conformance/scope_launches.rs"]
mod scope_launches;
#[path = "conformance/scopes.rs"]
mod scopes;
#[path = "conformance/scopes_limits.rs"]
mod scopes_limits;
#[path = "conformance/sizes.rs"]
mod sizes;
#[path = "conformance/spy.rs"]
mod spy;
#[path = "conformance/started_fills.rs"]
mod started_fills;

use drivers::{Config, Subject};
use libtest_mimic::{Arguments, Failed, Trial};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Something that the library promises, and the function that sees to it.
#[derive(Clone, Copy)]
struct Promise {
    name: &'static str,
    check: fn(&Subject),
}

/// A part of a promise that needs a process of its own, on every driver.
#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    run: fn(&'static Config),
}

macro_rules! promises {
    ($($name:ident,)*) => {
        pub(crate) const PROMISES: &[crate::Promise] =
            &[$(crate::Promise { name: stringify!($name), check: $name },)*];
    };
}
pub(crate) use promises;

macro_rules! scenarios {
    ($($name:ident,)*) => {
        pub(crate) const SCENARIOS: &[crate::Scenario] =
            &[$(crate::Scenario { name: stringify!($name), run: $name },)*];
    };
}
pub(crate) use scenarios;

/// Runs the block once for an area of each placement.
macro_rules! in_each_placement {
    ($context:expr, $device:expr, |$area:ident| $body:block) => {{
        {
            let $area = $context.device_area($device);
            $body
        }
        {
            let $area = $context.device_area($device).shared();
            $body
        }
        {
            let $area = $context.host_area();
            $body
        }
    }};
}
pub(crate) use in_each_placement;

fn all_promises() -> impl Iterator<Item = Promise> {
    [
        aml::PROMISES,
        errors::PROMISES,
        memory_errors::PROMISES,
        limits::PROMISES,
        finding::PROMISES,
        alignment::PROMISES,
        sizes::PROMISES,
        contents::PROMISES,
        copies::PROMISES,
        scopes::PROMISES,
        scopes_limits::PROMISES,
        queries::PROMISES,
        lifetimes::PROMISES,
        exit::PROMISES,
        devices::PROMISES,
        atomics::PROMISES,
        interop::PROMISES,
        queues::PROMISES,
        raw_queues::PROMISES,
        started_fills::PROMISES,
        regions::PROMISES,
        modules::PROMISES,
        kernels::PROMISES,
        grids::PROMISES,
        scope_launches::PROMISES,
        pending::PROMISES,
        awaiting::PROMISES,
        pools::PROMISES,
        pools_kept::PROMISES,
        pools_lives::PROMISES,
        pools_settings::PROMISES,
    ]
    .into_iter()
    .flatten()
    .copied()
}

fn all_scenarios() -> impl Iterator<Item = Scenario> {
    [
        drivers::SCENARIOS,
        finding::SCENARIOS,
        exit::SCENARIOS,
        pools_lives::SCENARIOS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// What trials left out, and how many did.
static NOTES: Mutex<BTreeMap<(&'static str, String), usize>> = Mutex::new(BTreeMap::new());

fn note(config: &'static Config, notes: impl IntoIterator<Item = String>) {
    let mut all = NOTES.lock().unwrap_or_else(PoisonError::into_inner);
    for note in notes {
        *all.entry((config.name, note)).or_default() += 1;
    }
}

fn run(config: &'static Config, promise: Promise) -> Result<(), Failed> {
    let notes = if config.in_process {
        let subject = config.open()?;
        (promise.check)(&subject);
        subject.finish().into_iter().collect()
    } else {
        process::promise(config, promise.name)?
    };
    note(config, notes);
    Ok(())
}

fn main() {
    if process::is_child() {
        return process::child();
    }
    let arguments = Arguments::from_args();
    let required = drivers::required();
    let mut trials = Vec::new();
    for config in drivers::CONFIGS {
        let here = config.probe();
        if let Err(why) = &here {
            println!("skipped: {}: {why}", config.name);
            if required.contains(&config.group) {
                let text = format!("{why}; {}", config.install);
                trials.push(Trial::test(
                    format!("{}::is_present", config.name),
                    move || Err(Failed::from(text)),
                ));
            } else if config.optional {
                continue;
            }
        }
        for promise in all_promises() {
            let name = format!("{}::{}", config.name, promise.name);
            let trial = Trial::test(name, move || run(config, promise));
            trials.push(trial.with_ignored_flag(here.is_err()));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    let notes = NOTES.lock().unwrap_or_else(PoisonError::into_inner);
    for ((config, note), trials) in notes.iter() {
        println!("{config}: {note} ({trials} trials)");
    }
    drop(notes);
    conclusion.exit();
}
