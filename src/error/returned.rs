//! Errors that give back what was given.

use super::Error;
use core::fmt;

/// An error of a call that takes something by value, with what it took, unchanged: a buffer, both ends
/// of a copy, the arguments of a launch.
///
/// `?` turns it into a plain [`Error`] and drops what was given, which frees it.
#[derive(thiserror::Error)]
#[error("{error}")]
pub struct Returned<B> {
    /// What went wrong.
    #[source]
    pub error: Error,
    /// What was given: a buffer, or a tuple of ends or arguments.
    pub buffer: B,
}

/// The error of [`ZeBuffer::free`](crate::ZeBuffer::free), with the buffer that is still allocated.
pub type FreeError<B> = Returned<B>;

impl<B> fmt::Debug for Returned<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Returned")
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl<B> From<Returned<B>> for Error {
    fn from(returned: Returned<B>) -> Self {
        returned.error
    }
}
