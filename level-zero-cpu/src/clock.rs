//! The one clock, of the host and all devices.

use std::sync::OnceLock;
use std::time::Instant;

/// Nanoseconds since the first look.
pub(crate) fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed();
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}
