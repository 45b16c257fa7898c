//! Handles of Level Zero objects that threads may share.

use core::ptr::NonNull;
use level_zero_sys as sys;

/// A handle of the driver: an opaque address that is never dereferenced here.
#[derive(Debug)]
pub(crate) struct Handle<T>(NonNull<T>);

pub(crate) type DriverHandle = Handle<sys::_ze_driver_handle_t>;
pub(crate) type DeviceHandle = Handle<sys::_ze_device_handle_t>;
pub(crate) type ContextHandle = Handle<sys::_ze_context_handle_t>;
pub(crate) type ListHandle = Handle<sys::_ze_command_list_handle_t>;
pub(crate) type EventHandle = Handle<sys::_ze_event_handle_t>;
pub(crate) type EventPoolHandle = Handle<sys::_ze_event_pool_handle_t>;

// SAFETY: a handle is a number to everybody but the driver, and the specification lets every
// thread use it; calls on an object that one thread at a time may use (command lists) go through
// the lock that owns the handle.
unsafe impl<T> Send for Handle<T> {}
// SAFETY: as for `Send`.
unsafe impl<T> Sync for Handle<T> {}

impl<T> Handle<T> {
    /// Wraps what a driver gave, `None` for null.
    pub(crate) fn new(raw: *mut T) -> Option<Self> {
        NonNull::new(raw).map(Self)
    }

    pub(crate) fn as_raw(self) -> *mut T {
        self.0.as_ptr()
    }
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Handle<T> {}

impl<T> PartialEq for Handle<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for Handle<T> {}
