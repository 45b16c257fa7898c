//! Waiting until a list is done: what ends the borrows of asynchronous work.
//!
//! Memory that was lent to the device may be touched or freed again once nothing on the list uses
//! it. So a failed wait is no answer: it is tried again, in other ways too, and where the driver
//! cannot say at all, the process ends.

use crate::error::{Error, Result};
use crate::raw::event::Event;
use crate::raw::exit;
use crate::raw::list::CommandList;
use level_zero_sys as sys;
use std::io::Write as _;
use std::time::Duration;

/// How often a call that fails is tried before another way is.
const ATTEMPTS: u32 = 3;

/// How often a driver that cannot wait is asked.
const POLL: Duration = Duration::from_micros(200);

/// The process is ending, and the driver can no longer be asked: what was lent must stay so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exiting;

/// What a failed call means for a wait.
pub(crate) enum Failure {
    /// Nothing runs on the device any more.
    Lost(Error),
    Exiting,
    Other(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        const LOST: [sys::ze_result_t; 2] = [
            sys::ZE_RESULT_ERROR_DEVICE_LOST,
            sys::ZE_RESULT_ERROR_DEVICE_REQUIRES_RESET,
        ];
        match &error {
            Error::Exiting { .. } => Self::Exiting,
            Error::Call { code, .. } if LOST.iter().any(|lost| lost.0 == code.as_raw()) => {
                Self::Lost(error)
            }
            _ => Self::Other(error),
        }
    }
}

/// Waits until everything that was appended to `list` is done. When it returns a result it is,
/// whether that is an error or not: the error is that of the first call that failed on the way.
///
/// The event must not be signalled nor in use; it is signalled afterwards where the result is `Ok`,
/// and in no use.
pub(crate) fn quiesce(list: &CommandList, event: &Event) -> Result<Result<()>, Exiting> {
    let mut first = None;
    let mut marked = false;
    for _ in 0..ATTEMPTS {
        match list.lock().barrier(Some(event.handle()), &[]) {
            Ok(()) => {
                marked = true;
                break;
            }
            Err(error) => match Failure::from(error) {
                Failure::Lost(error) => return Ok(Err(first.unwrap_or(error))),
                Failure::Exiting => return Err(Exiting),
                Failure::Other(error) => first = first.or(Some(error)),
            },
        }
    }
    let waited = if marked {
        signalled(event)?
    } else {
        match list.synchronize().map_err(Failure::from) {
            Ok(()) => Ok(()),
            Err(Failure::Lost(error)) => Err(error),
            Err(Failure::Exiting) => return Err(Exiting),
            Err(Failure::Other(error)) => give_up(first.as_ref().unwrap_or(&error)),
        }
    };
    Ok(first.map_or(waited, Err))
}

/// Waits until `event`, which a list will signal, is signalled, as [`quiesce`] does.
pub(crate) fn signalled(event: &Event) -> Result<Result<()>, Exiting> {
    let mut first = None;
    for _ in 0..ATTEMPTS {
        match event.wait().map_err(Failure::from) {
            Ok(()) => return Ok(first.map_or(Ok(()), Err)),
            Err(Failure::Lost(error)) => return Ok(Err(first.unwrap_or(error))),
            Err(Failure::Exiting) => return Err(Exiting),
            Err(Failure::Other(error)) => first = first.or(Some(error)),
        }
    }
    loop {
        match event.is_signalled().map_err(Failure::from) {
            Ok(true) => return Ok(first.map_or(Ok(()), Err)),
            Ok(false) => std::thread::sleep(POLL),
            Err(Failure::Lost(error)) => return Ok(Err(first.unwrap_or(error))),
            Err(Failure::Exiting) => return Err(Exiting),
            Err(Failure::Other(error)) => give_up(first.as_ref().unwrap_or(&error)),
        }
    }
}

/// Ends the process: memory that the device may still write to would be given back otherwise.
#[cold]
fn give_up(error: &Error) -> ! {
    /// Ends the process also where the log panics on the way.
    struct Abort;

    impl Drop for Abort {
        fn drop(&mut self) {
            std::process::abort()
        }
    }

    let _abort = Abort;
    tracing::error!(%error, "the driver cannot say whether the device is done");
    // Not `eprintln`, which panics where nobody listens.
    let _ = writeln!(
        std::io::stderr(),
        "ze-area: the driver cannot say whether the device is done with memory that was lent to it \
         ({error}); ending the process, since going on would corrupt memory"
    );
    std::process::abort()
}

/// Stops this thread for good: the process is ending, and what was lent must stay so until then.
///
/// The thread that ends the process comes here only from a handler of `exit` that waits for what was
/// started earlier: the scopes that it had open are below `exit` on its stack. It aborts, since the end
/// would wait for itself.
#[cold]
pub(crate) fn halt() -> ! {
    if exit::ends_here() {
        let _ = writeln!(
            std::io::stderr(),
            "ze-area: a handler of `exit` waits for the device after the driver's end has begun; wait \
             before, or drop the operation"
        );
        std::process::abort();
    }
    loop {
        std::thread::park();
    }
}
