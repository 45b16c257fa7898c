//! What a driver offers: how many devices, how much memory, which limits.

use level_zero_sys as sys;
use std::ffi::OsString;
use std::fmt;

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
    /// Read are `LEVEL_ZERO_CPU_DEVICES`, `LEVEL_ZERO_CPU_SUB_DEVICES`,
    /// `LEVEL_ZERO_CPU_DEVICE_MEMORY`, `LEVEL_ZERO_CPU_HOST_MEMORY`,
    /// `LEVEL_ZERO_CPU_MAX_ALLOCATION` and `LEVEL_ZERO_CPU_FILL_LIMIT`; the last four in bytes, or
    /// with a suffix `K`, `M` or `G` for powers of 1024. `LEVEL_ZERO_CPU_TRAP_FREED` is 0 or 1.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names a variable whose value is no such number.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, ConfigError> {
        let number = |variable: &'static str| -> Result<Option<u64>, ConfigError> {
            let Some(value) = lookup(variable) else {
                return Ok(None);
            };
            match value.to_str().and_then(parse_bytes) {
                Some(number) => Ok(Some(number)),
                None => Err(ConfigError {
                    variable,
                    value: value.to_string_lossy().into_owned(),
                }),
            }
        };
        let count = |variable: &'static str| -> Result<Option<u32>, ConfigError> {
            let Some(number) = number(variable)? else {
                return Ok(None);
            };
            match u32::try_from(number) {
                Ok(count) if count <= MAX_DEVICES => Ok(Some(count)),
                _ => Err(ConfigError {
                    variable,
                    value: number.to_string(),
                }),
            }
        };
        let switch = |variable: &'static str| -> Result<Option<bool>, ConfigError> {
            match number(variable)? {
                None => Ok(None),
                Some(0) => Ok(Some(false)),
                Some(1) => Ok(Some(true)),
                Some(other) => Err(ConfigError {
                    variable,
                    value: other.to_string(),
                }),
            }
        };
        let mut config = Self::new();
        if let Some(devices) = count("LEVEL_ZERO_CPU_DEVICES")? {
            config.devices = devices;
        }
        if let Some(sub_devices) = count("LEVEL_ZERO_CPU_SUB_DEVICES")? {
            config.sub_devices = sub_devices;
        }
        if let Some(bytes) = number("LEVEL_ZERO_CPU_DEVICE_MEMORY")? {
            config.device_memory = bytes;
        }
        if let Some(bytes) = number("LEVEL_ZERO_CPU_HOST_MEMORY")? {
            config.host_memory = bytes;
        }
        if let Some(bytes) = number("LEVEL_ZERO_CPU_MAX_ALLOCATION")? {
            config.max_allocation = bytes;
        }
        if let Some(bytes) = number("LEVEL_ZERO_CPU_FILL_LIMIT")? {
            config.fill_limit = usize::try_from(bytes).unwrap_or(usize::MAX);
        }
        if let Some(trap) = switch("LEVEL_ZERO_CPU_TRAP_FREED")? {
            config.trap_freed = trap;
        }
        Ok(config)
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

const MAX_DEVICES: u32 = 64;

/// A number, or one with a suffix `K`, `M` or `G`.
fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let (digits, shift) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 10),
        b'm' | b'M' => (&text[..text.len() - 1], 20),
        b'g' | b'G' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    // `parse` alone would take a leading plus.
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// An environment variable whose value is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigError {
    /// The variable.
    pub variable: &'static str,
    /// Its value.
    pub value: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}={:?} is no number in range (K, M, G allowed)",
            self.variable, self.value
        )
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_lookup(|name| {
            pairs
                .iter()
                .find(|pair| pair.0 == name)
                .map(|pair| OsString::from(pair.1))
        })
    }

    #[test]
    fn an_empty_environment_gives_the_defaults() {
        let config = from(&[]).unwrap();
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn every_variable_is_read() {
        let config = from(&[
            ("LEVEL_ZERO_CPU_DEVICES", "3"),
            ("LEVEL_ZERO_CPU_SUB_DEVICES", "2"),
            ("LEVEL_ZERO_CPU_DEVICE_MEMORY", "5M"),
            ("LEVEL_ZERO_CPU_HOST_MEMORY", "7k"),
            ("LEVEL_ZERO_CPU_MAX_ALLOCATION", "1G"),
            ("LEVEL_ZERO_CPU_FILL_LIMIT", "4K"),
            ("LEVEL_ZERO_CPU_TRAP_FREED", "1"),
        ])
        .unwrap();
        assert_eq!((config.devices, config.sub_devices), (3, 2));
        assert_eq!(config.device_memory, 5 << 20);
        assert_eq!(config.host_memory, 7 << 10);
        assert_eq!(config.max_allocation, 1 << 30);
        assert_eq!(config.fill_limit, 4 << 10);
        assert!(config.trap_freed);
        assert!(
            !from(&[("LEVEL_ZERO_CPU_TRAP_FREED", "0")])
                .unwrap()
                .trap_freed
        );
        assert!(from(&[("LEVEL_ZERO_CPU_TRAP_FREED", "2")]).is_err());
    }

    #[test]
    fn what_is_no_number_is_an_error_that_names_the_variable() {
        for bad in [
            "",
            "x",
            "-1",
            "+1",
            "1T",
            "1.5G",
            "K",
            "99999999999999999999",
            "999999999999G",
        ] {
            let error = from(&[("LEVEL_ZERO_CPU_HOST_MEMORY", bad)]).unwrap_err();
            assert_eq!(error.variable, "LEVEL_ZERO_CPU_HOST_MEMORY", "{bad}");
            assert!(error.to_string().contains("LEVEL_ZERO_CPU_HOST_MEMORY"));
        }
        assert!(from(&[("LEVEL_ZERO_CPU_DEVICES", "65")]).is_err());
        assert!(from(&[("LEVEL_ZERO_CPU_DEVICES", "4294967297")]).is_err());
    }

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
