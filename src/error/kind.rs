//! The kinds of errors, and which error is of which.

use super::{Error, ResultCode};
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
    /// No memory is left, or a limit on it is reached (`AML_ENOMEM`).
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

impl Error {
    /// The kind of error, as Argonne's AML sorts them.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Call { code, .. } | Self::BuildFailed { code, .. } => code.kind(),
            Self::OutOfMemory { .. } | Self::LimitReached { .. } => ErrorKind::OutOfMemory,
            Self::PoolInUse { .. } => ErrorKind::Busy,
            Self::NoDriver { .. }
            | Self::NoSuchDriver { .. }
            | Self::Load(_)
            | Self::CpuDriver(_)
            | Self::ModuleFile { .. }
            | Self::Exiting { .. }
            | Self::DriverFault { .. } => ErrorKind::Failure,
            Self::TooLarge { .. }
            | Self::UnsupportedSize { .. }
            | Self::FreePolicyUnsupported { .. }
            | Self::PoolFreePolicy { .. }
            | Self::TooMuchLocalMemory { .. }
            | Self::NoCompute { .. }
            | Self::MissingCall { .. }
            | Self::NoComputeQueue { .. } => ErrorKind::NotSupported,
            Self::BadSetting { .. }
            | Self::SizeOverflow { .. }
            | Self::BadPoolSetting { .. }
            | Self::BadAlignment { .. }
            | Self::BadOrdinal { .. }
            | Self::NoDevice { .. }
            | Self::DeviceNotInContext { .. }
            | Self::WrongContext { .. }
            | Self::SliceOfBuffer { .. }
            | Self::WrongDevice { .. }
            | Self::LengthMismatch { .. }
            | Self::OutOfBounds { .. }
            | Self::BadRegion { .. }
            | Self::BadQueueGroup { .. }
            | Self::BadQueueIndex { .. }
            | Self::InvalidSpirv { .. }
            | Self::BadOptions { .. }
            | Self::BadConstant { .. }
            | Self::NoKernel { .. }
            | Self::SignatureMismatch { .. }
            | Self::LaunchRefused { .. }
            | Self::BadGrid { .. }
            | Self::Cast { .. }
            | Self::NullHandle { .. }
            | Self::ForeignMemory { .. } => ErrorKind::InvalidArgument,
        }
    }

    /// The C call that failed, where one did.
    #[must_use]
    pub fn call(&self) -> Option<&'static str> {
        match self {
            Self::Call { call, .. }
            | Self::OutOfMemory { call, .. }
            | Self::UnsupportedSize { call, .. }
            | Self::MissingCall { call, .. }
            | Self::Exiting { call }
            | Self::DriverFault { call, .. } => Some(call),
            Self::FreePolicyUnsupported { .. } => Some("zeMemFreeExt"),
            Self::BuildFailed { .. } => Some("zeModuleCreate"),
            _ => None,
        }
    }

    /// What the C call returned, where one failed.
    #[must_use]
    pub fn code(&self) -> Option<ResultCode> {
        match self {
            Self::Call { code, .. }
            | Self::OutOfMemory { code, .. }
            | Self::UnsupportedSize { code, .. }
            | Self::BuildFailed { code, .. } => Some(*code),
            Self::FreePolicyUnsupported { code, .. } => *code,
            _ => None,
        }
    }
}
