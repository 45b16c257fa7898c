//! What must not compile, and what the compiler says about it.
//!
//! Each file in `tests/ui` is one forbidden thing; beside it is the message that users read,
//! reviewed as prose. After a change, `TRYBUILD=overwrite cargo test --test compile_fail` writes
//! the messages anew, to be read before they are kept.

use std::io::Write;
use std::process::Command;

/// The compiler whose messages are kept; others word theirs differently.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn what_is_forbidden_does_not_compile_and_the_message_says_what_to_do() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().unwrap();
    let version = String::from_utf8_lossy(&version.stdout);
    if !version.starts_with(COMPILER) && std::env::var_os("TRYBUILD").is_none() {
        let required = std::env::var("ZE_AREA_REQUIRE").unwrap_or_default();
        let why = format!("the messages are those of {COMPILER}x, this is {version}");
        assert!(!required.split(',').any(|word| word == "messages"), "{why}");
        // Past the capture of the harness.
        let _ = writeln!(std::io::stderr(), "skipped: {why}");
        return;
    }
    let cases = trybuild::TestCases::new();
    // With a `pass` case trybuild builds instead of checking: the assertions on sizes and
    // alignments are only evaluated then.
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/*.rs");
}
