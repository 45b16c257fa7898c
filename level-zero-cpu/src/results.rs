//! The names of result codes.

use level_zero_sys::{self as sys, ze_result_t};
use std::fmt;

macro_rules! names {
    ($($name:ident)*) => {
        const NAMES: &[(&str, ze_result_t)] = &[$((stringify!($name), sys::$name),)*];
    };
}

names! {
    ZE_RESULT_SUCCESS
    ZE_RESULT_NOT_READY
    ZE_RESULT_ERROR_DEVICE_LOST
    ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY
    ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY
    ZE_RESULT_ERROR_MODULE_BUILD_FAILURE
    ZE_RESULT_ERROR_MODULE_LINK_FAILURE
    ZE_RESULT_ERROR_DEVICE_REQUIRES_RESET
    ZE_RESULT_ERROR_DEVICE_IN_LOW_POWER_STATE
    ZE_RESULT_ERROR_INSUFFICIENT_PERMISSIONS
    ZE_RESULT_ERROR_NOT_AVAILABLE
    ZE_RESULT_ERROR_DEPENDENCY_UNAVAILABLE
    ZE_RESULT_WARNING_DROPPED_DATA
    ZE_RESULT_ERROR_UNINITIALIZED
    ZE_RESULT_ERROR_UNSUPPORTED_VERSION
    ZE_RESULT_ERROR_UNSUPPORTED_FEATURE
    ZE_RESULT_ERROR_INVALID_ARGUMENT
    ZE_RESULT_ERROR_INVALID_NULL_HANDLE
    ZE_RESULT_ERROR_HANDLE_OBJECT_IN_USE
    ZE_RESULT_ERROR_INVALID_NULL_POINTER
    ZE_RESULT_ERROR_INVALID_SIZE
    ZE_RESULT_ERROR_UNSUPPORTED_SIZE
    ZE_RESULT_ERROR_UNSUPPORTED_ALIGNMENT
    ZE_RESULT_ERROR_INVALID_SYNCHRONIZATION_OBJECT
    ZE_RESULT_ERROR_INVALID_ENUMERATION
    ZE_RESULT_ERROR_UNSUPPORTED_ENUMERATION
    ZE_RESULT_ERROR_UNSUPPORTED_IMAGE_FORMAT
    ZE_RESULT_ERROR_INVALID_NATIVE_BINARY
    ZE_RESULT_ERROR_INVALID_GLOBAL_NAME
    ZE_RESULT_ERROR_INVALID_KERNEL_NAME
    ZE_RESULT_ERROR_INVALID_FUNCTION_NAME
    ZE_RESULT_ERROR_INVALID_GROUP_SIZE_DIMENSION
    ZE_RESULT_ERROR_INVALID_GLOBAL_WIDTH_DIMENSION
    ZE_RESULT_ERROR_INVALID_KERNEL_ARGUMENT_INDEX
    ZE_RESULT_ERROR_INVALID_KERNEL_ARGUMENT_SIZE
    ZE_RESULT_ERROR_INVALID_KERNEL_ATTRIBUTE_VALUE
    ZE_RESULT_ERROR_INVALID_MODULE_UNLINKED
    ZE_RESULT_ERROR_INVALID_COMMAND_LIST_TYPE
    ZE_RESULT_ERROR_OVERLAPPING_REGIONS
    ZE_RESULT_WARNING_ACTION_REQUIRED
    ZE_RESULT_ERROR_ADDRESS_NOT_FOUND
    ZE_RESULT_ERROR_UNKNOWN
}

/// Without what all names start with, and without what most go on with.
fn short(name: &str) -> &str {
    let name = name.strip_prefix("ZE_RESULT_").unwrap_or(name);
    name.strip_prefix("ERROR_").unwrap_or(name)
}

/// A code as people read it: its short name, or its number.
pub(crate) struct Named(pub(crate) ze_result_t);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, code)| *code == self.0) {
            Some((name, _)) => f.write_str(short(name)),
            None => write!(f, "{:#x}", self.0.0),
        }
    }
}

/// The code that a name, short or whole, or a number in hexadecimal says.
pub(crate) fn parse(text: &str) -> Option<ze_result_t> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        // `from_str_radix` alone would take a leading plus.
        let hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = u32::from_str_radix(digits, 16).ok();
        return number.filter(|_| hexadecimal).map(sys::_ze_result_t);
    }
    let found = NAMES.iter().find(|(name, _)| short(name) == short(text));
    found.map(|(_, code)| *code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_read_and_written() {
        for (name, code) in NAMES {
            assert_eq!(parse(name), Some(*code));
            assert_eq!(parse(short(name)), Some(*code));
            assert_eq!(Named(*code).to_string(), short(name));
        }
        let raw = sys::_ze_result_t(0x1234_abcd);
        assert_eq!(parse("0x1234abcd"), Some(raw));
        assert_eq!(Named(raw).to_string(), "0x1234abcd");
        for bad in ["", "LOST", "device_lost", "12", "0x", "0x+1", "0x123456789"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
