//! How areas make buffers.

use super::element::Fits;
use super::{BufferMemory, Element, Upload, ZeBuffer};
use crate::area::sealed::Inside;
use crate::area::{Alignment, Area};
use crate::error::{Error, Result};
use crate::placement::{Placement, PlacementKind};
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

/// How many bytes go to the device at once where elements are made one by one.
const PIECE: usize = 1 << 20;

impl<T: Element, P: Placement> ZeBuffer<MaybeUninit<T>, P> {
    /// A buffer of a pool is put together where it is wanted, from words in registers: buffers are seven
    /// words, and a processor waits where it reads in other pieces than those that it has just written.
    #[inline(always)]
    pub(crate) fn uninit_in<A>(area: &A, len: usize) -> Result<Self>
    where
        A: Area<Placement = P> + ?Sized,
    {
        let () = Fits::<T, A::Align>::AREA;
        if !A::POOLED || len == 0 {
            return Self::allocate_in(area, len);
        }
        let bytes = size_of_elements::<T>(len)?;
        let align = align_of::<T>();
        let pooled = match area.at_hand(Inside(()), bytes, align) {
            Some(pooled) => pooled,
            None => {
                let mut refused = None;
                let Some(pooled) = area.pooled(Inside(()), bytes, align, &mut refused) else {
                    return Err(refused.unwrap_or(Error::SizeOverflow {
                        len,
                        element_size: size_of::<T>(),
                    }));
                };
                pooled
            }
        };
        Ok(Self {
            pointer: pooled.start().cast(),
            len,
            memory: Some(BufferMemory::Pooled(pooled)),
            marker: PhantomData,
        })
    }

    #[inline]
    fn allocate_in<A>(area: &A, len: usize) -> Result<Self>
    where
        A: Area<Placement = P> + ?Sized,
    {
        if len == 0 {
            let align = area.alignment().bytes().max(align_of::<T>());
            return Ok(Self::empty(align));
        }
        let bytes = size_of_elements::<T>(len)?;
        let (start, memory) = area.allocate(Inside(()), bytes, align_of::<T>())?;
        // SAFETY: that is what areas allocate; the size is that of the elements.
        Ok(unsafe { Self::over(start, len, memory) })
    }

    /// A buffer without elements, of which the address is a multiple of `align`.
    pub(crate) fn empty(align: usize) -> Self {
        Self {
            pointer: dangling(align),
            len: 0,
            memory: None,
            marker: PhantomData,
        }
    }

    /// The buffer in some memory.
    ///
    /// # Safety
    ///
    /// From `start` on, which is aligned to `T`, `len` elements of at most `isize::MAX` bytes lie in
    /// the memory, which is of placement `P`, and nobody else uses them.
    #[inline]
    pub(crate) unsafe fn over(start: NonNull<u8>, len: usize, memory: BufferMemory) -> Self {
        Self {
            pointer: start.cast(),
            len,
            memory: Some(memory),
            marker: PhantomData,
        }
    }
}

impl<T: Element, P: Placement> ZeBuffer<T, P> {
    pub(crate) fn zeroed_in<A>(area: &A, len: usize) -> Result<Self>
    where
        A: Area<Placement = P> + ?Sized,
    {
        let buffer = ZeBuffer::<MaybeUninit<T>, P>::uninit_in(area, len)?;
        let bytes = buffer.size_in_bytes();
        if bytes > 0 {
            match P::KIND {
                PlacementKind::Device => {
                    let list = area.upload_list(Inside(()))?;
                    let target = buffer.pointer.as_ptr().cast();
                    // SAFETY: the buffer is live memory of the area's context, whose list this is,
                    // and exclusively ours.
                    unsafe { list.fill(target, &[0], bytes) }?;
                }
                PlacementKind::Shared | PlacementKind::Host => {
                    // SAFETY: the host can write to the buffer's elements, which are ours.
                    unsafe { buffer.pointer.as_ptr().write_bytes(0, buffer.len) };
                }
            }
        }
        // SAFETY: all bytes are written.
        Ok(unsafe { buffer.assume_init() })
    }

    pub(crate) fn from_slice_in<A>(area: &A, elements: &[T]) -> Result<Self>
    where
        A: Area<Placement = P> + ?Sized,
        T: Upload,
    {
        let buffer = ZeBuffer::<MaybeUninit<T>, P>::uninit_in(area, elements.len())?;
        // SAFETY: the buffer has as many elements.
        unsafe { buffer.write_piece(area, 0, elements) }?;
        // SAFETY: all elements are written.
        Ok(unsafe { buffer.assume_init() })
    }

    pub(crate) fn from_fn_in<A>(
        area: &A,
        len: usize,
        mut element: impl FnMut(usize) -> T,
    ) -> Result<Self>
    where
        A: Area<Placement = P> + ?Sized,
        T: Upload,
    {
        let mut buffer = ZeBuffer::<MaybeUninit<T>, P>::uninit_in(area, len)?;
        match P::KIND {
            PlacementKind::Device => {
                let piece = len.min((PIECE / size_of::<T>()).max(1));
                let mut elements = Vec::with_capacity(piece);
                let mut done = 0;
                while done < len {
                    elements.clear();
                    elements.extend((done..len.min(done + piece)).map(&mut element));
                    // SAFETY: the range ends at `len` at the latest.
                    unsafe { buffer.write_piece(area, done, &elements) }?;
                    done += elements.len();
                }
            }
            PlacementKind::Shared | PlacementKind::Host => {
                for (index, slot) in buffer.host_elements().iter_mut().enumerate() {
                    slot.write(element(index));
                }
            }
        }
        // SAFETY: all elements are written.
        Ok(unsafe { buffer.assume_init() })
    }
}

impl<T: Element, P: Placement> ZeBuffer<MaybeUninit<T>, P> {
    /// Writes `elements` from `start` on.
    ///
    /// # Safety
    ///
    /// `start + elements.len()` must be at most the buffer's length. The buffer must not be shared.
    unsafe fn write_piece<A>(&self, area: &A, start: usize, elements: &[T]) -> Result<()>
    where
        A: Area<Placement = P> + ?Sized,
    {
        if elements.is_empty() {
            return Ok(());
        }
        // SAFETY: the caller vouches that `start` lies in the buffer.
        let target = unsafe { self.pointer.as_ptr().add(start) };
        match P::KIND {
            PlacementKind::Device => {
                let list = area.upload_list(Inside(()))?;
                let own;
                let elements = if area.context().is_of_driver(elements.as_ptr())? {
                    own = elements.to_vec();
                    &own
                } else {
                    elements
                };
                // SAFETY: the target is live memory of the area's context, whose list this is, with
                // room for the elements, and ours alone; the source is a live slice of memory that
                // the device may be given, and no slice lies in fresh memory.
                unsafe {
                    list.copy(
                        target.cast(),
                        elements.as_ptr().cast(),
                        size_of_val(elements),
                    )
                }
            }
            PlacementKind::Shared | PlacementKind::Host => {
                // SAFETY: the host can write there, there is room, and no slice lies in fresh
                // memory.
                unsafe {
                    target.copy_from_nonoverlapping(elements.as_ptr().cast(), elements.len());
                }
                Ok(())
            }
        }
    }

    /// The elements, for the host. Only where the placement gives it access.
    fn host_elements(&mut self) -> &mut [MaybeUninit<T>] {
        assert!(!matches!(P::KIND, PlacementKind::Device));
        // SAFETY: by the struct's invariants, since the placement has host access.
        unsafe { core::slice::from_raw_parts_mut(self.pointer.as_ptr(), self.len) }
    }
}

/// How many bytes that many elements have.
#[inline]
fn size_of_elements<T>(len: usize) -> Result<usize> {
    let element_size = size_of::<T>();
    match len.checked_mul(element_size) {
        Some(bytes) if isize::try_from(bytes).is_ok() => Ok(bytes),
        _ => Err(Error::SizeOverflow { len, element_size }),
    }
}

/// An aligned pointer to nothing.
fn dangling<T>(align: usize) -> NonNull<T> {
    NonNull::new(core::ptr::without_provenance_mut(align)).unwrap_or(NonNull::dangling())
}
