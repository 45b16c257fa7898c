//! Starting operations that own what they work on.

use super::Pending;
use super::flight::Flight;
use crate::buffer::{Element, Upload, ZeBuffer};
use crate::error::{Error, Result, Returned};
use crate::placement::Placement;
use crate::queue::Queue;
use crate::queue::sealed::{End, RawSource, RawTarget};
use crate::raw::event::{Event, EventKind};
use crate::raw::handle::EventHandle;
use crate::raw::list::Locked;
use crate::raw::quiet::{Exiting, halt, quiesce};
use core::any::Any;
use sealed::RawOwned;
use std::sync::Arc;

pub(crate) mod sealed {
    use super::End;

    #[diagnostic::on_unimplemented(
        message = "`{Self}` does not own memory that an operation could go on using",
        note = "`ZeBuffer`, `Vec`, and `Arc` of either do"
    )]
    pub trait RawOwned {
        type Element;
        fn owned(&self) -> End<'_, Self::Element>;
    }
}

/// What [`Queue::start_copy`] copies from: a [`ZeBuffer`] or a `Vec`, or an `Arc` of one.
///
/// Sealed: these are all there are.
#[diagnostic::on_unimplemented(
    message = "an operation that is started cannot own `{Self}`",
    label = "does not own its memory, or may move it",
    note = "give a `ZeBuffer` or a `Vec`, or an `Arc` of one; what is borrowed can be lent to a scope: `queue.scope(|q| ...)`"
)]
pub trait OwnedSource: RawOwned {}

/// What [`Queue::start_copy`] copies to: a [`ZeBuffer`] or a `Vec`.
///
/// Sealed: these are all there are.
#[diagnostic::on_unimplemented(
    message = "an operation that is started cannot own `{Self}` to write to it",
    label = "does not own its memory alone",
    note = "give a `ZeBuffer` or a `Vec`; what is borrowed can be lent to a scope: `queue.scope(|q| ...)`"
)]
pub trait OwnedTarget: OwnedSource + RawTarget {}

macro_rules! owned {
    ($([$($generics:tt)*] $type:ty;)*) => {$(
        impl<$($generics)*> RawOwned for $type {
            type Element = T;

            fn owned(&self) -> End<'_, T> {
                RawSource::end(self)
            }
        }

        impl<$($generics)*> OwnedSource for $type {}

        impl<$($generics)*> RawOwned for Arc<$type> {
            type Element = T;

            fn owned(&self) -> End<'_, T> {
                RawSource::end(&**self)
            }
        }

        impl<$($generics)*> OwnedSource for Arc<$type> {}
    )*};
}

// An `Element` has no interior mutability: nobody writes through what an `Arc` is shared with.
owned! {
    [T: Element, P: Placement] ZeBuffer<T, P>;
    [T: Upload] Vec<T>;
}

impl<T: Element, P: Placement> OwnedTarget for ZeBuffer<T, P> {}
impl<T: Upload> OwnedTarget for Vec<T> {}

impl Queue {
    /// Starts a copy of all elements of `source` to `target`, which has as many; both are given back
    /// when it is done.
    ///
    /// Both ends are on the queue's device or on the host. What is started does not wait for what was
    /// started before; that works on other memory.
    ///
    /// # Errors
    ///
    /// With both ends: [`Error::LengthMismatch`]; [`Error::WrongContext`] and [`Error::WrongDevice`] for
    /// a buffer of another context or device; [`Error::Call`].
    #[doc(alias = "zeCommandListAppendMemoryCopy")]
    #[expect(clippy::type_complexity, reason = "both ends come back in either case")]
    pub fn start_copy<S, D>(
        &self,
        source: S,
        mut target: D,
    ) -> Result<Pending<(S, D)>, Returned<(S, D)>>
    where
        S: OwnedSource,
        D: OwnedTarget + RawTarget<Element = <S as RawOwned>::Element>,
    {
        let checked = self.check_copy(&source.owned(), &target.end_mut());
        let bytes = match checked {
            Ok(bytes) => bytes,
            Err(error) => {
                return Err(Returned {
                    error,
                    buffer: (source, target),
                });
            }
        };
        let from = source.owned().pointer;
        let to = target.end_mut().pointer;
        let event = self.enqueue_alone(|list, signal| {
            if bytes == 0 {
                return list.barrier(Some(signal), &[]);
            }
            // SAFETY: both ends are owned by what is returned until this is done, the target alone, so
            // they are live and do not overlap, and have as many bytes; they are memory of the
            // context that the queue's device reaches, or of the host, as checked.
            unsafe { list.copy(to.cast(), from.cast(), bytes, Some(signal)) }
        });
        self.pending(event, (source, target), None)
    }

    /// What owns `owned` until an operation that was enqueued is done, if it was.
    pub(super) fn pending<R>(
        &self,
        event: Result<Event>,
        owned: R,
        kept: Option<Arc<dyn Any + Send + Sync>>,
    ) -> Result<Pending<R>, Returned<R>> {
        match event {
            Ok(event) => Ok(Pending::new(
                Arc::new(Flight::new(self, event, kept)),
                owned,
            )),
            Err(error) => Err(Returned {
                error,
                buffer: owned,
            }),
        }
    }

    /// Enqueues an operation that signals the event which is returned. Where that fails nothing of it is
    /// left on the list.
    pub(super) fn enqueue_alone(
        &self,
        append: impl FnOnce(&mut Locked<'_>, EventHandle) -> Result<()>,
    ) -> Result<Event> {
        let events = self.context().events();
        let list = self.asynchronous()?;
        let event = events.take(EventKind::Plain)?;
        // To wait with, should the call fail: whether it left anything behind is not known then.
        let spare = match events.take(EventKind::Plain) {
            Ok(spare) => spare,
            Err(error) => {
                events.put_back(event, EventKind::Plain);
                return Err(error);
            }
        };
        let error = match append(&mut list.lock(), event.handle()) {
            Ok(()) => {
                events.put_back(spare, EventKind::Plain);
                return Ok(event);
            }
            Err(error) => error,
        };
        // At the end of the process the call was not made, and nothing could be waited for.
        let idle = matches!(error, Error::Exiting { .. })
            || match quiesce(list, &spare) {
                Ok(settled) => settled.is_ok(),
                Err(Exiting) => halt(),
            };
        events.take_back(spare, EventKind::Plain, idle);
        events.take_back(event, EventKind::Plain, idle);
        Err(error)
    }
}
