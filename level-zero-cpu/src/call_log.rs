//! The log of calls: a line a call, on standard error or in a file.

use level_zero_sys::ze_result_t;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Instant;

use crate::results::Named;

/// Where a log of calls goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogTo {
    /// Standard error.
    Stderr,
    /// The end of a file, which is made where there is none.
    File(PathBuf),
}

/// Writes lines: microseconds since it was made, the thread, the call, the result.
pub(crate) struct Writer {
    start: Instant,
    file: Option<File>,
}

impl Writer {
    pub(crate) fn open(to: &LogTo) -> io::Result<Self> {
        let file = match to {
            LogTo::Stderr => None,
            LogTo::File(path) => {
                let file = File::options().create(true).append(true).open(path);
                Some(file.map_err(|error| {
                    let text = format!("the log of calls {}: {error}", path.display());
                    io::Error::new(error.kind(), text)
                })?)
            }
        };
        Ok(Self {
            start: Instant::now(),
            file,
        })
    }

    /// A line is one write, so that those of threads and processes stay whole. One that cannot be
    /// written is lost: the call that it is of has done its work.
    pub(crate) fn line(&self, call: &str, result: ze_result_t) {
        let time = self.start.elapsed().as_micros();
        let line = format!("{time} {} {call} {}\n", thread(), Named(result));
        let _ = match &self.file {
            Some(file) => (&*file).write_all(line.as_bytes()),
            None => io::stderr().write_all(line.as_bytes()),
        };
    }
}

/// The number that the system gives to this thread.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "a call into C")]
fn thread() -> i32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::gettid() }
}

#[cfg(not(target_os = "linux"))]
fn thread() -> u32 {
    std::process::id()
}
