//! The settings that the environment holds.

use level_zero_sys as sys;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::call_log::LogTo;
use crate::config::{Config, ConfigError, MAX_DEVICES};
use crate::faults::{Call, Fault};
use crate::report::Report;
use crate::results;

const PREFIX: &str = "LEVEL_ZERO_CPU_";

/// A variable of the environment.
struct Setting {
    /// Its name after [`PREFIX`].
    name: &'static str,
    allowed: &'static str,
    /// `None` where the value is not allowed.
    set: fn(&mut Config, &str) -> Option<()>,
}

const BYTES: &str = "a number of bytes above 0, also with K, M or G";
const SWITCH: &str = "0 or 1";

/// All of them. Each also has a line in the documentation of [`Config::from_env`].
const SETTINGS: &[Setting] = &[
    Setting {
        name: "DEVICES",
        allowed: "a number up to 64",
        set: |config, text| put(&mut config.devices, count(text)),
    },
    Setting {
        name: "SUB_DEVICES",
        allowed: "a number up to 64",
        set: |config, text| put(&mut config.sub_devices, count(text)),
    },
    Setting {
        name: "DEVICE_MEMORY",
        allowed: BYTES,
        set: |config, text| put(&mut config.device_memory, bytes(text)),
    },
    Setting {
        name: "HOST_MEMORY",
        allowed: BYTES,
        set: |config, text| put(&mut config.host_memory, bytes(text)),
    },
    Setting {
        name: "MAX_ALLOCATION",
        allowed: BYTES,
        set: |config, text| put(&mut config.max_allocation, bytes(text)),
    },
    Setting {
        name: "MAX_FILL_PATTERN",
        allowed: "a power of two, also with K, M or G",
        set: |config, text| put(&mut config.max_fill_pattern, power_of_two(text)),
    },
    Setting {
        name: "HONOUR_ALIGNMENT",
        allowed: SWITCH,
        set: |config, text| put(&mut config.honour_alignment, switch(text)),
    },
    Setting {
        name: "FREE_POLICIES",
        allowed: "none, blocking, deferred or all",
        set: |config, text| put(&mut config.free_policies, free_policies(text)),
    },
    Setting {
        name: "RELAXED_LIMITS",
        allowed: SWITCH,
        set: |config, text| put(&mut config.relaxed_limits, switch(text)),
    },
    Setting {
        name: "FILL_LIMIT",
        allowed: BYTES,
        set: |config, text| put(&mut config.fill_limit, usize::try_from(bytes(text)?).ok()),
    },
    Setting {
        name: "TRAP_FREED",
        allowed: SWITCH,
        set: |config, text| put(&mut config.trap_freed, switch(text)),
    },
    Setting {
        name: "OPENCL",
        allowed: "the path of a library",
        // Read where the library is loaded, which is once for all instances.
        set: |_, _| Some(()),
    },
    Setting {
        name: "FAIL",
        allowed: "call:nth:result, with commas between several; * for any call; \
                  a result's name or number, but not success",
        set: |config, text| put(&mut config.faults, faults(text)),
    },
    Setting {
        name: "LOG",
        allowed: "stderr or the path of a file",
        set: |config, text| put(&mut config.log_to, log_to(text)),
    },
    Setting {
        name: "REPORT",
        allowed: "0, 1 or fail",
        set: |config, text| put(&mut config.report, report(text)),
    },
];

fn put<T>(place: &mut T, value: Option<T>) -> Option<()> {
    *place = value?;
    Some(())
}

/// Changes `config` by the variables that there are.
pub(crate) fn apply(
    mut config: Config,
    lookup: impl Fn(&str) -> Option<OsString>,
) -> Result<Config, ConfigError> {
    for setting in SETTINGS {
        let variable = format!("{PREFIX}{}", setting.name);
        // A workflow cannot always leave a variable out.
        let Some(value) = lookup(&variable).filter(|value| !value.is_empty()) else {
            continue;
        };
        let text = value.to_str().map(str::trim);
        if text
            .and_then(|text| (setting.set)(&mut config, text))
            .is_none()
        {
            return Err(ConfigError {
                variable,
                value: value.to_string_lossy().into_owned(),
                allowed: setting.allowed,
            });
        }
    }
    Ok(config)
}

/// The variables among `names` that look like settings and are none.
pub(crate) fn unknown(names: impl Iterator<Item = OsString>) -> Vec<String> {
    let mut unknown: Vec<String> = names
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| {
            let rest = name.strip_prefix(PREFIX);
            rest.is_some_and(|rest| SETTINGS.iter().all(|setting| setting.name != rest))
        })
        .collect();
    unknown.sort_unstable();
    unknown
}

/// A number; `parse` alone would take a leading plus.
fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

fn count(text: &str) -> Option<u32> {
    let count = u32::try_from(number(text)?).ok();
    count.filter(|count| *count <= MAX_DEVICES)
}

/// A number, or one with a suffix `K`, `M` or `G`, above 0.
fn bytes(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 10),
        b'm' | b'M' => (&text[..text.len() - 1], 20),
        b'g' | b'G' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let bytes = number(digits)?.checked_mul(1 << shift);
    bytes.filter(|bytes| *bytes > 0)
}

fn power_of_two(text: &str) -> Option<usize> {
    let size = usize::try_from(bytes(text)?).ok();
    size.filter(|size| size.is_power_of_two())
}

fn report(text: &str) -> Option<Report> {
    match text {
        "fail" => Some(Report::Fail),
        _ => Some(if switch(text)? {
            Report::Say
        } else {
            Report::None
        }),
    }
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

fn free_policies(text: &str) -> Option<u32> {
    let blocking = sys::ZE_DRIVER_MEMORY_FREE_POLICY_EXT_FLAG_BLOCKING_FREE;
    let deferred = sys::ZE_DRIVER_MEMORY_FREE_POLICY_EXT_FLAG_DEFER_FREE;
    match text {
        "none" => Some(0),
        "blocking" => Some(blocking),
        "deferred" => Some(deferred),
        "all" => Some(blocking | deferred),
        _ => None,
    }
}

fn log_to(text: &str) -> Option<Option<LogTo>> {
    match text {
        "" => None,
        "stderr" => Some(Some(LogTo::Stderr)),
        path => Some(Some(LogTo::File(PathBuf::from(path)))),
    }
}

fn faults(text: &str) -> Option<Vec<Fault>> {
    text.split(',')
        .map(|fault| self::fault(fault.trim()))
        .collect()
}

/// `call:nth:result`
fn fault(text: &str) -> Option<Fault> {
    let mut parts = text.split(':');
    let (call, nth, result) = (parts.next()?, parts.next()?, parts.next()?);
    let call = match call {
        "*" => None,
        name => Some(Call::find(name)?),
    };
    let at = number(nth).filter(|at| *at > 0)?;
    let result = results::parse(result).filter(|result| *result != sys::ZE_RESULT_SUCCESS)?;
    let fault = Fault { call, at, result };
    parts.next().is_none().then_some(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        apply(Config::new(), |name| {
            let pair = pairs
                .iter()
                .find(|pair| name == format!("{PREFIX}{}", pair.0));
            pair.map(|pair| OsString::from(pair.1))
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
            ("DEVICES", "3"),
            ("SUB_DEVICES", "2"),
            ("DEVICE_MEMORY", "5M"),
            ("HOST_MEMORY", "7k"),
            ("MAX_ALLOCATION", "1G"),
            ("MAX_FILL_PATTERN", "2K"),
            ("HONOUR_ALIGNMENT", "0"),
            ("FREE_POLICIES", "blocking"),
            ("RELAXED_LIMITS", "0"),
            ("FILL_LIMIT", "4K"),
            ("TRAP_FREED", "1"),
            ("OPENCL", "/opt/libintelocl.so"),
            (
                "FAIL",
                "zeMemFree:2:ZE_RESULT_ERROR_UNKNOWN, *:1:0x70000001",
            ),
            ("LOG", "/tmp/log"),
            ("REPORT", "1"),
        ])
        .unwrap();
        assert_eq!((config.devices, config.sub_devices), (3, 2));
        assert_eq!(config.device_memory, 5 << 20);
        assert_eq!(config.host_memory, 7 << 10);
        assert_eq!(config.max_allocation, 1 << 30);
        assert_eq!(config.max_fill_pattern, 2048);
        assert!(!config.honour_alignment);
        assert_eq!(config.free_policies, 1);
        assert!(!config.relaxed_limits);
        assert_eq!(config.fill_limit, 4096);
        assert!(config.trap_freed);
        let faults: Vec<_> = config.faults.iter().map(|f| (f.at, f.result)).collect();
        assert_eq!(
            faults,
            [
                (2, sys::ZE_RESULT_ERROR_UNKNOWN),
                (1, sys::ZE_RESULT_ERROR_DEVICE_LOST)
            ]
        );
        assert!(config.faults[0].call.is_some() && config.faults[1].call.is_none());
        assert_eq!(config.log_to, Some(LogTo::File(PathBuf::from("/tmp/log"))));
        assert_eq!(config.report, Report::Say);
        let config = from(&[("REPORT", "fail"), ("DEVICES", ""), ("LOG", "")]).unwrap();
        assert_eq!((config.report, config.devices), (Report::Fail, 1));
        let words = [("LOG", "stderr"), ("FREE_POLICIES", "all"), ("REPORT", "0")];
        let config = from(&words).unwrap();
        assert_eq!(config.log_to, Some(LogTo::Stderr));
        assert_eq!(config.free_policies, 3);
    }

    #[test]
    fn a_value_that_is_not_allowed_is_an_error_that_names_the_variable() {
        let numbers = [
            " ",
            "x",
            "-1",
            "+1",
            "1T",
            "1.5G",
            "K",
            "0",
            "99999999999999999999",
            "999999999999G",
        ];
        let cases = numbers.map(|bad| ("HOST_MEMORY", bad)).into_iter().chain([
            ("DEVICES", "65"),
            ("DEVICES", "4294967297"),
            ("DEVICES", "1K"),
            ("MAX_FILL_PATTERN", "3"),
            ("HONOUR_ALIGNMENT", "yes"),
            ("FREE_POLICIES", "some"),
            ("LOG", " "),
            ("REPORT", "2"),
            ("FAIL", "zeMemFree"),
            ("FAIL", "zeMemFre:1:UNKNOWN"),
            ("FAIL", "zeMemFree:0:UNKNOWN"),
            ("FAIL", "zeMemFree:1:SUCCESS"),
            ("FAIL", "zeMemFree:1:UNKNOWN:"),
            ("FAIL", "zeMemFree:1:UNKNOWN,"),
        ]);
        for (name, bad) in cases {
            let error = from(&[(name, bad)]).unwrap_err();
            assert_eq!(error.variable, format!("{PREFIX}{name}"), "{bad}");
            assert_eq!(error.value, bad);
            let text = error.to_string();
            assert!(
                text.contains(&error.variable) && text.contains(error.allowed),
                "{text}"
            );
        }
    }

    #[test]
    fn a_misspelt_variable_is_found() {
        let names = ["LEVEL_ZERO_CPU_DEVICE", "LEVEL_ZERO_CPU_DEVICES", "PATH"];
        let unknown = unknown(names.map(OsString::from).into_iter());
        assert_eq!(unknown, ["LEVEL_ZERO_CPU_DEVICE"]);
    }

    #[test]
    fn every_setting_is_documented() {
        let places = [include_str!("config.rs"), include_str!("../README.md")];
        for setting in SETTINGS {
            let row = format!("| `{PREFIX}{}` |", setting.name);
            assert!(places.iter().all(|text| text.contains(&row)), "{row}");
        }
    }
}
