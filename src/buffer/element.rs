//! What can be an element of a buffer.

use crate::area::Alignment;
use bytemuck::{AnyBitPattern, NoUninit};
use core::marker::PhantomData;

/// What can be an element of a buffer: plain data for which every pattern of bytes is a value.
///
/// That is bytemuck's [`AnyBitPattern`]: integers, floats, arrays of such, `MaybeUninit` of such,
/// and structures that derive it. A device may write any bytes, so `bool`, `char`, most enums,
/// references, `String` and `Vec` are none.
///
/// ```
/// use bytemuck::{Pod, Zeroable};
///
/// #[derive(Clone, Copy, Pod, Zeroable)]
/// #[repr(C)]
/// struct Particle {
///     position: [f32; 3],
///     mass: f32,
/// }
///
/// fn is_element<T: ze_area::Element>() {}
/// is_element::<Particle>();
/// ```
///
/// Uploading from the host (`mmap_from_slice`, a copy from a slice) asks for [`Upload`] too.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an element of a buffer: a device may write any bytes, and not all are a `{Self}`",
    label = "not plain data",
    note = "use integers, floats, or a `#[repr(C)]` structure of them that derives `bytemuck::Pod` and `bytemuck::Zeroable`; instead of `bool` use `u8`, instead of a reference an index"
)]
pub trait Element: AnyBitPattern {}

#[diagnostic::do_not_recommend]
impl<T: AnyBitPattern> Element for T {}

/// What can be uploaded from the host: an [`Element`] that has no padding, whose bytes nobody has
/// written.
///
/// That is bytemuck's [`NoUninit`] on top of [`AnyBitPattern`]; deriving `Pod` gives both.
#[diagnostic::on_unimplemented(
    message = "the bytes of a `{Self}` cannot go to a buffer: it is not plain data, or has padding or bytes that nobody wrote",
    label = "not plain data without padding",
    note = "derive `bytemuck::Pod` and `bytemuck::Zeroable` on a `#[repr(C)]` structure, with a field where there is padding; instead of `bool` use `u8`",
    note = "memory that nobody wrote yet is written with `queue.init(buffer, &source)?` or `buffer.write_from_slice(&elements)?`"
)]
pub trait Upload: Element + NoUninit {}

#[diagnostic::do_not_recommend]
impl<T: Element + NoUninit> Upload for T {}

/// That `T` can be an element at all, and in an area of alignment `A`.
///
/// Every public function that makes elements names the constant, so that the compiler's message
/// shows the line that calls it.
pub(crate) struct Fits<T, A = ()>(PhantomData<(T, A)>);

impl<T> Fits<T> {
    pub(crate) const SIZE: () = must(
        size_of::<T>() != 0,
        "a zero-sized type cannot be an element of a buffer: it takes no memory",
    );
}

impl<T, A: Alignment> Fits<T, A> {
    pub(crate) const AREA: () = {
        let () = Fits::<T>::SIZE;
        if let Some(align) = A::STATIC {
            must(
                align >= align_of::<T>(),
                "the area's alignment is below that of the element type: use `.align::<N>()` with \
                 a larger N",
            );
        }
    };
}

/// Asserts; the compiler shows the call, and not a line of the macro in `core`.
#[track_caller]
const fn must(holds: bool, message: &'static str) {
    assert!(holds, "{}", message);
}
