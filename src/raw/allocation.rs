//! Allocating, and the one `Drop` that frees.

use crate::area::{DeviceMemFlags, FreePolicy, HostMemFlags};
use crate::error::{Error, Result, ResultCode};
use crate::placement::{Placement, PlacementKind};
use crate::raw::budget::Reservation;
use crate::raw::call::{check, failed};
use crate::raw::context::Ledger;
use crate::raw::exit::barred;
use crate::raw::handle::DeviceHandle;
use crate::raw::home::Home;
use crate::raw::shortage::{Failure, Short, Shortage};
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
    /// Takes over an allocation that this library gave up or never had: it counts from now on, also
    /// where that is more than the context's limit.
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
        ledger.take(bytes);
        // SAFETY: passed on to the caller.
        unsafe { Self::reserved(base, bytes, ledger, device, policy) }
    }

    /// Takes over an allocation of which the bytes are taken of the context's limit, where it has
    /// one.
    ///
    /// # Safety
    ///
    /// The invariant of the type must hold for the arguments.
    #[inline]
    unsafe fn reserved(
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
        home.ledger().put_back(this.bytes);
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
        // The error is gone before the test that follows: it costs one instruction, else three.
        if freed.map_err(|error| self.lost(&error)).is_ok() {
            self.home.ledger().put_back(self.bytes);
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
/// `bytes` is above 0 and `align` a power of two. The caller holds no lock: where there is too little
/// memory, all that keep some for reuse are asked for it, and what they do takes theirs.
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
    if !ledger.is_plain(align) {
        return carefully(ledger, recipe, bytes, align);
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
            unsafe { Allocation::reserved(base, bytes, ledger, recipe.device, recipe.policy) };
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
    // Nothing is reserved: with a limit it had gone another way.
    let none = Reservation::none();
    let first = answered(ledger, recipe, bytes, align, none, base, code);
    or_again(ledger, recipe, bytes, align, first)
}

/// What [`allocate`] does in a context with a limit, and where the driver ignores the alignment.
#[cold]
fn carefully(
    ledger: &Arc<Ledger>,
    recipe: &Recipe,
    bytes: usize,
    align: usize,
) -> Result<(NonNull<u8>, Allocation)> {
    let first = attempt(ledger, recipe, bytes, align);
    or_again(ledger, recipe, bytes, align, first)
}

/// Where there was too little memory and some has been given back, one more attempt.
fn or_again(
    ledger: &Arc<Ledger>,
    recipe: &Recipe,
    bytes: usize,
    align: usize,
    first: Attempt,
) -> Result<(NonNull<u8>, Allocation)> {
    let last = match first {
        Err(Failure::Short(shortage)) if shortage.relieve(ledger) => {
            attempt(ledger, recipe, bytes, align)
        }
        first => first,
    };
    last.map_err(|failure| match failure {
        Failure::Short(shortage) => shortage.into_error(ledger),
        Failure::Other(error) => error,
    })
}

type Attempt = Result<(NonNull<u8>, Allocation), Failure>;

/// All that [`allocate`] does once.
fn attempt(ledger: &Arc<Ledger>, recipe: &Recipe, bytes: usize, align: usize) -> Attempt {
    if ledger.ignores_alignment(align) {
        return padded(ledger, recipe, bytes, align);
    }
    let reservation = reserve(ledger, bytes, 0)?;
    let (base, code) = call(ledger, ledger.kind(), recipe, bytes, align)?;
    answered(ledger, recipe, bytes, align, reservation, base, code)
}

/// What comes of the driver's answer to a call with the alignment.
fn answered(
    ledger: &Arc<Ledger>,
    recipe: &Recipe,
    bytes: usize,
    align: usize,
    reservation: Reservation<'_>,
    base: Option<NonNull<u8>>,
    code: sys::ze_result_t,
) -> Attempt {
    match code {
        sys::ZE_RESULT_SUCCESS => {
            let allocation = own(ledger, recipe, base, bytes, reservation)?;
            if allocation.base.addr().get() & (align - 1) == 0 {
                return Ok((allocation.base, allocation));
            }
        }
        sys::ZE_RESULT_ERROR_UNSUPPORTED_ALIGNMENT => drop(reservation),
        _ => return Err(refused(ledger, recipe, bytes, 0, code)),
    }
    // Nothing is held of the first call by now.
    ledger.saw_alignment_ignored(align);
    padded(ledger, recipe, bytes, align)
}

/// Allocates more than asked, so that an aligned part of the size lies inside wherever the driver
/// puts it.
fn padded(ledger: &Arc<Ledger>, recipe: &Recipe, bytes: usize, align: usize) -> Attempt {
    let whole = bytes
        .checked_add(align - 1)
        .filter(|&whole| isize::try_from(whole).is_ok())
        .ok_or(Error::SizeOverflow {
            len: bytes,
            element_size: 1,
        })?;
    let padding = whole - bytes;
    let reservation = reserve(ledger, whole, padding)?;
    let (base, code) = call(ledger, ledger.kind(), recipe, whole, 0)?;
    if code != sys::ZE_RESULT_SUCCESS {
        return Err(refused(ledger, recipe, whole, padding, code));
    }
    let allocation = own(ledger, recipe, base, whole, reservation)?;
    let before = allocation.base.addr().get().wrapping_neg() & (align - 1);
    // SAFETY: the allocation has `bytes + align - 1` bytes and does not wrap, as `own` has checked;
    // what is left before the address is at most `align - 1`.
    Ok((unsafe { allocation.base.add(before) }, allocation))
}

/// Takes bytes of the context's limit, where it has one.
fn reserve(ledger: &Ledger, bytes: usize, padding: usize) -> Result<Reservation<'_>, Failure> {
    ledger.reserve(bytes).map_err(|taken| {
        Failure::Short(Shortage {
            bytes,
            padding,
            of: Short::Limit(taken),
        })
    })
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
    reservation: Reservation<'_>,
) -> Result<Allocation> {
    let Some(base) = base else {
        return Err(fault(ledger, "succeeded with a null pointer".to_owned()));
    };
    reservation.keep();
    // SAFETY: the driver has just allocated `bytes` bytes at `base` in the ledger's context, for
    // nobody else.
    let allocation =
        unsafe { Allocation::reserved(base, bytes, ledger, recipe.device, recipe.policy) };
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

/// What a code of an allocating call means.
#[cold]
fn refused(
    ledger: &Ledger,
    recipe: &Recipe,
    bytes: usize,
    padding: usize,
    code: sys::ze_result_t,
) -> Failure {
    let call = ledger.kind().call();
    match code {
        sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY | sys::ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY => {
            Failure::Short(Shortage {
                bytes,
                padding,
                of: Short::Memory(code),
            })
        }
        sys::ZE_RESULT_ERROR_UNSUPPORTED_SIZE => Failure::Other(Error::UnsupportedSize {
            call,
            code: ResultCode::from(code),
            placement: ledger.kind(),
            requested: bytes,
            padding,
            limit: recipe.max_alloc_size,
        }),
        _ => Failure::Other(failed(call, code)),
    }
}
