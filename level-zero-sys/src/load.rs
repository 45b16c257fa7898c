//! Finding and opening the loader or a driver.

use crate::api::Api;
use crate::bindings::{ZE_API_VERSION_1_4, ZE_RESULT_SUCCESS, ze_api_version_t, ze_result_t};
use core::ffi::c_void;
use core::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

/// What kept a library from being loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The library was not found or could not be opened.
    #[error("cannot load the library {}: {}", path.display(), reason(source))]
    Library {
        /// The name or path that was asked for.
        path: PathBuf,
        /// What the system's dynamic linker says.
        source: libloading::Error,
    },
    /// The library has no such call, by name or in its dispatch tables.
    #[error(
        "{} has no {symbol}: it is no Level Zero loader or driver, or one older than version 1.0",
        path.display()
    )]
    Symbol {
        /// The library.
        path: PathBuf,
        /// The call that is missing.
        symbol: &'static str,
    },
}

/// What is behind an error, at the bottom: what the system says.
fn reason(error: &libloading::Error) -> String {
    let mut error: &dyn std::error::Error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// The name under which the machine's Level Zero loader is looked up.
#[must_use]
pub const fn system_loader() -> &'static str {
    if cfg!(windows) {
        "ze_loader.dll"
    } else {
        "libze_loader.so.1"
    }
}

/// A loaded loader or driver with its function table.
///
/// The library stays loaded to the end of the process, also when this value is dropped: drivers
/// install signal handlers and start threads whose code must not go away, and a second load of
/// the same library gives the same one.
#[derive(Debug)]
pub struct Library {
    api: Api,
    path: PathBuf,
}

impl Library {
    /// Loads the machine's Level Zero loader, [`system_loader`].
    ///
    /// # Errors
    ///
    /// [`LoadError`] names the library or the call that is missing.
    ///
    /// # Safety
    ///
    /// As of [`Library::open`], for the library that the dynamic linker finds under that name.
    pub unsafe fn system() -> Result<Self, LoadError> {
        // SAFETY: passed on to the caller.
        unsafe { Self::open(system_loader()) }
    }

    /// Loads the loader or driver at `path`; a bare file name is looked up as the dynamic linker
    /// does.
    ///
    /// # Errors
    ///
    /// [`LoadError`] names the library or the call that is missing.
    ///
    /// # Safety
    ///
    /// Loading runs the library's initialisers, and its functions are taken to have the types of
    /// the Level Zero API by their names: it must be a Level Zero loader or driver.
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let path = path.as_ref().to_path_buf();
        // SAFETY: the caller vouches for the initialisers.
        let library = match unsafe { libloading::Library::new(&path) } {
            Ok(library) => library,
            Err(source) => return Err(LoadError::Library { path, source }),
        };
        // Never unloaded, as the type's documentation says, nor where a call is missing: its
        // initialisers have run.
        let symbols = Symbols {
            library: ManuallyDrop::new(library),
            path,
        };
        // SAFETY: the caller vouches that it is a loader or driver.
        let api = unsafe { Api::from_symbols(&symbols) }?;
        Ok(Self {
            api,
            path: symbols.path,
        })
    }

    /// The function table.
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// The name or path under which the library was loaded.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A library while its table is filled.
pub(crate) struct Symbols {
    library: ManuallyDrop<libloading::Library>,
    path: PathBuf,
}

impl Symbols {
    /// The symbol `name`, `None` where there is none.
    ///
    /// # Safety
    ///
    /// `P` must be `Option` of the function pointer type that the symbol has.
    pub(crate) unsafe fn function<P: Copy>(&self, name: &'static str) -> P {
        const { assert!(size_of::<P>() == size_of::<*const c_void>()) };
        // SAFETY: the type asked for is a plain address, which any symbol is.
        let address = unsafe { self.library.get::<*const c_void>(name.as_bytes()) }
            .map_or(core::ptr::null(), |symbol| *symbol);
        // SAFETY: the caller vouches that the symbol is the function in `P`, an `Option` of a
        // function pointer, for which null is `None`; sizes are equal, as asserted.
        unsafe { core::mem::transmute_copy::<*const c_void, P>(&address) }
    }

    /// A dispatch table as `getter` fills it, all null where the library has no such getter or the
    /// getter fails.
    ///
    /// # Safety
    ///
    /// The symbol `getter` must be the dispatch-table getter of the API that fills a `T` at
    /// version 1.4.
    pub(crate) unsafe fn dispatch_table<T: Default>(&self, getter: &'static str) -> T {
        type Getter<T> = unsafe extern "C" fn(ze_api_version_t, *mut T) -> ze_result_t;
        // SAFETY: the caller vouches for the symbol's type.
        let getter = unsafe { self.function::<Option<Getter<T>>>(getter) };
        let mut table = T::default();
        if let Some(getter) = getter {
            // SAFETY: the table lives through the call and has the layout of the version asked for.
            let result = unsafe { getter(ZE_API_VERSION_1_4, &raw mut table) };
            if result != ZE_RESULT_SUCCESS {
                return T::default();
            }
        }
        table
    }

    pub(crate) fn missing(&self, symbol: &'static str) -> LoadError {
        LoadError::Symbol {
            path: self.path.clone(),
            symbol,
        }
    }
}
