//! Calls that are not there yet: `INVALID_NULL_HANDLE` for a null handle, else
//! `UNSUPPORTED_FEATURE`. They are counted and can be made to fail as any other.
#![allow(unsafe_code, reason = "calls of the C interface")]

use level_zero_sys::{self as sys, ze_result_t};

use crate::entry::{on_instance, refused};
use crate::faults::Call;
use crate::fork;
use crate::registry;

/// A function pointer whose first argument is a handle, with a stub for the call of that index.
pub(crate) trait Stub<const CALL: usize> {
    const STUB: Self;
}

fn unsupported<const CALL: usize>(handle: usize) -> ze_result_t {
    let call = const { Call::from_index(CALL) };
    if fork::is_child() {
        return sys::ZE_RESULT_ERROR_DEVICE_LOST;
    }
    if handle == 0 {
        return refused(call.name(), sys::ZE_RESULT_ERROR_INVALID_NULL_HANDLE);
    }
    let Some(inner) = registry::instance(handle) else {
        return refused(call.name(), sys::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE);
    };
    on_instance(call, &inner, || {
        Err(sys::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE)
    })
}

macro_rules! stubs {
    ($($arguments:ident)*) => {
        impl<const CALL: usize, H, $($arguments),*> Stub<CALL>
            for unsafe extern "C" fn(*mut H, $($arguments),*) -> ze_result_t
        {
            const STUB: Self = {
                #[allow(clippy::too_many_arguments, reason = "as many as in C")]
                unsafe extern "C" fn stub<const CALL: usize, H, $($arguments),*>(
                    handle: *mut H,
                    $(_: $arguments,)*
                ) -> ze_result_t {
                    unsupported::<CALL>(handle.addr())
                }
                stub::<CALL, H, $($arguments),*>
            };
        }
    };
}

stubs!();
stubs!(A);
stubs!(A B);
stubs!(A B C);
stubs!(A B C D);
stubs!(A B C D E);
stubs!(A B C D E F);
stubs!(A B C D E F G);
stubs!(A B C D E F G I);

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::{Config, Instance};

    #[test]
    fn a_child_looks_nothing_up() {
        // Kept, for a child knows that it is one where there is an instance.
        let _instance = Instance::new(Config::new()).unwrap();
        assert_eq!(
            unsupported::<0>(0),
            sys::ZE_RESULT_ERROR_INVALID_NULL_HANDLE
        );
        if cfg!(tsan) {
            return;
        }
        // SAFETY: the child makes one call, which takes no lock, and ends.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let lost = unsupported::<0>(0) == sys::ZE_RESULT_ERROR_DEVICE_LOST;
            // SAFETY: ends the process.
            unsafe { libc::_exit(i32::from(!lost)) };
        }
        let mut status = 1;
        // SAFETY: room for the status.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
    }
}
