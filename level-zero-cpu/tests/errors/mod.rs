//! Tables of errors: what the header of version 1.4 documents for calls, what the driver returns
//! beyond that, and what a test has seen.
//!
//! A line is `call: documented + beyond | faults`, where the last are documented as well, but only a
//! fault that is asked for brings them about; nothing need be beyond.
#![allow(dead_code, reason = "each test program uses a part")]

use crate::setup::*;
use level_zero_cpu::Instance;
use level_zero_sys::{self as sys, ze_result_t};
use std::collections::{BTreeMap, BTreeSet};

/// A code by its short name, and how the header spells it after `ZE_RESULT_`.
fn find(word: &str) -> (ze_result_t, &'static str) {
    match word {
        "NULL_HANDLE" => (NULL_HANDLE, "ERROR_INVALID_NULL_HANDLE"),
        "NULL_POINTER" => (NULL_POINTER, "ERROR_INVALID_NULL_POINTER"),
        "ENUMERATION" => (INVALID_ENUMERATION, "ERROR_INVALID_ENUMERATION"),
        "ARGUMENT" => (INVALID_ARGUMENT, "ERROR_INVALID_ARGUMENT"),
        "INVALID_SIZE" => (INVALID_SIZE, "ERROR_INVALID_SIZE"),
        "SIZE" => (UNSUPPORTED_SIZE, "ERROR_UNSUPPORTED_SIZE"),
        "ALIGNMENT" => (UNSUPPORTED_ALIGNMENT, "ERROR_UNSUPPORTED_ALIGNMENT"),
        "FEATURE" => (UNSUPPORTED_FEATURE, "ERROR_UNSUPPORTED_FEATURE"),
        "OVERLAPPING" => (OVERLAPPING, "ERROR_OVERLAPPING_REGIONS"),
        "SYNCHRONIZATION" => (
            sys::ZE_RESULT_ERROR_INVALID_SYNCHRONIZATION_OBJECT,
            "ERROR_INVALID_SYNCHRONIZATION_OBJECT",
        ),
        "LIST_TYPE" => (
            sys::ZE_RESULT_ERROR_INVALID_COMMAND_LIST_TYPE,
            "ERROR_INVALID_COMMAND_LIST_TYPE",
        ),
        "NOT_READY" => (sys::ZE_RESULT_NOT_READY, "NOT_READY"),
        "HOST" => (OUT_OF_HOST_MEMORY, "ERROR_OUT_OF_HOST_MEMORY"),
        "DEVICE" => (OUT_OF_DEVICE_MEMORY, "ERROR_OUT_OF_DEVICE_MEMORY"),
        "IN_USE" => (IN_USE, "ERROR_HANDLE_OBJECT_IN_USE"),
        "UNINIT" => (UNINITIALIZED, "ERROR_UNINITIALIZED"),
        "LOST" => (DEVICE_LOST, "ERROR_DEVICE_LOST"),
        other => unreachable!("{other}"),
    }
}

pub(crate) fn code(word: &str) -> ze_result_t {
    find(word).0
}

/// One call.
pub(crate) struct Row {
    pub(crate) call: &'static str,
    documented: Vec<&'static str>,
    beyond: Vec<&'static str>,
    faults: Vec<&'static str>,
}

pub(crate) fn table(lines: &[&'static str]) -> Vec<Row> {
    let words = |codes: &'static str| codes.split_whitespace().collect();
    let row = |line: &&'static str| {
        let (call, codes) = line.split_once(": ").unwrap();
        let (real, faults) = codes.split_once('|').unwrap();
        let (documented, beyond) = real.split_once('+').unwrap_or((real, ""));
        Row {
            call,
            documented: words(documented),
            beyond: words(beyond),
            faults: words(faults),
        }
    };
    lines.iter().map(row).collect()
}

/// How often each call returned each code.
#[derive(Default)]
pub(crate) struct Seen(BTreeMap<(&'static str, i64), usize>);

impl Seen {
    pub(crate) fn add(&mut self, call: &'static str, results: &[ze_result_t]) {
        for result in results {
            assert_ne!(*result, SUCCESS, "{call}");
            *self.0.entry((call, i64::from(result.0))).or_default() += 1;
        }
    }

    fn count(&self, call: &'static str, word: &str) -> usize {
        let key = (call, i64::from(code(word).0));
        self.0.get(&key).copied().unwrap_or(0)
    }

    /// Each code of the table was seen, as often as the header has reasons for it, and none beside.
    pub(crate) fn check(&self, table: &[Row]) {
        let header = header();
        let mut codes = BTreeSet::new();
        let mut missing = Vec::new();
        for row in table {
            let documented = header.as_ref().map(|header| documented(header, row.call));
            for word in row.documented.iter().chain(&row.beyond) {
                let reasons = documented.as_ref().and_then(|all| all.get(find(word).1));
                let reasons = reasons.copied().unwrap_or(0).max(1);
                let count = self.count(row.call, word);
                if count < reasons {
                    missing.push((row.call, word, count, reasons));
                }
                codes.insert((row.call, i64::from(code(word).0)));
            }
        }
        assert!(missing.is_empty(), "{missing:?}");
        let seen: BTreeSet<_> = self.0.keys().copied().collect();
        assert_eq!(seen, codes);
    }
}

/// The header of version 1.4, where it is installed.
fn header() -> Option<String> {
    let header = std::fs::read_to_string("/usr/include/level_zero/ze_api.h").ok()?;
    let is_it = header.contains("ZE_API_VERSION_1_4") && !header.contains("ZE_API_VERSION_1_5");
    is_it.then_some(header)
}

/// The errors that a call has in the header, each with the number of reasons given for it.
fn documented<'a>(header: &'a str, call: &str) -> BTreeMap<&'a str, usize> {
    let (before, _) = header.split_once(&format!("\n{call}(\n")).unwrap();
    let (_, comment) = before.rsplit_once("@returns").unwrap();
    let codes = comment.split("- ::ZE_RESULT_").skip(1).map(|code| {
        let name = code.split_whitespace().next().unwrap();
        let reasons = code.matches("\n///         + ").count();
        // Where a reservation starts may be left to the driver, say the description and the tests.
        (name, reasons - code.matches("`nullptr == pStart`").count())
    });
    codes.filter(|(name, _)| *name != "SUCCESS").collect()
}

/// The table has all that the header has, and no more.
pub(crate) fn check_header(table: &[Row]) {
    let Some(header) = header() else {
        return;
    };
    for row in table {
        let words = row.documented.iter().chain(&row.faults);
        let listed: BTreeSet<_> = words.map(|word| find(word).1).collect();
        let documented: BTreeSet<_> = documented(&header, row.call).into_keys().collect();
        assert_eq!(listed, documented, "{}", row.call);
    }
}

/// Each fault of the table is returned when it is asked for, once.
pub(crate) fn check_faults(
    instance: &Instance,
    table: &[Row],
    mut call: impl FnMut(&'static str) -> ze_result_t,
) {
    for row in table {
        for word in &row.faults {
            instance.fail(row.call, 1, code(word));
            assert_eq!(call(row.call), code(word), "{}", row.call);
        }
    }
}
