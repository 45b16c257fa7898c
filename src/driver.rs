//! Finding a driver.

use crate::device::ZeDevice;
use crate::error::{Error, Result};
use crate::raw::call::list;
use crate::raw::exit::{self, Calls};
use crate::raw::handle::{DriverHandle, Handle};
use crate::raw::lock::lock;
use core::fmt;
use level_zero_sys as sys;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// A Level Zero driver and its devices.
///
/// Cheap to clone. A loaded library stays loaded to the end of the process.
#[derive(Clone)]
#[doc(alias = "ze_driver_handle_t")]
pub struct Driver {
    inner: Arc<DriverInner>,
    devices: Arc<[ZeDevice]>,
}

/// What every object of a driver holds on to.
#[derive(Debug)]
pub(crate) struct DriverInner {
    api: &'static sys::Api,
    pub(crate) handle: DriverHandle,
    origin: String,
    /// Whether a loader may be in between that replaces handles by its own. Those of 2023 and before
    /// forget that for the log of a failed build, and crash when they are given it.
    replaces_handles: bool,
    /// Keeps the objects of the CPU driver alive, whose handles this is.
    #[cfg(feature = "cpu")]
    _cpu: Option<level_zero_cpu::Instance>,
}

impl DriverInner {
    /// The driver's functions, for a call of that name.
    #[inline]
    pub(crate) fn enter(&self, call: &'static str) -> Result<Calls> {
        exit::enter(self.api).ok_or_else(|| exit::barred(call))
    }

    /// Makes a call of that name and checks its result.
    pub(crate) fn call(
        &self,
        call: &'static str,
        make: impl FnOnce(&sys::Api) -> sys::ze_result_t,
    ) -> Result<()> {
        exit::run(self.api, call, make)
    }

    /// A list that calls of that name fill; see [`list`].
    pub(crate) fn list<T: Clone>(
        &self,
        call: &'static str,
        empty: &T,
        mut fill: impl FnMut(&sys::Api, &mut u32, *mut T) -> sys::ze_result_t,
    ) -> Result<Vec<T>> {
        let api = self.enter(call)?;
        list(call, empty, |count, entries| fill(&api, count, entries))
    }

    /// A call that came after version 1.0 of the specification.
    #[inline]
    pub(crate) fn optional<F: Copy>(&self, call: &'static str, function: Option<F>) -> Result<F> {
        function.ok_or_else(|| Error::MissingCall {
            call,
            origin: self.origin.clone(),
        })
    }

    /// Whether the log of a build can be asked for, also of one that failed.
    pub(crate) fn gives_build_logs(&self) -> bool {
        !self.replaces_handles
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        self.handle == other.handle
    }
}

/// A version: major and minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[doc(alias = "ze_api_version_t")]
pub struct Version {
    /// The part that stands for what is incompatible.
    pub major: u16,
    /// The part that stands for what was added.
    pub minor: u16,
}

impl Version {
    /// The version that Level Zero packs into a number.
    pub(crate) fn from_raw(raw: u32) -> Self {
        let [major, minor] = [raw >> 16, raw & 0xffff].map(|part| part.try_into().unwrap_or(0));
        Self { major, minor }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// An extension that a driver has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extension {
    /// Its name, as in the specification.
    pub name: String,
    /// Its version.
    pub version: Version,
}

/// Libraries that are loaded, each once for the process.
static LOADED: Mutex<Vec<&'static sys::Library>> = Mutex::new(Vec::new());

impl Driver {
    /// The driver that `ZE_AREA_DRIVER` names, else the system's first, else, with the feature
    /// `cpu`, the CPU driver.
    ///
    /// `ZE_AREA_DRIVER` may be `system`, `cpu`, or the path of a loader or driver. The CPU driver
    /// is never taken silently: unless it was asked for by name, a `tracing` warning says so, or a
    /// line on the standard error where no subscriber is set.
    ///
    /// # Errors
    ///
    /// [`Error::NoDriver`] says what was tried and which package to install. Where
    /// `ZE_AREA_DRIVER` names a driver, its own error.
    pub fn find() -> Result<Self> {
        const VARIABLE: &str = "ZE_AREA_DRIVER";
        match std::env::var_os(VARIABLE) {
            None => {}
            Some(value) if value.is_empty() => {}
            Some(value) if value == "system" => return Self::system(),
            Some(value) if value == "cpu" => {
                #[cfg(feature = "cpu")]
                return Self::cpu();
                #[cfg(not(feature = "cpu"))]
                return Err(Error::BadSetting {
                    variable: VARIABLE,
                    value: "cpu".into(),
                    expected: "a build with the feature `cpu`, or `system`, or a path",
                });
            }
            Some(value) if Path::new(&value).components().count() > 1 => {
                // SAFETY: whoever sets the variable vouches for the library, as for everything
                // that the dynamic linker is told by the environment.
                return unsafe { Self::load(PathBuf::from(value)) };
            }
            Some(value) => {
                return Err(Error::BadSetting {
                    variable: VARIABLE,
                    value: value.to_string_lossy().into_owned(),
                    expected: "`system`, `cpu`, or the path of a loader or driver",
                });
            }
        }
        let mut tried = Vec::new();
        match Self::system() {
            Ok(driver) => return Ok(driver),
            Err(error) => tried.push(format!("{}: {error}", sys::system_loader())),
        }
        #[cfg(feature = "cpu")]
        match Self::cpu() {
            Ok(driver) => {
                let reason = tried.join("; ");
                if tracing::dispatcher::has_been_set() {
                    tracing::warn!(
                        reason,
                        "no GPU driver: memory and work are on the CPU driver"
                    );
                } else {
                    eprintln!("ze-area: no GPU driver ({reason}): all is on the CPU driver");
                }
                return Ok(driver);
            }
            Err(error) => tried.push(error.to_string()),
        }
        Err(Error::NoDriver { tried })
    }

    /// The first driver of the machine's Level Zero loader (`libze_loader.so.1`,
    /// `ze_loader.dll`).
    ///
    /// # Errors
    ///
    /// [`Error::Load`] where there is no loader, [`Error::Call`] where it finds no usable device.
    pub fn system() -> Result<Self> {
        Self::system_nth(0)
    }

    /// The driver of that number, from 0, of the machine's Level Zero loader.
    ///
    /// # Errors
    ///
    /// As of [`Driver::system`], and [`Error::NoSuchDriver`].
    #[doc(alias = "zeDriverGet")]
    pub fn system_nth(index: usize) -> Result<Self> {
        // SAFETY: the library that the system has under this name is its Level Zero loader.
        unsafe { Self::open(Path::new(sys::system_loader()), index) }
    }

    /// All drivers of the machine's Level Zero loader.
    ///
    /// # Errors
    ///
    /// As of [`Driver::system`].
    pub fn system_all() -> Result<Vec<Self>> {
        let _setup = exit::set_up()?;
        // SAFETY: as in `system_nth`.
        let library = unsafe { load(Path::new(sys::system_loader())) }?;
        // SAFETY: the table is that of a loader.
        let count = unsafe { handles(library.api()) }?.len();
        (0..count).map(Self::system_nth).collect()
    }

    /// The first driver of the loader or driver library at `path`.
    ///
    /// # Errors
    ///
    /// [`Error::Load`] names the library, or the call that it lacks.
    ///
    /// # Safety
    ///
    /// The library must be a Level Zero loader or driver: its initialisers run, and its functions
    /// are called with the types that the specification gives them.
    pub unsafe fn load(path: impl AsRef<Path>) -> Result<Self> {
        // SAFETY: passed on to the caller.
        unsafe { Self::open(path.as_ref(), 0) }
    }

    /// # Safety
    ///
    /// As of [`Driver::load`].
    unsafe fn open(path: &Path, index: usize) -> Result<Self> {
        let _setup = exit::set_up()?;
        // SAFETY: passed on to the caller.
        let library = unsafe { load(path) }?;
        // SAFETY: the table is that of a loader or driver, as the caller vouches.
        unsafe { Self::from_table(library.api(), index, path.display().to_string()) }
    }

    /// The driver of that number, from 0, behind a table of functions.
    ///
    /// For tables that wrap those of a driver: to trace calls, or to make them fail in tests.
    ///
    /// # Errors
    ///
    /// [`Error::Call`] names the first call that failed; [`Error::NoSuchDriver`].
    ///
    /// # Safety
    ///
    /// The functions must do what the specification says of them, as far as memory goes: write only
    /// where they are given room, and hand out memory that is theirs to give. The same handle means
    /// the same object, whichever table it comes from.
    pub unsafe fn from_api(api: &'static sys::Api, index: usize) -> Result<Self> {
        // SAFETY: passed on to the caller.
        unsafe { Self::from_table(api, index, "a table of functions".to_owned()) }
    }

    /// # Safety
    ///
    /// As of [`Driver::from_api`].
    unsafe fn from_table(api: &'static sys::Api, index: usize, origin: String) -> Result<Self> {
        let _setup = exit::set_up()?;
        // SAFETY: passed on to the caller.
        let handles = unsafe { handles(api) }?;
        let Some(&handle) = handles.get(index) else {
            return Err(Error::NoSuchDriver {
                index,
                count: handles.len(),
                origin,
            });
        };
        // What makes loaders do so.
        let asked = std::env::var_os("ZE_ENABLE_LOADER_INTERCEPT");
        let replaces_handles = handles.len() > 1 || asked.is_some_and(|value| value != "0");
        Self::new(DriverInner {
            api,
            handle,
            origin,
            replaces_handles,
            #[cfg(feature = "cpu")]
            _cpu: None,
        })
    }

    /// The CPU driver of this process, set up by the environment (`LEVEL_ZERO_CPU_*`). Needs the
    /// feature `cpu`.
    ///
    /// Every call gives the same driver.
    ///
    /// # Errors
    ///
    /// [`Error::CpuDriver`] says which variable is wrong, or what the system refused.
    #[cfg(feature = "cpu")]
    pub fn cpu() -> Result<Self> {
        let instance =
            level_zero_cpu::Instance::global().map_err(|e| Error::CpuDriver(e.to_string()))?;
        Self::from_cpu(instance)
    }

    /// A CPU driver with its own devices, memory and settings. Needs the feature `cpu`.
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// use ze_area::cpu::{Config, Instance};
    /// use ze_area::{Context, Driver};
    ///
    /// let cpu = Instance::new(Config::new().devices(2))?;
    /// let context = Context::builder().driver(&Driver::from_cpu(&cpu)?).build()?;
    /// assert_eq!(context.devices().len(), 2);
    ///
    /// let buffer = context.host_area().mmap::<u64>(8)?;
    /// assert_eq!(cpu.ledger().allocations[0].size, 64);
    /// drop(buffer);
    /// assert!(cpu.ledger().allocations.is_empty());
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Call`], where the instance was told to fail one.
    #[cfg(feature = "cpu")]
    pub fn from_cpu(instance: &level_zero_cpu::Instance) -> Result<Self> {
        let _setup = exit::set_up()?;
        let handle = Handle::new(instance.driver_handle())
            .ok_or_else(|| Error::CpuDriver("the instance has a null handle".to_owned()))?;
        Self::new(DriverInner {
            api: level_zero_cpu::api(),
            handle,
            origin: "the CPU driver".to_owned(),
            replaces_handles: false,
            _cpu: Some(instance.clone()),
        })
    }

    fn new(inner: DriverInner) -> Result<Self> {
        let inner = Arc::new(inner);
        let devices = ZeDevice::all(&inner)?.into();
        Ok(Self { inner, devices })
    }

    pub(crate) fn inner(&self) -> &Arc<DriverInner> {
        &self.inner
    }

    /// The root devices. Sub-devices are at [`ZeDevice::sub_devices`].
    #[must_use]
    #[doc(alias = "zeDeviceGet")]
    pub fn devices(&self) -> &[ZeDevice] {
        &self.devices
    }

    /// The device or sub-device of that handle, `None` where the driver has none.
    ///
    /// For handles that code of another origin holds: nothing is done with the handle but to
    /// compare it.
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// let driver = ze_area::Driver::find()?;
    /// let handle = driver.devices()[0].as_raw();
    /// assert_eq!(driver.device_from_raw(handle).as_ref(), driver.devices().first());
    /// assert_eq!(driver.device_from_raw(core::ptr::null_mut()), None);
    /// # }
    /// # Ok::<(), ze_area::Error>(())
    /// ```
    #[must_use]
    pub fn device_from_raw(&self, handle: sys::ze_device_handle_t) -> Option<ZeDevice> {
        self.devices
            .iter()
            .flat_map(|device| core::iter::once(device).chain(device.sub_devices()))
            .find(|device| device.as_raw() == handle)
            .cloned()
    }

    /// Where the driver comes from: the path of its loader, or what else it is.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.inner.origin
    }

    /// The version of the API that the driver speaks.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    #[doc(alias = "zeDriverGetApiVersion")]
    pub fn api_version(&self) -> Result<Version> {
        let mut version = sys::_ze_api_version_t(0);
        self.inner.call("zeDriverGetApiVersion", |api| {
            // SAFETY: the handle is live; the target outlives the call.
            unsafe { (api.zeDriverGetApiVersion)(self.inner.handle.as_raw(), &raw mut version) }
        })?;
        Ok(Version::from_raw(version.0))
    }

    /// The driver's own version number; its meaning is the vendor's.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    #[doc(alias = "zeDriverGetProperties")]
    pub fn version(&self) -> Result<u32> {
        let mut properties = sys::ze_driver_properties_t {
            stype: sys::ZE_STRUCTURE_TYPE_DRIVER_PROPERTIES,
            ..Default::default()
        };
        self.inner.call("zeDriverGetProperties", |api| {
            // SAFETY: as above.
            unsafe { (api.zeDriverGetProperties)(self.inner.handle.as_raw(), &raw mut properties) }
        })?;
        Ok(properties.driverVersion)
    }

    /// The extensions that the driver has.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    #[doc(alias = "zeDriverGetExtensionProperties")]
    pub fn extensions(&self) -> Result<Vec<Extension>> {
        let call = "zeDriverGetExtensionProperties";
        let empty = sys::ze_driver_extension_properties_t::default();
        let properties = self.inner.list(call, &empty, |api, count, entries| {
            // SAFETY: the handle is live; there is room for as many entries as the count says.
            unsafe {
                (api.zeDriverGetExtensionProperties)(self.inner.handle.as_raw(), count, entries)
            }
        })?;
        Ok(properties
            .iter()
            .map(|p| Extension {
                name: crate::raw::call::name(&p.name),
                version: Version::from_raw(p.version),
            })
            .collect())
    }

    /// The driver's handle, for calls that this library does not make. It is valid to the end of
    /// the process, or for as long as this value lives where it is an instance of the CPU driver.
    ///
    /// Whoever asks the same loader gets the same handle: code that has one finds its driver among
    /// [`Driver::system_all`].
    #[must_use]
    pub fn as_raw(&self) -> sys::ze_driver_handle_t {
        self.inner.handle.as_raw()
    }

    /// The functions of the driver, for calls that this library does not make.
    #[must_use]
    pub fn api(&self) -> &'static sys::Api {
        self.inner.api
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("origin", &self.origin())
            .field("devices", &self.devices)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Driver {
    fn eq(&self, other: &Self) -> bool {
        self.inner.is(&other.inner)
    }
}

impl Eq for Driver {}

/// Loads the library at `path`, or gives the one that was loaded before.
///
/// # Safety
///
/// As of [`Driver::load`].
unsafe fn load(path: &Path) -> Result<&'static sys::Library> {
    let mut loaded = lock(&LOADED);
    if let Some(library) = loaded.iter().find(|library| library.path() == path) {
        return Ok(library);
    }
    // SAFETY: passed on to the caller.
    let library = unsafe { sys::Library::open(path) }?;
    // Once a library, for the process: the library itself is never unloaded either.
    let library: &'static sys::Library = Box::leak(Box::new(library));
    loaded.push(library);
    Ok(library)
}

/// Initialises the driver library and asks for its drivers.
///
/// # Safety
///
/// As of [`Driver::from_api`].
unsafe fn handles(api: &'static sys::Api) -> Result<Vec<DriverHandle>> {
    exit::run(api, "zeInit", |api| {
        // SAFETY: no flag: all kinds of devices. The specification lets it be called often.
        unsafe { (api.zeInit)(0) }
    })?;
    exit::watch();
    let calls = exit::enter(api).ok_or_else(|| exit::barred("zeDriverGet"))?;
    let drivers = list("zeDriverGet", &core::ptr::null_mut(), |count, entries| {
        // SAFETY: there is room for as many entries as the count says.
        unsafe { (calls.zeDriverGet)(count, entries) }
    })?;
    Ok(drivers.into_iter().filter_map(Handle::new).collect())
}
