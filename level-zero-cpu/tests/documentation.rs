//! What `docs/cpu-driver.md` says of calls and settings is so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::path::Path;

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cpu-driver.md");
    std::fs::read_to_string(path).unwrap()
}

/// The calls named in a part of the document, once each.
fn calls(part: &str) -> BTreeSet<&str> {
    let mut calls = BTreeSet::new();
    for row in part.lines().filter(|line| line.starts_with('|')) {
        for name in row.split('`').skip(1).step_by(2) {
            if name.starts_with("ze") {
                assert!(calls.insert(name), "{name} is there twice");
            }
        }
    }
    calls
}

#[test]
fn every_call_has_its_state() {
    let document = document();
    let (_, all) = document.split_once("## All calls").unwrap();
    let (done, not_done) = all.split_once("| not done").unwrap();
    let (done, not_done) = (calls(done), calls(not_done));
    // Those that are in the table of calls all the same.
    let answered = [
        "zeEventPoolGetIpcHandle",
        "zeEventPoolOpenIpcHandle",
        "zeEventPoolCloseIpcHandle",
        "zeModuleGetFunctionPointer",
    ];
    let table = include_str!("../src/table.rs");
    let mut entries = 0;
    for line in include_str!("../src/exports.rs").lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let [_, kind @ ("required" | "optional" | "absent"), name] = words[..] else {
            continue;
        };
        let name = name.trim_end_matches(',');
        if !name.starts_with("ze") || name.starts_with("zes") || name.starts_with("zet") {
            continue;
        }
        let missing = table.contains(&format!("{name}: None"));
        let expected = kind != "absent" && !missing && !answered.contains(&name);
        let said = (done.contains(name), not_done.contains(name));
        assert_eq!(said, (expected, !expected), "{name}: done, not done");
        entries += 1;
    }
    assert_eq!(entries, done.len() + not_done.len());
}

#[test]
fn every_setting_is_there() {
    let document = document();
    let names = include_str!("../src/settings.rs")
        .lines()
        .filter_map(|line| {
            let name = line.strip_prefix("        name: \"")?;
            name.strip_suffix("\",")
        });
    let mut settings = 0;
    for name in names {
        assert!(document.contains(&format!("| `{name}` |")), "{name}");
        settings += 1;
    }
    assert!(settings > 10);
}
