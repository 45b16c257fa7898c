//! The kinds of errors.

use core::fmt;

/// The kinds of [`Error`](crate::Error): those of AML's `area_ze`, with its names beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The device or driver failed or is missing (`AML_FAILURE`).
    Failure,
    /// The request makes no sense (`AML_EINVAL`).
    InvalidArgument,
    /// The request is beyond what the driver or device can do (`AML_ENOTSUP`).
    NotSupported,
    /// No memory is left (`AML_ENOMEM`).
    OutOfMemory,
    /// Regions overlap (`AML_EDOM`).
    Domain,
    /// Something is still in use, or not ready (`AML_EBUSY`).
    Busy,
    /// The caller may not do this (`AML_EPERM`).
    PermissionDenied,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Failure => "failure",
            Self::InvalidArgument => "invalid argument",
            Self::NotSupported => "not supported",
            Self::OutOfMemory => "out of memory",
            Self::Domain => "overlapping regions",
            Self::Busy => "busy",
            Self::PermissionDenied => "permission denied",
        })
    }
}
