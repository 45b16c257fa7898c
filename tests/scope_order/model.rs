//! A driver that runs the work of asynchronous lists when it pleases.
//!
//! It is the CPU driver behind another table. Work is kept when it is appended, and run when the host
//! waits for an event or, now and then, when more is appended: any operation that the
//! specification lets run, of any list. An operation waits for its events and for the barriers
//! before it; a barrier for everything before it, or where it has events, for those alone.
//! Patterns of fills are read when the fill runs. What the library must not do is an accusation.

use core::cell::RefCell;
use core::ffi::c_void;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use ze_area::sys::{self, Api, ze_result_t};
use ze_area::{Context, Driver};

/// What of the driver's calls fails.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Faults {
    None,
    /// Some, never so many that the library has to give up.
    Some,
}

enum Work {
    Barrier,
    Copy {
        to: usize,
        from: usize,
        bytes: usize,
    },
    Fill {
        to: usize,
        pattern: usize,
        pattern_bytes: usize,
        bytes: usize,
    },
    Region {
        to: usize,
        from: usize,
        region: sys::ze_copy_region_t,
        /// Those of rows and of slices, of the target and of the source.
        pitches: [[u32; 2]; 2],
    },
}

struct Pending {
    work: Work,
    waits: Vec<usize>,
    signal: Option<usize>,
}

#[derive(Default)]
struct Model {
    random: Random,
    faults: bool,
    /// How many calls have failed in a row.
    failed: u32,
    /// By list that is asynchronous to the library, what it has not done, in the order of appending.
    lists: BTreeMap<usize, Vec<Pending>>,
    signalled: BTreeSet<usize>,
    accusations: Vec<String>,
    /// Barriers that signal nothing, and those that do.
    fences: usize,
    signals: usize,
    calls: usize,
}

thread_local! {
    static MODEL: RefCell<Model> = RefCell::default();
}

/// A generator of numbers.
#[derive(Default, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % limit as u64).unwrap()
    }
}

fn real() -> &'static Api {
    ze_area::cpu::api()
}

/// A context on the model, which starts anew.
pub(crate) fn context(seed: u64, faults: Faults) -> Context {
    static TABLE: OnceLock<Api> = OnceLock::new();

    MODEL.set(Model {
        random: Random(seed),
        faults: false,
        ..Model::default()
    });
    let table = TABLE.get_or_init(|| {
        let mut api = *real();
        api.zeCommandListCreateImmediate = create_list;
        api.zeCommandListDestroy = destroy_list;
        api.zeCommandListAppendMemoryCopy = copy;
        api.zeCommandListAppendMemoryCopyRegion = copy_region;
        api.zeCommandListAppendMemoryFill = fill;
        api.zeCommandListAppendBarrier = barrier;
        api.zeEventHostSynchronize = synchronize;
        api.zeEventQueryStatus = query;
        api.zeEventHostReset = reset;
        api.zeEventDestroy = destroy_event;
        api.zeEventPoolCreate = create_pool;
        // As in drivers that do not have it.
        api.zeCommandListHostSynchronize = None;
        api
    });
    // SAFETY: the table is the CPU driver's; what stands in does as much with memory, only later.
    let driver = unsafe { Driver::from_api(table, 0) }.unwrap();
    let context = Context::builder().driver(&driver).build().unwrap();
    MODEL.with_borrow_mut(|model| model.faults = faults == Faults::Some);
    context
}

/// What the library did that it must not, and what it left unfinished, since the last time.
pub(crate) fn accusations() -> Vec<String> {
    MODEL.with_borrow_mut(|model| {
        let pending: usize = model.lists.values().map(Vec::len).sum();
        if pending > 0 {
            model
                .accusations
                .push(format!("{pending} operations are not done"));
        }
        core::mem::take(&mut model.accusations)
    })
}

/// How many operations and barriers are not done.
pub(crate) fn unfinished() -> usize {
    MODEL.with_borrow(|model| model.lists.values().map(Vec::len).sum())
}

/// The barriers that signal nothing and those that do, since the last time.
pub(crate) fn barriers() -> (usize, usize) {
    MODEL.with_borrow_mut(|model| {
        (
            core::mem::take(&mut model.fences),
            core::mem::take(&mut model.signals),
        )
    })
}

/// The calls on lists and events since the last time.
pub(crate) fn calls() -> usize {
    MODEL.with_borrow_mut(|model| core::mem::take(&mut model.calls))
}

impl Model {
    /// Whether a call fails.
    fn fails(&mut self) -> bool {
        self.calls += 1;
        // The library tries three times.
        let fails = self.faults && self.failed < 2 && self.random.below(12) == 0;
        self.failed = if fails { self.failed + 1 } else { 0 };
        fails
    }

    /// Whether the operation of that place in a list may run.
    fn may_run(&self, list: &[Pending], index: usize) -> bool {
        let operation = &list[index];
        let mut before = list[..index].iter();
        let waited = operation
            .waits
            .iter()
            .all(|event| self.signalled.contains(event));
        let all = matches!(operation.work, Work::Barrier) && operation.waits.is_empty();
        waited && !before.any(|earlier| all || matches!(earlier.work, Work::Barrier))
    }

    /// Runs some operation that may; whether there was one.
    fn step(&mut self) -> bool {
        let mut ready = Vec::new();
        for (&list, pending) in &self.lists {
            for index in 0..pending.len() {
                if self.may_run(pending, index) {
                    ready.push((list, index));
                }
            }
        }
        if ready.is_empty() {
            return false;
        }
        let (list, index) = ready[self.random.below(ready.len())];
        let Some(pending) = self.lists.get_mut(&list) else {
            return false;
        };
        let operation = pending.remove(index);
        run(list, &operation.work);
        if let Some(event) = operation.signal
            && !self.signalled.insert(event)
        {
            self.accusations
                .push(format!("event {event:#x} is signalled again"));
        }
        true
    }

    fn append(&mut self, list: usize, operation: Pending) -> ze_result_t {
        if self.fails() {
            return sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY;
        }
        if let Some(pending) = self.lists.get_mut(&list) {
            pending.push(operation);
        }
        if self.random.below(4) == 0 {
            self.step();
        }
        sys::ZE_RESULT_SUCCESS
    }

    fn in_use(&self, event: usize) -> bool {
        self.lists
            .values()
            .flatten()
            .any(|one| one.signal == Some(event) || one.waits.contains(&event))
    }
}

/// Carries an operation out: the list is synchronous.
fn run(list: usize, work: &Work) {
    let list = core::ptr::with_exposed_provenance_mut(list);
    let at = core::ptr::with_exposed_provenance_mut::<c_void>;
    let null = core::ptr::null_mut();
    let result = match *work {
        Work::Barrier => return,
        Work::Copy { to, from, bytes } => {
            let copy = real().zeCommandListAppendMemoryCopy;
            // SAFETY: as the library vouches, until it has waited.
            unsafe {
                copy(
                    list,
                    at(to),
                    at(from),
                    bytes,
                    null,
                    0,
                    core::ptr::null_mut(),
                )
            }
        }
        Work::Fill {
            to,
            pattern,
            pattern_bytes,
            bytes,
        } => {
            let fill = real().zeCommandListAppendMemoryFill;
            let pattern = at(pattern);
            let none = core::ptr::null_mut();
            // SAFETY: as the library vouches, until it has waited.
            unsafe { fill(list, at(to), pattern, pattern_bytes, bytes, null, 0, none) }
        }
        Work::Region {
            to,
            from,
            region,
            pitches: [[to_row, to_slice], [from_row, from_slice]],
        } => {
            let copy = real().zeCommandListAppendMemoryCopyRegion;
            let (to, from, region) = (at(to), at(from), &raw const region);
            let none = core::ptr::null_mut();
            // SAFETY: as the library vouches, until it has waited.
            unsafe {
                copy(
                    list, to, region, to_row, to_slice, from, region, from_row, from_slice, null,
                    0, none,
                )
            }
        }
    };
    if result != sys::ZE_RESULT_SUCCESS {
        eprintln!("an operation fails when it runs: {:#x}", result.0);
        std::process::abort();
    }
}

unsafe extern "C" fn create_list(
    context: sys::ze_context_handle_t,
    device: sys::ze_device_handle_t,
    desc: *const sys::ze_command_queue_desc_t,
    list: *mut sys::ze_command_list_handle_t,
) -> ze_result_t {
    // SAFETY: the library gives a valid descriptor.
    let mut own = unsafe { *desc };
    let asynchronous = own.mode == sys::ZE_COMMAND_QUEUE_MODE_ASYNCHRONOUS;
    own.mode = sys::ZE_COMMAND_QUEUE_MODE_SYNCHRONOUS;
    let create = real().zeCommandListCreateImmediate;
    // SAFETY: all is passed on, with another descriptor.
    let result = unsafe { create(context, device, &raw const own, list) };
    if asynchronous && result == sys::ZE_RESULT_SUCCESS {
        // SAFETY: the driver has written it.
        let list = unsafe { *list }.expose_provenance();
        MODEL.with_borrow_mut(|model| model.lists.insert(list, Vec::new()));
    }
    result
}

unsafe extern "C" fn destroy_list(list: sys::ze_command_list_handle_t) -> ze_result_t {
    MODEL.with_borrow_mut(|model| {
        let left = model
            .lists
            .remove(&list.addr())
            .map_or(0, |left| left.len());
        if left > 0 {
            model
                .accusations
                .push(format!("a list is destroyed with {left} operations on it"));
        }
    });
    let destroy = real().zeCommandListDestroy;
    // SAFETY: all is passed on.
    unsafe { destroy(list) }
}

/// Whether the library takes the list for asynchronous.
fn is_modelled(list: sys::ze_command_list_handle_t) -> bool {
    MODEL.with_borrow(|model| model.lists.contains_key(&list.addr()))
}

fn signal_of(event: sys::ze_event_handle_t) -> Option<usize> {
    (!event.is_null()).then(|| event.addr())
}

unsafe extern "C" fn copy(
    list: sys::ze_command_list_handle_t,
    to: *mut c_void,
    from: *const c_void,
    bytes: usize,
    signal: sys::ze_event_handle_t,
    wait_count: u32,
    waits: *mut sys::ze_event_handle_t,
) -> ze_result_t {
    if !is_modelled(list) {
        let copy = real().zeCommandListAppendMemoryCopy;
        // SAFETY: all is passed on.
        return unsafe { copy(list, to, from, bytes, signal, wait_count, waits) };
    }
    let work = Work::Copy {
        to: to.expose_provenance(),
        from: from.expose_provenance(),
        bytes,
    };
    append(list, work, signal)
}

unsafe extern "C" fn copy_region(
    list: sys::ze_command_list_handle_t,
    to: *mut c_void,
    region: *const sys::ze_copy_region_t,
    to_row: u32,
    to_slice: u32,
    from: *const c_void,
    same: *const sys::ze_copy_region_t,
    from_row: u32,
    from_slice: u32,
    signal: sys::ze_event_handle_t,
    wait_count: u32,
    waits: *mut sys::ze_event_handle_t,
) -> ze_result_t {
    if !is_modelled(list) {
        let copy = real().zeCommandListAppendMemoryCopyRegion;
        // SAFETY: all is passed on.
        return unsafe {
            copy(
                list, to, region, to_row, to_slice, from, same, from_row, from_slice, signal,
                wait_count, waits,
            )
        };
    }
    let work = Work::Region {
        to: to.expose_provenance(),
        from: from.expose_provenance(),
        // SAFETY: the library gives a valid region, the same for both ends.
        region: unsafe { *region },
        pitches: [[to_row, to_slice], [from_row, from_slice]],
    };
    append(list, work, signal)
}

unsafe extern "C" fn fill(
    list: sys::ze_command_list_handle_t,
    to: *mut c_void,
    pattern: *const c_void,
    pattern_bytes: usize,
    bytes: usize,
    signal: sys::ze_event_handle_t,
    wait_count: u32,
    waits: *mut sys::ze_event_handle_t,
) -> ze_result_t {
    if !is_modelled(list) {
        let fill = real().zeCommandListAppendMemoryFill;
        // SAFETY: all is passed on.
        return unsafe {
            fill(
                list,
                to,
                pattern,
                pattern_bytes,
                bytes,
                signal,
                wait_count,
                waits,
            )
        };
    }
    let work = Work::Fill {
        to: to.expose_provenance(),
        pattern: pattern.expose_provenance(),
        pattern_bytes,
        bytes,
    };
    append(list, work, signal)
}

fn append(
    list: sys::ze_command_list_handle_t,
    work: Work,
    signal: sys::ze_event_handle_t,
) -> ze_result_t {
    let operation = Pending {
        work,
        waits: Vec::new(),
        signal: signal_of(signal),
    };
    MODEL.with_borrow_mut(|model| model.append(list.addr(), operation))
}

unsafe extern "C" fn barrier(
    list: sys::ze_command_list_handle_t,
    signal: sys::ze_event_handle_t,
    wait_count: u32,
    waits: *mut sys::ze_event_handle_t,
) -> ze_result_t {
    if !is_modelled(list) {
        let barrier = real().zeCommandListAppendBarrier;
        // SAFETY: all is passed on.
        return unsafe { barrier(list, signal, wait_count, waits) };
    }
    let mut events = Vec::new();
    for index in 0..wait_count as usize {
        // SAFETY: the library says that there are as many.
        let event = unsafe { waits.add(index) };
        // SAFETY: as above.
        events.push(unsafe { *event }.addr());
    }
    let operation = Pending {
        work: Work::Barrier,
        waits: events,
        signal: signal_of(signal),
    };
    MODEL.with_borrow_mut(|model| {
        if operation.signal.is_some() {
            model.signals += 1;
        } else {
            model.fences += 1;
        }
        model.append(list.addr(), operation)
    })
}

unsafe extern "C" fn synchronize(event: sys::ze_event_handle_t, _: u64) -> ze_result_t {
    MODEL.with_borrow_mut(|model| {
        if model.fails() {
            return sys::ZE_RESULT_ERROR_UNKNOWN;
        }
        while !model.signalled.contains(&event.addr()) {
            if !model.step() {
                eprintln!("nothing can run, and the host waits");
                std::process::abort();
            }
        }
        sys::ZE_RESULT_SUCCESS
    })
}

unsafe extern "C" fn query(event: sys::ze_event_handle_t) -> ze_result_t {
    MODEL.with_borrow_mut(|model| {
        if model.signalled.contains(&event.addr()) {
            return sys::ZE_RESULT_SUCCESS;
        }
        model.step();
        sys::ZE_RESULT_NOT_READY
    })
}

unsafe extern "C" fn reset(event: sys::ze_event_handle_t) -> ze_result_t {
    MODEL.with_borrow_mut(|model| {
        if model.in_use(event.addr()) {
            model
                .accusations
                .push("an event in use is reset".to_owned());
        }
        if model.fails() {
            return sys::ZE_RESULT_ERROR_UNKNOWN;
        }
        model.signalled.remove(&event.addr());
        sys::ZE_RESULT_SUCCESS
    })
}

unsafe extern "C" fn destroy_event(event: sys::ze_event_handle_t) -> ze_result_t {
    MODEL.with_borrow_mut(|model| {
        if model.in_use(event.addr()) {
            model
                .accusations
                .push("an event in use is destroyed".to_owned());
        }
        model.signalled.remove(&event.addr());
    });
    let destroy = real().zeEventDestroy;
    // SAFETY: all is passed on.
    unsafe { destroy(event) }
}

unsafe extern "C" fn create_pool(
    context: sys::ze_context_handle_t,
    desc: *const sys::ze_event_pool_desc_t,
    count: u32,
    devices: *mut sys::ze_device_handle_t,
    pool: *mut sys::ze_event_pool_handle_t,
) -> ze_result_t {
    if MODEL.with_borrow_mut(Model::fails) {
        return sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY;
    }
    let create = real().zeEventPoolCreate;
    // SAFETY: all is passed on.
    unsafe { create(context, desc, count, devices, pool) }
}
