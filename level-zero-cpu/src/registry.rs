//! Which handles are alive: the one place where a handle becomes an object.
//!
//! A handle is a number that is never used twice and never dereferenced. Drivers and devices are
//! held weakly, for they live as long as their instance; contexts and command lists are owned
//! here until they are destroyed.

use level_zero_sys::{self as sys};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{
    Arc, LockResult, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
    TryLockError, TryLockResult, Weak,
};

use crate::arguments::Outcome;
use crate::command_list::CommandList;
use crate::context::Context;
use crate::device::{Device, DeviceId};
use crate::instance::Inner;

#[derive(Clone)]
pub(crate) enum Object {
    Driver(Weak<Inner>),
    Device(Weak<Inner>, DeviceId),
    Context(Arc<Context>),
    CommandList(Arc<CommandList>),
}

/// A quarter of the address space up: no mapping lies there on a 64-bit system, so that a program
/// which dereferences a handle traps.
const FIRST: usize = (usize::MAX >> 2) + 1;
const STEP: usize = 16;
const SHARDS: usize = 16;

static NEXT: AtomicUsize = AtomicUsize::new(FIRST);
static OBJECTS: [RwLock<Objects>; SHARDS] =
    [const { RwLock::new(HashMap::with_hasher(BuildHasherDefault::new())) }; SHARDS];

type Objects = HashMap<usize, Object, BuildHasherDefault<HandleHasher>>;

/// Handles are spread already; the standard hasher would cost more than the rest of a lookup.
#[derive(Default)]
struct HandleHasher(u64);

impl Hasher for HandleHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_usize(usize::from(*byte));
        }
    }

    fn write_usize(&mut self, value: usize) {
        self.0 = (self.0 ^ value as u64)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(32);
    }
}

/// Takes a guard: waiting, or, under `ThreadSanitizer`, trying until it is there. The standard
/// library waits in code that is not instrumented, where the sanitizer misses who came after whom.
fn acquire<G>(
    wait: impl FnOnce() -> LockResult<G>,
    mut attempt: impl FnMut() -> TryLockResult<G>,
) -> G {
    if !cfg!(tsan) {
        return wait().unwrap_or_else(PoisonError::into_inner);
    }
    loop {
        match attempt() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => std::thread::yield_now(),
        }
    }
}

/// Locks; what a panicking thread left behind is whole, since no lock is held across a panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    acquire(|| mutex.lock(), || mutex.try_lock())
}

/// As [`lock`], shared.
pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    acquire(|| lock.read(), || lock.try_read())
}

/// As [`lock`], exclusive.
pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    acquire(|| lock.write(), || lock.try_write())
}

fn shard(handle: usize) -> &'static RwLock<Objects> {
    &OBJECTS[handle / STEP % SHARDS]
}

/// Makes an object that knows its handle.
pub(crate) fn insert(make: impl FnOnce(usize) -> Object) -> usize {
    let handle = NEXT.fetch_add(STEP, Ordering::Relaxed);
    let object = make(handle);
    write(shard(handle)).insert(handle, object);
    handle
}

/// Takes an object out if `accept` says so. It is dropped by the caller, after the lock: the last
/// owner of an instance takes its driver and devices out of the registry.
fn remove_if(
    handle: usize,
    accept: impl FnOnce(Option<&Object>) -> Outcome,
) -> Outcome<Option<Object>> {
    let mut objects = write(shard(handle));
    accept(objects.get(&handle))?;
    Ok(objects.remove(&handle))
}

/// Takes a driver or device out when its instance ends.
pub(crate) fn forget(handle: usize) {
    drop(remove_if(handle, |_| Ok(())));
}

fn get(handle: usize) -> Outcome<Object> {
    if handle == 0 {
        return Err(sys::ZE_RESULT_ERROR_INVALID_NULL_HANDLE);
    }
    let object = read(shard(handle)).get(&handle).cloned();
    object.ok_or(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)
}

pub(crate) fn driver(handle: sys::ze_driver_handle_t) -> Outcome<Arc<Inner>> {
    match get(handle.addr())? {
        Object::Driver(inner) => inner.upgrade().ok_or(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT),
        _ => Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT),
    }
}

pub(crate) fn device(handle: sys::ze_device_handle_t) -> Outcome<Device> {
    match get(handle.addr())? {
        Object::Device(inner, id) => {
            let inner = inner
                .upgrade()
                .ok_or(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)?;
            Ok(Device { inner, id })
        }
        _ => Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT),
    }
}

pub(crate) fn context(handle: sys::ze_context_handle_t) -> Outcome<Arc<Context>> {
    match get(handle.addr())? {
        Object::Context(context) => Ok(context),
        _ => Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT),
    }
}

pub(crate) fn command_list(handle: sys::ze_command_list_handle_t) -> Outcome<Arc<CommandList>> {
    match get(handle.addr())? {
        Object::CommandList(list) => Ok(list),
        _ => Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT),
    }
}

/// The instance of a handle of any kind, for calls that are not there.
pub(crate) fn instance(handle: usize) -> Option<Arc<Inner>> {
    match get(handle).ok()? {
        Object::Driver(inner) | Object::Device(inner, _) => inner.upgrade(),
        Object::Context(context) => Some(Arc::clone(&context.inner)),
        Object::CommandList(list) => Some(Arc::clone(&list.context.inner)),
    }
}

/// Whether a context was not destroyed yet.
pub(crate) fn is_context(handle: usize) -> bool {
    matches!(get(handle), Ok(Object::Context(_)))
}

/// Destroys a context, unless command lists of it are alive.
pub(crate) fn remove_context(handle: usize) -> Outcome<Option<Object>> {
    remove_if(handle, |object| match object {
        Some(Object::Context(context)) if context.has_lists() => {
            Err(sys::ZE_RESULT_ERROR_HANDLE_OBJECT_IN_USE)
        }
        Some(Object::Context(_)) => Ok(()),
        _ => Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT),
    })
}

/// Destroys a command list.
pub(crate) fn remove_command_list(handle: usize) -> Outcome<Option<Object>> {
    remove_if(handle, |object| match object {
        Some(Object::CommandList(_)) => Ok(()),
        _ => Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT),
    })
}
