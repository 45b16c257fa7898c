//! Commands about events and the clock.
#![allow(unsafe_code, reason = "writes times where commands say")]

use level_zero_sys::{self as sys, ze_kernel_timestamp_result_t};
use std::ffi::c_void;
use std::sync::Arc;

use crate::arguments::Outcome;
use crate::clock::now;
use crate::context::Context;
use crate::engine::{Job, Work};
use crate::event::{Event, EventUse};
use crate::transfer::{End, Place};

/// A write of the clock.
pub(crate) struct WriteTimestamp(Place);

impl WriteTimestamp {
    /// # Safety
    ///
    /// As for [`Copy::new`](crate::transfer::Copy::new), for 8 bytes of `target`.
    pub(crate) unsafe fn new(context: &Arc<Context>, target: *mut u64) -> Outcome<Self> {
        let place = Place::new(context, target.cast())?;
        if target.is_aligned() {
            Ok(Self(place))
        } else {
            Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)
        }
    }
}

impl Work for WriteTimestamp {
    fn prepare(&self) -> Outcome<Box<dyn Job>> {
        Ok(Box::new(WriteTimestampJob(
            self.0.target(size_of::<u64>())?,
        )))
    }
}

struct WriteTimestampJob(End);

impl Job for WriteTimestampJob {
    fn run(self: Box<Self>) -> Outcome {
        let target = self.0.pointer().cast::<u64>();
        // SAFETY: the end has 8 bytes; alignment does not matter to an unaligned write.
        unsafe { target.write_unaligned(now()) };
        Ok(())
    }
}

/// A write of the times of events.
///
/// Invariant: as for [`Copy`](crate::transfer::Copy), for each result and for an offset each.
pub(crate) struct QueryTimestamps {
    events: Vec<Arc<Event>>,
    target: Place,
    offsets: Option<Place>,
}

impl QueryTimestamps {
    /// # Safety
    ///
    /// As for [`Copy::new`](crate::transfer::Copy::new), for each result at `target` and for as many `offsets`.
    pub(crate) unsafe fn new(
        context: &Arc<Context>,
        events: Vec<Arc<Event>>,
        target: *mut c_void,
        offsets: *const usize,
    ) -> Outcome<Self> {
        let offsets = if offsets.is_null() {
            None
        } else {
            Some(Place::new(context, offsets.cast())?)
        };
        for event in &events {
            event.pool.check_timed()?;
        }
        Ok(Self {
            target: Place::new(context, target)?,
            events,
            offsets,
        })
    }
}

impl Work for QueryTimestamps {
    fn prepare(&self) -> Outcome<Box<dyn Job>> {
        let events = self.events.iter().map(EventUse::new);
        let (count, each) = (self.events.len(), size_of::<ze_kernel_timestamp_result_t>());
        let offsets = self.offsets.as_ref();
        let target = if offsets.is_none() {
            count * each
        } else {
            // Where the results go is known when the offsets are read.
            0
        };
        Ok(Box::new(QueryTimestampsJob {
            events: events.collect::<Outcome<_>>()?,
            context: Arc::clone(&self.target.context),
            target: self.target.target(target)?,
            address: self.target.pointer.0.expose_provenance(),
            offsets: offsets
                .map(|offsets| offsets.end(count * size_of::<usize>()))
                .transpose()?,
        }))
    }
}

/// Invariant: without offsets, `target` has room for a result of each event; with them, those have
/// one for each.
struct QueryTimestampsJob {
    events: Vec<EventUse>,
    context: Arc<Context>,
    target: End,
    address: usize,
    offsets: Option<End>,
}

impl Job for QueryTimestampsJob {
    fn run(self: Box<Self>) -> Outcome {
        for (index, event) in self.events.iter().enumerate() {
            let times = event.event().timestamps();
            let Some(offsets) = &self.offsets else {
                let target = self.target.pointer().cast::<ze_kernel_timestamp_result_t>();
                // SAFETY: below the number of events, for which there is room.
                let slot = unsafe { target.add(index) };
                // SAFETY: in the target; alignment does not matter to an unaligned write.
                unsafe { slot.write_unaligned(times) };
                continue;
            };
            // SAFETY: below the number of events, as many as there are offsets.
            let slot = unsafe { offsets.pointer().cast::<usize>().add(index) };
            // SAFETY: in the offsets; alignment does not matter to an unaligned read.
            let offset = unsafe { slot.read_unaligned() };
            let address = self.address.checked_add(offset);
            let address = address.ok_or(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)?;
            let pointer = std::ptr::with_exposed_provenance::<c_void>(address);
            let size = size_of::<ze_kernel_timestamp_result_t>();
            let end = self.context.target(pointer, size)?;
            let slot = end.pointer().cast::<ze_kernel_timestamp_result_t>();
            // SAFETY: the end has room for one; alignment does not matter to an unaligned write.
            unsafe { slot.write_unaligned(times) };
        }
        Ok(())
    }
}

/// A reset of an event.
pub(crate) struct ResetEvent(pub(crate) Arc<Event>);

impl Work for ResetEvent {
    fn prepare(&self) -> Outcome<Box<dyn Job>> {
        Ok(Box::new(ResetEventJob(EventUse::new(&self.0)?)))
    }
}

struct ResetEventJob(EventUse);

impl Job for ResetEventJob {
    fn run(self: Box<Self>) -> Outcome {
        self.0.event().reset();
        Ok(())
    }
}
