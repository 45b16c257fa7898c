//! What every call of the driver has in common: its result, lists of unknown length, names.

use crate::error::{Error, Result, ResultCode};
use core::ffi::c_char;
use level_zero_sys as sys;

/// More entries than any machine has; a driver that reports more is not believed.
const ABSURD_COUNT: u32 = 65_536;

/// The result of the C call of that name.
#[inline]
pub(crate) fn check(call: &'static str, result: sys::ze_result_t) -> Result<()> {
    if result == sys::ZE_RESULT_SUCCESS {
        Ok(())
    } else {
        Err(failed(call, result))
    }
}

#[cold]
pub(crate) fn failed(call: &'static str, result: sys::ze_result_t) -> Error {
    Error::Call {
        call,
        code: ResultCode::from(result),
    }
}

/// A list that a call of the driver fills: asked for its length first, then filled.
///
/// `fill` gets the count and either null or room for as many entries as the count says. Drivers do
/// not correct a count that is too large, so the length is always asked for, and the shorter of
/// what the two calls say is taken.
pub(crate) fn list<T: Clone>(
    call: &'static str,
    empty: &T,
    mut fill: impl FnMut(&mut u32, *mut T) -> sys::ze_result_t,
) -> Result<Vec<T>> {
    let mut count = 0;
    check(call, fill(&mut count, core::ptr::null_mut()))?;
    if count > ABSURD_COUNT {
        return Err(Error::DriverFault {
            call,
            what: format!("reported {count} entries"),
        });
    }
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut entries = vec![empty.clone(); count as usize];
    let mut filled = count;
    check(call, fill(&mut filled, entries.as_mut_ptr()))?;
    entries.truncate(filled.min(count) as usize);
    Ok(entries)
}

/// A name as drivers write it: up to the first nul, or all of it where there is none.
pub(crate) fn name(chars: &[c_char]) -> String {
    let bytes: Vec<u8> = chars
        .iter()
        .map(|&c| c.to_ne_bytes()[0])
        .take_while(|&byte| byte != 0)
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_the_driver_raises_in_the_second_call_is_not_believed() {
        let mut calls = 0;
        let entries = list("zeDeviceGet", &0_u8, |count, entries| {
            calls += 1;
            *count = if entries.is_null() { 2 } else { 9 };
            sys::ZE_RESULT_SUCCESS
        });
        assert_eq!(entries.unwrap().len(), 2);
        assert_eq!(calls, 2);
    }

    #[test]
    fn an_absurd_count_is_a_fault_of_the_driver() {
        let entries = list("zeDeviceGet", &0_u8, |count, _| {
            *count = u32::MAX;
            sys::ZE_RESULT_SUCCESS
        });
        assert!(matches!(
            entries,
            Err(Error::DriverFault {
                call: "zeDeviceGet",
                ..
            })
        ));
    }

    #[test]
    fn a_name_without_a_nul_ends_with_the_array() {
        assert_eq!(name(&[b'g'.cast_signed(), b'p'.cast_signed()]), "gp");
        assert_eq!(name(&[b'g'.cast_signed(), 0, b'p'.cast_signed()]), "g");
    }
}
