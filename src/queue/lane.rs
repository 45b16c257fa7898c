//! Which list may touch which memory.

use super::Queue;
use crate::error::Result;
use crate::raw::handle::DeviceHandle;
use crate::raw::immediate::ImmediateList;
use std::sync::Arc;

/// How many bytes go from one device to another at once.
pub(super) const STAGE: usize = 4 << 20;

/// A list that may touch the memory of a device.
pub(super) struct Lane {
    /// The device, or the one that it is a part of.
    pub(super) root: DeviceHandle,
    /// The list of another device than the queue's; `None` for the queue's own.
    other: Option<Arc<ImmediateList>>,
    pub(super) max_fill_pattern: usize,
}

impl Lane {
    pub(super) fn list<'a>(&'a self, queue: &'a Queue) -> &'a ImmediateList {
        self.other.as_deref().unwrap_or(&queue.list)
    }
}

impl Queue {
    /// Who may touch memory that is on `device`: `None` for memory that every device may touch.
    ///
    /// A device that touches the memory of another without being able to crashes the driver or
    /// worse, and whether it is able to is not asked of drivers, since some crash of that too. So
    /// each device touches its own.
    pub(super) fn lane(&self, device: Option<DeviceHandle>) -> Result<Option<Lane>> {
        let Some(device) = device else {
            return Ok(None);
        };
        let own = Lane {
            root: self.device.root(),
            other: None,
            max_fill_pattern: self.group.max_fill_pattern,
        };
        if device == self.device.handle() {
            return Ok(Some(own));
        }
        match self.context.device_of(device.as_raw()) {
            Some(device) if device.root() != own.root => Ok(Some(Lane {
                root: device.root(),
                max_fill_pattern: device.copy_group()?.max_fill_pattern,
                other: Some(self.context.upload_list(&device)?),
            })),
            _ => Ok(Some(own)),
        }
    }

    /// Whether memory is on the queue's device, or on the host.
    #[inline]
    pub(super) fn is_near(&self, device: Option<DeviceHandle>) -> bool {
        device.is_none_or(|device| device == self.device.handle())
    }

    /// Copies bytes from one end to the other: pointers, with the devices that they are on.
    ///
    /// # Safety
    ///
    /// As of [`ImmediateList::copy`]; and every device of the context may touch what names no
    /// device.
    pub(super) unsafe fn copy_bytes(
        &self,
        (target, to): (*mut u8, Option<DeviceHandle>),
        (source, from): (*const u8, Option<DeviceHandle>),
        bytes: usize,
    ) -> Result<()> {
        if self.is_near(from) && self.is_near(to) {
            // SAFETY: as the caller vouches; the ends are on the list's device or on the host.
            return unsafe { self.list.copy(target.cast(), source.cast(), bytes) };
        }
        let lane = match (self.lane(from)?, self.lane(to)?) {
            (None, None) => None,
            (Some(lane), None) | (None, Some(lane)) => Some(lane),
            (Some(from), Some(to)) if from.root == to.root => Some(from),
            (Some(from), Some(to)) => {
                let (from, to) = (from.list(self), to.list(self));
                // SAFETY: as the caller vouches; each list is of the device that its end is on.
                return unsafe { stage(from, to, target, source, bytes) };
            }
        };
        let list = lane.as_ref().map_or(&*self.list, |lane| lane.list(self));
        // SAFETY: as the caller vouches; the list is of the device that an end is on.
        unsafe { list.copy(target.cast(), source.cast(), bytes) }
    }
}

/// Copies from a device to another through memory of the host.
///
/// # Safety
///
/// As of [`ImmediateList::copy`], for each end with the list of its device.
unsafe fn stage(
    from: &ImmediateList,
    to: &ImmediateList,
    target: *mut u8,
    source: *const u8,
    bytes: usize,
) -> Result<()> {
    let mut stage = vec![0_u8; bytes.min(STAGE)];
    let mut done = 0;
    while done < bytes {
        let now = stage.len().min(bytes - done);
        // SAFETY: `done` is below the size of both ends.
        let source = unsafe { source.add(done) };
        // SAFETY: `now` bytes from there on lie in the source, and fit the stage, which is ours.
        unsafe { from.copy(stage.as_mut_ptr().cast(), source.cast(), now) }?;
        // SAFETY: `done` is below the size of both ends.
        let target = unsafe { target.add(done) };
        // SAFETY: `now` bytes from there on lie in the target, and are in the stage.
        unsafe { to.copy(target.cast(), stage.as_ptr().cast(), now) }?;
        done += now;
    }
    Ok(())
}
