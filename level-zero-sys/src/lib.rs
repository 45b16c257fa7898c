//! The Level Zero API of Intel GPUs: types, constants, and a table of its calls that is loaded at
//! run time.
//!
//! ```no_run
//! use level_zero_sys as sys;
//!
//! // SAFETY: the library of this name is the Level Zero loader.
//! let library = unsafe { sys::Library::system() }?;
//! // SAFETY: zeInit takes flags only.
//! let result = unsafe { (library.api().zeInit)(sys::ZE_INIT_FLAG_GPU_ONLY) };
//! assert_eq!(result, sys::ZE_RESULT_SUCCESS);
//! # Ok::<(), sys::LoadError>(())
//! ```
//!
//! Nothing is linked: a program that uses this crate builds and starts on a machine without a
//! loader, and gets a [`LoadError`] that names what is missing. Enumerations of C are integer
//! newtypes with constants, since drivers return values outside the lists; flags are `u32`.
//!
//! The types of the [Level Zero specification](https://oneapi-src.github.io/level-zero-spec/) 1.4
//! are generated from the headers of Debian's `libze-dev` and compared with what the C compiler
//! makes of them in the tests; the calls that came later are in [`ext`].
#![allow(clippy::module_name_repetitions)]

mod api;
#[allow(
    missing_docs,
    missing_debug_implementations,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unused_qualifications,
    unreachable_pub,
    unnameable_types,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = "generated from the C headers, whose names and comments are documented there"
)]
mod bindings;
#[allow(non_camel_case_types, non_snake_case, reason = "names of the C API")]
pub mod ext;
mod load;

pub use api::{Api, FunctionPointer, Required};
pub use bindings::*;
pub use ext::*;
pub use load::{Library, LoadError, system_loader};
