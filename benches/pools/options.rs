//! The command line.

use crate::contender::Failure;
use crate::intel;
use std::path::PathBuf;
use std::time::Duration;

/// What is asked for.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Whether to measure at all: `cargo bench` says so.
    pub(crate) bench: bool,
    /// Whether to measure in about half a minute.
    pub(crate) quick: bool,
    /// `trace`: only the file of the trace is checked.
    pub(crate) trace: bool,
    /// `trace --write`: it is written.
    pub(crate) write: bool,
    /// Which patterns to measure; all where there is none.
    pub(crate) only: Vec<String>,
    /// Where to write all figures.
    pub(crate) csv: Option<PathBuf>,
    /// Which folder to write plots into.
    pub(crate) svg: Option<PathBuf>,
}

impl Options {
    pub(crate) fn parse() -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let missing = || format!("{argument} needs a value");
                arguments.next().ok_or_else(missing)
            };
            match argument.as_str() {
                "--bench" => options.bench = true,
                "--quick" => options.quick = true,
                "--write" => options.write = true,
                "trace" => options.trace = true,
                "--only" => options.only.push(value()?),
                "--csv" => options.csv = Some(path(&value()?)),
                "--svg" => options.svg = Some(path(&value()?)),
                other => {
                    return Err(format!(
                        "{other} is none of: --quick, --only PATTERN, --csv FILE, --svg FOLDER, \
                         trace, trace --write"
                    )
                    .into());
                }
            }
        }
        Ok(options)
    }

    /// How many rounds there are; odd, so that one is in the middle.
    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 5 } else { 11 }
    }

    /// How many there are at least, where the rounds of a contender take longer than [`Self::most`].
    pub(crate) fn least_rounds(&self) -> usize {
        3
    }

    /// How long the rounds of one contender may take in a row of the table.
    pub(crate) fn most(&self) -> Duration {
        Duration::from_millis(if self.quick { 100 } else { 1000 })
    }

    /// How long one contender is measured in a round, at least.
    pub(crate) fn round(&self) -> Duration {
        Duration::from_millis(if self.quick { 1 } else { 5 })
    }

    /// Whether that pattern is asked for.
    pub(crate) fn has(&self, pattern: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == pattern)
    }
}

/// A path, seen from the folder that the program was started in.
fn path(text: &str) -> PathBuf {
    match std::env::var_os(intel::FOLDER) {
        Some(folder) => PathBuf::from(folder).join(text),
        None => text.into(),
    }
}
