//! Alignments, as types where they are known at compile time.

use crate::error::{Error, Result};
use core::fmt;

mod sealed {
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be made an alignment",
        note = "`Align<N>` and `RuntimeAlign` are all the alignments there are"
    )]
    pub trait Sealed {}
}

/// What an area promises of its pointers: [`Align<N>`], or [`RuntimeAlign`].
///
/// Sealed: these two are all there are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no alignment: alignments are powers of two from 1 to 2^40",
    label = "not a power of two from 1 to 2^40",
    note = "take the next power of two, say `Align<128>` instead of `Align<100>`; for a value that is known only at run time there is `runtime_align(bytes)?`"
)]
pub trait Alignment: sealed::Sealed + Copy + fmt::Debug + Send + Sync + Unpin + 'static {
    /// The alignment in bytes where it is known at compile time.
    const STATIC: Option<usize>;

    /// The alignment in bytes.
    fn bytes(self) -> usize;
}

/// An alignment of `N` bytes, a power of two from 1 to 2^40.
///
/// ```
/// use ze_area::{Align, Alignment};
/// assert_eq!(Align::<4096>.bytes(), 4096);
/// ```
///
/// Others do not compile:
///
/// ```compile_fail,E0277
/// fn hundred(area: &ze_area::HostArea) {
///     area.align::<100>();
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Align<const N: usize>;

impl<const N: usize> fmt::Debug for Align<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Align<{N}>")
    }
}

impl<const N: usize> sealed::Sealed for Align<N> {}

macro_rules! powers_of_two {
    ($($power:literal)*) => {$(
        #[diagnostic::do_not_recommend]
        impl Alignment for Align<{ 1 << $power }> {
            const STATIC: Option<usize> = Some(1 << $power);

            #[inline]
            fn bytes(self) -> usize {
                1 << $power
            }
        }
    )*};
}

powers_of_two!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30);
#[cfg(target_pointer_width = "64")]
powers_of_two!(31 32 33 34 35 36 37 38 39 40);

/// An alignment that is known only at run time.
///
/// What the element type needs is kept too: a buffer of `f64` from an area of
/// `RuntimeAlign` 1 is aligned to 8.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RuntimeAlign(usize);

impl RuntimeAlign {
    /// An alignment of that many bytes.
    ///
    /// # Errors
    ///
    /// [`Error::BadAlignment`] unless it is a power of two.
    pub fn new(bytes: usize) -> Result<Self> {
        if bytes.is_power_of_two() {
            Ok(Self(bytes))
        } else {
            Err(Error::BadAlignment { align: bytes })
        }
    }
}

impl sealed::Sealed for RuntimeAlign {}

#[diagnostic::do_not_recommend]
impl Alignment for RuntimeAlign {
    const STATIC: Option<usize> = None;

    #[inline]
    fn bytes(self) -> usize {
        self.0
    }
}
