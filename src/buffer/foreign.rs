//! Views of memory that other code allocated.

use super::element::Fits;
use super::{ZeSlice, ZeSliceMut};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::placement::{Placement, PlacementKind};
use crate::raw::home::Home;
use core::marker::PhantomData;
use core::ptr::NonNull;

/// Where the elements are, and whose they are.
type Found<'a, T> = (NonNull<T>, Option<&'a Home>);

/// Asks the driver whether `len` elements of such memory of the context are at `pointer`.
fn find<T, P: Placement>(context: &Context, pointer: *const T, len: usize) -> Result<Found<'_, T>> {
    let element_size = size_of::<T>();
    if len == 0 {
        return Ok((NonNull::dangling(), None));
    }
    let bytes = match len.checked_mul(element_size) {
        Some(bytes) if isize::try_from(bytes).is_ok() => bytes,
        _ => return Err(Error::SizeOverflow { len, element_size }),
    };
    let refused = |why| Error::ForeignMemory {
        address: pointer.addr(),
        bytes,
        placement: P::KIND,
        why,
    };
    let Some(start) = NonNull::new(pointer.cast_mut()) else {
        return Err(refused("the address is null".to_owned()));
    };
    if !pointer.is_aligned() {
        let align = align_of::<T>();
        return Err(refused(format!(
            "the element type is aligned to {align} bytes, and the address is not"
        )));
    }
    let Some(info) = context.describe(pointer)? else {
        return Err(refused(
            "the driver knows no memory of the context there".to_owned(),
        ));
    };
    if info.placement != P::KIND {
        return Err(refused(format!("it is {} memory", info.placement)));
    }
    // Of a driver whose allocation does not have the address in it nothing is believed.
    let behind = pointer
        .addr()
        .checked_sub(info.base)
        .and_then(|offset| info.size.checked_sub(offset))
        .unwrap_or(0);
    if bytes > behind {
        return Err(refused(format!(
            "its allocation ends {behind} bytes behind the address"
        )));
    }
    let device = match (P::KIND, info.device) {
        (PlacementKind::Host, _) | (PlacementKind::Shared, None) => None,
        (_, Some(device)) => Some(device.handle()),
        (PlacementKind::Device, None) => match context.driver().devices() {
            [only] => Some(only.handle()),
            _ => {
                return Err(refused(
                    "the driver does not say on which device".to_owned(),
                ));
            }
        },
    };
    let Some(home) = context.foreign_home(device) else {
        return Err(refused("its device is none of the driver".to_owned()));
    };
    Ok((start, Some(home)))
}

impl<'a, T, P: Placement> ZeSlice<'a, T, P> {
    /// A view of memory that other code allocated in `context`, which borrows the context.
    ///
    /// The driver is asked whether it is such memory, and on which device. For memory that is to be
    /// owned and freed there is [`ZeBuffer::from_raw_parts`](crate::ZeBuffer::from_raw_parts).
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] {
    /// use ze_area::{Context, Shared, ZeSliceMut, ZeSlice, sys};
    ///
    /// let context = Context::new()?;
    /// let device = context.first_device()?;
    /// let mut memory = core::ptr::null_mut();
    /// let of_device = sys::ze_device_mem_alloc_desc_t {
    ///     stype: sys::ZE_STRUCTURE_TYPE_DEVICE_MEM_ALLOC_DESC,
    ///     ..Default::default()
    /// };
    /// let of_host = sys::ze_host_mem_alloc_desc_t {
    ///     stype: sys::ZE_STRUCTURE_TYPE_HOST_MEM_ALLOC_DESC,
    ///     ..Default::default()
    /// };
    /// let (api, handle) = (context.driver().api(), context.as_raw());
    /// unsafe {
    ///     let device = device.as_raw();
    ///     (api.zeMemAllocShared)(handle, &of_device, &of_host, 64, 64, device, &mut memory)
    /// };
    ///
    /// // SAFETY: nobody else uses the memory until it is freed below, and any bytes are a `u32`.
    /// let mut fresh: ZeSliceMut<'_, u32, Shared> =
    ///     unsafe { ZeSliceMut::from_raw(&context, memory.cast(), 16) }?;
    /// context.queue(device)?.fill(&mut fresh, 7)?;
    /// assert_eq!(fresh[15], 7);
    ///
    /// // As host memory it is refused.
    /// let wrong = unsafe { ZeSlice::<u32, ze_area::Host>::from_raw(&context, memory.cast(), 16) };
    /// println!("{}", wrong.unwrap_err());
    ///
    /// unsafe { (api.zeMemFree)(handle, memory) };
    /// # }
    /// # Ok::<(), ze_area::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::ForeignMemory`] for an address that is null or not aligned to `T`, for memory of
    /// another placement or none of the context, and where the elements do not lie in one
    /// allocation, of which the driver may know the size only as it rounded it;
    /// [`Error::SizeOverflow`]; [`Error::Call`]. Some drivers do not tell the memory of one context
    /// from that of another.
    ///
    /// # Safety
    ///
    /// - `len` elements from `pointer` on lie in one live allocation of `context`, which is not
    ///   freed before the view and what was made from it is gone; nobody writes them meanwhile,
    ///   neither host nor device. With `len` 0 the pointer is not looked at.
    /// - `T` is an [`Element`](crate::Element) whose bytes the memory has, or `MaybeUninit` of one.
    /// - `pointer` is derived from the one that the driver gave for the allocation.
    #[doc(alias = "zeMemGetAllocProperties")]
    pub unsafe fn from_raw(context: &'a Context, pointer: *const T, len: usize) -> Result<Self> {
        let () = Fits::<T>::SIZE;
        let (pointer, home) = find::<T, P>(context, pointer, len)?;
        // The invariants hold: as checked, and as the caller vouches.
        Ok(Self {
            pointer,
            len,
            home,
            marker: PhantomData,
        })
    }
}

impl<'a, T, P: Placement> ZeSliceMut<'a, T, P> {
    /// An exclusive view of memory that other code allocated in `context`, which borrows the
    /// context. [`ZeSlice::from_raw`] has an example.
    ///
    /// # Errors
    ///
    /// As of [`ZeSlice::from_raw`].
    ///
    /// # Safety
    ///
    /// As of [`ZeSlice::from_raw`], and nobody else reads or writes the elements while the view or
    /// what was made from it lives.
    #[doc(alias = "zeMemGetAllocProperties")]
    pub unsafe fn from_raw(context: &'a Context, pointer: *mut T, len: usize) -> Result<Self> {
        let () = Fits::<T>::SIZE;
        let (pointer, home) = find::<T, P>(context, pointer, len)?;
        // The invariants hold: as of `ZeSlice`, and the caller vouches that the borrow is
        // exclusive.
        Ok(Self {
            pointer,
            len,
            home,
            marker: PhantomData,
        })
    }
}
