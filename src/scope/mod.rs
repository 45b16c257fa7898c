//! Scopes: asynchronous work on what is lent, complete when the scope is over.

mod ground;
mod launch;
pub(crate) mod lent;
mod operations;
mod parts;
mod profile;
mod region;
pub(crate) mod track;

pub use launch::InScope;
pub use lent::{
    HostReach, Lend, LendMut, Lent, LentBuffer, LentMut, LentPlace, LentShared, LentSlice,
    LentSliceMut, LentSource, LentTarget, System,
};

pub use profile::{Operation, Profile};

use crate::error::Result;
use crate::queue::Queue;
use core::fmt;
use core::marker::PhantomData;
use core::mem;
use core::ops::Deref;
use ground::Ground;
use std::rc::Rc;

/// A scope of asynchronous work, given to the closure of [`Queue::scope`].
///
/// It dereferences to the [`ScopeQueue`] of the queue that opened it.
// Both lifetimes are invariant: `'scope` stands for one scope, and what is lent is borrowed for `'env`.
pub struct Scope<'scope, 'env: 'scope> {
    main: ScopeQueue<'scope>,
    env: PhantomData<&'env mut &'env ()>,
}

/// A queue in a [`Scope`]: operations on what is lent, which return before they are done.
///
/// Cheap to clone. Operations on different lent buffers may run at once; those on the same follow
/// each other as they are written down.
///
/// A function that takes lent handles names the scope's lifetime, the same in all of them:
///
/// ```
/// use ze_area::{LentMut, LentSource, LentTarget, Placement, Result, ScopeQueue};
///
/// fn clear<'scope, P: Placement>(
///     q: &ScopeQueue<'scope>,
///     x: &mut LentMut<'scope, f32, P>,
/// ) -> Result<()> {
///     q.fill(x, 0.0)
/// }
///
/// // Whatever was lent, and parts of it.
/// fn send<'scope, S, D>(q: &ScopeQueue<'scope>, source: &S, target: &mut D) -> Result<()>
/// where
///     S: LentSource<'scope, Element = f32>,
///     D: LentTarget<'scope, Element = f32>,
/// {
///     q.copy(source, target)
/// }
/// ```
#[derive(Clone)]
pub struct ScopeQueue<'scope> {
    ground: &'scope Ground,
    queue: Rc<Queue>,
    /// The queue's number in the ground.
    line: usize,
    brand: PhantomData<fn(&'scope ()) -> &'scope ()>,
}

impl Queue {
    /// Runs asynchronous work on borrowed buffers, and waits for it.
    ///
    /// Inside, buffers, views and slices of the host are *lent*, which borrows them until the scope
    /// is over; operations on the lent handles do not wait, and follow each other as they are written
    /// down. When `scope` returns all of them are complete, also where the closure failed or panicked.
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// # let context = ze_area::Context::new()?;
    /// # let gpu = context.first_device()?;
    /// # let queue = context.queue(gpu)?;
    /// let area = context.device_area(gpu);
    /// let input = [1.0_f32, 2.0, 3.0];
    /// let mut x = area.mmap::<f32>(3)?;
    /// let mut y = area.mmap::<f32>(3)?;
    /// let mut output = context.host_area().mmap::<f32>(3)?;
    ///
    /// queue.scope(|q| {
    ///     let input = q.lend(&input);
    ///     let mut x = q.lend_mut(&mut x);
    ///     let mut y = q.lend_mut(&mut y);
    ///     let mut output = q.lend_mut(&mut output);
    ///     q.copy(&input, &mut x)?;
    ///     q.copy(&x, &mut y)?;
    ///     q.copy(&y, &mut output)?;
    ///     assert_eq!(output.read()?, [1.0, 2.0, 3.0]); // waits for the last copy
    ///     q.fill(&mut y, 0.5)
    /// })?;
    /// assert_eq!(queue.to_vec(&y)?, [0.5, 0.5, 0.5]);
    /// # }
    /// # Ok::<(), ze_area::Error>(())
    /// ```
    ///
    /// Other queues of the context take part with [`Scope::on`]; what one enqueues on a lent buffer
    /// waits for what another has. A scope belongs to its thread; other threads may have theirs on
    /// the same queue.
    ///
    /// # Errors
    ///
    /// What the closure returns; [`Error::Call`](crate::Error::Call) where waiting failed, or the
    /// device was lost.
    ///
    /// # Aborts
    ///
    /// Where the driver refuses again and again to say whether the device is done, the process is
    /// aborted: the device might write to memory that is borrowed no longer.
    pub fn scope<'env, F, R>(&self, body: F) -> Result<R>
    where
        F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> Result<R>,
    {
        let ground = Ground::new(self.context());
        self.run(&ground, body)
    }

    /// Runs a [`scope`](Queue::scope), and says when each of its operations ran.
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// # let context = ze_area::Context::new()?;
    /// # let queue = context.queue(context.first_device()?)?;
    /// let mut x = context.default_device_area()?.mmap::<f32>(1024)?;
    /// let ((), profile) = queue.profile(|q| {
    ///     let mut x = q.lend_mut(&mut x);
    ///     q.fill(&mut x, 1.0)
    /// })?;
    /// println!("{profile}");
    /// assert_eq!(profile.operations[0].bytes, 4096);
    /// # }
    /// # Ok::<(), ze_area::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As of [`scope`](Queue::scope).
    #[doc(alias = "zeEventQueryKernelTimestamp")]
    pub fn profile<'env, F, R>(&self, body: F) -> Result<(R, Profile)>
    where
        F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> Result<R>,
    {
        let ground = Ground::new(self.context());
        ground.record();
        let value = self.run(&ground, body)?;
        let operations = ground.recorded();
        Ok((value, Profile { operations }))
    }

    fn run<'env, F, R>(&self, ground: &Ground, body: F) -> Result<R>
    where
        F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> Result<R>,
    {
        let (line, queue) = ground.line(self)?;
        let end = End(ground);
        let scope = Scope {
            main: ScopeQueue {
                ground,
                queue,
                line,
                brand: PhantomData,
            },
            env: PhantomData,
        };
        let result = body(&scope);
        let settled = end.now();
        let value = result?;
        settled.map(|()| value)
    }
}

/// Waits at the end of a scope, in whatever way that is reached.
struct End<'a>(&'a Ground);

impl End<'_> {
    fn now(self) -> Result<()> {
        let settled = self.0.wait();
        mem::forget(self);
        settled
    }
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        // The closure panicked: that is told, and not this.
        let _ = self.0.wait();
    }
}

impl<'scope, 'env> Scope<'scope, 'env> {
    /// Borrows a buffer, a view or a slice of the host until the scope is over, to be read.
    ///
    /// The host may read it meanwhile. The handle cannot leave the closure.
    #[must_use]
    pub fn lend<L: Lend<'env>>(&'scope self, what: L) -> Lent<'scope, L::Element, L::Place> {
        Lent::new(what)
    }

    /// Borrows a buffer, a view or a slice of the host exclusively until the scope is over, to be
    /// written to.
    #[must_use]
    pub fn lend_mut<L: LendMut<'env>>(
        &'scope self,
        what: L,
    ) -> LentMut<'scope, L::Element, L::Place> {
        LentMut::new(self.main.ground, what)
    }

    /// Another queue of the context in this scope: of the same device, to work at the same time, or
    /// of another.
    ///
    /// # Errors
    ///
    /// [`Error::WrongContext`](crate::Error::WrongContext).
    pub fn on(&'scope self, queue: &Queue) -> Result<ScopeQueue<'scope>> {
        let (line, queue) = self.main.ground.line(queue)?;
        Ok(ScopeQueue {
            ground: self.main.ground,
            queue,
            line,
            brand: PhantomData,
        })
    }

    /// Waits until everything that was enqueued in this scope is done.
    ///
    /// # Errors
    ///
    /// [`Error::Call`](crate::Error::Call).
    pub fn wait(&self) -> Result<()> {
        self.main.ground.wait()
    }
}

impl<'scope> Deref for Scope<'scope, '_> {
    type Target = ScopeQueue<'scope>;

    fn deref(&self) -> &ScopeQueue<'scope> {
        &self.main
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

impl fmt::Debug for ScopeQueue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeQueue")
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}
