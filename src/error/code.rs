//! What calls of the driver return.

use super::ErrorKind;
use core::fmt;
use level_zero_sys as sys;

/// What a call of the driver returned: a `ze_result_t`, also one that the specification does not
/// list.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "ze_result_t")]
pub struct ResultCode(u32);

macro_rules! result_codes {
    ($($name:ident => $kind:ident,)*) => {
        impl ResultCode {
            /// The name of the code in the specification, `None` for one that it does not list.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                $(if self.0 == sys::$name.0 {
                    return Some(stringify!($name));
                })*
                None
            }

            /// The kind of error that the code stands for. A code that the specification does not
            /// list is [`ErrorKind::Failure`].
            #[must_use]
            pub fn kind(self) -> ErrorKind {
                $(if self.0 == sys::$name.0 {
                    return ErrorKind::$kind;
                })*
                ErrorKind::Failure
            }

            /// All codes that the specification lists.
            #[cfg(test)]
            pub(crate) const LISTED: &'static [(&'static str, u32)] =
                &[$((stringify!($name), sys::$name.0),)*];
        }
    };
}

// The kinds are those of AML's code, but for UNINITIALIZED, where its documentation says FAILURE
// and its code EINVAL: the documented one holds.
result_codes! {
    ZE_RESULT_SUCCESS => Failure,
    ZE_RESULT_NOT_READY => Busy,
    ZE_RESULT_ERROR_DEVICE_LOST => Failure,
    ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY => OutOfMemory,
    ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY => OutOfMemory,
    ZE_RESULT_ERROR_MODULE_BUILD_FAILURE => Failure,
    ZE_RESULT_ERROR_MODULE_LINK_FAILURE => Failure,
    ZE_RESULT_ERROR_DEVICE_REQUIRES_RESET => Failure,
    ZE_RESULT_ERROR_DEVICE_IN_LOW_POWER_STATE => Failure,
    ZE_RESULT_ERROR_INSUFFICIENT_PERMISSIONS => PermissionDenied,
    ZE_RESULT_ERROR_NOT_AVAILABLE => Busy,
    ZE_RESULT_ERROR_DEPENDENCY_UNAVAILABLE => InvalidArgument,
    ZE_RESULT_WARNING_DROPPED_DATA => Failure,
    ZE_RESULT_ERROR_UNINITIALIZED => Failure,
    ZE_RESULT_ERROR_UNSUPPORTED_VERSION => NotSupported,
    ZE_RESULT_ERROR_UNSUPPORTED_FEATURE => NotSupported,
    ZE_RESULT_ERROR_INVALID_ARGUMENT => InvalidArgument,
    ZE_RESULT_ERROR_INVALID_NULL_HANDLE => InvalidArgument,
    ZE_RESULT_ERROR_HANDLE_OBJECT_IN_USE => Busy,
    ZE_RESULT_ERROR_INVALID_NULL_POINTER => InvalidArgument,
    ZE_RESULT_ERROR_INVALID_SIZE => InvalidArgument,
    ZE_RESULT_ERROR_UNSUPPORTED_SIZE => NotSupported,
    ZE_RESULT_ERROR_UNSUPPORTED_ALIGNMENT => NotSupported,
    ZE_RESULT_ERROR_INVALID_SYNCHRONIZATION_OBJECT => InvalidArgument,
    ZE_RESULT_ERROR_INVALID_ENUMERATION => InvalidArgument,
    ZE_RESULT_ERROR_UNSUPPORTED_ENUMERATION => NotSupported,
    ZE_RESULT_ERROR_UNSUPPORTED_IMAGE_FORMAT => NotSupported,
    ZE_RESULT_ERROR_INVALID_NATIVE_BINARY => InvalidArgument,
    ZE_RESULT_ERROR_INVALID_GLOBAL_NAME => InvalidArgument,
    ZE_RESULT_ERROR_INVALID_KERNEL_NAME => InvalidArgument,
    ZE_RESULT_ERROR_INVALID_FUNCTION_NAME => InvalidArgument,
    ZE_RESULT_ERROR_INVALID_GROUP_SIZE_DIMENSION => InvalidArgument,
    ZE_RESULT_ERROR_INVALID_GLOBAL_WIDTH_DIMENSION => InvalidArgument,
    ZE_RESULT_ERROR_INVALID_KERNEL_ARGUMENT_INDEX => InvalidArgument,
    ZE_RESULT_ERROR_INVALID_KERNEL_ARGUMENT_SIZE => InvalidArgument,
    ZE_RESULT_ERROR_INVALID_KERNEL_ATTRIBUTE_VALUE => InvalidArgument,
    ZE_RESULT_ERROR_INVALID_MODULE_UNLINKED => InvalidArgument,
    ZE_RESULT_ERROR_INVALID_COMMAND_LIST_TYPE => InvalidArgument,
    ZE_RESULT_ERROR_OVERLAPPING_REGIONS => Domain,
    ZE_RESULT_WARNING_ACTION_REQUIRED => Failure,
    ZE_RESULT_ERROR_ADDRESS_NOT_FOUND => InvalidArgument,
    ZE_RESULT_ERROR_UNKNOWN => Failure,
}

impl ResultCode {
    /// The code of that number.
    #[must_use]
    pub const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// The number.
    #[must_use]
    pub const fn as_raw(self) -> u32 {
        self.0
    }

    /// What a user can do about it, to stand behind the code in a message.
    pub(super) fn advice(self) -> &'static str {
        match sys::_ze_result_t(self.0) {
            sys::ZE_RESULT_ERROR_UNINITIALIZED => {
                ": the driver found no device that it can use, or may not open it (on Linux: is \
                 the user in the group `render`?)"
            }
            sys::ZE_RESULT_ERROR_DEVICE_LOST => {
                ": the device hung, was reset or removed; make a new context"
            }
            sys::ZE_RESULT_ERROR_INSUFFICIENT_PERMISSIONS => {
                ": the process may not use the device (on Linux: is the user in the group \
                 `render`?)"
            }
            sys::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE => ": this driver does not have it",
            _ => "",
        }
    }
}

impl fmt::Debug for ResultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ResultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({:#x})", self.0),
            None => write!(
                f,
                "{:#x}, a code that the specification does not list",
                self.0
            ),
        }
    }
}

impl From<sys::ze_result_t> for ResultCode {
    fn from(result: sys::ze_result_t) -> Self {
        Self(result.0)
    }
}
