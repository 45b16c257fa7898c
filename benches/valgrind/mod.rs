//! Instruction counts of runs of this program, which noise on the machine leaves alone.

use std::io::{Error, Result};
use std::process::Command;

/// Whether valgrind is there. Where it is not, prints that `what` is skipped.
///
/// # Errors
///
/// Where it is not, and `ZE_AREA_REQUIRE` says that it must be.
pub(crate) fn is_there(what: &str) -> Result<bool> {
    if Command::new("valgrind").arg("--version").output().is_ok() {
        return Ok(true);
    }
    let required = std::env::var("ZE_AREA_REQUIRE")
        .is_ok_and(|list| list.split([',', ' ']).any(|name| name == "valgrind"));
    let message = format!("{what}: there is no valgrind (apt-get install valgrind)");
    if required {
        return Err(Error::other(message));
    }
    println!("skipped: {message}");
    Ok(false)
}

/// How many instructions a run of this program with these arguments takes.
///
/// # Errors
///
/// Where the run fails, with what it wrote.
pub(crate) fn instructions(arguments: &[&str]) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(arguments)
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text
        .lines()
        .find_map(|line| line.split_once("Collected : "))
        .and_then(|(_, number)| number.trim().parse().ok());
    match collected {
        Some(instructions) if output.status.success() => Ok(instructions),
        _ => Err(Error::other(format!(
            "valgrind with {arguments:?}: {}\n{text}",
            output.status
        ))),
    }
}
