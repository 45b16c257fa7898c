//! Allocating, and the one `Drop` that frees.

use crate::area::{DeviceMemFlags, FreePolicy, HostMemFlags};
use crate::error::{Error, Result, ResultCode};
use crate::placement::{Placement, PlacementKind};
use crate::raw::call::{check, failed};
use crate::raw::context::Ledger;
use crate::raw::exit::barred;
use crate::raw::handle::DeviceHandle;
use crate::raw::home::Home;
use core::ffi::c_void;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use level_zero_sys as sys;
use std::sync::Arc;

/// Memory of the driver that this value owns.
///
/// Invariant: `base` is the base pointer of a live allocation of `bytes` bytes in the context of
/// its home, on its device where it is not host memory, which nobody else frees.
#[derive(Debug)]
pub struct Allocation {
    base: NonNull<u8>,
    bytes: usize,
    home: Home,
    policy: FreePolicy,
}

// SAFETY: the memory is owned, and the specification lets any thread free it: zeMemFree is
// thread-safe for different pointers, and only the owner of this value frees this one.
unsafe impl Send for Allocation {}
// SAFETY: a shared reference gives out numbers only.
unsafe impl Sync for Allocation {}

impl Allocation {
    /// Takes over an allocation.
    ///
    /// # Safety
    ///
    /// The invariant of the type must hold for the arguments.
    #[inline]
    pub(crate) unsafe fn from_raw(
        base: NonNull<u8>,
        bytes: usize,
        ledger: &Arc<Ledger>,
        device: Option<DeviceHandle>,
        policy: FreePolicy,
    ) -> Self {
        Self {
            base,
            bytes,
            home: Home::new(ledger.open(bytes), device),
            policy,
        }
    }

    /// Gives the allocation up without freeing it.
    pub(crate) fn into_raw(self) -> (NonNull<u8>, usize, FreePolicy) {
        let this = ManuallyDrop::new(self);
        // SAFETY: the value is never used again, so the home is taken out once.
        let home = unsafe { core::ptr::read(&raw const this.home) };
        home.ledger().close(this.bytes);
        (this.base, this.bytes, this.policy)
    }

    #[inline]
    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// The same allocation, to be freed in another way.
    pub(crate) fn with_policy(mut self, policy: FreePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Frees now; the error has the allocation, still whole.
    pub(crate) fn free(self) -> Result<(), (Error, Self)> {
        // SAFETY: the allocation is owned; on success it is forgotten but for its share of the
        // ledger, on failure the driver has left it as it was.
        match unsafe { release(self.home.ledger(), self.base, self.policy) } {
            Ok(()) => {
                self.into_raw();
                Ok(())
            }
            Err(error) => Err((error, self)),
        }
    }

    /// Reports that a drop could not free.
    #[cold]
    fn lost(&self, error: &Error) {
        if matches!(error, Error::Exiting { .. }) {
            return;
        }
        self.home.ledger().leaked(self.bytes);
        tracing::error!(
            %error,
            bytes = self.bytes,
            placement = %self.home.ledger().kind(),
            "a buffer could not be freed: its memory is lost"
        );
    }
}

impl Drop for Allocation {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: by the invariant the base pointer is live and ours; it is not used again.
        let freed = unsafe { release(self.home.ledger(), self.base, self.policy) };
        self.home.ledger().close(self.bytes);
        if let Err(error) = freed {
            self.lost(&error);
        }
    }
}

/// Frees by the policy.
///
/// # Safety
///
/// `base` must be the base pointer of a live allocation of the context that the caller owns; after
/// success it is gone. What the device still does with it is the caller's to have ended.
#[inline]
unsafe fn release(ledger: &Ledger, base: NonNull<u8>, policy: FreePolicy) -> Result<()> {
    if policy != FreePolicy::Immediate {
        // SAFETY: passed on to the caller.
        return unsafe { release_ext(ledger, base, policy) };
    }
    let result = match ledger.enter() {
        // SAFETY: passed on to the caller.
        Some(api) => unsafe { (api.zeMemFree)(ledger.handle().as_raw(), base.as_ptr().cast()) },
        None => return Err(barred("zeMemFree")),
    };
    check("zeMemFree", result)
}

/// Frees with `zeMemFreeExt`.
///
/// # Safety
///
/// As of [`release`].
#[cold]
unsafe fn release_ext(ledger: &Ledger, base: NonNull<u8>, policy: FreePolicy) -> Result<()> {
    let api = ledger.enter().ok_or_else(|| barred("zeMemFreeExt"))?;
    let driver = ledger.context().driver();
    let free = driver.optional("zeMemFreeExt", api.zeMemFreeExt)?;
    let desc = sys::ze_memory_free_ext_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_MEMORY_FREE_EXT_DESC,
        freePolicy: policy.flags().unwrap_or_default(),
        ..Default::default()
    };
    let base = base.as_ptr().cast();
    // SAFETY: passed on to the caller; the descriptor outlives the call.
    let result = unsafe { free(ledger.handle().as_raw(), &raw const desc, base) };
    check("zeMemFreeExt", result)
}

/// Everything that an area says about its allocations but their size.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    /// Of the device to allocate on; `None` for host memory.
    pub(crate) device: Option<DeviceHandle>,
    pub(crate) ordinal: u32,
    pub(crate) device_flags: DeviceMemFlags,
    pub(crate) host_flags: HostMemFlags,
    pub(crate) relaxed: bool,
    pub(crate) policy: FreePolicy,
    /// `maxMemAllocSize`, the smallest of the devices concerned.
    pub(crate) max_alloc_size: u64,
    /// The device's name where it is not in the context, so that no memory can be asked for; then
    /// `max_alloc_size` is 0, which no size passes.
    pub(crate) refused: Option<Box<str>>,
}

impl Recipe {
    /// The error for a size above the limit, where the limit holds, and for a device that is not in
    /// the context.
    #[cold]
    fn check_size(&self, ledger: &Ledger, bytes: usize) -> Result<()> {
        if let Some(device) = &self.refused {
            return Err(Error::DeviceNotInContext {
                device: device.to_string(),
            });
        }
        if self.relaxed || self.device.is_none() {
            return Ok(());
        }
        Err(Error::TooLarge {
            placement: ledger.kind(),
            requested: bytes,
            limit: self.max_alloc_size,
        })
    }

    /// What descriptors are extended with.
    #[cold]
    fn extension(&self) -> sys::ze_relaxed_allocation_limits_exp_desc_t {
        sys::ze_relaxed_allocation_limits_exp_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_RELAXED_ALLOCATION_LIMITS_EXP_DESC,
            pNext: core::ptr::null(),
            flags: sys::ZE_RELAXED_ALLOCATION_LIMITS_EXP_FLAG_MAX_SIZE,
        }
    }
}

/// Allocates `bytes` bytes of the ledger's placement, which is `P`, and returns where in it `bytes`
/// bytes aligned to `align` begin.
///
/// `bytes` is above 0 and `align` a power of two.
///
/// What goes otherwise than it mostly does is in functions of its own. After a call of a driver the
/// processor has forgotten this code: each jump costs as much as ten instructions, and each line of
/// code that is not there saves loading it.
#[inline]
pub(crate) fn allocate<P: Placement>(
    ledger: &Arc<Ledger>,
    recipe: &Recipe,
    bytes: usize,
    align: usize,
) -> Result<(NonNull<u8>, Allocation)> {
    debug_assert!(bytes > 0 && align.is_power_of_two() && ledger.kind() == P::KIND);
    if bytes as u64 > recipe.max_alloc_size {
        recipe.check_size(ledger, bytes)?;
    }
    if ledger.ignores_alignment(align) {
        return padded(ledger, recipe, bytes, align);
    }
    let (base, code) = call(ledger, P::KIND, recipe, bytes, align)?;
    if code == sys::ZE_RESULT_SUCCESS
        && let Some(base) = base
        && base.addr().get() & (align - 1) == 0
        && base.addr().get().checked_add(bytes).is_some()
    {
        // SAFETY: the driver has just allocated `bytes` bytes at `base` in the ledger's context,
        // for nobody else.
        let allocation =
            unsafe { Allocation::from_raw(base, bytes, ledger, recipe.device, recipe.policy) };
        return Ok((base, allocation));
    }
    otherwise(ledger, recipe, bytes, align, base, code)
}

/// What [`allocate`] does where the driver did not simply do as asked.
#[cold]
fn otherwise(
    ledger: &Arc<Ledger>,
    recipe: &Recipe,
    bytes: usize,
    align: usize,
    base: Option<NonNull<u8>>,
    code: sys::ze_result_t,
) -> Result<(NonNull<u8>, Allocation)> {
    if code == sys::ZE_RESULT_SUCCESS {
        // Is not aligned, or not even memory.
        drop(own(ledger, recipe, base, bytes)?);
    } else if code != sys::ZE_RESULT_ERROR_UNSUPPORTED_ALIGNMENT {
        return Err(refused(ledger, recipe, bytes, 0, code));
    }
    ledger.saw_alignment_ignored(align);
    padded(ledger, recipe, bytes, align)
}

/// Allocates more than asked, so that an aligned part of the size lies inside wherever the driver
/// puts it.
#[cold]
fn padded(
    ledger: &Arc<Ledger>,
    recipe: &Recipe,
    bytes: usize,
    align: usize,
) -> Result<(NonNull<u8>, Allocation)> {
    let whole = bytes
        .checked_add(align - 1)
        .filter(|&whole| isize::try_from(whole).is_ok())
        .ok_or(Error::SizeOverflow {
            len: bytes,
            element_size: 1,
        })?;
    let (base, code) = call(ledger, ledger.kind(), recipe, whole, 0)?;
    if code != sys::ZE_RESULT_SUCCESS {
        return Err(refused(ledger, recipe, whole, whole - bytes, code));
    }
    let allocation = own(ledger, recipe, base, whole)?;
    let padding = allocation.base.addr().get().wrapping_neg() & (align - 1);
    // SAFETY: the allocation has `bytes + align - 1` bytes and does not wrap, as `own` has checked;
    // the padding is at most `align - 1`.
    Ok((unsafe { allocation.base.add(padding) }, allocation))
}

/// The call itself: what it put into the pointer, and what it returned.
#[inline(always)] // so that nothing is left of the choice where `kind` is a constant
fn call(
    ledger: &Ledger,
    kind: PlacementKind,
    recipe: &Recipe,
    bytes: usize,
    align: usize,
) -> Result<(Option<NonNull<u8>>, sys::ze_result_t)> {
    let Some(api) = ledger.enter() else {
        return Err(barred(kind.call()));
    };
    let relaxed;
    let extension: *const c_void = if recipe.relaxed {
        relaxed = recipe.extension();
        (&raw const relaxed).cast()
    } else {
        core::ptr::null()
    };
    let device_desc = |extension| sys::ze_device_mem_alloc_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_DEVICE_MEM_ALLOC_DESC,
        pNext: extension,
        flags: recipe.device_flags.bits(),
        ordinal: recipe.ordinal,
    };
    let host_desc = |extension| sys::ze_host_mem_alloc_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_HOST_MEM_ALLOC_DESC,
        pNext: extension,
        flags: recipe.host_flags.bits(),
    };
    let handle = ledger.handle().as_raw();
    let device = recipe
        .device
        .map_or(core::ptr::null_mut(), DeviceHandle::as_raw);
    let mut base = core::ptr::null_mut();
    let target = &raw mut base;
    let result = match kind {
        PlacementKind::Device => {
            let desc = device_desc(extension);
            // SAFETY: context and device are live handles of one driver, the device is in the
            // context, the ordinal one of its memories, size and alignment lawful (all checked by
            // the area); the descriptors and the target outlive the call.
            unsafe { (api.zeMemAllocDevice)(handle, &raw const desc, bytes, align, device, target) }
        }
        PlacementKind::Shared => {
            let desc = device_desc(extension);
            // The device's descriptor carries the extension.
            let host = host_desc(core::ptr::null());
            let (desc, host) = (&raw const desc, &raw const host);
            // SAFETY: as above.
            unsafe { (api.zeMemAllocShared)(handle, desc, host, bytes, align, device, target) }
        }
        PlacementKind::Host => {
            let desc = host_desc(extension);
            // SAFETY: as above, without a device.
            unsafe { (api.zeMemAllocHost)(handle, &raw const desc, bytes, align, target) }
        }
    };
    Ok((NonNull::new(base.cast()), result))
}

/// Takes over what the driver gave.
fn own(
    ledger: &Arc<Ledger>,
    recipe: &Recipe,
    base: Option<NonNull<u8>>,
    bytes: usize,
) -> Result<Allocation> {
    let Some(base) = base else {
        return Err(fault(ledger, "succeeded with a null pointer".to_owned()));
    };
    // SAFETY: the driver has just allocated `bytes` bytes at `base` in the ledger's context, for
    // nobody else.
    let allocation =
        unsafe { Allocation::from_raw(base, bytes, ledger, recipe.device, recipe.policy) };
    if base.addr().get().checked_add(bytes).is_none() {
        return Err(fault(ledger, format!("gave {base:p} for {bytes} bytes")));
    }
    Ok(allocation)
}

fn fault(ledger: &Ledger, what: String) -> Error {
    Error::DriverFault {
        call: ledger.kind().call(),
        what,
    }
}

/// The error for a code of an allocating call.
#[cold]
fn refused(
    ledger: &Arc<Ledger>,
    recipe: &Recipe,
    bytes: usize,
    padding: usize,
    code: sys::ze_result_t,
) -> Error {
    let call = ledger.kind().call();
    match code {
        sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY | sys::ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY => {
            Error::OutOfMemory {
                call,
                code: ResultCode::from(code),
                placement: ledger.kind(),
                requested: bytes,
                padding,
                live_bytes: ledger.live_bytes(),
                live_buffers: ledger.live_buffers(),
            }
        }
        sys::ZE_RESULT_ERROR_UNSUPPORTED_SIZE => Error::UnsupportedSize {
            call,
            code: ResultCode::from(code),
            placement: ledger.kind(),
            requested: bytes,
            padding,
            limit: recipe.max_alloc_size,
        },
        _ => failed(call, code),
    }
}
