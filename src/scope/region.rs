//! Copies of regions, and hints, in a scope.

use super::ScopeQueue;
use super::lent::sealed::{LentEnd, RawTarget};
use super::lent::{LentShared, LentSource, LentTarget};
use super::operations::plain;
use crate::error::Result;
use crate::queue::layout::{Extent, Layout, Region};
use crate::queue::{Advice, region};

impl<'scope> ScopeQueue<'scope> {
    /// Copies a region of `source` to `target`, two- or three-dimensional.
    ///
    /// As [`Queue::copy_region`](crate::Queue::copy_region), without waiting, on what was lent to the
    /// scope; both ends are on the queue's device or on the host.
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// # let context = ze_area::Context::new()?;
    /// # let queue = context.queue(context.first_device()?)?;
    /// use ze_area::Layout;
    ///
    /// let image = context.default_device_area()?.mmap_from_fn(6 * 4, |i| i as u8)?;
    /// let mut tile = [0_u8; 3 * 2];
    /// queue.scope(|q| {
    ///     let (image, mut tile) = (q.lend(&image), q.lend_mut(&mut tile));
    ///     let (from, to) = (Layout::rows(6).at([2, 1]), Layout::rows(3));
    ///     q.copy_region(&image, from, &mut tile, to, [3, 2])
    /// })?;
    /// assert_eq!(tile, [8, 9, 10, 14, 15, 16]);
    /// # }
    /// # Ok::<(), ze_area::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::BadRegion`](crate::Error::BadRegion); those of [`copy`](ScopeQueue::copy), but for the
    /// lengths. Where a call of the driver fails, some of the rows may be copied all the same.
    #[doc(alias = "zeCommandListAppendMemoryCopyRegion")]
    pub fn copy_region<S, D>(
        &self,
        source: &S,
        from: Layout,
        target: &mut D,
        to: Layout,
        extent: impl Into<Extent>,
    ) -> Result<()>
    where
        S: LentSource<'scope> + ?Sized,
        D: LentTarget<'scope> + RawTarget<'scope, Element = S::Element> + ?Sized,
    {
        let source = source.end();
        let target = target.end_mut();
        self.check("region copy", "source", &source.end)?;
        self.check("region copy", "target", &target.end)?;
        let (from, to) = ((from, source.end.len), (to, target.end.len));
        let size = size_of::<S::Element>();
        let Some(region) = Region::new(from, to, extent.into(), size)? else {
            return Ok(());
        };
        // Some drivers pin as many bytes of host memory as a region has, not as it spans, so they are
        // given only such that is without gaps.
        let gaps =
            |end: &LentEnd<'_, S::Element>, side| end.end.home.is_none() && !region.is_packed(side);
        let by_row = gaps(&source, region.source) || gaps(&target, region.target);
        let accesses = [source.access(false), target.access(true)];
        let what = plain("region copy", region.bytes());
        self.ground
            .enqueue(self.line, what, accesses.into_iter(), |list, signal| {
                let (to, from) = (target.end.pointer.cast(), source.end.pointer.cast());
                // SAFETY: as of a copy; the region lies in both ends.
                unsafe { region::append(list, to, from, region, by_row, signal) }
            })
    }

    /// Hints that the device will use the memory soon, so that it may be moved there now.
    ///
    /// # Errors
    ///
    /// As of [`copy`](ScopeQueue::copy), but for the lengths.
    #[doc(alias = "zeCommandListAppendMemoryPrefetch")]
    pub fn prefetch<M: LentShared<'scope> + ?Sized>(&self, memory: &M) -> Result<()> {
        let memory = memory.end();
        self.check("prefetch", "memory", &memory.end)?;
        let bytes = memory.end.len * size_of::<M::Element>();
        if bytes == 0 {
            return Ok(());
        }
        let accesses = [memory.access(false)];
        self.ground.enqueue(
            self.line,
            plain("prefetch", bytes),
            accesses.into_iter(),
            |list, signal| {
                let range = memory.end.pointer.cast_const().cast();
                // SAFETY: the range is shared memory of the context that the queue's device reaches,
                // as checked, lent until the scope is over, when this is done.
                unsafe { list.prefetch(range, bytes) }?;
                list.signal(signal)
            },
        )
    }

    /// Hints how the device will use the memory.
    ///
    /// # Errors
    ///
    /// As of [`copy`](ScopeQueue::copy), but for the lengths.
    #[doc(alias = "zeCommandListAppendMemAdvise")]
    pub fn advise<M: LentShared<'scope> + ?Sized>(&self, memory: &M, advice: Advice) -> Result<()> {
        let memory = memory.end();
        self.check("advice", "memory", &memory.end)?;
        let bytes = memory.end.len * size_of::<M::Element>();
        if bytes == 0 {
            return Ok(());
        }
        let accesses = [memory.access(false)];
        let device = self.queue.device().handle();
        self.ground.enqueue(
            self.line,
            plain("advice", bytes),
            accesses.into_iter(),
            |list, signal| {
                let range = memory.end.pointer.cast_const().cast();
                // SAFETY: as of a prefetch; the device is the list's.
                unsafe { list.advise(device, range, bytes, advice.raw()) }?;
                list.signal(signal)
            },
        )
    }
}
