//! What the tests need of the machine: its C compiler, headers and libraries.

use std::io::{self, Write as _};
use std::process::{Command, Output, Stdio};

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

/// Runs the C compiler on `source`.
///
/// # Errors
///
/// Where there is no compiler, or it cannot be run.
pub(crate) fn compile(arguments: &[&str], source: &str) -> io::Result<Output> {
    let mut compiler = Command::new("cc")
        .args(["-std=c11", "-x", "c", "-"])
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // The end of input, when the handle is dropped, is what lets the compiler finish. One that
    // gave up early, as for a missing header, says why in its output.
    if let Some(mut input) = compiler.stdin.take() {
        match input.write_all(source.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
            _ => {}
        }
    }
    compiler.wait_with_output()
}
