//! The drivers that the promises are checked on.

use crate::{process, scenarios};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Deref;
use std::path::Path;
use ze_area::{Context, Driver, ZeDevice};

#[cfg(feature = "cpu")]
use ze_area::cpu::{Config as CpuConfig, Instance};

scenarios![probe,];

/// A driver and how it is set up.
pub(crate) struct Config {
    pub(crate) name: &'static str,
    /// What `ZE_AREA_REQUIRE` calls it.
    pub(crate) group: &'static str,
    /// What to do where it is absent.
    pub(crate) install: &'static str,
    /// Whether it is left out, trials and all, where it is absent.
    pub(crate) optional: bool,
    /// Whether trials can share a process.
    pub(crate) in_process: bool,
    /// Whether the loader is to take this repository's driver, as a shared library.
    pub(crate) cpu_library: bool,
    /// Settings for the processes of trials.
    pub(crate) environment: &'static [(&'static str, &'static str)],
    executes: Executes,
    /// How many devices it has, and how many parts each of them, where that is known.
    pub(crate) devices: Option<(usize, usize)>,
    /// Whether its device memory is known to end.
    pub(crate) runs_out: bool,
    pub(crate) honours_alignment: Option<bool>,
}

#[derive(PartialEq)]
enum Executes {
    Everything,
    /// Only copies between ordinary host memory and device memory.
    HostDeviceCopies,
}

/// What a check of content rests on.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Work {
    /// Copies between ordinary host memory and device memory.
    HostDevice,
    /// Other copies, and fills.
    Other,
}

const INSTALL_INTEL: &str = "Debian: apt-get install libze1 intel-opencl-icd";

/// The keys of Intel's driver: no hardware, work captured but for copies, nothing written.
macro_rules! intel {
    ($product:literal $(, $key:literal = $value:literal)*) => {
        &[
            ("NEOReadDebugKeys", "1"),
            ("SetCommandStreamReceiver", "1"),
            ("ProductFamilyOverride", $product),
            ("AUBDumpCaptureFileName", "/dev/null"),
            ("ExperimentalCopyThroughLock", "1"),
            ("ExperimentalH2DCpuCopyThreshold", "1073741824"),
            ("ExperimentalD2HCpuCopyThreshold", "1073741824"),
            ("ZE_ENABLE_VALIDATION_LAYER", "1"),
            ("ZE_ENABLE_PARAMETER_VALIDATION", "1"),
            $(($key, $value),)*
        ]
    };
}

const INTEL: Config = Config {
    name: "",
    group: "intel",
    install: INSTALL_INTEL,
    optional: false,
    in_process: false,
    cpu_library: false,
    environment: &[],
    executes: Executes::HostDeviceCopies,
    devices: Some((1, 0)),
    runs_out: false,
    honours_alignment: None,
};

const CPU: Config = Config {
    name: "cpu",
    group: "cpu",
    install: "build with `--features cpu`",
    optional: false,
    in_process: true,
    cpu_library: false,
    environment: &[],
    executes: Executes::Everything,
    devices: Some((1, 0)),
    runs_out: true,
    honours_alignment: Some(true),
};

const CPU_LOADER: Config = Config {
    group: "loader",
    install: "Debian: apt-get install libze1",
    in_process: false,
    cpu_library: true,
    ..CPU
};

pub(crate) static CONFIGS: &[Config] = &[
    CPU,
    Config {
        name: "cpu_strict_old",
        devices: Some((2, 2)),
        honours_alignment: Some(false),
        ..CPU
    },
    Config {
        name: "cpu_loader",
        environment: &[
            ("ZE_ENABLE_VALIDATION_LAYER", "1"),
            ("ZE_ENABLE_PARAMETER_VALIDATION", "1"),
        ],
        ..CPU_LOADER
    },
    Config {
        name: "cpu_loader_layers",
        environment: &[
            ("ZE_ENABLE_VALIDATION_LAYER", "1"),
            ("ZE_ENABLE_PARAMETER_VALIDATION", "1"),
            ("ZE_ENABLE_TRACING_LAYER", "1"),
            ("ZE_ENABLE_LOADER_INTERCEPT", "1"),
            ("LEVEL_ZERO_CPU_DEVICES", "2"),
            ("LEVEL_ZERO_CPU_SUB_DEVICES", "2"),
        ],
        devices: Some((2, 2)),
        ..CPU_LOADER
    },
    Config {
        name: "intel_dg1",
        environment: intel!("dg1"),
        runs_out: true,
        ..INTEL
    },
    Config {
        name: "intel_skl",
        environment: intel!("skl"),
        ..INTEL
    },
    Config {
        name: "intel_dg1_2x2",
        environment: intel!(
            "dg1",
            "CreateMultipleRootDevices" = "2",
            "CreateMultipleSubDevices" = "2"
        ),
        devices: Some((2, 2)),
        ..INTEL
    },
    Config {
        name: "system",
        group: "gpu",
        install: "Debian: apt-get install libze1 intel-opencl-icd, and a GPU of Intel's",
        optional: true,
        executes: Executes::Everything,
        devices: None,
        ..INTEL
    },
];

/// What `ZE_AREA_REQUIRE` asks for.
pub(crate) fn required() -> Vec<&'static str> {
    let value = std::env::var("ZE_AREA_REQUIRE").unwrap_or_default();
    let words = value.split(',').map(str::trim);
    words
        .filter_map(|word| match word {
            "intel" => Some("intel"),
            "cpu" => Some("cpu"),
            "gpu" => Some("gpu"),
            "loader" => Some("loader"),
            // For other tests.
            "" | "headers" | "messages" | "opencl" | "umf" | "valgrind" => None,
            other => {
                eprintln!("ZE_AREA_REQUIRE: nothing is called {other:?}; see docs/testing.md");
                std::process::exit(2)
            }
        })
        .collect()
}

fn probe(config: &'static Config) {
    match config.open() {
        Ok(subject) => println!("{:?}", subject.driver().devices()),
        // The last line is what the reason is taken from.
        Err(why) => {
            println!("{why}");
            std::process::exit(1);
        }
    }
}

impl Config {
    /// Why the driver is not here, if it is not.
    pub(crate) fn probe(&'static self) -> Result<(), String> {
        if self.in_process {
            return self.open().map(drop);
        }
        let output = process::again(self, "probe", &[]);
        if output.status.success() {
            return Ok(());
        }
        let said = output.stdout.lines().chain(output.stderr.lines()).next();
        Err(said
            .unwrap_or("its process ended without a word")
            .to_owned())
    }

    /// The driver, as set up by the environment of this process.
    pub(crate) fn open(&'static self) -> Result<Subject, String> {
        #[cfg(feature = "cpu")]
        if self.group == "cpu" {
            let settings = match self.name {
                "cpu" => CpuConfig::new(),
                _ => CpuConfig::new()
                    .devices(2)
                    .sub_devices(2)
                    .honour_alignment(false)
                    .max_fill_pattern(16)
                    .free_policies(
                        ze_area::sys::ZE_DRIVER_MEMORY_FREE_POLICY_EXT_FLAG_BLOCKING_FREE,
                    ),
            };
            let instance = Instance::new(settings).map_err(|error| error.to_string())?;
            let driver = Driver::from_cpu(&instance).map_err(|error| error.to_string())?;
            return Ok(Subject::new(self, driver, Some(instance)));
        }
        if self.group == "cpu" {
            return Err("this build is without the feature `cpu`".to_owned());
        }
        let driver = Driver::system().map_err(|error| error.to_string())?;
        Ok(Subject::new(
            self,
            driver,
            #[cfg(feature = "cpu")]
            None,
        ))
    }
}

/// The driver that a promise is checked on.
pub(crate) struct Subject {
    pub(crate) config: &'static Config,
    driver: Driver,
    notes: RefCell<BTreeSet<String>>,
    #[cfg(feature = "cpu")]
    instance: Option<Instance>,
}

impl Subject {
    fn new(
        config: &'static Config,
        driver: Driver,
        #[cfg(feature = "cpu")] instance: Option<Instance>,
    ) -> Self {
        Self {
            config,
            driver,
            notes: RefCell::default(),
            #[cfg(feature = "cpu")]
            instance,
        }
    }

    pub(crate) fn driver(&self) -> &Driver {
        &self.driver
    }

    pub(crate) fn device(&self) -> &ZeDevice {
        &self.driver.devices()[0]
    }

    /// A context of all devices that checks at its end that nothing is left in it.
    pub(crate) fn context(&self) -> Checked {
        Checked(Context::builder().driver(&self.driver).build().unwrap())
    }

    /// Whether the driver carries out such work, so that content can be checked; else the check is
    /// noted as left out.
    pub(crate) fn executes(&self, work: Work, what: &str) -> bool {
        let executes = self.config.executes == Executes::Everything || work == Work::HostDevice;
        if !executes {
            self.note(format!("content unchecked: {what}"));
        }
        executes
    }

    /// Notes why the rest of a promise means nothing on this driver.
    pub(crate) fn not_applicable(&self, why: &str) {
        self.note(format!("not applicable: {why}"));
    }

    fn note(&self, note: String) {
        self.notes.borrow_mut().insert(note);
    }

    /// Checks that nothing is left; what was left out comes back.
    pub(crate) fn finish(self) -> BTreeSet<String> {
        drop(self.driver);
        #[cfg(feature = "cpu")]
        if let Some(instance) = self.instance {
            let ledger = instance.ledger();
            assert!(ledger.is_empty(), "left behind: {ledger:?}");
        }
        self.notes.into_inner()
    }
}

/// A context in which nothing may be left at the end.
pub(crate) struct Checked(Context);

impl Deref for Checked {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.0
    }
}

impl Drop for Checked {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_empty(&self.0);
        }
    }
}

pub(crate) fn assert_empty(context: &Context) {
    let memory = context.memory();
    assert_eq!(memory.live_buffers(), 0, "{memory:?}");
    assert_eq!(memory.live_bytes(), 0, "{memory:?}");
    assert_eq!(memory.failed_frees(), 0, "{memory:?}");
}

/// Where no library is.
pub(crate) fn nowhere() -> &'static Path {
    Path::new("/nonexistent/libze_nowhere.so")
}
