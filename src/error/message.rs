//! Parts of messages.

use super::{Holders, ResultCode};
use level_zero_sys as sys;

/// How many bytes of a request are there to align.
pub(super) fn to_align(padding: usize) -> String {
    if padding == 0 {
        return String::new();
    }
    format!(" ({padding} of them to align the buffer, which the driver does not)")
}

/// Who holds memory.
pub(super) fn held(holders: &Holders) -> String {
    if holders.is_empty() {
        return String::new();
    }
    format!(" ({holders})")
}

/// What there is instead of what was asked for.
pub(super) fn listed(names: impl Iterator<Item = String>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}

/// What to do about a driver without a compiler.
pub(super) fn without_compiler(code: ResultCode) -> &'static str {
    let code = sys::_ze_result_t(code.as_raw());
    if code == sys::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE
        || code == sys::ZE_RESULT_ERROR_DEPENDENCY_UNAVAILABLE
    {
        "; the driver has no compiler for kernels here: the CPU driver takes an OpenCL runtime for \
         processors, which `scripts/install-opencl-cpu` installs, Intel's driver the package \
         `libigc1`"
    } else {
        ""
    }
}
