//! Hints on memory that moves between host and device.

use super::{Queue, SharedMemory};
use crate::error::Result;
use crate::raw::handle::DeviceHandle;
use core::ffi::c_void;
use level_zero_sys as sys;

/// How a device will use shared memory: what [`Queue::advise`] takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[doc(alias = "ze_memory_advice_t")]
pub enum Advice {
    /// It is mostly read and seldom written: host and device may each have a copy.
    #[doc(alias = "ZE_MEMORY_ADVICE_SET_READ_MOSTLY")]
    SetReadMostly,
    /// Takes [`SetReadMostly`](Advice::SetReadMostly) back.
    #[doc(alias = "ZE_MEMORY_ADVICE_CLEAR_READ_MOSTLY")]
    ClearReadMostly,
    /// It is best kept on the device.
    #[doc(alias = "ZE_MEMORY_ADVICE_SET_PREFERRED_LOCATION")]
    SetPreferredLocation,
    /// Takes [`SetPreferredLocation`](Advice::SetPreferredLocation) back.
    #[doc(alias = "ZE_MEMORY_ADVICE_CLEAR_PREFERRED_LOCATION")]
    ClearPreferredLocation,
    /// It is mostly used without atomic operations.
    #[doc(alias = "ZE_MEMORY_ADVICE_SET_NON_ATOMIC_MOSTLY")]
    SetNonAtomicMostly,
    /// Takes [`SetNonAtomicMostly`](Advice::SetNonAtomicMostly) back.
    #[doc(alias = "ZE_MEMORY_ADVICE_CLEAR_NON_ATOMIC_MOSTLY")]
    ClearNonAtomicMostly,
    /// It is best cached.
    #[doc(alias = "ZE_MEMORY_ADVICE_BIAS_CACHED")]
    BiasCached,
    /// It is best not cached.
    #[doc(alias = "ZE_MEMORY_ADVICE_BIAS_UNCACHED")]
    BiasUncached,
}

impl Advice {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::SetReadMostly,
        Self::ClearReadMostly,
        Self::SetPreferredLocation,
        Self::ClearPreferredLocation,
        Self::SetNonAtomicMostly,
        Self::ClearNonAtomicMostly,
        Self::BiasCached,
        Self::BiasUncached,
    ];

    pub(crate) const fn raw(self) -> sys::ze_memory_advice_t {
        match self {
            Self::SetReadMostly => sys::ZE_MEMORY_ADVICE_SET_READ_MOSTLY,
            Self::ClearReadMostly => sys::ZE_MEMORY_ADVICE_CLEAR_READ_MOSTLY,
            Self::SetPreferredLocation => sys::ZE_MEMORY_ADVICE_SET_PREFERRED_LOCATION,
            Self::ClearPreferredLocation => sys::ZE_MEMORY_ADVICE_CLEAR_PREFERRED_LOCATION,
            Self::SetNonAtomicMostly => sys::ZE_MEMORY_ADVICE_SET_NON_ATOMIC_MOSTLY,
            Self::ClearNonAtomicMostly => sys::ZE_MEMORY_ADVICE_CLEAR_NON_ATOMIC_MOSTLY,
            Self::BiasCached => sys::ZE_MEMORY_ADVICE_BIAS_CACHED,
            Self::BiasUncached => sys::ZE_MEMORY_ADVICE_BIAS_UNCACHED,
        }
    }
}

/// What a hint is for: bytes of shared memory, and the device that they are on.
pub(super) struct Hint {
    pub(super) range: *const c_void,
    /// Above 0.
    pub(super) bytes: usize,
    /// `None` where the memory belongs to no device.
    pub(super) device: Option<DeviceHandle>,
}

impl Queue {
    /// Hints that the device will use the memory soon, so that it may be moved there now.
    ///
    /// The device is the queue's, or the one that the memory was allocated on where that is
    /// another. The host may use the memory all the same.
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// # let context = ze_area::Context::new()?;
    /// # let queue = context.queue(context.first_device()?)?;
    /// use ze_area::Advice;
    ///
    /// let table = context.default_device_area()?.shared().mmap_from_slice(&[1, 2, 3])?;
    /// queue.advise(&table, Advice::SetReadMostly)?;
    /// queue.prefetch(&table)?;
    /// # }
    /// # Ok::<(), ze_area::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::WrongContext`](crate::Error::WrongContext); [`Error::Call`](crate::Error::Call).
    #[doc(alias = "zeCommandListAppendMemoryPrefetch")]
    pub fn prefetch<M: SharedMemory>(&self, memory: &M) -> Result<()> {
        let Some(hint) = self.hint("prefetch", memory)? else {
            return Ok(());
        };
        let lane = self.lane(hint.device)?;
        let list = lane.as_ref().map_or(&*self.list, |lane| lane.list(self));
        // SAFETY: the range is live shared memory of this context, borrowed for the call; the list
        // is of the device that it is on.
        list.run(|list| unsafe { list.prefetch(hint.range, hint.bytes) })
    }

    /// Hints how the device will use the memory.
    ///
    /// The device is the queue's, or the one that the memory was allocated on where that is
    /// another. A hint changes what the memory costs, never what is in it.
    ///
    /// # Errors
    ///
    /// [`Error::WrongContext`](crate::Error::WrongContext); [`Error::Call`](crate::Error::Call).
    #[doc(alias = "zeCommandListAppendMemAdvise")]
    pub fn advise<M: SharedMemory>(&self, memory: &M, advice: Advice) -> Result<()> {
        let Some(hint) = self.hint("advice", memory)? else {
            return Ok(());
        };
        let lane = self.lane(hint.device)?;
        let (list, device) = match &lane {
            Some(lane) if lane.root != self.device.root() => {
                (lane.list(self), hint.device.unwrap_or(lane.root))
            }
            _ => (&*self.list, self.device.handle()),
        };
        // SAFETY: the range is live shared memory of this context, borrowed for the call; list and
        // device are of the device that it is on, or of a part or the whole of that.
        list.run(|list| unsafe { list.advise(device, hint.range, hint.bytes, advice.raw()) })
    }

    /// What a hint is for; `None` for no elements.
    fn hint<M: SharedMemory>(&self, operation: &'static str, memory: &M) -> Result<Option<Hint>> {
        let end = memory.end();
        self.check_context(operation, "memory", end.home)?;
        let bytes = end.len * size_of::<M::Element>();
        Ok((bytes > 0).then(|| Hint {
            range: end.pointer.cast_const().cast(),
            bytes,
            device: end.device(),
        }))
    }
}
