//! Pending operations: asynchronous work that owns what it works on.

mod fill;
mod flight;
mod launch;
mod start;
pub(crate) mod waiter;

pub use launch::Owned;
pub use start::{OwnedSource, OwnedTarget};

use crate::error::{Result, Returned};
use crate::raw::quiet::{Exiting, halt};
use core::fmt;
use core::future::{Future, IntoFuture};
use core::mem::{ManuallyDrop, MaybeUninit};
use core::pin::Pin;
use core::task::{Context, Poll};
use flight::Flight;
use std::sync::Arc;

/// An operation that was started, with everything that it works on: `R`.
///
/// [`wait`](Pending::wait) gives that back, and so does `.await`, in any executor: the first poll hands
/// the waiting over to a thread of the queue. Dropping it waits too; forgetting it leaks what it
/// owns, which the device may go on using.
///
/// ```
/// # #[cfg(feature = "cpu")] {
/// # let context = ze_area::Context::new()?;
/// # let queue = context.queue(context.first_device()?)?;
/// let x = context.default_device_area()?.mmap_from_slice(&[1.0_f32, 2.0, 3.0])?;
/// let pending = queue.start_copy(x, vec![0.0; 3])?;
/// // ... the host does something else ...
/// let (x, output) = pending.wait()?;
/// assert_eq!(output, [1.0, 2.0, 3.0]);
/// # drop(x);
/// # }
/// # Ok::<(), ze_area::Error>(())
/// ```
#[must_use = "dropping it waits for the operation; `wait` or `.await` gives back what it works on"]
pub struct Pending<R> {
    flight: ManuallyDrop<Arc<Flight>>,
    /// Nothing is done with it while the operation runs. In a `MaybeUninit`, so that moving it asserts
    /// nothing of memory that the device writes.
    // Initialised for as long as this value is not dropped.
    owned: MaybeUninit<R>,
}

// Nothing is pinned: what the device works on is behind pointers.
impl<R> Unpin for Pending<R> {}

impl<R> Pending<R> {
    fn new(flight: Arc<Flight>, owned: R) -> Self {
        Self {
            flight: ManuallyDrop::new(flight),
            owned: MaybeUninit::new(owned),
        }
    }

    /// Waits until the operation is done, and gives back what it worked on.
    ///
    /// # Errors
    ///
    /// [`Error::Call`](crate::Error::Call) where waiting failed or the device was lost, with what it worked on, whose
    /// contents are then anything.
    ///
    /// # Aborts
    ///
    /// As [`Queue::scope`](crate::Queue::scope); and where a handler of `exit` calls this after the driver's
    /// end has begun, so that the device cannot be asked any more.
    pub fn wait(self) -> Result<R, Returned<R>> {
        match self.flight.wait() {
            Ok(waited) => self.end(waited),
            Err(Exiting) => halt(),
        }
    }

    /// Gives back what a done operation worked on.
    fn end(self, waited: Result<()>) -> Result<R, Returned<R>> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: it is taken once, here, since `this` is not dropped.
        Flight::release(unsafe { ManuallyDrop::take(&mut this.flight) });
        // SAFETY: the value is initialised, and taken once, since `this` is not dropped.
        let owned = unsafe { this.owned.assume_init_read() };
        returned(waited, owned)
    }

    /// Whether the operation is done, so that [`wait`](Pending::wait) returns at once.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.flight.is_done()
    }
}

/// The result of an operation that is done.
fn returned<R>(waited: Result<()>, owned: R) -> Result<R, Returned<R>> {
    match waited {
        Ok(()) => Ok(owned),
        Err(error) => Err(Returned {
            error,
            buffer: owned,
        }),
    }
}

/// Waits. Where the process is ending, so that the driver cannot be asked any more, what the operation
/// works on stays allocated.
impl<R> Drop for Pending<R> {
    fn drop(&mut self) {
        if self.flight.wait().is_ok() {
            // SAFETY: it is taken once, here; the value is not used any more.
            Flight::release(unsafe { ManuallyDrop::take(&mut self.flight) });
            // SAFETY: the value is initialised, nothing uses it any more, and it is dropped once.
            unsafe { self.owned.assume_init_drop() };
        }
    }
}

/// Resolves when the operation is done, to what [`wait`](Pending::wait) returns.
impl<R> IntoFuture for Pending<R> {
    type Output = Result<R, Returned<R>>;
    type IntoFuture = Awaited<R>;

    fn into_future(self) -> Awaited<R> {
        Awaited(Some(self))
    }
}

/// A [`Pending`] operation that is awaited: a future for any executor.
///
/// Made by `.await`, or by [`into_future`](IntoFuture::into_future) where a future is asked for by name. Dropping it
/// waits for the operation.
///
/// ```
/// # #[cfg(feature = "cpu")] {
/// # let context = ze_area::Context::new()?;
/// # let queue = context.queue(context.first_device()?)?;
/// # fn spawn<F: Future>(future: F) { drop(future) }
/// let pending = queue.start_copy(vec![1.0_f32; 3], vec![0.0; 3])?;
/// spawn(pending.into_future());
/// # }
/// # Ok::<(), ze_area::Error>(())
/// ```
// `None` once what the operation owned was given back.
#[must_use = "futures do nothing unless polled; dropping this one waits for the operation"]
pub struct Awaited<R>(Option<Pending<R>>);

/// No thread polls for that: one of the queue's, started when something is first awaited, waits in
/// the driver and wakes the task. Where no thread can be started, the poll itself waits. A future
/// that has resolved stays pending.
impl<R> Future for Awaited<R> {
    type Output = Result<R, Returned<R>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(pending) = self.0.take() else {
            return Poll::Pending;
        };
        match Flight::poll(&pending.flight, context.waker()) {
            Poll::Ready(Ok(waited)) => Poll::Ready(pending.end(waited)),
            // Where the process is ending, what the operation works on stays where it is.
            Poll::Ready(Err(Exiting)) | Poll::Pending => {
                self.0 = Some(pending);
                Poll::Pending
            }
        }
    }
}

impl<R> fmt::Debug for Awaited<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Awaited").field(&self.0).finish()
    }
}

impl<R> fmt::Debug for Pending<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending")
            .field("owns", &core::any::type_name::<R>())
            .field("is_complete", &self.is_complete())
            .finish_non_exhaustive()
    }
}
