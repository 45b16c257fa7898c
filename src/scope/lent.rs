//! What is lent to a scope: handles that operations use instead of the buffers.

use super::ground::Ground;
use super::track::{Access, Track};
use crate::buffer::{Upload, ZeBuffer, ZeSlice, ZeSliceMut, resolve};
use crate::error::Result;
use crate::placement::{HostAccess, Placement, Shared};
use crate::queue::sealed::End;
use crate::raw::home::Home;
use core::fmt;
use core::marker::PhantomData;
use core::ops::RangeBounds;
use core::ptr::NonNull;
use sealed::{Lendable, LendableMut, LentEnd, Parts, RawSource, RawTarget};

pub(crate) mod sealed {
    use super::{Access, End, Home, NonNull, Track};

    /// What a lent handle is made of: as of `ZeSlice` for `'env`.
    #[derive(Debug)]
    pub struct Parts<'env, T> {
        pub(crate) pointer: NonNull<T>,
        pub(crate) len: usize,
        pub(crate) home: Option<&'env Home>,
    }

    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be lent to a scope",
        note = "lend `&buffer`, a view (`buffer.slice(range)?`), or a slice of the host"
    )]
    pub trait Lendable<'env> {
        type Element;
        type Place;
        fn parts(self) -> Parts<'env, Self::Element>;
    }

    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be lent to a scope to be written to",
        note = "lend `&mut buffer`, a mutable view (`buffer.slice_mut(range)?`), or a mutable slice of the host"
    )]
    pub trait LendableMut<'env> {
        type Element;
        type Place;
        fn parts(self) -> Parts<'env, Self::Element>;
    }

    /// One end of an operation in a scope.
    #[derive(Debug)]
    pub struct LentEnd<'a, T> {
        pub(crate) end: End<'a, T>,
        pub(crate) track: Option<&'a Track>,
    }

    impl<'a, T> LentEnd<'a, T> {
        pub(crate) fn access(&self, writes: bool) -> Access<'a> {
            Access {
                track: self.track,
                writes,
            }
        }
    }

    #[diagnostic::on_unimplemented(
        message = "`{Self}` is not lent to this scope",
        note = "lend it first: `let x = q.lend(&buffer);`"
    )]
    pub trait RawSource<'scope> {
        type Element;
        fn end(&self) -> LentEnd<'_, Self::Element>;
    }

    #[diagnostic::on_unimplemented(
        message = "`{Self}` is not lent to this scope to be written to",
        note = "lend it first: `let mut y = q.lend_mut(&mut buffer);`"
    )]
    pub trait RawTarget<'scope> {
        type Element;
        fn end_mut(&mut self) -> LentEnd<'_, Self::Element>;
    }
}

/// Memory of the host that no driver has allocated: a slice, array or `Vec` that is lent to a
/// [`Scope`](super::Scope).
///
/// It stands where a [`Placement`] stands in the types of lent buffers. Copies take it, kernels do
/// not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum System {}

/// Where what is lent lives: a [`Placement`], or [`System`].
///
/// Sealed: these are all there are.
pub trait LentPlace: place::Sealed + 'static {}

/// The places whose memory the host can touch: [`Shared`](crate::Shared), [`Host`](crate::Host) and
/// [`System`].
///
/// Sealed: these are all there are.
#[diagnostic::on_unimplemented(
    message = "the host cannot touch the elements of a buffer in `{Self}` memory",
    label = "needs host access, which `{Self}` memory does not give",
    note = "copy it to what the host can read: lend a `Host` buffer or a slice, `q.copy(&buffer, &mut lent)?`, then `lent.read()?`"
)]
pub trait HostReach: LentPlace {}

mod place {
    pub trait Sealed {}
    impl<P: crate::Placement> Sealed for P {}
    impl Sealed for super::System {}
}

impl<P: Placement> LentPlace for P {}
impl LentPlace for System {}
#[diagnostic::do_not_recommend]
impl<P: HostAccess> HostReach for P {}
#[diagnostic::do_not_recommend]
impl HostReach for System {}

/// What can be lent to a scope to be read: `&ZeBuffer`, a [`ZeSlice`], or a slice, array or `Vec` of
/// the host by reference.
///
/// Sealed: these are all there are.
pub trait Lend<'env>: Lendable<'env, Place: LentPlace> {}

/// What can be lent to a scope to be written to: `&mut ZeBuffer`, a [`ZeSliceMut`], or a slice, array
/// or `Vec` of the host by mutable reference.
///
/// Sealed: these are all there are.
pub trait LendMut<'env>: LendableMut<'env, Place: LentPlace> {}

impl<'env, L: Lendable<'env, Place: LentPlace>> Lend<'env> for L {}
impl<'env, L: LendableMut<'env, Place: LentPlace>> LendMut<'env> for L {}

impl<'env, T, P: Placement> Lendable<'env> for ZeSlice<'env, T, P> {
    type Element = T;
    type Place = P;

    fn parts(self) -> Parts<'env, T> {
        let (pointer, len, home) = self.into_parts();
        Parts { pointer, len, home }
    }
}

impl<'env, T, P: Placement> Lendable<'env> for &'env ZeBuffer<T, P> {
    type Element = T;
    type Place = P;

    fn parts(self) -> Parts<'env, T> {
        Lendable::parts(self.as_view())
    }
}

impl<'env, T, P: Placement> LendableMut<'env> for ZeSliceMut<'env, T, P> {
    type Element = T;
    type Place = P;

    fn parts(self) -> Parts<'env, T> {
        let (pointer, len, home) = self.into_parts();
        Parts { pointer, len, home }
    }
}

impl<'env, T, P: Placement> LendableMut<'env> for &'env mut ZeBuffer<T, P> {
    type Element = T;
    type Place = P;

    fn parts(self) -> Parts<'env, T> {
        LendableMut::parts(self.as_view_mut())
    }
}

macro_rules! lend_host {
    ($([$($generics:tt)*] $type:ty,)*) => {$(
        impl<'env, T: Upload, $($generics)*> Lendable<'env> for &'env $type {
            type Element = T;
            type Place = System;

            fn parts(self) -> Parts<'env, T> {
                let elements: &[T] = self.as_ref();
                Parts {
                    pointer: NonNull::from(elements).cast(),
                    len: elements.len(),
                    home: None,
                }
            }
        }

        impl<'env, T: Upload, $($generics)*> LendableMut<'env> for &'env mut $type {
            type Element = T;
            type Place = System;

            fn parts(self) -> Parts<'env, T> {
                let elements: &mut [T] = self.as_mut();
                Parts {
                    len: elements.len(),
                    pointer: NonNull::from(elements).cast(),
                    home: None,
                }
            }
        }
    )*};
}

lend_host!([][T], [] Vec<T>, [const N: usize] [T; N],);

/// Makes the lifetime of a scope stand for that scope alone.
pub(super) type Brand<'scope> = PhantomData<fn(&'scope ()) -> &'scope ()>;

/// What was lent to a scope to be read, by [`Scope::lend`](super::Scope::lend).
///
/// Cheap to copy. The host may read the buffer all the while.
// Invariants: `pointer`, `len` and `home` as of `ZeSlice`, borrowed until the scope is over.
pub struct Lent<'scope, T, P> {
    pointer: NonNull<T>,
    len: usize,
    home: Option<&'scope Home>,
    /// Keeps the handle on the scope's thread.
    thread: PhantomData<*const Ground>,
    marker: PhantomData<(&'scope [T], P)>,
    brand: Brand<'scope>,
}

/// What was lent to a scope to be written to, by [`Scope::lend_mut`](super::Scope::lend_mut).
///
/// Operations borrow the handle for their call only, and follow each other as they are written down,
/// on whatever queues of the scope they are.
// Invariants: as of `Lent`, and the borrow is exclusive. Every operation that uses the memory is noted
// in `track`.
pub struct LentMut<'scope, T, P> {
    pointer: NonNull<T>,
    len: usize,
    home: Option<&'scope Home>,
    ground: &'scope Ground,
    track: Track,
    marker: PhantomData<(&'scope mut [T], P)>,
    brand: Brand<'scope>,
}

/// A part of what was lent to be written to, to be read: [`LentMut::slice`].
// Invariants: as of `LentMut`, whose handle is borrowed for `'a`.
pub struct LentSlice<'a, 'scope, T, P> {
    pub(super) pointer: NonNull<T>,
    pub(super) len: usize,
    pub(super) home: Option<&'scope Home>,
    pub(super) track: &'a Track,
    pub(super) marker: PhantomData<(&'scope [T], P)>,
    pub(super) brand: Brand<'scope>,
}

/// A part of what was lent to be written to: [`LentMut::slice_mut`].
///
/// Operations on it wait for earlier ones on the whole.
// Invariants: as of `LentMut`, whose handle is borrowed exclusively for `'a`, but for other parts, which
// do not overlap this one.
pub struct LentSliceMut<'a, 'scope, T, P> {
    pub(super) pointer: NonNull<T>,
    pub(super) len: usize,
    pub(super) home: Option<&'scope Home>,
    pub(super) track: &'a Track,
    pub(super) marker: PhantomData<(&'scope mut [T], P)>,
    pub(super) brand: Brand<'scope>,
}

impl<T, P> Clone for Lent<'_, T, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, P> Copy for Lent<'_, T, P> {}

impl<T, P> Clone for LentSlice<'_, '_, T, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, P> Copy for LentSlice<'_, '_, T, P> {}

impl<'scope, T, P: LentPlace> Lent<'scope, T, P> {
    pub(super) fn new<'env: 'scope, L>(lent: L) -> Self
    where
        L: Lendable<'env, Element = T, Place = P>,
    {
        let parts = lent.parts();
        Self {
            pointer: parts.pointer,
            len: parts.len,
            home: parts.home,
            thread: PhantomData,
            marker: PhantomData,
            brand: PhantomData,
        }
    }

    /// A part of it.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`](crate::Error::OutOfBounds).
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Result<Self> {
        let (start, len) = resolve(&range, self.len)?;
        Ok(Self {
            // SAFETY: the part lies inside, as resolved.
            pointer: unsafe { self.pointer.add(start) },
            len,
            ..*self
        })
    }
}

impl<'scope, T, P: LentPlace> LentMut<'scope, T, P> {
    pub(super) fn new<'env: 'scope, L>(ground: &'scope Ground, lent: L) -> Self
    where
        L: LendableMut<'env, Element = T, Place = P>,
    {
        let parts = lent.parts();
        Self {
            pointer: parts.pointer,
            len: parts.len,
            home: parts.home,
            ground,
            track: Track::default(),
            marker: PhantomData,
            brand: PhantomData,
        }
    }

    /// A part of it, to be read.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`](crate::Error::OutOfBounds).
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Result<LentSlice<'_, 'scope, T, P>> {
        let (start, len) = resolve(&range, self.len)?;
        Ok(LentSlice {
            // SAFETY: the part lies inside, as resolved.
            pointer: unsafe { self.pointer.add(start) },
            len,
            home: self.home,
            track: &self.track,
            marker: PhantomData,
            brand: PhantomData,
        })
    }

    /// A part of it, to be written to.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`](crate::Error::OutOfBounds).
    pub fn slice_mut(
        &mut self,
        range: impl RangeBounds<usize>,
    ) -> Result<LentSliceMut<'_, 'scope, T, P>> {
        let (start, len) = resolve(&range, self.len)?;
        // SAFETY: the part lies inside, as resolved, and the handle is borrowed exclusively.
        Ok(unsafe { self.part(start, len) })
    }

    /// The first `mid` elements and the rest, to be written to.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`](crate::Error::OutOfBounds) where there are fewer than `mid` elements.
    pub fn split_at_mut(
        &mut self,
        mid: usize,
    ) -> Result<(
        LentSliceMut<'_, 'scope, T, P>,
        LentSliceMut<'_, 'scope, T, P>,
    )> {
        let (_, mid) = resolve(&(..mid), self.len)?;
        // SAFETY: the part lies inside, and the handle is borrowed exclusively.
        let first = unsafe { self.part(0, mid) };
        // SAFETY: as above, and the part lies behind the first one.
        let second = unsafe { self.part(mid, self.len - mid) };
        Ok((first, second))
    }

    /// # Safety
    ///
    /// `start + len` must be at most the length, and parts that live at once must not overlap, nor be
    /// used with the handle itself.
    unsafe fn part(&self, start: usize, len: usize) -> LentSliceMut<'_, 'scope, T, P> {
        LentSliceMut {
            // SAFETY: the caller vouches that the part lies inside.
            pointer: unsafe { self.pointer.add(start) },
            len,
            home: self.home,
            track: &self.track,
            marker: PhantomData,
            brand: PhantomData,
        }
    }

    /// Waits for what was enqueued to write it, and gives the elements to the host.
    ///
    /// Other operations of the queue may be waited for as well, but none that comes after a kernel
    /// which uses atomics and may itself wait for the host.
    ///
    /// Operations that read it may go on, and be enqueued, meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Call`](crate::Error::Call) where waiting failed.
    pub fn read(&self) -> Result<&[T]>
    where
        P: HostReach,
    {
        self.ground.wait_for(self.track.written())?;
        // SAFETY: the host can reach the elements, which are values, and are borrowed exclusively by
        // the scope. What writes them was enqueued through this handle: that is done, or the wait
        // had failed; and more would need the handle exclusively.
        Ok(unsafe { core::slice::from_raw_parts(self.pointer.as_ptr(), self.len) })
    }

    /// Waits for what was enqueued to use it, and gives the elements to the host, to be changed.
    ///
    /// # Errors
    ///
    /// [`Error::Call`](crate::Error::Call) where waiting failed.
    pub fn write(&mut self) -> Result<&mut [T]>
    where
        P: HostReach,
    {
        for stamp in self.track.all() {
            self.ground.wait_for(stamp)?;
        }
        // SAFETY: as in `read`; what reads them is done too, and the handle is borrowed exclusively.
        Ok(unsafe { core::slice::from_raw_parts_mut(self.pointer.as_ptr(), self.len) })
    }
}

macro_rules! metadata {
    ($([$($generics:tt)*] $type:ty, $name:literal;)*) => {$(
        impl<$($generics)* T, P: LentPlace> $type {
            /// The number of elements.
            #[inline]
            #[must_use]
            pub fn len(&self) -> usize {
                self.len
            }

            /// Whether there are no elements.
            #[inline]
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len == 0
            }
        }

        impl<$($generics)* T, P> fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($name)
                    .field("place", &core::any::type_name::<P>())
                    .field("element", &core::any::type_name::<T>())
                    .field("len", &self.len)
                    .finish_non_exhaustive()
            }
        }
    )*};
}

metadata! {
    ['scope,] Lent<'scope, T, P>, "Lent";
    ['scope,] LentMut<'scope, T, P>, "LentMut";
    ['a, 'scope,] LentSlice<'a, 'scope, T, P>, "LentSlice";
    ['a, 'scope,] LentSliceMut<'a, 'scope, T, P>, "LentSliceMut";
}

/// What a [`ScopeQueue`](super::ScopeQueue) copies from: what was lent to its scope, or a part of it.
///
/// Sealed: these are all there are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not lent to this scope",
    label = "not lent",
    note = "lend it first: `let x = q.lend(&buffer);`, then `q.copy(&x, &mut y)?`"
)]
pub trait LentSource<'scope>: RawSource<'scope> {}

/// What a [`ScopeQueue`](super::ScopeQueue) copies to: what was lent to its scope to be written to, or a
/// part of it.
///
/// Sealed: these are all there are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not lent to this scope to be written to",
    label = "not lent, or lent to be read only",
    note = "lend it first: `let mut y = q.lend_mut(&mut buffer);`, then `q.copy(&x, &mut y)?`"
)]
pub trait LentTarget<'scope>: RawTarget<'scope> {}

/// What a [`ScopeQueue`](super::ScopeQueue) fills: a buffer that was lent to its scope to be written to,
/// or a part of one.
///
/// Sealed: these are all there are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no buffer that is lent to this scope to be written to",
    label = "cannot be filled by a device",
    note = "lend it first: `let mut y = q.lend_mut(&mut buffer);`; a slice of the host is filled by the host: `lent.write()?.fill(value)`"
)]
pub trait LentBuffer<'scope>: LentTarget<'scope> {}

/// What a [`ScopeQueue`](super::ScopeQueue) gives hints on: a [`Shared`] buffer that was lent to its scope,
/// or a part of one.
///
/// Sealed: these are all there are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not shared memory that is lent to this scope, and no other moves between host and device",
    label = "not lent, or not in `Shared` memory",
    note = "lend a buffer of an area that is shared: `area.shared().mmap(len)?`, then `q.lend(&buffer)`"
)]
pub trait LentShared<'scope>: LentSource<'scope> {}

impl<'scope, T> LentShared<'scope> for Lent<'scope, T, Shared> {}
impl<'scope, T> LentShared<'scope> for LentMut<'scope, T, Shared> {}
impl<'scope, T> LentShared<'scope> for LentSlice<'_, 'scope, T, Shared> {}
impl<'scope, T> LentShared<'scope> for LentSliceMut<'_, 'scope, T, Shared> {}

macro_rules! source {
    ($([$($generics:tt)*] $type:ty, $track:expr;)*) => {$(
        impl<'scope, $($generics)* T, P: LentPlace> RawSource<'scope> for $type {
            type Element = T;

            fn end(&self) -> LentEnd<'_, T> {
                let track: fn(&Self) -> Option<&Track> = $track;
                LentEnd {
                    end: End {
                        pointer: self.pointer.as_ptr(),
                        len: self.len,
                        home: self.home,
                    },
                    track: track(self),
                }
            }
        }

        impl<'scope, $($generics)* T, P: LentPlace> LentSource<'scope> for $type {}
    )*};
}

macro_rules! target {
    ($([$($generics:tt)*] $type:ty;)*) => {$(
        impl<'scope, $($generics)* T, P: LentPlace> RawTarget<'scope> for $type {
            type Element = T;

            fn end_mut(&mut self) -> LentEnd<'_, T> {
                RawSource::end(self)
            }
        }

        impl<'scope, $($generics)* T, P: LentPlace> LentTarget<'scope> for $type {}
        // The message about the handle helps, one about the placement of a slice does not.
        #[diagnostic::do_not_recommend]
        impl<'scope, $($generics)* T, P: Placement> LentBuffer<'scope> for $type {}
    )*};
}

source! {
    [] Lent<'scope, T, P>, |_| None;
    [] LentMut<'scope, T, P>, |lent| Some(&lent.track);
    ['a,] LentSlice<'a, 'scope, T, P>, |lent| Some(lent.track);
    ['a,] LentSliceMut<'a, 'scope, T, P>, |lent| Some(lent.track);
}

target! {
    [] LentMut<'scope, T, P>;
    ['a,] LentSliceMut<'a, 'scope, T, P>;
}
