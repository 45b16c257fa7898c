//! What a driver offers: how many devices, how much memory, which limits.

use level_zero_sys as sys;
use std::fmt;

use crate::call_log::LogTo;
use crate::faults::Fault;
use crate::report::Report;
use crate::settings;

/// How a driver is set up; the start of every [`Instance`](crate::Instance).
///
/// ```
/// use level_zero_cpu::{Config, Instance};
///
/// let instance = Instance::new(Config::new().devices(2).device_memory(64 << 20))?;
/// assert!(instance.ledger().is_empty());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    pub(crate) devices: u32,
    pub(crate) sub_devices: u32,
    pub(crate) device_memory: u64,
    pub(crate) host_memory: u64,
    pub(crate) max_allocation: u64,
    pub(crate) max_fill_pattern: usize,
    pub(crate) honour_alignment: bool,
    pub(crate) free_policies: u32,
    pub(crate) relaxed_limits: bool,
    pub(crate) faults: Vec<Fault>,
    pub(crate) log_to: Option<LogTo>,
    pub(crate) report: Report,
    pub(crate) fill_limit: usize,
    pub(crate) trap_freed: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            devices: 1,
            sub_devices: 0,
            device_memory: 4 << 30,
            host_memory: 4 << 30,
            max_allocation: 2 << 30,
            max_fill_pattern: 128,
            honour_alignment: true,
            free_policies: sys::ZE_DRIVER_MEMORY_FREE_POLICY_EXT_FLAG_BLOCKING_FREE
                | sys::ZE_DRIVER_MEMORY_FREE_POLICY_EXT_FLAG_DEFER_FREE,
            relaxed_limits: true,
            faults: Vec::new(),
            log_to: None,
            report: Report::None,
            fill_limit: 16 << 10,
            trap_freed: false,
        }
    }
}

impl Config {
    /// The defaults: one device without sub-devices, 4 GiB of device memory, 4 GiB each of host
    /// and of shared memory, 2 GiB as the largest allocation.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of devices, at most 64.
    #[must_use]
    pub fn devices(mut self, count: u32) -> Self {
        self.devices = count;
        self
    }

    /// The number of sub-devices of each device, at most 64. They share the memory of their root.
    #[must_use]
    pub fn sub_devices(mut self, count: u32) -> Self {
        self.sub_devices = count;
        self
    }

    /// Bytes of device memory of each device.
    #[must_use]
    pub fn device_memory(mut self, bytes: u64) -> Self {
        self.device_memory = bytes;
        self
    }

    /// Bytes of host memory and, apart from them, as many of shared memory. An allocation counts
    /// in whole pages.
    #[must_use]
    pub fn host_memory(mut self, bytes: u64) -> Self {
        self.host_memory = bytes;
        self
    }

    /// The largest allocation in bytes, `maxMemAllocSize`.
    #[must_use]
    pub fn max_allocation(mut self, bytes: u64) -> Self {
        self.max_allocation = bytes;
        self
    }

    /// The largest fill pattern in bytes, a power of two, `maxMemoryFillPatternSize`.
    #[must_use]
    pub fn max_fill_pattern(mut self, bytes: usize) -> Self {
        self.max_fill_pattern = bytes;
        self
    }

    /// Whether allocations have the alignment asked for.
    ///
    /// With `false` every address is a multiple of 4 KiB, and where more was asked it is on
    /// purpose not a multiple of that: Intel's drivers before 23.22 ignored the alignment, and a
    /// program that relies on it is found out here.
    #[must_use]
    pub fn honour_alignment(mut self, honour: bool) -> Self {
        self.honour_alignment = honour;
        self
    }

    /// The policies of `zeMemFreeExt` that the driver offers, a combination of
    /// `ZE_DRIVER_MEMORY_FREE_POLICY_EXT_FLAG_*`.
    #[must_use]
    pub fn free_policies(mut self, flags: u32) -> Self {
        self.free_policies = flags;
        self
    }

    /// Whether allocations may go beyond [`max_allocation`](Self::max_allocation) when they ask
    /// for relaxed limits.
    #[must_use]
    pub fn relaxed_limits(mut self, offered: bool) -> Self {
        self.relaxed_limits = offered;
        self
    }

    /// Writes a line for each call: the microseconds since the instance was made, the number of the
    /// thread, the call's name and what it returned.
    ///
    /// This is apart from [`Instance::log`](crate::Instance::log), which keeps records in memory.
    #[must_use]
    pub fn log_to(mut self, to: LogTo) -> Self {
        self.log_to = Some(to);
        self
    }

    /// The largest allocation that is filled with [`FRESH_BYTE`](crate::FRESH_BYTE) as a whole,
    /// and with [`FREED_BYTE`](crate::FREED_BYTE) when it is freed; 16 KiB by default. Larger ones
    /// are filled at both ends only, for 4 KiB or half the limit.
    #[must_use]
    pub fn fill_limit(mut self, bytes: usize) -> Self {
        self.fill_limit = bytes;
        self
    }

    /// Whether an access to freed host or shared memory traps.
    ///
    /// It costs a call to the system at each allocation and free. With `false`, the default, the
    /// memory stays open and is kept back for a while; a write to it meanwhile is found out and
    /// counted, [`Ledger::written_after_free`](crate::Ledger::written_after_free).
    #[must_use]
    pub fn trap_freed(mut self, trap: bool) -> Self {
        self.trap_freed = trap;
        self
    }

    /// The defaults, changed by what the environment says.
    ///
    /// | variable | value | default | sets |
    /// |---|---|---|---|
    /// | `LEVEL_ZERO_CPU_DEVICES` | a number up to 64 | 1 | [`devices`](Self::devices) |
    /// | `LEVEL_ZERO_CPU_SUB_DEVICES` | a number up to 64 | 0 | [`sub_devices`](Self::sub_devices) |
    /// | `LEVEL_ZERO_CPU_DEVICE_MEMORY` | bytes | 4G | [`device_memory`](Self::device_memory) |
    /// | `LEVEL_ZERO_CPU_HOST_MEMORY` | bytes | 4G | [`host_memory`](Self::host_memory) |
    /// | `LEVEL_ZERO_CPU_MAX_ALLOCATION` | bytes | 2G | [`max_allocation`](Self::max_allocation) |
    /// | `LEVEL_ZERO_CPU_MAX_FILL_PATTERN` | bytes, a power of two | 128 | [`max_fill_pattern`](Self::max_fill_pattern) |
    /// | `LEVEL_ZERO_CPU_HONOUR_ALIGNMENT` | `0` or `1` | 1 | [`honour_alignment`](Self::honour_alignment) |
    /// | `LEVEL_ZERO_CPU_FREE_POLICIES` | `none`, `blocking`, `deferred`, `all` | all | [`free_policies`](Self::free_policies) |
    /// | `LEVEL_ZERO_CPU_RELAXED_LIMITS` | `0` or `1` | 1 | [`relaxed_limits`](Self::relaxed_limits) |
    /// | `LEVEL_ZERO_CPU_FILL_LIMIT` | bytes | 16K | [`fill_limit`](Self::fill_limit) |
    /// | `LEVEL_ZERO_CPU_TRAP_FREED` | `0` or `1` | 0 | [`trap_freed`](Self::trap_freed) |
    /// | `LEVEL_ZERO_CPU_OPENCL` | the path of a library | | the OpenCL runtime of the process, for kernels |
    /// | `LEVEL_ZERO_CPU_FAIL` | `call:nth:result`, several with commas | | calls that are to fail |
    /// | `LEVEL_ZERO_CPU_LOG` | `stderr` or the path of a file | | [`log_to`](Self::log_to) |
    /// | `LEVEL_ZERO_CPU_REPORT` | `0`, `1` or `fail` | 0 | whether the end of the process says what is live |
    ///
    /// Bytes may have a suffix `K`, `M` or `G` for powers of 1024.
    ///
    /// `LEVEL_ZERO_CPU_FAIL=zeMemAllocDevice:3:OUT_OF_DEVICE_MEMORY,*:100:DEVICE_LOST` makes the
    /// third allocation and the hundredth call of all fail, as [`Instance::fail`](crate::Instance::fail)
    /// does; results are names, with or without `ZE_RESULT_ERROR_`, or numbers such as `0x70000001`.
    /// Loaders call `zeInit` more than once.
    ///
    /// The report is of [`Instance::global`](crate::Instance::global) only, and goes to standard
    /// error when the process ends by returning from `main` or through `exit`: what the
    /// [`Ledger`](crate::Ledger) holds then, or that nothing is live. With `fail` the process ends
    /// with status 86 if something is; what other libraries would do after that is left out.
    ///
    /// An empty value counts as none.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names a variable whose value is not allowed, and what is.
    pub fn from_env() -> Result<Self, ConfigError> {
        settings::apply(Self::new(), |name| std::env::var_os(name))
    }

    /// What is wrong with the settings, if anything is.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let policies = sys::ZE_DRIVER_MEMORY_FREE_POLICY_EXT_FLAG_BLOCKING_FREE
            | sys::ZE_DRIVER_MEMORY_FREE_POLICY_EXT_FLAG_DEFER_FREE;
        if self.devices > MAX_DEVICES {
            Some("more than 64 devices (LEVEL_ZERO_CPU_DEVICES)")
        } else if self.sub_devices > MAX_DEVICES {
            Some("more than 64 sub-devices (LEVEL_ZERO_CPU_SUB_DEVICES)")
        } else if !self.max_fill_pattern.is_power_of_two() {
            Some("the largest fill pattern is no power of two")
        } else if self.free_policies & !policies != 0 {
            Some("unknown free policies")
        } else if self.device_memory == 0 || self.host_memory == 0 || self.max_allocation == 0 {
            Some(
                "device memory, host memory and the largest allocation must be above 0 \
                 (LEVEL_ZERO_CPU_DEVICE_MEMORY, _HOST_MEMORY, _MAX_ALLOCATION)",
            )
        } else {
            None
        }
    }
}

pub(crate) const MAX_DEVICES: u32 = 64;

/// An environment variable whose value is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigError {
    /// The variable.
    pub variable: String,
    /// Its value.
    pub value: String,
    /// What its value may be.
    pub allowed: &'static str,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}={:?} is not allowed: {}",
            self.variable, self.value, self.allowed
        )
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        assert!(Config::new().problem().is_none());
        assert!(Config::new().devices(65).problem().is_some());
        assert!(Config::new().sub_devices(65).problem().is_some());
        assert!(Config::new().max_fill_pattern(0).problem().is_some());
        assert!(Config::new().max_fill_pattern(24).problem().is_some());
        assert!(Config::new().free_policies(4).problem().is_some());
        assert!(Config::new().device_memory(0).problem().is_some());
    }
}
