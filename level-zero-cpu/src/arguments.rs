//! The arguments of a C call: null checks, descriptors, chains of extension structures, arrays
//! that are counted first and filled then.
#![allow(
    unsafe_code,
    reason = "this is where pointers of callers are read and written"
)]

use level_zero_sys::{self as sys, ze_result_t, ze_structure_type_t};
use std::ffi::{CStr, c_char, c_void};

/// A result, or the code that the call returns.
pub(crate) type Outcome<T = ()> = Result<T, ze_result_t>;

/// Longer chains are taken for circular.
const MAX_CHAIN: usize = 32;

/// Refuses null.
pub(crate) fn not_null<T>(pointer: *const T) -> Outcome {
    if pointer.is_null() {
        Err(sys::ZE_RESULT_ERROR_INVALID_NULL_POINTER)
    } else {
        Ok(())
    }
}

/// Reads an argument; null is `INVALID_NULL_POINTER`.
///
/// # Safety
///
/// `pointer` is null or points to an initialised `T` that nothing changes meanwhile.
pub(crate) unsafe fn read<T: Copy>(pointer: *const T) -> Outcome<T> {
    not_null(pointer)?;
    // SAFETY:
    // - valid for reads and initialised: it is not null, and the caller says so
    // - alignment does not matter to an unaligned read
    // - `T: Copy`, so the duplicate is harmless
    Ok(unsafe { pointer.read_unaligned() })
}

/// Writes a result; null is `INVALID_NULL_POINTER`.
///
/// # Safety
///
/// `pointer` is null or points to room for a `T` that nothing else uses meanwhile.
pub(crate) unsafe fn write<T: Copy>(pointer: *mut T, value: T) -> Outcome {
    not_null(pointer)?;
    // SAFETY:
    // - valid for writes: it is not null, and the caller says so
    // - alignment does not matter to an unaligned write
    unsafe { pointer.write_unaligned(value) };
    Ok(())
}

/// Writes a result that the caller may not want.
///
/// # Safety
///
/// As for [`write`].
pub(crate) unsafe fn write_optional<T: Copy>(pointer: *mut T, value: T) {
    if !pointer.is_null() {
        // SAFETY: the caller keeps the promise of `write`.
        let _ = unsafe { write(pointer, value) };
    }
}

/// Checks the type of a structure and returns its `pNext`.
///
/// # Safety
///
/// `pointer` is null or points to a structure of the API that starts with `stype` and `pNext`,
/// both initialised.
pub(crate) unsafe fn header<T>(
    pointer: *const T,
    accepted: &[ze_structure_type_t],
) -> Outcome<sys::ze_base_desc_t> {
    // SAFETY: all structures of the API start as `ze_base_desc_t` does, and the caller says that
    // this is one, or null.
    let header = unsafe { read(pointer.cast::<sys::ze_base_desc_t>()) }?;
    if accepted.contains(&header.stype) {
        Ok(header)
    } else {
        Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)
    }
}

/// Reads a descriptor of the given type.
///
/// # Safety
///
/// `pointer` is null, or points to a `T` if its `stype` is `stype`, else at least to an
/// initialised `stype` and `pNext`.
pub(crate) unsafe fn descriptor<T: Copy>(
    pointer: *const T,
    stype: ze_structure_type_t,
) -> Outcome<T> {
    // SAFETY: the caller vouches for what `header` asks.
    unsafe { header(pointer, &[stype]) }?;
    // SAFETY: the type is the right one, so the caller vouches for all of `T`.
    unsafe { read(pointer) }
}

/// Calls `visit` with the type and the address of each structure of a chain.
///
/// # Safety
///
/// `first` is null or the first of a chain of initialised structures of the API.
pub(crate) unsafe fn walk(
    first: *const c_void,
    mut visit: impl FnMut(ze_structure_type_t, *const c_void) -> Outcome,
) -> Outcome {
    let mut next = first;
    for _ in 0..MAX_CHAIN {
        if next.is_null() {
            return Ok(());
        }
        // SAFETY: not null, so the caller says it is a structure of the API.
        let header = unsafe { read(next.cast::<sys::ze_base_desc_t>()) }?;
        visit(header.stype, next)?;
        next = header.pNext;
    }
    if next.is_null() {
        Ok(())
    } else {
        Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)
    }
}

/// Refuses any extension structure: a driver that ignored one would do less than it was asked.
pub(crate) fn no_extensions(next: *const c_void) -> Outcome {
    if next.is_null() {
        Ok(())
    } else {
        Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)
    }
}

/// Follows a chain below a query, where structures that are not known stay as they are: newer
/// loaders add theirs to the queries of every program.
///
/// # Safety
///
/// As for [`walk`].
pub(crate) unsafe fn ignore_extensions(next: *const c_void) -> Outcome {
    // SAFETY: as the caller says.
    unsafe { walk(next, |_, _| Ok(())) }
}

/// The rule of all arrays of the API: a count of 0 asks for the number, a larger count than there
/// are is corrected, a smaller one limits what `put` is called for.
///
/// # Safety
///
/// `count` is null or points to an initialised number.
pub(crate) unsafe fn counted(
    count: *mut u32,
    available: usize,
    wanted: bool,
    mut put: impl FnMut(usize) -> Outcome,
) -> Outcome {
    // SAFETY: as the caller says.
    let asked = unsafe { read(count) }?;
    let available_count = u32::try_from(available).unwrap_or(u32::MAX);
    if asked > 0 && wanted {
        for index in 0..available.min(asked as usize) {
            put(index)?;
        }
    }
    if asked == 0 || asked > available_count {
        // SAFETY: as the caller says.
        unsafe { write(count, available_count) }?;
    }
    Ok(())
}

/// Fills an array of handles, by the rule of [`counted`].
///
/// # Safety
///
/// `count` is null or points to an initialised number; `array` is null or has room for as many.
pub(crate) unsafe fn handles<T>(count: *mut u32, array: *mut *mut T, handles: &[usize]) -> Outcome {
    let put = |index: usize| {
        // SAFETY: `counted` stays below the count, for which the caller says there is room.
        let slot = unsafe { array.add(index) };
        // SAFETY: in the array, as above.
        unsafe { write(slot, std::ptr::without_provenance_mut(handles[index])) }
    };
    // SAFETY: as the caller says.
    unsafe { counted(count, handles.len(), !array.is_null(), put) }
}

/// A name as the API keeps it: bytes, then zeros.
pub(crate) fn name<const N: usize>(text: &str) -> [c_char; N] {
    let mut name = [0; N];
    for (slot, byte) in name.iter_mut().take(N.saturating_sub(1)).zip(text.bytes()) {
        *slot = c_char::from_ne_bytes([byte]);
    }
    name
}

/// Refuses flags outside `known`.
pub(crate) fn flags(flags: u32, known: u32) -> Outcome {
    if flags & !known == 0 {
        Ok(())
    } else {
        Err(sys::ZE_RESULT_ERROR_INVALID_ENUMERATION)
    }
}

/// A string of the caller, without the zero at its end; null is `INVALID_NULL_POINTER`.
///
/// # Safety
///
/// `pointer` is null or points to a string that ends with zero and that nothing changes meanwhile.
pub(crate) unsafe fn string(pointer: *const c_char) -> Outcome<Vec<u8>> {
    not_null(pointer)?;
    // SAFETY: not null, and the caller says the rest.
    Ok(unsafe { CStr::from_ptr(pointer) }.to_bytes().to_vec())
}

/// The rule of results of a length that the caller asks for first: without room, the length alone
/// is given; with less room than needed, too, and `INVALID_SIZE`; otherwise both.
///
/// # Safety
///
/// `size` is null or points to an initialised number; `room` is null or has room for as many bytes.
pub(crate) unsafe fn sized(size: *mut usize, room: *mut u8, bytes: &[u8]) -> Outcome {
    // SAFETY: as the caller says.
    let given = unsafe { read(size) }?;
    // SAFETY: as the caller says.
    unsafe { write(size, bytes.len()) }?;
    if room.is_null() {
        return Ok(());
    }
    if given < bytes.len() {
        return Err(sys::ZE_RESULT_ERROR_INVALID_SIZE);
    }
    // SAFETY:
    // - valid for writes: not null, and the caller says there is room for `given` bytes, which is
    //   not less
    // - the source is a slice, which new memory of the caller does not overlap
    unsafe { room.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    Ok(())
}
