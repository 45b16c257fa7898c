//! The context of the driver, and the count of what lives in it.

use crate::context::Ownership;
use crate::driver::DriverInner;
use crate::error::{Error, Result};
use crate::placement::PlacementKind;
use crate::raw::budget::{Budget, Reservation};
use crate::raw::exit::{self, Calls};
use crate::raw::handle::{ContextHandle, Handle};
use crate::raw::keeper::{Keeper, Keepers};
use level_zero_sys as sys;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// A context of the driver, destroyed when the last buffer, area and queue made from it is gone,
/// where it is owned.
#[derive(Debug)]
pub(crate) struct ContextInner {
    driver: Arc<DriverInner>,
    api: &'static sys::Api,
    handle: ContextHandle,
    ownership: Ownership,
    /// Where there is a limit on memory.
    budget: Option<Budget>,
    keepers: Keepers,
}

impl ContextInner {
    /// Takes over a context.
    ///
    /// # Safety
    ///
    /// `handle` must be a live context of `driver` that nobody else destroys, or, where it is
    /// borrowed, not before this value is gone; and `api` must be that driver's functions.
    pub(crate) unsafe fn new(
        driver: Arc<DriverInner>,
        api: &'static sys::Api,
        handle: ContextHandle,
        ownership: Ownership,
    ) -> Self {
        Self {
            driver,
            api,
            handle,
            ownership,
            budget: None,
            keepers: Keepers::default(),
        }
    }

    /// The same context, of which at most so many bytes are allocated at once.
    pub(crate) fn with_limit(mut self, limit: Option<u64>) -> Self {
        self.budget = limit.map(Budget::new);
        self
    }

    pub(crate) fn budget(&self) -> Option<&Budget> {
        self.budget.as_ref()
    }

    pub(crate) fn keepers(&self) -> &Keepers {
        &self.keepers
    }

    /// From now on it is asked for its idle memory where there is too little, for as long as it
    /// lives.
    #[cfg_attr(
        not(all(test, feature = "cpu")),
        expect(dead_code, reason = "nothing keeps memory yet")
    )]
    pub(crate) fn register(&self, keeper: Weak<dyn Keeper>) {
        self.keepers.register(keeper);
    }

    /// Has all idle memory given back to the driver; how many bytes that were.
    pub(crate) fn give_back(&self) -> usize {
        self.keepers.give_back()
    }

    pub(crate) fn driver(&self) -> &Arc<DriverInner> {
        &self.driver
    }

    #[inline]
    pub(crate) fn handle(&self) -> ContextHandle {
        self.handle
    }

    /// The driver's functions, `None` where the process is ending.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Calls> {
        exit::enter(self.api)
    }
}

impl Drop for ContextInner {
    fn drop(&mut self) {
        if self.ownership == Ownership::Borrowed {
            return;
        }
        let destroyed = self.driver.call("zeContextDestroy", |api| {
            // SAFETY: the handle is a live context that this value owns. All that was allocated in
            // it holds an `Arc` of this value, so it is freed by now or was given up on.
            unsafe { (api.zeContextDestroy)(self.handle.as_raw()) }
        });
        if let Err(error) = destroyed
            && !matches!(error, Error::Exiting { .. })
        {
            tracing::error!(%error, "a context could not be destroyed");
        }
    }
}

/// What lives in one placement of one context.
///
/// Every allocation holds an `Arc` of its ledger: it keeps the context alive, and its count is the
/// number of live allocations, for the price of one atomic operation.
#[derive(Debug)]
pub(crate) struct Ledger {
    context: ContextInnerRef,
    /// The context's own, at hand: what every allocation and free needs.
    api: &'static sys::Api,
    handle: ContextHandle,
    kind: PlacementKind,
    /// Whether the context has a limit.
    limited: bool,
    live_bytes: AtomicU64,
    peak_bytes: AtomicU64,
    peak_buffers: AtomicU64,
    failed_frees: AtomicU64,
    leaked_bytes: AtomicU64,
    /// The smallest alignment that the driver was seen to ignore.
    ignored_alignment: AtomicUsize,
    /// The smallest alignment with which allocating takes more than a call: that one, or any where
    /// the context has a limit. One test finds out both.
    plain_below: AtomicUsize,
}

type ContextInnerRef = Arc<ContextInner>;

/// What is live in one placement of a context, and what was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryUse {
    /// Bytes that are allocated now, as asked of the driver: what was added to align a buffer is in
    /// it, the rounding to pages that the driver does is not.
    pub live_bytes: u64,
    /// Buffers that are allocated now. Empty buffers take no memory and are not counted.
    pub live_buffers: u64,
    /// The most bytes that were allocated at once.
    pub peak_bytes: u64,
    /// The most buffers that were allocated at once.
    pub peak_buffers: u64,
    /// How often a drop could not free: the memory is lost to the process.
    pub failed_frees: u64,
    /// Bytes that were lost in that way.
    pub leaked_bytes: u64,
}

impl Ledger {
    pub(crate) fn new(context: Arc<ContextInner>, kind: PlacementKind) -> Self {
        let limited = context.budget.is_some();
        Self {
            api: context.api,
            handle: context.handle,
            context,
            kind,
            limited,
            live_bytes: AtomicU64::new(0),
            peak_bytes: AtomicU64::new(0),
            peak_buffers: AtomicU64::new(0),
            failed_frees: AtomicU64::new(0),
            leaked_bytes: AtomicU64::new(0),
            ignored_alignment: AtomicUsize::new(usize::MAX),
            plain_below: AtomicUsize::new(if limited { 0 } else { usize::MAX }),
        }
    }

    #[inline]
    pub(crate) fn context(&self) -> &Arc<ContextInner> {
        &self.context
    }

    #[inline]
    pub(crate) fn kind(&self) -> PlacementKind {
        self.kind
    }

    /// The driver's functions, `None` where the process is ending.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Calls> {
        exit::enter(self.api)
    }

    /// The context's handle.
    #[inline]
    pub(crate) fn handle(&self) -> ContextHandle {
        self.handle
    }

    /// An allocation begins: the returned `Arc` is its share of the ledger.
    #[inline]
    pub(crate) fn open(self: &Arc<Self>, bytes: usize) -> Arc<Self> {
        let share = Arc::clone(self);
        let bytes = bytes as u64;
        let live = self.live_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if live > self.peak_bytes.load(Ordering::Relaxed) {
            raise(&self.peak_bytes, live);
        }
        let buffers = self.live_buffers();
        if buffers > self.peak_buffers.load(Ordering::Relaxed) {
            raise(&self.peak_buffers, buffers);
        }
        share
    }

    /// An allocation has ended; its share is dropped right after.
    #[inline]
    pub(crate) fn close(&self, bytes: usize) {
        self.live_bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
    }

    /// What has ended, and is no longer there, may be asked for again where there is a limit. After
    /// [`close`](Ledger::close), see [`Budget::reserve`].
    #[inline]
    pub(crate) fn put_back(&self, bytes: usize) {
        if self.limited {
            self.put_back_to_budget(bytes);
        }
    }

    #[cold]
    fn put_back_to_budget(&self, bytes: usize) {
        if let Some(budget) = self.context.budget() {
            budget.put_back(self.kind, bytes);
        }
    }

    /// Takes bytes of the context's limit, where it has one, before the driver is asked for them.
    /// The error is how many are taken already.
    pub(crate) fn reserve(&self, bytes: usize) -> Result<Reservation<'_>, u64> {
        match self.context.budget() {
            Some(budget) => budget.reserve(self.kind, bytes),
            None => Ok(Reservation::none()),
        }
    }

    /// Memory that is there already counts as taken of the context's limit.
    pub(crate) fn take(&self, bytes: usize) {
        if let Some(budget) = self.context.budget() {
            budget.take(self.kind, bytes);
        }
    }

    /// A drop could not free.
    #[cold]
    pub(crate) fn leaked(&self, bytes: usize) {
        self.failed_frees.fetch_add(1, Ordering::Relaxed);
        self.leaked_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        if let Some(budget) = self.context.budget() {
            budget.lose(self.kind, bytes);
        }
    }

    pub(crate) fn live_bytes(&self) -> u64 {
        self.live_bytes.load(Ordering::Relaxed)
    }

    /// The context itself holds one share, every allocation one more; nothing else does.
    #[inline]
    pub(crate) fn live_buffers(self: &Arc<Self>) -> u64 {
        (Arc::strong_count(self) as u64).saturating_sub(1)
    }

    /// Whether one call of the driver is all that allocating takes.
    #[inline]
    pub(crate) fn is_plain(&self, align: usize) -> bool {
        align < self.plain_below.load(Ordering::Relaxed)
    }

    pub(crate) fn ignores_alignment(&self, align: usize) -> bool {
        align >= self.ignored_alignment.load(Ordering::Relaxed)
    }

    #[cold]
    pub(crate) fn saw_alignment_ignored(&self, align: usize) {
        self.ignored_alignment.fetch_min(align, Ordering::Relaxed);
        self.plain_below.fetch_min(align, Ordering::Relaxed);
    }

    pub(crate) fn usage(self: &Arc<Self>) -> MemoryUse {
        MemoryUse {
            live_bytes: self.live_bytes(),
            live_buffers: self.live_buffers(),
            peak_bytes: self.peak_bytes.load(Ordering::Relaxed),
            peak_buffers: self.peak_buffers.load(Ordering::Relaxed),
            failed_frees: self.failed_frees.load(Ordering::Relaxed),
            leaked_bytes: self.leaked_bytes.load(Ordering::Relaxed),
        }
    }
}

/// Out of the way of the allocations that set no new peak: their path has no jump.
#[cold]
fn raise(peak: &AtomicU64, to: u64) {
    peak.fetch_max(to, Ordering::Relaxed);
}

/// Makes a context for `devices`, or for all devices of the driver where there is no list.
pub(crate) fn create(
    driver: &Arc<DriverInner>,
    devices: Option<&[sys::ze_device_handle_t]>,
) -> Result<ContextInner> {
    let desc = sys::ze_context_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_CONTEXT_DESC,
        ..Default::default()
    };
    let mut raw = core::ptr::null_mut();
    let call = match devices {
        None => "zeContextCreate",
        Some(_) => "zeContextCreateEx",
    };
    let api = driver.enter(call)?.table();
    driver.call(call, |api| match devices {
        // SAFETY: the driver's handle is live; the descriptor and the target outlive the call.
        None => unsafe {
            (api.zeContextCreate)(driver.handle.as_raw(), &raw const desc, &raw mut raw)
        },
        Some(devices) => {
            let Some(create) = api.zeContextCreateEx else {
                return sys::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE;
            };
            let count = u32::try_from(devices.len()).unwrap_or(u32::MAX);
            let list = devices.as_ptr().cast_mut();
            // SAFETY: as above; the list has as many handles as it says, all of this driver.
            unsafe {
                create(
                    driver.handle.as_raw(),
                    &raw const desc,
                    count,
                    list,
                    &raw mut raw,
                )
            }
        }
    })?;
    exit::watch();
    let handle = Handle::new(raw).ok_or_else(|| Error::DriverFault {
        call,
        what: "gave a null context".into(),
    })?;
    // SAFETY: the driver has just made the context, for nobody else.
    Ok(unsafe { ContextInner::new(Arc::clone(driver), api, handle, Ownership::Owned) })
}

/// Takes a context that other code made. After an error it is still the caller's.
///
/// # Safety
///
/// The handle must be null, or that of a live context of `driver` that nobody else destroys, or,
/// where it is borrowed, not before the returned value is gone.
pub(crate) unsafe fn adopt(
    driver: &Arc<DriverInner>,
    raw: sys::ze_context_handle_t,
    ownership: Ownership,
) -> Result<ContextInner> {
    let handle = Handle::new(raw).ok_or(Error::NullHandle { what: "context" })?;
    let call = "zeContextGetStatus";
    let api = driver.enter(call)?.table();
    // A driver that checks handles says here that this is none of its contexts.
    driver.call(call, |api| {
        // SAFETY: the caller vouches for the handle.
        unsafe { (api.zeContextGetStatus)(handle.as_raw()) }
    })?;
    exit::watch();
    // SAFETY: passed on to the caller; the functions are the driver's.
    Ok(unsafe { ContextInner::new(Arc::clone(driver), api, handle, ownership) })
}
