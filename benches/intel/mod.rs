//! Intel's driver without hardware: it takes its settings from the environment when it is loaded,
//! so a program that measures it starts itself again with them.

use std::path::{Path, PathBuf};
use std::process::Command;
use ze_area::{Context, Driver};

/// What makes the driver believe in a DG1, and keeps it from writing captures.
const KEYS: [(&str, &str); 4] = [
    ("NEOReadDebugKeys", "1"),
    ("SetCommandStreamReceiver", "1"),
    ("ProductFamilyOverride", "dg1"),
    ("AUBDumpCaptureFileName", "/dev/null"),
];

/// Where that run finds the folder that this one was started in.
pub(crate) const FOLDER: &str = "ZE_AREA_BENCH_FOLDER";

/// Runs this program with the driver's settings, in a scratch folder; its exit code, or `None` where
/// this is that run.
pub(crate) fn with_settings() -> std::io::Result<Option<u8>> {
    if KEYS.iter().all(|(key, _)| std::env::var_os(key).is_some()) {
        return Ok(None);
    }
    let program = std::env::current_exe()?;
    let scratch = Scratch::new()?;
    let mut command = Command::new(&program);
    command.args(std::env::args_os().skip(1));
    command.env(FOLDER, std::env::current_dir()?);
    command.envs(KEYS).current_dir(&scratch.0);
    // Criterion looks for Cargo's target directory from the current one.
    if std::env::var_os("CRITERION_HOME").is_none()
        && let Some(target) = program.ancestors().nth(3).filter(|path| path.is_absolute())
    {
        command.env("CRITERION_HOME", target.join("criterion"));
    }
    let code = command.status()?.code().unwrap_or(1);
    Ok(Some(u8::try_from(code).unwrap_or(1)))
}

/// A context of the driver; where there is none, prints that it is skipped.
pub(crate) fn context() -> Option<Context> {
    let context = Driver::system().and_then(|driver| Context::builder().driver(&driver).build());
    context
        .inspect_err(|error| {
            println!("skipped: Intel's driver: {error} (apt-get install intel-opencl-icd libze1)");
        })
        .ok()
}

/// A folder that goes with this value.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("ze-area-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left in a temporary folder is the system's to sweep.
        let _: std::io::Result<()> = std::fs::remove_dir_all(Path::new(&self.0));
    }
}
