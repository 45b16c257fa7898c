//! Queues: copies and fills, done when the call returns.

mod builder;
mod duplicate;
mod ends;
pub(crate) mod fill;
pub(crate) mod hint;
mod lane;
mod launch;
pub(crate) mod layout;
mod reach;
pub(crate) mod region;

pub use builder::{Engine, Priority, QueueBuilder, QueueMode};
pub(crate) use ends::sealed;
pub use ends::{DriverMemory, SharedMemory, Source, Target};
pub use hint::Advice;
pub use layout::{Extent, Layout, Origin};

use crate::buffer::{Element, Upload, ZeBuffer};
use crate::context::Context;
use crate::device::{QueueGroup, QueueGroupFlags, ZeDevice};
use crate::error::{Error, Result, Returned};
use crate::pending::waiter::Waiter;
use crate::placement::Placement;
use crate::raw::home::Home;
use crate::raw::immediate::ImmediateList;
use crate::raw::list::{CommandList, ListDesc};
use core::fmt;
use core::mem::MaybeUninit;
use level_zero_sys as sys;
use sealed::{End, RawSource, RawTarget};
use std::sync::{Arc, OnceLock};

/// A queue on a device. What it does is complete when the call returns, but for [scopes](Queue::scope)
/// and operations that are [started](Queue::start_copy), which say when they are.
///
/// Underneath are immediate command lists, a synchronous one and, when first needed, an asynchronous
/// one, in the device's first queue group that computes unless [`Context::queue_builder`] says
/// otherwise. Cheap to clone; the clones are the
/// same queue, and threads may share it.
///
/// ```
/// # #[cfg(feature = "cpu")] {
/// use ze_area::Context;
///
/// let context = Context::new()?;
/// let device = &context.devices()[0];
/// let queue = context.queue(device)?;
///
/// let x = context.device_area(device).mmap_from_slice(&[1.0_f32, 2.0, 3.0])?;
/// let mut y = context.host_area().mmap::<f32>(3)?;
/// queue.copy(&x, &mut y)?;
/// assert_eq!(y, [1.0, 2.0, 3.0]);
/// # }
/// # Ok::<(), ze_area::Error>(())
/// ```
#[derive(Clone)]
pub struct Queue {
    context: Context,
    list: Arc<ImmediateList>,
    /// Made when first needed.
    asynchronous: Arc<OnceLock<Arc<CommandList>>>,
    waiter: Arc<Waiter>,
    device: ZeDevice,
    group: QueueGroup,
    index: Option<u32>,
    priority: Priority,
    mode: QueueMode,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("device", &self.device.name())
            .field("ordinal", &self.group.ordinal)
            .field("priority", &self.priority)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl Queue {
    /// The context that the queue was made from.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The list for work that is not waited for by the call that enqueues it.
    #[inline]
    pub(crate) fn asynchronous(&self) -> Result<&CommandList> {
        if let Some(list) = self.asynchronous.get() {
            return Ok(list);
        }
        let desc = ListDesc {
            ordinal: self.group.ordinal,
            index: self.index,
            mode: match self.mode {
                QueueMode::Asynchronous => sys::ZE_COMMAND_QUEUE_MODE_ASYNCHRONOUS,
                QueueMode::Synchronous => sys::ZE_COMMAND_QUEUE_MODE_SYNCHRONOUS,
            },
            priority: self.priority.raw(),
        };
        let list = CommandList::new(self.context.inner(), self.device.handle(), desc)?;
        // Where two threads came here at once, the first one's is taken.
        Ok(self.asynchronous.get_or_init(|| Arc::new(list)))
    }

    /// Who waits for what is awaited.
    pub(crate) fn waiter(&self) -> &Waiter {
        &self.waiter
    }

    /// Whether the two are clones of each other.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.list, &other.list)
    }

    /// The device that the queue works on.
    #[must_use]
    pub fn device(&self) -> &ZeDevice {
        &self.device
    }

    /// The number of the queue's group in [`ZeDevice::queue_groups`].
    #[must_use]
    pub fn ordinal(&self) -> u32 {
        self.group.ordinal
    }

    /// The queue's group: what it can do, and its limits.
    #[must_use]
    pub fn group(&self) -> &QueueGroup {
        &self.group
    }

    /// What the queue was asked to have of the device, beside others.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.priority
    }

    /// How work that a scope enqueues is carried out.
    #[must_use]
    pub fn mode(&self) -> QueueMode {
        self.mode
    }

    /// Whether the queue runs kernels; all queues copy and fill.
    #[must_use]
    pub fn can_compute(&self) -> bool {
        self.group.flags.contains(QueueGroupFlags::COMPUTE)
    }

    /// Copies all elements of `source` to `target`, which has as many, and waits.
    ///
    /// Ends on other devices than the queue's are lawful: each device touches its own memory, and
    /// from one to another the elements go through the host. A `Vec` is a target of its length, and
    /// not grown: [`to_vec`](Queue::to_vec) makes one. A buffer that nobody wrote yet is written by
    /// [`init`](Queue::init).
    ///
    /// # Errors
    ///
    /// [`Error::LengthMismatch`]; [`Error::WrongContext`] for a buffer of another context;
    /// [`Error::Call`].
    #[doc(alias = "zeCommandListAppendMemoryCopy")]
    pub fn copy<S, D>(&self, source: &S, target: &mut D) -> Result<()>
    where
        S: Source + ?Sized,
        D: Target + RawTarget<Element = S::Element> + ?Sized,
    {
        // SAFETY: the elements have one type, so those of the source are values of the target's.
        unsafe { self.copy_ends(&source.end(), &target.end_mut()) }
    }

    /// Copies all elements of `source` to a buffer that nobody wrote yet, and waits.
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// # let context = ze_area::Context::new()?;
    /// # let queue = context.queue(context.first_device()?)?;
    /// let fresh = context.default_device_area()?.mmap_uninit::<f32>(3)?;
    /// let buffer = queue.init(fresh, &[1.0, 2.0, 3.0])?;
    /// assert_eq!(queue.to_vec(&buffer)?, [1.0, 2.0, 3.0]);
    /// # }
    /// # Ok::<(), ze_area::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As of [`Queue::copy`], with the buffer, unwritten.
    #[expect(clippy::type_complexity, reason = "a buffer comes back in either case")]
    pub fn init<S, T, P>(
        &self,
        mut target: ZeBuffer<MaybeUninit<T>, P>,
        source: &S,
    ) -> Result<ZeBuffer<T, P>, Returned<ZeBuffer<MaybeUninit<T>, P>>>
    where
        S: Source + RawSource<Element = T> + ?Sized,
        T: Element,
        P: Placement,
    {
        let from = source.end();
        let to = target.end_mut();
        let to = End {
            pointer: to.pointer.cast::<T>(),
            len: to.len,
            home: to.home,
        };
        // SAFETY: the source's elements are values of `T`, and any bytes do as `MaybeUninit<T>`.
        match unsafe { self.copy_ends(&from, &to) } {
            // SAFETY: all elements are written.
            Ok(()) => Ok(unsafe { target.assume_init() }),
            Err(error) => Err(Returned {
                error,
                buffer: target,
            }),
        }
    }

    /// # Safety
    ///
    /// The ends must be what `end` and `end_mut` of a source and a target gave, both still
    /// borrowed, and the source's elements lawful in the target.
    unsafe fn copy_ends<T>(&self, source: &End<'_, T>, target: &End<'_, T>) -> Result<()> {
        if source.len != target.len {
            return Err(Error::LengthMismatch {
                source_len: source.len,
                target_len: target.len,
            });
        }
        self.check_context("copy", "source", source.home)?;
        self.check_context("copy", "target", target.home)?;
        if source.len == 0 {
            return Ok(());
        }
        let bytes = source.len * size_of::<T>();
        if bytes == 0 {
            return Ok(());
        }
        if source.home.is_some() && target.home.is_some() {
            let (to, from) = (target.pointer.cast(), source.pointer.cast());
            // SAFETY: both ends are buffers of this context, borrowed, the target exclusively, so they
            // are live and do not overlap.
            return unsafe {
                self.copy_bytes((to, target.device()), (from, source.device()), bytes)
            };
        }
        // SAFETY: as the caller vouches; the ends have as many bytes.
        unsafe { self.copy_host(source, target, bytes) }
    }

    /// Copies where an end is a slice of the host.
    ///
    /// # Safety
    ///
    /// As of `copy_ends`, and the ends are of this context and have `bytes` bytes.
    unsafe fn copy_host<T>(
        &self,
        source: &End<'_, T>,
        target: &End<'_, T>,
        bytes: usize,
    ) -> Result<()> {
        let mut from = self.stand_in(source, bytes)?;
        let mut to = self.stand_in(target, bytes)?;
        let read = from
            .as_mut()
            .map_or(source.pointer.cast(), |own| own.as_mut_ptr().cast::<u8>());
        let write = to
            .as_mut()
            .map_or(target.pointer.cast(), |own| own.as_mut_ptr().cast::<u8>());
        if from.is_some() {
            // SAFETY: the source is a slice of the host of that many bytes, which are borrowed; the
            // stand-in is ours, and as long.
            unsafe { read.copy_from_nonoverlapping(source.pointer.cast(), bytes) };
        }
        // SAFETY: the ends are borrowed, the target exclusively, or stand-ins, which are ours, so
        // they are live and do not overlap. Those with a device are buffers of this context on that
        // device; the others are host memory of this context, or memory that every device of the
        // context may be given, since it is not the driver's or there is one device only.
        unsafe { self.copy_bytes((write, target.device()), (read, source.device()), bytes) }?;
        if to.is_some() {
            // SAFETY: as for the source; the target is borrowed exclusively, and what was copied are
            // values of its type, as the caller vouches.
            unsafe { write.copy_to_nonoverlapping(target.pointer.cast(), bytes) };
        }
        Ok(())
    }

    /// Memory to be copied in place of a slice of the host, where no device may be given that.
    fn stand_in<T>(&self, end: &End<'_, T>, bytes: usize) -> Result<Option<Vec<MaybeUninit<u8>>>> {
        if end.home.is_some() || !self.context.is_of_driver(end.pointer)? {
            return Ok(None);
        }
        Ok(Some(vec![MaybeUninit::uninit(); bytes]))
    }

    /// Copies all elements of `source` to a new `Vec`, and waits.
    ///
    /// # Errors
    ///
    /// [`Error::WrongContext`]; [`Error::Call`].
    pub fn to_vec<S>(&self, source: &S) -> Result<Vec<S::Element>>
    where
        S: Source + RawSource<Element: Element> + ?Sized,
    {
        let len = source.source_len();
        let mut elements = Vec::<S::Element>::with_capacity(len);
        // SAFETY: there is room for as many elements.
        unsafe { elements.as_mut_ptr().write_bytes(0, len) };
        // SAFETY: all bytes are zero, and any are an `Element`.
        unsafe { elements.set_len(len) };
        self.copy(source, &mut elements)?;
        Ok(elements)
    }

    /// Fills `target` with copies of `value`, and waits.
    ///
    /// Any element type will do: where its size is no pattern that the driver takes (a power of
    /// two, at most [`QueueGroup::max_fill_pattern`](crate::QueueGroup)), the first copies are
    /// written out on the host, and what is there is copied to what follows.
    ///
    /// # Errors
    ///
    /// [`Error::WrongContext`]; [`Error::Call`].
    #[doc(alias = "zeCommandListAppendMemoryFill")]
    pub fn fill<D>(&self, target: &mut D, value: D::Element) -> Result<()>
    where
        D: Target + RawTarget<Element: Upload> + ?Sized,
    {
        let end = target.end_mut();
        self.check_context("fill", "target", end.home)?;
        let bytes = end.len * size_of::<D::Element>();
        if bytes == 0 {
            return Ok(());
        }
        if end.home.is_none() {
            // SAFETY: the end is a slice of the host, borrowed exclusively.
            unsafe { core::slice::from_raw_parts_mut(end.pointer, end.len) }.fill(value);
            return Ok(());
        }
        let value = bytemuck::bytes_of(&value);
        let lane = self.lane(end.device())?;
        let list = lane.as_ref().map_or(&*self.list, |lane| lane.list(self));
        let longest = lane
            .as_ref()
            .map_or(self.group.max_fill_pattern, |lane| lane.max_fill_pattern);
        if let Some(pattern) = fill::lawful(value, longest) {
            // SAFETY: the target is live memory of this context on the list's device, or of the
            // host, borrowed exclusively; the pattern divides its size, since it divides that of an
            // element.
            return unsafe { list.fill(end.pointer.cast(), pattern, bytes) };
        }
        // SAFETY: as above; the target's size is that of some elements.
        unsafe { fill::by_doubling(list, end.pointer.cast(), value, bytes) }
    }

    /// Waits for everything that was enqueued on the queue before, by whatever means.
    ///
    /// Nothing of this library needs it: operations are complete when they return, when their scope
    /// is over, or when they were waited for. It is for work that was enqueued by
    /// [`with_raw`](Queue::with_raw).
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    #[doc(alias = "zeCommandListAppendBarrier")]
    #[doc(alias = "zeCommandListHostSynchronize")]
    pub fn barrier(&self) -> Result<()> {
        self.list.barrier()?;
        match self.asynchronous.get() {
            Some(list) => ImmediateList::waiting(Arc::clone(list), &self.context).run(|_| Ok(())),
            None => Ok(()),
        }
    }

    /// Hands out the immediate command list that scopes and pending operations use, which nobody else
    /// uses meanwhile, for calls that this library does not make.
    ///
    /// What is appended is not ordered with anything of this library but by
    /// [`barrier`](Queue::barrier), which waits for it. Until then the queue must be kept by hand, and
    /// memory that it uses too, or freed by [`FreePolicy::Blocking`](crate::FreePolicy::Blocking).
    /// Other operations of the queue inside `body` would wait for the list forever.
    ///
    /// # Errors
    ///
    /// [`Error::Call`] where the list could not be made.
    #[doc(alias = "ze_command_list_handle_t")]
    pub fn with_raw<R>(&self, body: impl FnOnce(sys::ze_command_list_handle_t) -> R) -> Result<R> {
        Ok(self.asynchronous()?.with_raw(body))
    }

    #[inline]
    fn check_context(
        &self,
        operation: &'static str,
        what: &'static str,
        home: Option<&Home>,
    ) -> Result<()> {
        match home {
            Some(home) if !self.context.is(home.context()) => {
                Err(Error::WrongContext { operation, what })
            }
            _ => Ok(()),
        }
    }
}
