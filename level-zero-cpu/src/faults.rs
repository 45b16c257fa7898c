//! What was called, and what is to fail.

use level_zero_sys::{self as sys, ze_result_t};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::call_log::Writer;
use crate::registry::lock;

/// A call of the API, as its place in [`sys::Api::NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call(usize);

impl Call {
    /// The call of this name; meant for `const` blocks, where a misspelt name does not compile.
    pub(crate) const fn named(name: &str) -> Self {
        let mut index = 0;
        while !same(sys::Api::NAMES[index].as_bytes(), name.as_bytes()) {
            index += 1;
            assert!(index < sys::Api::NAMES.len(), "no such call");
        }
        Self(index)
    }

    /// For stubs, which are generic over the call and can only be so over an integer.
    #[cfg(feature = "exports")]
    pub(crate) const fn index(self) -> usize {
        self.0
    }

    #[cfg(feature = "exports")]
    pub(crate) const fn from_index(index: usize) -> Self {
        assert!(index < sys::Api::NAMES.len(), "no such call");
        Self(index)
    }

    /// The call of a name that is not known before.
    pub(crate) fn find(name: &str) -> Option<Self> {
        sys::Api::NAMES
            .iter()
            .position(|call| *call == name)
            .map(Self)
    }

    pub(crate) fn name(self) -> &'static str {
        sys::Api::NAMES[self.0]
    }
}

const fn same(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut index = 0;
    while index < left.len() {
        if left[index] != right[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// One call that the log saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallRecord {
    /// The name of the call in C.
    pub call: &'static str,
    /// What it returned.
    pub result: ze_result_t,
}

/// A use of a call that is to fail.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// `None` counts the calls of every name.
    pub(crate) call: Option<Call>,
    /// Which use, from the start of the instance.
    pub(crate) at: u64,
    pub(crate) result: ze_result_t,
}

/// Counts, faults and the log of one instance.
pub(crate) struct Calls {
    total: AtomicU64,
    uses: Box<[AtomicU64]>,
    /// Length of `faults`, so that a call without faults takes no lock.
    armed: AtomicUsize,
    faults: Mutex<Vec<Fault>>,
    /// Whether there is anything to do when a call has ended.
    noting: AtomicBool,
    keeping: AtomicBool,
    log: Mutex<Vec<CallRecord>>,
    writer: Option<Writer>,
}

impl Calls {
    pub(crate) fn new(faults: Vec<Fault>, writer: Option<Writer>) -> Self {
        Self {
            total: AtomicU64::new(0),
            uses: sys::Api::NAMES.iter().map(|_| AtomicU64::new(0)).collect(),
            armed: AtomicUsize::new(faults.len()),
            faults: Mutex::new(faults),
            noting: AtomicBool::new(writer.is_some()),
            keeping: AtomicBool::new(false),
            log: Mutex::new(Vec::new()),
            writer,
        }
    }

    /// Counts a call; the result is what it is to return instead of its work.
    pub(crate) fn begin(&self, call: Call) -> Option<ze_result_t> {
        let total = self.total.fetch_add(1, Ordering::Relaxed) + 1;
        let uses = self.uses[call.0].fetch_add(1, Ordering::Relaxed) + 1;
        if self.armed.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut faults = lock(&self.faults);
        let mut result = None;
        faults.retain(|fault| {
            let hit = match fault.call {
                Some(name) => name == call && fault.at == uses,
                None => fault.at == total,
            };
            if hit && result.is_none() {
                result = Some(fault.result);
            }
            !hit
        });
        self.armed.store(faults.len(), Ordering::Release);
        result
    }

    pub(crate) fn end(&self, call: Call, result: ze_result_t) {
        if self.noting.load(Ordering::Relaxed) {
            self.note(call, result);
        }
    }

    #[cold]
    fn note(&self, call: Call, result: ze_result_t) {
        if self.keeping.load(Ordering::Relaxed) {
            lock(&self.log).push(CallRecord {
                call: call.name(),
                result,
            });
        }
        self.write(call.name(), result);
    }

    /// A line in the log, where there is one.
    pub(crate) fn write(&self, call: &str, result: ze_result_t) {
        if let Some(writer) = &self.writer {
            writer.line(call, result);
        }
    }

    pub(crate) fn fail(&self, call: &str, nth: u64, result: ze_result_t) {
        let found = Call::find(call);
        assert!(found.is_some(), "Level Zero has no call {call}");
        let Some(call) = found else { return };
        let at = self.uses[call.0]
            .load(Ordering::Relaxed)
            .saturating_add(nth);
        self.arm(Fault {
            call: Some(call),
            at,
            result,
        });
    }

    pub(crate) fn fail_nth(&self, nth: u64, result: ze_result_t) {
        let at = self.total.load(Ordering::Relaxed).saturating_add(nth);
        self.arm(Fault {
            call: None,
            at,
            result,
        });
    }

    fn arm(&self, fault: Fault) {
        let success = fault.result == sys::ZE_RESULT_SUCCESS;
        assert!(
            !success,
            "a call that returns SUCCESS and does nothing is no failure"
        );
        let mut faults = lock(&self.faults);
        faults.push(fault);
        self.armed.store(faults.len(), Ordering::Release);
    }

    pub(crate) fn clear_faults(&self) {
        let mut faults = lock(&self.faults);
        faults.clear();
        self.armed.store(0, Ordering::Release);
    }

    pub(crate) fn by_name(&self) -> BTreeMap<&'static str, u64> {
        sys::Api::NAMES
            .iter()
            .zip(&self.uses)
            .map(|(name, uses)| (*name, uses.load(Ordering::Relaxed)))
            .filter(|(_, uses)| *uses > 0)
            .collect()
    }

    pub(crate) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    pub(crate) fn set_logging(&self, on: bool) {
        self.keeping.store(on, Ordering::Relaxed);
        self.noting
            .store(on || self.writer.is_some(), Ordering::Relaxed);
    }

    pub(crate) fn take_log(&self) -> Vec<CallRecord> {
        std::mem::take(&mut lock(&self.log))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: Call = Call::named("zeMemFree");
    const INIT: Call = Call::named("zeInit");

    #[test]
    fn the_nth_use_fails_once() {
        let calls = Calls::new(Vec::new(), None);
        calls.begin(FREE);
        calls.fail("zeMemFree", 2, sys::ZE_RESULT_ERROR_DEVICE_LOST);
        assert_eq!(calls.begin(FREE), None);
        assert_eq!(calls.begin(INIT), None);
        assert_eq!(calls.begin(FREE), Some(sys::ZE_RESULT_ERROR_DEVICE_LOST));
        assert_eq!(calls.begin(FREE), None);
        assert_eq!(calls.by_name()["zeMemFree"], 4);
        assert_eq!(calls.total(), 5);
    }

    #[test]
    fn faults_of_any_name_count_all_calls_and_can_be_cleared() {
        let calls = Calls::new(Vec::new(), None);
        calls.fail_nth(2, sys::ZE_RESULT_ERROR_UNKNOWN);
        calls.fail_nth(3, sys::ZE_RESULT_NOT_READY);
        calls.fail_nth(4, sys::ZE_RESULT_ERROR_UNKNOWN);
        assert_eq!(calls.begin(FREE), None);
        assert_eq!(calls.begin(INIT), Some(sys::ZE_RESULT_ERROR_UNKNOWN));
        assert_eq!(calls.begin(INIT), Some(sys::ZE_RESULT_NOT_READY));
        calls.clear_faults();
        assert_eq!(calls.begin(FREE), None);
    }

    #[test]
    #[should_panic(expected = "no call zeMemFre")]
    fn a_fault_for_a_misspelt_call_is_loud() {
        Calls::new(Vec::new(), None).fail("zeMemFre", 1, sys::ZE_RESULT_ERROR_UNKNOWN);
    }

    #[test]
    fn the_log_is_off_until_asked_for() {
        let calls = Calls::new(Vec::new(), None);
        calls.end(FREE, sys::ZE_RESULT_SUCCESS);
        assert!(calls.take_log().is_empty());
        calls.set_logging(true);
        calls.end(INIT, sys::ZE_RESULT_NOT_READY);
        let record = CallRecord {
            call: "zeInit",
            result: sys::ZE_RESULT_NOT_READY,
        };
        assert_eq!(calls.take_log(), [record]);
        assert!(calls.take_log().is_empty());
    }
}
