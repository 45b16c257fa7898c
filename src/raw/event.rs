//! Events: how a list says that it has come to a point, to the host or to another list.

use crate::error::{Error, Result};
use crate::raw::context::ContextInner;
use crate::raw::exit;
use crate::raw::handle::{EventHandle, EventPoolHandle, Handle};
use crate::raw::lock::lock;
use level_zero_sys as sys;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How many events a pool of the driver is made for.
const POOL: u32 = 64;

/// How long one call waits, in nanoseconds.
const SLICE: u64 = 50_000_000;

/// How long one call that is not enough takes at least.
const PAUSE: Duration = Duration::from_millis(1);

fn is_not_ready(error: &Error) -> bool {
    matches!(error, Error::Call { code, .. } if code.as_raw() == sys::ZE_RESULT_NOT_READY.0)
}

/// A pool of the driver, destroyed after the last of its events.
#[derive(Debug)]
struct Pool {
    context: Arc<ContextInner>,
    handle: EventPoolHandle,
}

/// An event that the host can wait for and that a list signals.
///
/// One that is not in use by any list is given back to its [`Events`]; one of which that is not
/// known is retired there.
#[derive(Debug)]
pub(crate) struct Event {
    handle: EventHandle,
    pool: Arc<Pool>,
}

/// What an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// That it was signalled.
    Plain,
    /// And when that which signalled it began and ended.
    Timed,
}

/// Events of a context that nobody uses at the moment.
#[derive(Debug)]
pub(crate) struct Events {
    context: Arc<ContextInner>,
    plain: Mutex<Vec<Event>>,
    timed: Mutex<Vec<Event>>,
    /// Some list may yet signal them. They are kept for as long as the context.
    retired: Mutex<Vec<Event>>,
}

impl Events {
    pub(crate) fn new(context: &Arc<ContextInner>) -> Self {
        Self {
            context: Arc::clone(context),
            plain: Mutex::new(Vec::new()),
            timed: Mutex::new(Vec::new()),
            retired: Mutex::new(Vec::new()),
        }
    }

    fn free(&self, kind: EventKind) -> &Mutex<Vec<Event>> {
        match kind {
            EventKind::Plain => &self.plain,
            EventKind::Timed => &self.timed,
        }
    }

    /// An event that is not signalled.
    pub(crate) fn take(&self, kind: EventKind) -> Result<Event> {
        if let Some(event) = lock(self.free(kind)).pop() {
            return Ok(event);
        }
        let mut fresh = Pool::events(&self.context, kind)?;
        let first = fresh.pop().ok_or_else(|| Error::DriverFault {
            call: "zeEventPoolCreate",
            what: "gave a pool without events".into(),
        })?;
        lock(self.free(kind)).append(&mut fresh);
        Ok(first)
    }

    /// Takes an event back that was not used.
    pub(crate) fn put_back(&self, event: Event, kind: EventKind) {
        lock(self.free(kind)).push(event);
    }

    /// Takes an event back that no list uses any more. One that cannot be reset is destroyed.
    pub(crate) fn give_back(&self, event: Event, kind: EventKind) {
        if event.reset().is_ok() {
            lock(self.free(kind)).push(event);
        }
    }

    /// Takes an event of which it is not known whether a list uses it: waiting for that has failed.
    /// Used again, it could be signalled before its time.
    pub(crate) fn retire(&self, event: Event) {
        lock(&self.retired).push(event);
    }

    /// Takes an event back, which no list uses any more where `idle` says so.
    pub(crate) fn take_back(&self, event: Event, kind: EventKind, idle: bool) {
        if idle {
            self.give_back(event, kind);
        } else {
            self.retire(event);
        }
    }
}

impl Pool {
    /// The events of a new pool: all that could be made, and at least one.
    fn events(context: &Arc<ContextInner>, kind: EventKind) -> Result<Vec<Event>> {
        let timed = match kind {
            EventKind::Plain => 0,
            EventKind::Timed => sys::ZE_EVENT_POOL_FLAG_KERNEL_TIMESTAMP,
        };
        let desc = sys::ze_event_pool_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_EVENT_POOL_DESC,
            flags: sys::ZE_EVENT_POOL_FLAG_HOST_VISIBLE | timed,
            count: POOL,
            ..Default::default()
        };
        let mut raw = core::ptr::null_mut();
        context.driver().call("zeEventPoolCreate", |api| {
            // SAFETY: the context is live; no devices are listed, which stands for all; descriptor
            // and target outlive the call.
            unsafe {
                (api.zeEventPoolCreate)(
                    context.handle().as_raw(),
                    &raw const desc,
                    0,
                    core::ptr::null_mut(),
                    &raw mut raw,
                )
            }
        })?;
        exit::watch();
        let handle = Handle::new(raw).ok_or_else(|| Error::DriverFault {
            call: "zeEventPoolCreate",
            what: "gave a null pool".into(),
        })?;
        let pool = Arc::new(Self {
            context: Arc::clone(context),
            handle,
        });
        let mut events = Vec::with_capacity(POOL as usize);
        for index in (0..POOL).rev() {
            match Event::new(&pool, index) {
                Ok(event) => events.push(event),
                Err(error) if events.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(events)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let destroyed = self.context.driver().call("zeEventPoolDestroy", |api| {
            // SAFETY: the pool is live, this value owns it, and its events, which hold an `Arc` of
            // it, are gone.
            unsafe { (api.zeEventPoolDestroy)(self.handle.as_raw()) }
        });
        if let Err(error) = destroyed
            && !matches!(error, Error::Exiting { .. })
        {
            tracing::error!(%error, "an event pool could not be destroyed");
        }
    }
}

impl Event {
    fn new(pool: &Arc<Pool>, index: u32) -> Result<Self> {
        let desc = sys::ze_event_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_EVENT_DESC,
            index,
            signal: sys::ZE_EVENT_SCOPE_FLAG_HOST,
            wait: sys::ZE_EVENT_SCOPE_FLAG_HOST,
            ..Default::default()
        };
        let mut raw = core::ptr::null_mut();
        pool.context.driver().call("zeEventCreate", |api| {
            // SAFETY: the pool is live, and has room at the index, which no other event takes;
            // descriptor and target outlive the call.
            unsafe { (api.zeEventCreate)(pool.handle.as_raw(), &raw const desc, &raw mut raw) }
        })?;
        let handle = Handle::new(raw).ok_or_else(|| Error::DriverFault {
            call: "zeEventCreate",
            what: "gave a null event".into(),
        })?;
        Ok(Self {
            handle,
            pool: Arc::clone(pool),
        })
    }

    pub(crate) fn handle(&self) -> EventHandle {
        self.handle
    }

    /// Waits on the host until the event is signalled.
    ///
    /// The driver is left again and again: a thread that waits in it for long would keep the end of
    /// the process from beginning, or be overtaken by it.
    pub(crate) fn wait(&self) -> Result<()> {
        loop {
            let begin = Instant::now();
            let waited = self.call("zeEventHostSynchronize", |api| {
                // SAFETY: the event is live.
                unsafe { (api.zeEventHostSynchronize)(self.handle.as_raw(), SLICE) }
            });
            match waited {
                Err(error) if is_not_ready(&error) => {
                    // A driver that does not take its time is not asked without end.
                    thread::sleep(PAUSE.saturating_sub(begin.elapsed()));
                }
                waited => return waited,
            }
        }
    }

    /// Whether the event is signalled.
    pub(crate) fn is_signalled(&self) -> Result<bool> {
        let answer = self.call("zeEventQueryStatus", |api| {
            // SAFETY: the event is live.
            unsafe { (api.zeEventQueryStatus)(self.handle.as_raw()) }
        });
        match answer {
            Ok(()) => Ok(true),
            Err(Error::Call { code, .. }) if code.as_raw() == sys::ZE_RESULT_NOT_READY.0 => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Makes it not signalled; no list may use it meanwhile.
    pub(crate) fn reset(&self) -> Result<()> {
        self.call("zeEventHostReset", |api| {
            // SAFETY: the event is live.
            unsafe { (api.zeEventHostReset)(self.handle.as_raw()) }
        })
    }

    /// When that which signalled the event ran, in ticks of the device.
    pub(crate) fn timestamps(&self) -> Result<sys::ze_kernel_timestamp_result_t> {
        let mut result = sys::ze_kernel_timestamp_result_t::default();
        self.call("zeEventQueryKernelTimestamp", |api| {
            // SAFETY: the event is live, and of a pool with timestamps, as the caller has made it;
            // the target outlives the call.
            unsafe { (api.zeEventQueryKernelTimestamp)(self.handle.as_raw(), &raw mut result) }
        })?;
        Ok(result)
    }

    fn call(
        &self,
        call: &'static str,
        make: impl FnOnce(&sys::Api) -> sys::ze_result_t,
    ) -> Result<()> {
        self.pool.context.driver().call(call, make)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        let destroyed = self.call("zeEventDestroy", |api| {
            // SAFETY: the event is live, this value owns it, and no list uses it any more: who
            // drops it has waited, or the device is lost.
            unsafe { (api.zeEventDestroy)(self.handle.as_raw()) }
        });
        if let Err(error) = destroyed
            && !matches!(error, Error::Exiting { .. })
        {
            tracing::error!(%error, "an event could not be destroyed");
        }
    }
}
