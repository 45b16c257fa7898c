//! When the operations of a scope ran.

use super::ground::What;
use crate::error::Result;
use crate::queue::Queue;
use crate::raw::event::{Event, EventKind};
use crate::raw::handle::EventHandle;
use core::fmt;
use core::ops::Range;
use std::time::Duration;

/// An operation of a scope that [`Queue::profile`] ran.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Operation {
    /// What it was: `copy`, `fill`, or the name of a kernel.
    pub name: String,
    /// How many bytes it copied or filled; 0 for a kernel.
    pub bytes: usize,
    /// The number of its queue in the scope: 0 for the one that opened it.
    pub queue: usize,
    /// When it began and ended, counted from the beginning of the first operation on the same device.
    /// `None` where the driver does not say.
    ///
    /// The unit is that of the device's clock,
    /// [`timer_resolution`](crate::Properties::timer_resolution).
    pub time: Option<Range<Duration>>,
}

/// What the operations of a scope were, and when they ran: from [`Queue::profile`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// In the order in which they were enqueued.
    pub operations: Vec<Operation>,
}

impl Operation {
    /// How long it took.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        let time = self.time.as_ref()?;
        Some(time.end.saturating_sub(time.start))
    }
}

impl Profile {
    /// From the beginning of the first operation to the end of the last one; the longest of all
    /// devices.
    #[must_use]
    pub fn span(&self) -> Duration {
        self.operations
            .iter()
            .filter_map(|operation| Some(operation.time.as_ref()?.end))
            .max()
            .unwrap_or_default()
    }
}

/// A table, a line for each operation.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "queue        start         took         bytes  operation"
        )?;
        for operation in &self.operations {
            let Operation {
                queue, bytes, name, ..
            } = operation;
            write!(f, "\n{queue:>5}")?;
            match (&operation.time, operation.duration()) {
                (Some(time), Some(took)) => {
                    let start = time.start.as_secs_f64() * 1e6;
                    let took = took.as_secs_f64() * 1e6;
                    write!(f, " {start:>9.1} us {took:>9.1} us")?;
                }
                _ => write!(f, "{:>13}{:>13}", "-", "-")?,
            }
            write!(f, "{bytes:>14}  {name}")?;
        }
        Ok(())
    }
}

/// What is noted while a scope runs.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    operations: Vec<Operation>,
    /// The events of operations that were not looked at yet; they are the last ones.
    events: Vec<(Event, Queue)>,
    /// By operation, the ticks and the device.
    ticks: Vec<Option<Ticks>>,
}

#[derive(Debug, Clone, Copy)]
struct Ticks {
    device: level_zero_sys::ze_device_handle_t,
    start: u64,
    took: u64,
    resolution: u64,
    mask: u64,
}

impl Recorder {
    /// Notes an operation, and gives the event that it has to signal.
    pub(super) fn next(
        &mut self,
        queue: &Queue,
        line: usize,
        what: What<'_>,
    ) -> Result<EventHandle> {
        let event = queue.context().events().take(EventKind::Timed)?;
        let handle = event.handle();
        self.events.push((event, queue.clone()));
        self.operations.push(Operation {
            name: what.name.to_owned(),
            bytes: what.bytes,
            queue: line,
            time: None,
        });
        Ok(handle)
    }

    /// Reads the times of all operations, which are done. `idle` is whether that is known of their
    /// events too.
    pub(super) fn read(&mut self, idle: bool) {
        for (event, queue) in self.events.drain(..) {
            let properties = queue.device().properties();
            let bits = properties.kernel_timestamp_bits;
            let mask = u64::MAX
                .checked_shr(64_u32.saturating_sub(bits))
                .unwrap_or(u64::MAX);
            self.ticks.push(event.timestamps().ok().map(|result| {
                Ticks {
                    device: queue.device().as_raw(),
                    start: result.global.kernelStart & mask,
                    took: result
                        .global
                        .kernelEnd
                        .wrapping_sub(result.global.kernelStart)
                        & mask,
                    resolution: properties.timer_resolution,
                    mask,
                }
            }));
            queue
                .context()
                .events()
                .take_back(event, EventKind::Timed, idle);
        }
    }

    /// What was noted, with the times.
    pub(super) fn into_operations(mut self) -> Vec<Operation> {
        for (index, operation) in self.operations.iter_mut().enumerate() {
            let Some(Some(ticks)) = self.ticks.get(index) else {
                continue;
            };
            // The clock may have started anew since: the first operation is the one that all others
            // are the least ahead of, and that is the first one enqueued but for a few.
            let of_device = || {
                self.ticks
                    .iter()
                    .flatten()
                    .filter(|t| t.device == ticks.device)
            };
            let Some(base) = of_device().map(|t| t.start).next() else {
                continue;
            };
            let half = ticks.mask / 2;
            let ahead = |start: u64| start.wrapping_sub(base) & ticks.mask;
            // Those that began before the first one enqueued are far ahead of it.
            let earliest = of_device()
                .map(|t| ahead(t.start))
                .filter(|&ahead| ahead > half)
                .min()
                .map_or(base, |ahead| base.wrapping_add(ahead) & ticks.mask);
            let nanos = |ticks: u64, resolution: u64| {
                Duration::from_nanos(ticks.saturating_mul(resolution))
            };
            let start = ticks.start.wrapping_sub(earliest) & ticks.mask;
            let start = nanos(start, ticks.resolution);
            operation.time = Some(start..start + nanos(ticks.took, ticks.resolution));
        }
        self.operations
    }
}
