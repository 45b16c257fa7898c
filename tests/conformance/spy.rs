//! A table of functions that looks at allocations and frees on their way to the driver, and can
//! answer in its stead.

use crate::drivers::Subject;
use core::cell::{Cell, RefCell};
use core::ffi::c_void;
use std::sync::{Mutex, OnceLock};
use ze_area::sys::{self, Api, ze_result_t};
use ze_area::{Context, Driver, PlacementKind};

/// An allocation as the driver was asked for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Asked {
    pub(crate) placement: PlacementKind,
    pub(crate) device: sys::ze_device_handle_t,
    pub(crate) ordinal: u32,
    pub(crate) device_flags: u32,
    pub(crate) host_flags: u32,
    pub(crate) bytes: usize,
    pub(crate) align: usize,
}

/// What an allocation answers without asking the driver.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    Code(u32),
    /// Success, with this pointer.
    Pointer(usize),
}

thread_local! {
    static ASKED: RefCell<Vec<Asked>> = const { RefCell::new(Vec::new()) };
    static ANSWER: Cell<Option<Answer>> = const { Cell::new(None) };
    static FREES: Cell<usize> = const { Cell::new(0) };
    static FREE_ANSWER: Cell<Option<u32>> = const { Cell::new(None) };
}

/// The driver's own functions: there is one driver in a process, or all have one table.
static BEHIND: OnceLock<&'static Api> = OnceLock::new();

pub(crate) fn behind() -> &'static Api {
    BEHIND.get().unwrap()
}

/// The driver of the subject behind the spying table, changed as asked.
pub(crate) fn driver(subject: &Subject, change: impl FnOnce(&mut Api)) -> Driver {
    let api = *BEHIND.get_or_init(|| subject.driver().api());
    assert!(core::ptr::eq(api, subject.driver().api()));
    answer(None);
    answer_frees(None);
    asked();
    frees();
    let mut spy = *api;
    spy.zeMemAllocDevice = alloc_device;
    spy.zeMemAllocShared = alloc_shared;
    spy.zeMemAllocHost = alloc_host;
    spy.zeMemFree = free;
    change(&mut spy);
    // SAFETY: the table is that of a driver; what it answers instead is either an error, or a
    // pointer that is never used.
    unsafe { Driver::from_api(kept(spy), 0) }.unwrap()
}

/// A context of that driver.
pub(crate) fn context(subject: &Subject) -> Context {
    let driver = driver(subject, |_| {});
    Context::builder().driver(&driver).build().unwrap()
}

/// Makes every allocation of this thread answer so, until told otherwise.
pub(crate) fn answer(answer: Option<Answer>) {
    ANSWER.set(answer);
}

/// Makes every `zeMemFree` of this thread answer with that code, until told otherwise.
pub(crate) fn answer_frees(code: Option<u32>) {
    FREE_ANSWER.set(code);
}

/// The allocations that this thread asked for since the last time.
pub(crate) fn asked() -> Vec<Asked> {
    ASKED.take()
}

/// How often this thread called `zeMemFree` since the last time.
pub(crate) fn frees() -> usize {
    FREES.take()
}

/// Remembers what was asked, and answers if told to.
unsafe fn intercept(asked: Asked, out: *mut *mut c_void) -> Option<ze_result_t> {
    ASKED.with_borrow_mut(|all| all.push(asked));
    match ANSWER.get()? {
        Answer::Code(code) => Some(sys::_ze_result_t(code)),
        Answer::Pointer(address) => {
            // SAFETY: the library gives a valid target.
            unsafe { *out = core::ptr::without_provenance_mut(address) };
            Some(sys::ZE_RESULT_SUCCESS)
        }
    }
}

unsafe extern "C" fn alloc_device(
    context: sys::ze_context_handle_t,
    desc: *const sys::ze_device_mem_alloc_desc_t,
    bytes: usize,
    align: usize,
    device: sys::ze_device_handle_t,
    out: *mut *mut c_void,
) -> ze_result_t {
    // SAFETY: the library gives a valid descriptor.
    let of_device = unsafe { &*desc };
    let asked = Asked {
        placement: PlacementKind::Device,
        device,
        ordinal: of_device.ordinal,
        device_flags: of_device.flags,
        host_flags: 0,
        bytes,
        align,
    };
    // SAFETY: the target is passed on.
    if let Some(answer) = unsafe { intercept(asked, out) } {
        return answer;
    }
    // SAFETY: all is passed on.
    unsafe { (behind().zeMemAllocDevice)(context, desc, bytes, align, device, out) }
}

unsafe extern "C" fn alloc_shared(
    context: sys::ze_context_handle_t,
    desc: *const sys::ze_device_mem_alloc_desc_t,
    host_desc: *const sys::ze_host_mem_alloc_desc_t,
    bytes: usize,
    align: usize,
    device: sys::ze_device_handle_t,
    out: *mut *mut c_void,
) -> ze_result_t {
    // SAFETY: the library gives a valid descriptor.
    let of_device = unsafe { &*desc };
    // SAFETY: as above.
    let of_host = unsafe { &*host_desc };
    let asked = Asked {
        placement: PlacementKind::Shared,
        device,
        ordinal: of_device.ordinal,
        device_flags: of_device.flags,
        host_flags: of_host.flags,
        bytes,
        align,
    };
    // SAFETY: the target is passed on.
    if let Some(answer) = unsafe { intercept(asked, out) } {
        return answer;
    }
    // SAFETY: all is passed on.
    unsafe { (behind().zeMemAllocShared)(context, desc, host_desc, bytes, align, device, out) }
}

unsafe extern "C" fn alloc_host(
    context: sys::ze_context_handle_t,
    desc: *const sys::ze_host_mem_alloc_desc_t,
    bytes: usize,
    align: usize,
    out: *mut *mut c_void,
) -> ze_result_t {
    // SAFETY: the library gives a valid descriptor.
    let of_host = unsafe { &*desc };
    let asked = Asked {
        placement: PlacementKind::Host,
        device: core::ptr::null_mut(),
        ordinal: 0,
        device_flags: 0,
        host_flags: of_host.flags,
        bytes,
        align,
    };
    // SAFETY: the target is passed on.
    if let Some(answer) = unsafe { intercept(asked, out) } {
        return answer;
    }
    // SAFETY: all is passed on.
    unsafe { (behind().zeMemAllocHost)(context, desc, bytes, align, out) }
}

unsafe extern "C" fn free(context: sys::ze_context_handle_t, pointer: *mut c_void) -> ze_result_t {
    FREES.set(FREES.get() + 1);
    if let Some(code) = FREE_ANSWER.get() {
        return sys::_ze_result_t(code);
    }
    // SAFETY: all is passed on.
    unsafe { (behind().zeMemFree)(context, pointer) }
}

/// A table for the rest of the process, where leak checkers find it.
fn kept(table: Api) -> &'static Api {
    static TABLES: Mutex<Vec<&'static Api>> = Mutex::new(Vec::new());

    let table: &'static Api = Box::leak(Box::new(table));
    TABLES.lock().unwrap().push(table);
    table
}
