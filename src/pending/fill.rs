//! Starting to fill a buffer that the fill then owns.

use super::Pending;
use crate::buffer::{Upload, ZeBuffer};
use crate::error::Returned;
use crate::placement::Placement;
use crate::queue::Queue;
use crate::queue::fill::{Doubling, Step, lawful};
use crate::queue::sealed::RawTarget;
use std::sync::Arc;

impl Queue {
    /// Starts to fill `target` with copies of `value`, of any element type; the target is given back
    /// when that is done.
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// # let context = ze_area::Context::new()?;
    /// # let queue = context.queue(context.first_device()?)?;
    /// let x = context.host_area().mmap::<[u8; 3]>(1000)?;
    /// let x = queue.start_fill(x, [1, 2, 3])?.wait()?;
    /// assert_eq!(x[999], [1, 2, 3]);
    /// # }
    /// # Ok::<(), ze_area::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// With the target: [`Error::WrongContext`](crate::Error::WrongContext) and
    /// [`Error::WrongDevice`](crate::Error::WrongDevice) for a buffer of another context or device;
    /// [`Error::Call`](crate::Error::Call).
    #[doc(alias = "zeCommandListAppendMemoryFill")]
    #[expect(
        clippy::type_complexity,
        reason = "the target comes back in either case"
    )]
    pub fn start_fill<T: Upload, P: Placement>(
        &self,
        mut target: ZeBuffer<T, P>,
        value: T,
    ) -> Result<Pending<ZeBuffer<T, P>>, Returned<ZeBuffer<T, P>>> {
        let end = target.end_mut();
        if let Err(error) = self.check_reach("fill", "target", &end) {
            return Err(Returned {
                error,
                buffer: target,
            });
        }
        let to = end.pointer.cast::<u8>();
        let bytes = end.len * size_of::<T>();
        let value = bytemuck::bytes_of(&value);
        let whole = lawful(value, self.group().max_fill_pattern);
        let plan = Doubling::new(value.len(), bytes.max(value.len()));
        let seed: Arc<Vec<u8>> = Arc::new(match whole {
            Some(pattern) => pattern.to_vec(),
            None => value.repeat(plan.seed / value.len()),
        });
        let whole = whole.is_some();
        let event = self.enqueue_alone(|list, signal| {
            if bytes == 0 {
                return list.barrier(Some(signal), &[]);
            }
            if whole {
                // SAFETY: what is started owns the target until this is done, and keeps the pattern; the
                // target is memory of the context that the queue's device reaches, as checked. The
                // pattern divides its size, since that is of some elements.
                return unsafe { list.fill(to.cast(), &seed, bytes, Some(signal)) };
            }
            // SAFETY: as above, from memory of the host that is kept; the target has room for it.
            unsafe { list.copy(to.cast(), seed.as_ptr().cast(), seed.len(), None) }?;
            for Step { offset, bytes } in plan.steps() {
                // What is copied is there when all before is done.
                list.after(list.position())?;
                // SAFETY: a step's offset lies in the target.
                let at = unsafe { to.add(offset) };
                // SAFETY: a step ends in the target, and what it copies lies before its offset.
                unsafe { list.copy(at.cast(), to.cast(), bytes, None) }?;
            }
            list.barrier(Some(signal), &[])
        });
        self.pending(event, target, Some(seed))
    }
}
