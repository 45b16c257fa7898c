//! Intel's Unified Memory Framework: its disjoint pool, over the same calls of the driver.

mod provider;

use crate::contender::{Contender, Failure};
use crate::driver::{ALIGN, Calls, Memory};
use core::ffi::{c_int, c_void};
use core::marker::PhantomData;
use core::ptr::{NonNull, null_mut};
use libloading::Library;
use provider::{Ops, Provider};
use std::error::Error;
use std::path::PathBuf;
use ze_area::{Placement, PlacementKind};

/// `umf_result_t`: 0 is success.
type Code = c_int;

/// `UMF_POOL_CREATE_FLAG_OWN_PROVIDER`: the pool destroys its provider.
const OWN_PROVIDER: u32 = 1;

/// A call that sets one parameter of a pool.
type Set = unsafe extern "C" fn(*mut c_void, usize) -> Code;

/// The library's functions. It stays loaded to the end of the process.
pub(crate) struct Umf {
    disjoint_ops: unsafe extern "C" fn() -> *const c_void,
    params_create: unsafe extern "C" fn(*mut *mut c_void) -> Code,
    params_destroy: unsafe extern "C" fn(*mut c_void) -> Code,
    set_slab: Set,
    set_largest: Set,
    set_capacity: Set,
    set_bucket: Set,
    provider_create: unsafe extern "C" fn(*const Ops, *const c_void, *mut *mut c_void) -> Code,
    provider_destroy: unsafe extern "C" fn(*mut c_void) -> Code,
    pool_create: unsafe extern "C" fn(
        *const c_void,
        *mut c_void,
        *const c_void,
        u32,
        *mut *mut c_void,
    ) -> Code,
    pool_destroy: unsafe extern "C" fn(*mut c_void) -> Code,
    malloc: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void,
    malloc_aligned: unsafe extern "C" fn(*mut c_void, usize, usize) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void, *mut c_void) -> Code,
    free_by_address: unsafe extern "C" fn(*mut c_void) -> Code,
}

/// The library, where `scripts/install-umf` puts it or `UMF_ROOT` says.
fn path() -> PathBuf {
    let data = |home: PathBuf| home.join("level-zero-cpu/umf");
    let folders = [
        std::env::var_os("UMF_ROOT").map(PathBuf::from),
        std::env::var_os("XDG_DATA_HOME").map(|home| data(home.into())),
        std::env::home_dir().map(|home| data(home.join(".local/share"))),
    ];
    let mut libraries = folders
        .into_iter()
        .flatten()
        .map(|root| root.join("lib/libumf.so.1"));
    let found = libraries.find(|library| library.is_file());
    found.unwrap_or_else(|| "/opt/level-zero-cpu/umf/lib/libumf.so.1".into())
}

macro_rules! function {
    ($library:expr, $name:literal) => {{
        // SAFETY: the header of UMF 1.2 gives the function this type.
        let symbol = unsafe { $library.get($name) }?;
        *symbol
    }};
}

impl Umf {
    /// Loads the library; where it is not there, prints that UMF is skipped.
    pub(crate) fn load() -> Option<&'static Self> {
        let path = path();
        // SAFETY: what has this name and lies there is UMF.
        let found = unsafe { Library::new(&path) }.and_then(Self::of);
        match found {
            Ok(umf) => Some(Box::leak(Box::new(umf))),
            Err(error) => {
                // It names the library.
                let why = error.source().map(ToString::to_string);
                let why = why.unwrap_or_else(|| error.to_string());
                println!("skipped: UMF: {why} (scripts/install-umf)");
                None
            }
        }
    }

    fn of(library: Library) -> Result<Self, libloading::Error> {
        let library: &'static Library = Box::leak(Box::new(library));
        Ok(Self {
            disjoint_ops: function!(library, b"umfDisjointPoolOps\0"),
            params_create: function!(library, b"umfDisjointPoolParamsCreate\0"),
            params_destroy: function!(library, b"umfDisjointPoolParamsDestroy\0"),
            set_slab: function!(library, b"umfDisjointPoolParamsSetSlabMinSize\0"),
            set_largest: function!(library, b"umfDisjointPoolParamsSetMaxPoolableSize\0"),
            set_capacity: function!(library, b"umfDisjointPoolParamsSetCapacity\0"),
            set_bucket: function!(library, b"umfDisjointPoolParamsSetMinBucketSize\0"),
            provider_create: function!(library, b"umfMemoryProviderCreate\0"),
            provider_destroy: function!(library, b"umfMemoryProviderDestroy\0"),
            pool_create: function!(library, b"umfPoolCreate\0"),
            pool_destroy: function!(library, b"umfPoolDestroy\0"),
            malloc: function!(library, b"umfPoolMalloc\0"),
            malloc_aligned: function!(library, b"umfPoolAlignedMalloc\0"),
            free: function!(library, b"umfPoolFree\0"),
            free_by_address: function!(library, b"umfFree\0"),
        })
    }
}

/// The parameters of a disjoint pool, in bytes but for the slabs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameters {
    smallest_bucket: usize,
    slab: usize,
    largest_pooled: usize,
    kept_slabs: usize,
}

impl Parameters {
    /// Those of Intel's SYCL runtime. It does not pool shared memory; what is measured there is its
    /// pool of device memory.
    pub(crate) fn of_sycl(placement: PlacementKind) -> Self {
        let (smallest_bucket, largest_pooled) = match placement {
            PlacementKind::Device | PlacementKind::Shared => (512, 4 << 20),
            PlacementKind::Host => (256, 2 << 20),
        };
        Self {
            smallest_bucket,
            slab: 64 << 10,
            largest_pooled,
            kept_slabs: 4,
        }
    }
}

/// A disjoint pool over the driver's calls. It is the owner of `pool`.
///
/// `AS_SYCL`: used as Intel's SYCL runtime uses it, which asks for an alignment, and frees what it has
/// only the address of. Otherwise by the calls that cost least.
pub(crate) struct UmfPool<'g, P, const AS_SYCL: bool> {
    umf: &'static Umf,
    pool: *mut c_void,
    of: PhantomData<Calls<'g, P>>,
}

// SAFETY: UMF's pools may be used by every thread; the calls below are `Sync`.
unsafe impl<P, const AS_SYCL: bool> Sync for UmfPool<'_, P, AS_SYCL> {}

impl<'g, P: Placement, const AS_SYCL: bool> UmfPool<'g, P, AS_SYCL> {
    /// A pool with those parameters, or with UMF's own.
    pub(crate) fn new(
        umf: &'static Umf,
        calls: &Calls<'g, P>,
        parameters: Option<Parameters>,
    ) -> Result<Self, Failure> {
        let mut params = null_mut();
        // SAFETY: the target is valid.
        check("umfDisjointPoolParamsCreate", unsafe {
            (umf.params_create)(&raw mut params)
        })?;
        let made = Self::with(umf, calls, parameters, params);
        // SAFETY: made above; a pool copies what it needs.
        check("umfDisjointPoolParamsDestroy", unsafe {
            (umf.params_destroy)(params)
        })?;
        made
    }

    /// `params` is a live handle.
    fn with(
        umf: &'static Umf,
        calls: &Calls<'g, P>,
        parameters: Option<Parameters>,
        params: *mut c_void,
    ) -> Result<Self, Failure> {
        let settings = parameters.map(|parameters| {
            [
                (umf.set_bucket, parameters.smallest_bucket),
                (umf.set_slab, parameters.slab),
                (umf.set_largest, parameters.largest_pooled),
                (umf.set_capacity, parameters.kept_slabs),
            ]
        });
        for (set, value) in settings.into_iter().flatten() {
            // SAFETY: the parameters are live.
            check("umfDisjointPoolParamsSet", unsafe { set(params, value) })?;
        }
        let mut provider = null_mut();
        let (ops, of): (&'static Ops, *const Calls<'g, P>) = (Provider::<P>::OPS, calls);
        // SAFETY: the operations live to the end of the process, and take such calls.
        check("umfMemoryProviderCreate", unsafe {
            (umf.provider_create)(ops, of.cast(), &raw mut provider)
        })?;
        // SAFETY: it takes nothing.
        let disjoint = unsafe { (umf.disjoint_ops)() };
        let mut pool = null_mut();
        // SAFETY: operations, provider and parameters are live and belong together.
        let code = unsafe {
            let create = umf.pool_create;
            create(disjoint, provider, params, OWN_PROVIDER, &raw mut pool)
        };
        if code != 0 {
            // SAFETY: no pool has taken it.
            unsafe { (umf.provider_destroy)(provider) };
        }
        check("umfPoolCreate", code)?;
        Ok(Self {
            umf,
            pool,
            of: PhantomData,
        })
    }
}

impl<P: Placement, const AS_SYCL: bool> Contender for UmfPool<'_, P, AS_SYCL> {
    type Handle = Memory;
    type Error = Failure;

    #[inline(always)]
    fn allocate(&self, bytes: usize) -> Result<Memory, Failure> {
        let base = if AS_SYCL {
            // SAFETY: the pool is live.
            unsafe { (self.umf.malloc_aligned)(self.pool, bytes, ALIGN) }
        } else {
            // SAFETY: as above.
            unsafe { (self.umf.malloc)(self.pool, bytes) }
        };
        let base = NonNull::new(base).ok_or("UMF's pool returned null")?;
        Ok(Memory(base))
    }

    #[inline(always)]
    fn address(handle: &Memory) -> usize {
        handle.0.addr().get()
    }

    #[inline(always)]
    fn free(&self, handle: Memory) -> Result<(), Failure> {
        let base = handle.0.as_ptr();
        let code = if AS_SYCL {
            // SAFETY: `allocate` made it, and the handle is consumed.
            unsafe { (self.umf.free_by_address)(base) }
        } else {
            // SAFETY: as above.
            unsafe { (self.umf.free)(self.pool, base) }
        };
        check("UMF's free", code)
    }
}

impl<P, const AS_SYCL: bool> Drop for UmfPool<'_, P, AS_SYCL> {
    fn drop(&mut self) {
        // SAFETY: the pool is ours, and what was allocated from it is freed.
        let code = unsafe { (self.umf.pool_destroy)(self.pool) };
        if code != 0 {
            println!("umfPoolDestroy returned {code}");
        }
    }
}

#[inline]
fn check(call: &str, code: Code) -> Result<(), Failure> {
    if code == 0 {
        Ok(())
    } else {
        Err(format!("{call} returned {code}").into())
    }
}
