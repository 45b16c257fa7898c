//! What the tests need of the machine: the shared library that was built with them, a C compiler,
//! the Level Zero headers and loader.
#![allow(dead_code, reason = "each test program uses a part")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, OnceLock};

/// The library with its dispatch tables, which cargo builds beside the tests.
///
/// # Panics
///
/// Where it is not there.
pub(crate) fn library() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let folders = tests.ancestors().skip(1).take(2);
    let mut places = folders.map(|folder| folder.join("liblevel_zero_cpu.so"));
    let found = places.clone().find(|place| place.is_file());
    found.unwrap_or_else(|| {
        let places: Vec<_> = places.by_ref().collect();
        panic!("no liblevel_zero_cpu.so in {places:?}: cargo build -p level-zero-cpu makes it")
    })
}

/// Whether a sanitizer is built into the library. Then only programs can load it that have the
/// sanitizer too, and export it.
pub(crate) fn is_sanitized() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let bytes = fs::read(library()).unwrap();
        let marks: [&[u8]; 2] = [b"__asan_init", b"__tsan_init"];
        let words = |bytes: &[u8]| marks.iter().any(|mark| bytes.starts_with(mark));
        bytes.split(|byte| *byte == 0).any(words)
    })
}

/// Says that a test is skipped, unless `ZE_AREA_REQUIRE` (a comma-separated list) has `what`.
///
/// # Panics
///
/// Where it is required.
pub(crate) fn lacks(what: &str, why: &str) {
    let required = std::env::var("ZE_AREA_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|required| required.trim() == what),
        "ZE_AREA_REQUIRE asks for {what}: {why}"
    );
    // Past the capture of the harness.
    let _ = writeln!(io::stderr(), "skipped: {why}");
}

/// A folder of its own, gone with this value.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("level-zero-cpu-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Why `cc` cannot compile programs that use Level Zero, as `(what is missing, text)`.
fn obstacle() -> Option<(&'static str, String)> {
    static FOUND: OnceLock<Option<(&'static str, String)>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        if is_sanitized() {
            let text = "a C program cannot load a library with a sanitizer";
            return Some(("headers", text.to_owned()));
        }
        let scratch = Scratch::new("obstacle");
        let compile = |source: &str, library: &[&str]| {
            let path = scratch.path("source.c");
            fs::write(&path, source).unwrap();
            let mut compiler = Command::new("cc");
            compiler.arg(&path).arg("-o").arg(scratch.path("program"));
            compiler.args(library).output()
        };
        let main = "int main(void) { return 0; }";
        match compile(main, &[]) {
            Ok(output) if output.status.success() => {}
            _ => return Some(("headers", "no C compiler (Debian: gcc, libc6-dev)".into())),
        }
        let header = format!("#include <level_zero/ze_api.h>\n{main}");
        if !compile(&header, &[]).unwrap().status.success() {
            return Some((
                "headers",
                "no Level Zero headers (Debian: libze-dev)".into(),
            ));
        }
        if !compile(main, &["-lze_loader"]).unwrap().status.success() {
            return Some(("loader", "no Level Zero loader (Debian: libze-dev)".into()));
        }
        None
    });
    found.clone()
}

fn build(source: &str, flags: &[&str]) -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let binary = folder.join(source).with_extension("program");
    // Put in place whole: another run of the tests may be using the one that is there.
    let fresh = folder.join(format!("{source}.{}", std::process::id()));
    let output = Command::new("cc")
        .args(["-std=c11", "-D_GNU_SOURCE", "-g", "-O1", "-pthread"])
        .args([
            "-Wall",
            "-Wextra",
            "-Wno-missing-field-initializers",
            "-Werror",
        ])
        .arg("-I")
        .arg(package.join("include"))
        .arg(package.join("tests/c").join(source))
        .arg("-o")
        .arg(&fresh)
        .args(flags)
        .args(["-lze_loader", "-ldl"])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    fs::rename(&fresh, &binary).unwrap();
    binary
}

/// A C program of `tests/c`, compiled.
pub(crate) struct Program {
    binary: PathBuf,
    scratch: Scratch,
}

impl Program {
    /// `None`, with a word about it, where the machine lacks something. The program runs in a folder
    /// named after the test.
    ///
    /// # Panics
    ///
    /// Where the program does not compile without a warning.
    pub(crate) fn compile(source: &'static str, test: &str) -> Option<Self> {
        Self::compile_with(source, &[], test)
    }

    /// As [`compile`](Self::compile), with more for the compiler.
    pub(crate) fn compile_with(source: &'static str, flags: &[&str], test: &str) -> Option<Self> {
        if let Some((what, why)) = obstacle() {
            lacks(what, &why);
            return None;
        }
        // Once for all tests of this process.
        static COMPILED: Mutex<BTreeMap<&str, PathBuf>> = Mutex::new(BTreeMap::new());
        let mut compiled = COMPILED.lock().unwrap();
        let binary = compiled
            .entry(source)
            .or_insert_with(|| build(source, flags));
        Some(Self {
            binary: binary.clone(),
            scratch: Scratch::new(test),
        })
    }

    /// A file in the program's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path(name)
    }

    /// Runs it with this library as the only driver of the loader, and no setting but those given.
    pub(crate) fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let mut command = Command::new(&self.binary);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["ZE_", "ZET_", "ZES_", "ZEL_", "LEVEL_ZERO_CPU_", "NEO"]
                .iter()
                .any(|prefix| text.starts_with(prefix))
            {
                command.env_remove(&name);
            }
        }
        command
            .args(arguments)
            .current_dir(&self.scratch.0)
            .env("ZE_ENABLE_ALT_DRIVERS", library())
            .envs(environment.iter().copied())
            .output()
            .unwrap()
    }

    /// As [`run`](Self::run), for a program that is to end well; what it printed, and what was said
    /// on standard error.
    pub(crate) fn good(&self, arguments: &[&str], environment: &[(&str, &str)]) -> [String; 2] {
        let output = self.run(arguments, environment);
        let [out, err] =
            [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
        let status = output.status;
        assert!(
            status.success(),
            "{arguments:?} {environment:?}: {status}\n{out}\n{err}"
        );
        [out, err]
    }
}
