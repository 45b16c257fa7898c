//! The log of calls: a line a call, on standard error or in a file.

use level_zero_sys::ze_result_t;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
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
            LogTo::File(path) => Some(open(path).map_err(|error| {
                let text = format!("the log of calls {}: {error}", path.display());
                io::Error::new(error.kind(), text)
            })?),
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

/// Opens a file to be appended to. A pipe that nobody reads is an error, rather than that `zeInit`
/// waits for a reader.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "changes the flags of a descriptor")]
fn open(path: &Path) -> io::Result<File> {
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::OpenOptionsExt;

    let mut options = File::options();
    let file = options
        .create(true)
        .append(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    // A reader that is slow then loses no lines.
    // SAFETY: a descriptor of this process.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, libc::O_APPEND) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(file)
}

#[cfg(not(target_os = "linux"))]
fn open(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(unsafe_code, reason = "makes a pipe")]

    use super::*;
    use std::io::Read as _;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn a_pipe_that_nobody_reads_is_an_error() {
        let path = std::env::temp_dir().join(format!("level-zero-cpu-{}", std::process::id()));
        let name = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
        // SAFETY: a string that ends with zero.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        let to = LogTo::File(path.clone());
        assert!(Writer::open(&to).is_err());
        // A pipe for both ends is opened without waiting.
        let mut reader = File::options().read(true).write(true).open(&path).unwrap();
        let writer = Writer::open(&to).unwrap();
        std::fs::remove_file(&path).unwrap();
        writer.line("zeInit", level_zero_sys::ZE_RESULT_SUCCESS);
        let mut text = [0; 200];
        let len = reader.read(&mut text).unwrap();
        assert!(text[..len].ends_with(b" zeInit SUCCESS\n"));
    }
}
