//! This program again, as a child: a driver reads its environment only once, and some promises
//! are about how a process ends.

use crate::drivers::{CONFIGS, Config};
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What the child is to do: `<driver>::<promise or scenario>`.
const TASK: &str = "ZE_AREA_CONFORMANCE_TASK";

/// Has the CPU driver's library say at the end of the process what is live.
const REPORT: &str = "LEVEL_ZERO_CPU_REPORT";

/// How long a child may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Variables that would make the child another than it is meant to be.
const CLEARED: &[&str] = &[
    "ZE_AREA_DRIVER",
    "ZE_AFFINITY_MASK",
    "ZE_FLAT_DEVICE_HIERARCHY",
    "ZE_ENABLE_ALT_DRIVERS",
    REPORT,
    "RUST_BACKTRACE",
];

pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    captures: Vec<PathBuf>,
    timed_out: bool,
}

impl Output {
    /// The child ended well and had nothing to complain about: neither had the driver, nor the
    /// validation layer, whose refusals are codes, and failures here.
    pub(crate) fn clean(&self) -> Result<(), String> {
        let mut text = String::new();
        if self.timed_out {
            let _ = writeln!(text, "ended after {PATIENCE:?}");
        } else if !self.status.success() {
            let _ = writeln!(text, "ended with {}", self.status);
        }
        if !self.captures.is_empty() {
            let _ = writeln!(text, "the driver wrote captures: {:?}", self.captures);
        }
        if text.is_empty() && self.stderr.is_empty() {
            return Ok(());
        }
        let (stdout, stderr) = (&self.stdout, &self.stderr);
        let _ = write!(text, "stdout:\n{stdout}\nstderr:\n{stderr}");
        Err(text)
    }

    /// Takes out the report of a child that was asked for it.
    fn expect_report(&mut self) -> Result<(), String> {
        let report = "level-zero-cpu: nothing is live\n";
        match self.stderr.strip_suffix(report) {
            Some(rest) => self.stderr.truncate(rest.len()),
            None => return Err(format!("left behind: {}", self.stderr)),
        }
        Ok(())
    }

    /// The lines that say what was left out.
    pub(crate) fn notes(&self) -> Vec<String> {
        let notes = |line: &&str| {
            line.starts_with("content unchecked: ") || line.starts_with("not applicable: ")
        };
        self.stdout
            .lines()
            .filter(notes)
            .map(str::to_owned)
            .collect()
    }
}

/// A folder of its own for a child, gone with this value.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("ze-area-conformance-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a promise in a process of its own, at whose end nothing may be live; what it left out.
pub(crate) fn promise(config: &'static Config, name: &str) -> Result<Vec<String>, String> {
    if !config.cpu_library {
        let output = again(config, name, &[]);
        return output.clean().map(|()| output.notes());
    }
    let mut output = again(config, name, &[(REPORT, "1")]);
    let report = output.expect_report();
    output.clean()?;
    report.map(|()| output.notes())
}

/// This repository's driver as a shared library, which cargo builds for these tests and puts beside
/// them.
fn cpu_library() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let name = format!("{DLL_PREFIX}level_zero_cpu{DLL_SUFFIX}");
    let folders = tests.ancestors().skip(1).take(2);
    let found = folders
        .map(|folder| folder.join(&name))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("no {name} beside {tests:?}: cargo build -p level-zero-cpu"))
}

/// Runs a promise or scenario in a process of its own, with further variables in its environment.
pub(crate) fn again(config: &'static Config, task: &str, variables: &[(&str, &str)]) -> Output {
    let scratch = Scratch::new();
    let (stdout, stderr) = (scratch.0.join("stdout"), scratch.0.join("stderr"));
    let work = scratch.0.join("work");
    fs::create_dir(&work).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    for variable in CLEARED {
        command.env_remove(variable);
    }
    for other in CONFIGS {
        for (key, _) in other.environment {
            command.env_remove(key);
        }
    }
    if config.cpu_library {
        command.env("ZE_ENABLE_ALT_DRIVERS", cpu_library());
    }
    let mut child = command
        .envs(config.environment.iter().copied())
        .envs(variables.iter().copied())
        .env(TASK, format!("{}::{task}", config.name))
        .current_dir(&work)
        .stdin(Stdio::null())
        .stdout(File::create(&stdout).unwrap())
        .stderr(File::create(&stderr).unwrap())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    let mut timed_out = false;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begin.elapsed() > PATIENCE {
            timed_out = true;
            child.kill().unwrap();
            break child.wait().unwrap();
        }
        std::thread::sleep(Duration::from_millis(3));
    };
    Output {
        status,
        stdout: read(&stdout),
        stderr: read(&stderr),
        captures: fs::read_dir(&work)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect(),
        timed_out,
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}

pub(crate) fn is_child() -> bool {
    std::env::var_os(TASK).is_some()
}

/// What the child does.
pub(crate) fn child() {
    let task = std::env::var(TASK).unwrap();
    let (config, name) = task.split_once("::").unwrap();
    let config = CONFIGS.iter().find(|c| c.name == config).unwrap();
    if let Some(scenario) = crate::all_scenarios().find(|scenario| scenario.name == name) {
        return (scenario.run)(config);
    }
    let promise = crate::all_promises()
        .find(|promise| promise.name == name)
        .unwrap();
    let subject = config.open().unwrap();
    (promise.check)(&subject);
    for note in subject.finish() {
        println!("{note}");
    }
}
