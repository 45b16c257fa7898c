//! What a queue does in a scope.

use super::ScopeQueue;
use super::ground::{LONGEST_PATTERN, What};
use super::lent::sealed::{LentEnd, RawTarget};
use super::lent::{LentBuffer, LentSource, LentTarget};
use crate::buffer::Upload;
use crate::error::Result;
use crate::queue::fill::{Doubling, Step, lawful};
use crate::queue::sealed::End;

impl<'scope> ScopeQueue<'scope> {
    /// Copies all elements of `source` to `target`, which has as many.
    ///
    /// Both ends are on the queue's device or on the host; from one device to another elements go
    /// through a `Host` buffer, or through [`Queue::copy`](crate::Queue::copy).
    ///
    /// # Errors
    ///
    /// [`Error::LengthMismatch`](crate::Error::LengthMismatch); [`Error::WrongContext`](crate::Error::WrongContext) and [`Error::WrongDevice`](crate::Error::WrongDevice) for a buffer of
    /// another context or device; [`Error::Call`](crate::Error::Call).
    #[doc(alias = "zeCommandListAppendMemoryCopy")]
    pub fn copy<S, D>(&self, source: &S, target: &mut D) -> Result<()>
    where
        S: LentSource<'scope> + ?Sized,
        D: LentTarget<'scope> + RawTarget<'scope, Element = S::Element> + ?Sized,
    {
        let source = source.end();
        let target = target.end_mut();
        let bytes = self.queue.check_copy(&source.end, &target.end)?;
        if bytes == 0 {
            return Ok(());
        }
        let accesses = [source.access(false), target.access(true)];
        self.ground.enqueue(
            self.line,
            plain("copy", bytes),
            accesses.into_iter(),
            |list, signal| {
                // SAFETY: both ends are lent to the scope, the target exclusively, so they are live and do
                // not overlap until the scope is over, when this is done; they have as many bytes.
                // They are memory of the context that the queue's device reaches, or of the host, as
                // checked. What writes the source was enqueued on the same handle, and is done
                // before; so is what uses the target.
                unsafe {
                    list.copy(
                        target.end.pointer.cast(),
                        source.end.pointer.cast(),
                        bytes,
                        signal,
                    )
                }
            },
        )
    }

    /// Fills `target` with copies of `value`, of any element type.
    ///
    /// # Errors
    ///
    /// [`Error::WrongContext`](crate::Error::WrongContext) and [`Error::WrongDevice`](crate::Error::WrongDevice) for a buffer of another context or device;
    /// [`Error::Call`](crate::Error::Call).
    #[doc(alias = "zeCommandListAppendMemoryFill")]
    pub fn fill<D>(&self, target: &mut D, value: D::Element) -> Result<()>
    where
        D: LentBuffer<'scope> + RawTarget<'scope, Element: Upload> + ?Sized,
    {
        let target = target.end_mut();
        self.check("fill", "target", &target.end)?;
        let bytes = target.end.len * size_of::<D::Element>();
        if bytes == 0 {
            return Ok(());
        }
        let value = bytemuck::bytes_of(&value);
        let to = target.end.pointer.cast::<u8>();
        let longest = self.queue.group().max_fill_pattern.min(LONGEST_PATTERN);
        if let Some(pattern) = lawful(value, longest) {
            let pattern = self.ground.pattern(pattern);
            let accesses = [target.access(true)];
            return self.ground.enqueue(
                self.line,
                plain("fill", bytes),
                accesses.into_iter(),
                |list, signal| {
                    // SAFETY: the pattern is kept until the scope is over, when this is done.
                    let pattern = unsafe { &*pattern };
                    // SAFETY: the target is lent to the scope exclusively, memory of the context that
                    // the queue's device reaches, as checked; what uses it is done before. The
                    // pattern divides its size, since it divides that of an element.
                    unsafe { list.fill(to.cast(), pattern, bytes, signal) }
                },
            );
        }
        let plan = Doubling::new(value.len(), bytes);
        let seed = value.repeat(plan.seed / value.len());
        let seed = self.ground.stage(seed.into_boxed_slice());
        self.copy_piece(&target, to, seed.cast(), plan.seed)?;
        for Step { offset, bytes } in plan.steps() {
            // SAFETY: a step's offset lies in the target.
            let at = unsafe { to.add(offset) };
            self.copy_piece(&target, at, to, bytes)?;
        }
        Ok(())
    }

    /// Writes a part of a fill's target: `bytes` bytes `at` a place in it, from what is kept until the
    /// scope is over or the part before, which is written by then.
    fn copy_piece<T>(
        &self,
        target: &LentEnd<'_, T>,
        at: *mut u8,
        from: *const u8,
        bytes: usize,
    ) -> Result<()> {
        let accesses = [target.access(true)];
        self.ground.enqueue(
            self.line,
            plain("fill", bytes),
            accesses.into_iter(),
            |list, signal| {
                // SAFETY: as of a fill, and of a copy: the parts do not overlap, and pieces wait for
                // those before.
                unsafe { list.copy(at.cast(), from.cast(), bytes, signal) }
            },
        )
    }

    /// Checks that the queue's device may touch an end.
    #[inline]
    pub(super) fn check<T>(
        &self,
        operation: &'static str,
        what: &'static str,
        end: &End<'_, T>,
    ) -> Result<()> {
        self.queue.check_reach(operation, what, end)
    }
}

/// An operation that waits for what uses the same memory only.
pub(super) fn plain(name: &str, bytes: usize) -> What<'_> {
    What {
        name,
        bytes,
        ordered: false,
    }
}
