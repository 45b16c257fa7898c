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
use crate::build_log::BuildLog;
use crate::command_list::CommandList;
use crate::command_queue::CommandQueue;
use crate::context::Context;
use crate::device::{Device, DeviceId};
use crate::event::Event;
use crate::event_pool::EventPool;
use crate::fence::Fence;
use crate::instance::Inner;
use crate::kernel::Kernel;
use crate::module::Module;
use crate::virtual_memory::PhysicalMemory;

/// An object that lives from a call that creates it to a call that destroys it.
pub(crate) trait Kept: Sized + Send + Sync + 'static {
    /// What its handle points to, as the compiler sees it.
    type Raw;
    /// Its place in [`Counts`].
    const INDEX: usize;

    /// The driver that it is of.
    fn inner(&self) -> &Arc<Inner>;

    /// What must outlive it, if that is an object too: its [`children`](Self::children).
    fn parent(&self) -> Option<&Children> {
        None
    }

    /// Those that must be destroyed first.
    fn children(&self) -> Option<&Children> {
        None
    }

    fn of(object: &Object) -> Option<&Arc<Self>>;
    fn object(self: Arc<Self>) -> Object;
}

/// The number of live objects that must not outlive the owner of this.
#[derive(Default)]
pub(crate) struct Children(AtomicUsize);

impl Children {
    pub(crate) fn any(&self) -> bool {
        self.0.load(Ordering::Acquire) > 0
    }
}

/// The number of live objects of each kind, of one instance.
#[derive(Default)]
pub(crate) struct Counts([AtomicUsize; KINDS]);

impl Counts {
    pub(crate) fn of<T: Kept>(&self) -> usize {
        self.0[T::INDEX].load(Ordering::Relaxed)
    }

    /// Of all kinds together.
    pub(crate) fn total(&self) -> usize {
        self.0
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .sum()
    }
}

macro_rules! kept {
    ($($kind:ident: $raw:ident = $owner:expr, $parent:expr, $children:expr;)*) => {
        #[derive(Clone)]
        pub(crate) enum Object {
            Driver(Weak<Inner>),
            Device(Weak<Inner>, DeviceId),
            $($kind(Arc<$kind>),)*
        }

        #[repr(usize)]
        enum Index {
            $($kind,)*
        }

        const KINDS: usize = [$(Index::$kind),*].len();

        #[cfg(test)]
        pub(crate) const KIND_NAMES: [&str; KINDS] = [$(stringify!($kind)),*];

        $(
            impl Kept for $kind {
                type Raw = sys::$raw;
                const INDEX: usize = Index::$kind as usize;

                fn inner(&self) -> &Arc<Inner> {
                    let owner: fn(&Self) -> &Arc<Inner> = $owner;
                    owner(self)
                }

                fn parent(&self) -> Option<&Children> {
                    let parent: fn(&Self) -> Option<&Children> = $parent;
                    parent(self)
                }

                fn children(&self) -> Option<&Children> {
                    let children: fn(&Self) -> Option<&Children> = $children;
                    children(self)
                }

                fn of(object: &Object) -> Option<&Arc<Self>> {
                    match object {
                        Object::$kind(object) => Some(object),
                        _ => None,
                    }
                }

                fn object(self: Arc<Self>) -> Object {
                    Object::$kind(self)
                }
            }
        )*

        #[cfg(feature = "exports")]
        fn inner_of(object: &Object) -> Option<Arc<Inner>> {
            match object {
                Object::Driver(inner) | Object::Device(inner, _) => inner.upgrade(),
                $(Object::$kind(object) => Some(Arc::clone(Kept::inner(&**object))),)*
            }
        }
    };
}

// Kind: what its handle points to = its instance, what it must not outlive, what must not outlive it.
kept! {
    Context: _ze_context_handle_t = |it| &it.inner, |_| None, |it| Some(&it.children);
    CommandList: _ze_command_list_handle_t =
        |it| &it.context.inner, |it| Some(&it.context.children), |_| None;
    Module: _ze_module_handle_t =
        |it| &it.context.inner, |it| Some(&it.context.children), |it| Some(&it.children);
    Kernel: _ze_kernel_handle_t =
        |it| &it.module.context.inner, |it| Some(&it.module.children), |_| None;
    BuildLog: _ze_module_build_log_handle_t = |it| &it.inner, |_| None, |_| None;
    CommandQueue: _ze_command_queue_handle_t =
        |it| &it.context.inner, |it| Some(&it.context.children), |it| Some(&it.children);
    Fence: _ze_fence_handle_t =
        |it| &it.queue.context.inner, |it| Some(&it.queue.children), |_| None;
    EventPool: _ze_event_pool_handle_t =
        |it| &it.context.inner, |it| Some(&it.context.children), |it| Some(&it.children);
    Event: _ze_event_handle_t =
        |it| &it.pool.context.inner, |it| Some(&it.pool.children), |_| None;
    PhysicalMemory: _ze_physical_mem_handle_t =
        |it| &it.context.inner, |it| Some(&it.context.children), |_| None;
}

/// A quarter of the address space up: no mapping lies there on a 64-bit system, so that a program
/// which dereferences a handle traps.
const FIRST: usize = (usize::MAX >> 2) + 1;
const STEP: usize = 16;
const SHARDS: usize = 16;

static MADE: AtomicUsize = AtomicUsize::new(0);
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

/// A handle that was not used before, by this copy of the driver or by another one: a process that has
/// it built in may also load it as a library, and must not take the handles of one for the other's.
fn next() -> usize {
    // Copies lie apart, so this gives each of them room for millions of handles.
    let own = ((&raw const MADE).addr() & (usize::MAX >> 17)) << 14;
    FIRST + own + MADE.fetch_add(STEP, Ordering::Relaxed)
}

fn shard(handle: usize) -> &'static RwLock<Objects> {
    &OBJECTS[handle / STEP % SHARDS]
}

/// Makes a driver or a device that knows its handle.
pub(crate) fn insert(make: impl FnOnce(usize) -> Object) -> usize {
    let handle = next();
    let object = make(handle);
    write(shard(handle)).insert(handle, object);
    handle
}

/// Takes a driver or device out when its instance ends.
pub(crate) fn forget(handle: usize) {
    // Dropped after the lock.
    let removed = write(shard(handle)).remove(&handle);
    drop(removed);
}

/// Makes an object that knows its handle, and counts it.
pub(crate) fn add<T: Kept>(make: impl FnOnce(usize) -> T) -> *mut T::Raw {
    let handle = next();
    let object = Arc::new(make(handle));
    if let Some(siblings) = object.parent() {
        siblings.0.fetch_add(1, Ordering::AcqRel);
    }
    object.inner().counts.0[T::INDEX].fetch_add(1, Ordering::Relaxed);
    write(shard(handle)).insert(handle, object.object());
    std::ptr::without_provenance_mut(handle)
}

/// Takes an object out, unless `allow` refuses or others must be destroyed before:
/// `HANDLE_OBJECT_IN_USE`. No other thread finds it from then on.
pub(crate) fn remove<T: Kept>(handle: usize, allow: impl FnOnce(&T) -> Outcome) -> Outcome<Arc<T>> {
    let mut objects = write(shard(handle));
    let object = objects.get(&handle).and_then(T::of);
    let object = Arc::clone(object.ok_or(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)?);
    if object.children().is_some_and(Children::any) {
        return Err(sys::ZE_RESULT_ERROR_HANDLE_OBJECT_IN_USE);
    }
    allow(&object)?;
    let removed = objects.remove(&handle);
    drop(objects);
    // The last owner of an instance takes its driver and devices out, so not under the lock.
    drop(removed);
    if let Some(siblings) = object.parent() {
        siblings.0.fetch_sub(1, Ordering::AcqRel);
    }
    object.inner().counts.0[T::INDEX].fetch_sub(1, Ordering::Relaxed);
    Ok(object)
}

fn get(handle: usize) -> Outcome<Object> {
    if handle == 0 {
        return Err(sys::ZE_RESULT_ERROR_INVALID_NULL_HANDLE);
    }
    let object = read(shard(handle)).get(&handle).cloned();
    object.ok_or(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)
}

/// The object of a handle.
pub(crate) fn find<T: Kept>(handle: *mut T::Raw) -> Outcome<Arc<T>> {
    let handle = handle.addr();
    if handle == 0 {
        return Err(sys::ZE_RESULT_ERROR_INVALID_NULL_HANDLE);
    }
    let objects = read(shard(handle));
    let object = objects.get(&handle).and_then(T::of);
    object
        .map(Arc::clone)
        .ok_or(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)
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

/// The instance of a handle of any kind, for calls that are not there.
#[cfg(feature = "exports")]
pub(crate) fn instance(handle: usize) -> Option<Arc<Inner>> {
    inner_of(&get(handle).ok()?)
}

/// Whether a context was not destroyed yet.
pub(crate) fn is_context(handle: usize) -> bool {
    matches!(get(handle), Ok(Object::Context(_)))
}
