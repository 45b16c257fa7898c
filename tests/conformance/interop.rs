//! Beside code that works with raw handles, as a C program does.

use crate::drivers::{Subject, Work, assert_empty};
use crate::{promises, spy};
use core::cell::Cell;
use core::ffi::c_void;
use core::ptr::null_mut;
use core::time::Duration;
use std::sync::atomic::{AtomicBool, Ordering};
use ze_area::sys::{self, Api, ZE_RESULT_SUCCESS as SUCCESS};
use ze_area::{
    Context, Device, Driver, Error, ErrorKind, FreePolicy, Host, Ownership, Placement,
    PlacementKind, RawParts, Shared, ZeBuffer, ZeDevice, ZeSlice, ZeSliceMut,
};

promises![
    the_handles_are_those_that_a_c_program_gets,
    a_device_is_found_by_its_handle,
    a_borrowed_context_is_still_usable_after_all_that_was_made_from_it,
    an_owned_context_is_destroyed_with_the_last_that_was_made_from_it,
    a_context_that_is_refused_is_not_destroyed,
    a_context_taken_twice_is_one_context,
    a_context_of_some_devices_knows_them,
    memory_of_a_c_program_is_viewed_in_each_placement,
    memory_of_a_c_program_on_another_device_is_copied,
    memory_that_is_not_as_said_is_refused,
    memory_of_another_context_is_refused_where_the_driver_can_tell,
    memory_goes_to_a_c_program_and_back,
    a_blocking_free_waits_for_work_that_was_enqueued_with_raw_handles,
];

/// Calls a function of the table and checks that it succeeds.
macro_rules! ok {
    ($api:expr, $call:ident($($argument:expr),* $(,)?)) => {{
        // SAFETY: the handles are live and of one driver, and pointers are good for the call.
        let result = unsafe { ($api.$call)($($argument),*) };
        assert_eq!(result, SUCCESS, stringify!($call));
    }};
}

/// A context as a C program has it.
struct Program {
    api: &'static Api,
    context: sys::ze_context_handle_t,
}

impl Program {
    fn new(driver: &Driver) -> Self {
        let desc = sys::ze_context_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_CONTEXT_DESC,
            ..Default::default()
        };
        let (api, mut context) = (driver.api(), null_mut());
        ok!(
            api,
            zeContextCreate(driver.as_raw(), &raw const desc, &raw mut context)
        );
        Self { api, context }
    }

    fn alloc(&self, kind: PlacementKind, device: &ZeDevice, bytes: usize) -> *mut c_void {
        let desc = sys::ze_device_mem_alloc_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_DEVICE_MEM_ALLOC_DESC,
            ..Default::default()
        };
        let host = sys::ze_host_mem_alloc_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_HOST_MEM_ALLOC_DESC,
            ..Default::default()
        };
        let (desc, host) = (&raw const desc, &raw const host);
        let (context, device, mut memory) = (self.context, device.as_raw(), null_mut());
        let out = &raw mut memory;
        match kind {
            PlacementKind::Device => {
                ok!(
                    self.api,
                    zeMemAllocDevice(context, desc, bytes, 64, device, out)
                );
            }
            PlacementKind::Shared => {
                ok!(
                    self.api,
                    zeMemAllocShared(context, desc, host, bytes, 64, device, out)
                );
            }
            PlacementKind::Host => {
                ok!(self.api, zeMemAllocHost(context, host, bytes, 64, out));
            }
        }
        memory
    }

    fn free(&self, memory: *mut c_void) {
        ok!(self.api, zeMemFree(self.context, memory));
    }

    /// The library's view of the context, which stays the program's.
    fn borrowed(&self, driver: &Driver) -> Context {
        // SAFETY: the context is live and of this driver; tests end it after all else.
        unsafe { Context::from_raw(driver, self.context, Ownership::Borrowed) }.unwrap()
    }

    /// Ends the context, which has to be there still.
    fn end(self) {
        ok!(self.api, zeContextDestroy(self.context));
    }
}

fn the_handles_are_those_that_a_c_program_gets(subject: &Subject) {
    let driver = subject.driver();
    let api = driver.api();
    if subject.config.in_process {
        // This driver is one that only who made it knows.
        let devices: Vec<_> = driver.devices().iter().map(ZeDevice::as_raw).collect();
        assert_eq!(devices_of(api, driver.as_raw()), devices);
        return;
    }
    ok!(api, zeInit(0));
    let mut count = 0;
    ok!(api, zeDriverGet(&raw mut count, null_mut()));
    let mut handles = vec![null_mut(); count as usize];
    ok!(api, zeDriverGet(&raw mut count, handles.as_mut_ptr()));
    let again = Driver::system_all().unwrap();
    assert_eq!(handles.len(), again.len());
    for (handle, driver) in handles.iter().zip(&again) {
        assert_eq!(driver.as_raw(), *handle);
        let devices: Vec<_> = driver.devices().iter().map(ZeDevice::as_raw).collect();
        assert_eq!(devices_of(api, *handle), devices);
    }
    assert_eq!((&again[0], again[0].as_raw()), (driver, handles[0]));
}

fn devices_of(api: &Api, driver: sys::ze_driver_handle_t) -> Vec<sys::ze_device_handle_t> {
    let mut count = 0;
    ok!(api, zeDeviceGet(driver, &raw mut count, null_mut()));
    let mut handles = vec![null_mut(); count as usize];
    ok!(
        api,
        zeDeviceGet(driver, &raw mut count, handles.as_mut_ptr())
    );
    handles
}

fn a_device_is_found_by_its_handle(subject: &Subject) {
    let driver = subject.driver();
    for device in driver.devices() {
        let found = driver.device_from_raw(device.as_raw());
        assert_eq!(found.as_ref(), Some(device));
        for part in device.sub_devices() {
            let found = driver.device_from_raw(part.as_raw()).unwrap();
            assert!(found == *part && found.is_sub_device());
        }
    }
    assert_eq!(driver.device_from_raw(null_mut()), None);
    let unknown = core::ptr::without_provenance_mut(8);
    assert_eq!(driver.device_from_raw(unknown), None);
}

fn a_borrowed_context_is_still_usable_after_all_that_was_made_from_it(subject: &Subject) {
    let program = Program::new(subject.driver());
    let device = subject.device();
    {
        let context = program.borrowed(subject.driver());
        assert_eq!(context.as_raw(), program.context);
        assert_eq!(context.devices(), subject.driver().devices());
        let queue = context.queue(device).unwrap();
        let data = [1_u32, 2, 3];
        let on_device = context.device_area(device).mmap_from_slice(&data).unwrap();
        let read = queue.to_vec(&on_device).unwrap();
        if subject.executes(Work::HostDevice, "uploads and read-back") {
            assert_eq!(read, data);
        }
        let clone = context.clone();
        drop((context, queue));
        on_device.free().unwrap();
        assert_empty(&clone);
    }
    let memory = program.alloc(PlacementKind::Shared, device, 100);
    program.free(memory);
    program.end();
}

thread_local! {
    static DESTROYED: Cell<usize> = const { Cell::new(0) };
}

unsafe extern "C" fn destroy(context: sys::ze_context_handle_t) -> sys::ze_result_t {
    DESTROYED.set(DESTROYED.get() + 1);
    // SAFETY: all is passed on.
    unsafe { (spy::behind().zeContextDestroy)(context) }
}

/// The driver behind a table that counts how often this thread destroys contexts.
fn counting(subject: &Subject) -> Driver {
    DESTROYED.set(0);
    spy::driver(subject, |api| api.zeContextDestroy = destroy)
}

fn an_owned_context_is_destroyed_with_the_last_that_was_made_from_it(subject: &Subject) {
    let driver = counting(subject);
    let handle = Program::new(&driver).context;
    // SAFETY: the context is live, of this driver, and given away here.
    let context = unsafe { Context::from_raw(&driver, handle, Ownership::Owned) }.unwrap();
    let queue = context.queue(&driver.devices()[0]).unwrap();
    let mut buffer = context.host_area().mmap::<u8>(64).unwrap();
    let view: ZeSliceMut<'_, u8, Host> =
        // SAFETY: the memory is the buffer's, which is not used otherwise meanwhile.
        unsafe { ZeSliceMut::from_raw(&context, buffer.device_mut_ptr(), 64) }.unwrap();
    assert!(view.is_in(&context));
    drop((context, queue));
    assert_eq!(DESTROYED.get(), 0);
    drop(buffer);
    assert_eq!(DESTROYED.get(), 1);
    let borrowed = Program::new(&driver);
    drop(borrowed.borrowed(&driver));
    assert_eq!(DESTROYED.get(), 1);
    borrowed.end();
    assert_eq!(DESTROYED.get(), 2);
}

unsafe extern "C" fn lost(_: sys::ze_context_handle_t) -> sys::ze_result_t {
    sys::ZE_RESULT_ERROR_DEVICE_LOST
}

fn a_context_that_is_refused_is_not_destroyed(subject: &Subject) {
    for ownership in [Ownership::Owned, Ownership::Borrowed] {
        // SAFETY: a null handle is refused.
        let null = unsafe { Context::from_raw(subject.driver(), null_mut(), ownership) };
        let error = null.unwrap_err();
        assert!(matches!(error, Error::NullHandle { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
    DESTROYED.set(0);
    let driver = spy::driver(subject, |api| {
        api.zeContextDestroy = destroy;
        api.zeContextGetStatus = lost;
    });
    let program = Program::new(&driver);
    // SAFETY: the context is live, and given away unless it is refused.
    let refused = unsafe { Context::from_raw(&driver, program.context, Ownership::Owned) };
    assert_eq!(refused.unwrap_err().call(), Some("zeContextGetStatus"));
    let empty = Context::builder().driver(&driver).devices([]);
    // SAFETY: as above.
    let refused = unsafe { empty.build_from_raw(program.context, Ownership::Owned) };
    assert!(matches!(refused.unwrap_err(), Error::NoDevice { .. }));
    assert_eq!(DESTROYED.get(), 0);
    program.end();
}

fn a_context_taken_twice_is_one_context(subject: &Subject) {
    let program = Program::new(subject.driver());
    let (one, two) = (
        program.borrowed(subject.driver()),
        program.borrowed(subject.driver()),
    );
    assert_eq!(one, two);
    assert_ne!(one, *subject.context());
    let of_one = one
        .device_area(subject.device())
        .mmap_from_slice(&[4_u16; 8])
        .unwrap();
    assert!(of_one.is_in(&two));
    let read = two.queue(subject.device()).unwrap().to_vec(&of_one);
    if subject.executes(Work::HostDevice, "uploads and read-back") {
        assert_eq!(read.unwrap(), [4; 8]);
    }
    drop((of_one, one, two));
    program.end();
}

fn a_context_of_some_devices_knows_them(subject: &Subject) {
    let program = Program::new(subject.driver());
    let builder = Context::builder()
        .driver(subject.driver())
        .devices([subject.device().clone()]);
    // SAFETY: the context is live, has all devices of this driver, and is ended last.
    let context = unsafe { builder.build_from_raw(program.context, Ownership::Borrowed) }.unwrap();
    assert_eq!(context.devices(), [subject.device().clone()]);
    if let [_, other, ..] = subject.driver().devices() {
        let error = context.queue(other).unwrap_err();
        assert!(matches!(error, Error::DeviceNotInContext { .. }), "{error}");
    }
    drop(context);
    program.end();
}

/// Writes a C program's memory through a view and reads it back.
fn viewed<P: Placement>(subject: &Subject, device: &ZeDevice, work: Work) {
    const LEN: usize = 1000;
    let program = Program::new(subject.driver());
    let memory = program.alloc(P::KIND, device, LEN * 4).cast::<u32>();
    let context = program.borrowed(subject.driver());
    let queue = context.queue(subject.device()).unwrap();
    let data: Vec<u32> = (0..500).collect();
    // SAFETY: nobody else uses the memory while the view lives; any bytes are a `u32`.
    let view = unsafe { ZeSliceMut::<u32, P>::from_raw(&context, memory, LEN) };
    let mut view = view.unwrap();
    assert_eq!((view.len(), view.device_ptr()), (LEN, memory.cast_const()));
    assert_eq!(view.placement(), P::KIND);
    assert!(view.is_in(&context) && !view.is_in(&subject.context()));
    queue.fill(&mut view, 0).unwrap();
    queue
        .copy(&data[..], &mut view.into_slice(500..).unwrap())
        .unwrap();
    let inside = memory.wrapping_add(498).cast_const();
    // SAFETY: the elements were written, and nobody writes them while the view lives.
    let part = unsafe { ZeSlice::<u32, P>::from_raw(&context, inside, 4) }.unwrap();
    let read = queue.to_vec(&part).unwrap();
    if subject.executes(work, "copies to and from memory of other code") {
        assert_eq!(read[2..], [0, 1]);
    }
    let other = subject.context();
    let error = other.queue(device).unwrap().to_vec(&part).unwrap_err();
    assert!(matches!(error, Error::WrongContext { .. }), "{error}");
    let info = context.describe(memory).unwrap().unwrap();
    if P::KIND == PlacementKind::Shared && context.devices().len() > 1 {
        assert_eq!(info.device.as_ref(), Some(device));
    }
    // It is not of this library's allocations, which do not end it.
    assert_empty(&context);
    assert_eq!(context.memory().live_buffers(), 0);
    drop((queue, context));
    program.free(memory.cast());
    program.end();
}

fn memory_of_a_c_program_is_viewed_in_each_placement(subject: &Subject) {
    let device = subject.device();
    viewed::<Device>(subject, device, Work::HostDevice);
    viewed::<Shared>(subject, device, Work::Other);
    viewed::<Host>(subject, device, Work::Other);
}

fn memory_of_a_c_program_on_another_device_is_copied(subject: &Subject) {
    let Some(other) = subject.driver().devices().get(1) else {
        return subject.not_applicable("there is one device");
    };
    viewed::<Device>(subject, other, Work::HostDevice);
    viewed::<Shared>(subject, other, Work::Other);
}

/// The reason for which a view is refused.
fn refused<T, P: Placement>(context: &Context, pointer: *const T, len: usize) -> String {
    // SAFETY: what the driver refuses is no view.
    let view = unsafe { ZeSlice::<T, P>::from_raw(context, pointer, len) };
    // SAFETY: as above.
    let other = unsafe { ZeSliceMut::<T, P>::from_raw(context, pointer.cast_mut(), len) };
    let error = other.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert_eq!(error.to_string(), view.unwrap_err().to_string());
    match error {
        Error::ForeignMemory { why, placement, .. } => {
            assert_eq!(placement, P::KIND);
            why
        }
        other => other.to_string(),
    }
}

fn memory_that_is_not_as_said_is_refused(subject: &Subject) {
    let context = subject.context();
    let area = context.device_area(subject.device());
    let on_device = area.mmap::<u32>(16).unwrap();
    let shared = area.shared().mmap::<u32>(16).unwrap();
    let on_host = context.host_area().mmap::<u32>(16).unwrap();
    let at = [
        on_device.device_ptr(),
        shared.device_ptr(),
        on_host.device_ptr(),
    ];
    for (pointer, is) in at.into_iter().zip(["device", "shared", "host"]) {
        let said = [
            refused_unless::<Device>(&context, pointer),
            refused_unless::<Shared>(&context, pointer),
            refused_unless::<Host>(&context, pointer),
        ];
        assert_eq!(said.iter().flatten().count(), 2, "{said:?}");
        for why in said.iter().flatten() {
            assert!(why.contains(is), "{why}");
        }
    }
    let start = on_host.device_ptr();
    let size = context.describe(start).unwrap().unwrap().size;
    let why = refused::<_, Host>(&context, start, size / 4 + 1);
    assert!(why.contains("ends"), "{why}");
    let why = refused::<_, Host>(&context, start.wrapping_add(1), size / 4);
    assert!(why.contains("ends"), "{why}");
    let why = refused::<_, Host>(&context, start.wrapping_byte_add(2), 1);
    assert!(why.contains("aligned to 4"), "{why}");
    let why = refused::<u32, Host>(&context, core::ptr::null(), 1);
    assert!(why.contains("null"), "{why}");
    let why = refused::<_, Host>(&context, vec![1_u32; 4].as_ptr(), 4);
    assert!(why.contains("no memory"), "{why}");
    let why = refused::<_, Host>(&context, start, usize::MAX / 4);
    assert!(why.contains("isize::MAX"), "{why}");
    // SAFETY: there are no elements.
    let empty = unsafe { ZeSlice::<u32, Host>::from_raw(&context, core::ptr::null(), 0) };
    let empty = empty.unwrap();
    assert!(empty.is_empty() && empty.as_slice().is_empty() && empty.is_in(&context));
}

/// The reason for which the address is refused as memory of that placement.
fn refused_unless<P: Placement>(context: &Context, pointer: *const u32) -> Option<String> {
    // SAFETY: the elements are those of a live buffer, which nobody writes.
    match unsafe { ZeSlice::<u32, P>::from_raw(context, pointer, 16) } {
        Ok(_) => None,
        Err(_) => Some(refused::<u32, P>(context, pointer, 16)),
    }
}

fn memory_of_another_context_is_refused_where_the_driver_can_tell(subject: &Subject) {
    if subject.config.group == "intel" || subject.config.group == "gpu" {
        return subject.not_applicable("the driver looks addresses up in all contexts");
    }
    let (one, two) = (subject.context(), subject.context());
    let of_one = one.host_area().mmap::<u8>(64).unwrap();
    let why = refused::<_, Host>(&two, of_one.device_ptr(), 64);
    assert!(why.contains("no memory of the context"), "{why}");
    drop(of_one);
}

fn memory_goes_to_a_c_program_and_back(subject: &Subject) {
    let program = Program::new(subject.driver());
    let context = program.borrowed(subject.driver());
    let area = context.device_area(subject.device()).shared();
    let parts = area.mmap_from_slice(&[8_u8; 100]).unwrap().into_raw_parts();
    assert_empty(&context);
    program.free(parts.base);
    let memory = program.alloc(PlacementKind::Shared, subject.device(), 100);
    let parts = RawParts {
        pointer: memory.cast::<u8>(),
        len: 100,
        base: memory,
        bytes: 100,
        device: subject.device().as_raw(),
        policy: FreePolicy::Immediate,
        slot: None,
    };
    // SAFETY: the memory was just allocated in this context, and is given away here.
    let mut buffer: ZeBuffer<u8, Shared> = unsafe { ZeBuffer::from_raw_parts(&context, parts) };
    buffer.fill(3);
    assert_eq!(context.memory().shared.live_bytes, 100);
    buffer.free().unwrap();
    assert_eq!(context.describe(memory).unwrap(), None);
    drop((area, context));
    program.end();
}

/// An asynchronous immediate list, and two events: the one that its copy waits for, which nobody has
/// signalled, and the one that the copy signals.
struct Gate {
    api: &'static Api,
    list: sys::ze_command_list_handle_t,
    pool: sys::ze_event_pool_handle_t,
    opens: sys::ze_event_handle_t,
    done: sys::ze_event_handle_t,
}

/// What the signalling thread needs.
struct Signal(&'static Api, sys::ze_event_handle_t);

// SAFETY: the specification lets any thread signal an event.
unsafe impl Send for Signal {}

impl Signal {
    fn send(self) {
        ok!(self.0, zeEventHostSignal(self.1));
    }
}

impl Gate {
    fn new(context: &Context, device: &ZeDevice) -> Self {
        let api = context.driver().api();
        let (handle, mut device) = (context.as_raw(), device.as_raw());
        let desc = sys::ze_command_queue_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_COMMAND_QUEUE_DESC,
            mode: sys::ZE_COMMAND_QUEUE_MODE_ASYNCHRONOUS,
            ..Default::default()
        };
        let mut list = null_mut();
        ok!(
            api,
            zeCommandListCreateImmediate(handle, device, &raw const desc, &raw mut list)
        );
        let desc = sys::ze_event_pool_desc_t {
            stype: sys::ZE_STRUCTURE_TYPE_EVENT_POOL_DESC,
            flags: sys::ZE_EVENT_POOL_FLAG_HOST_VISIBLE,
            count: 2,
            ..Default::default()
        };
        let mut pool = null_mut();
        ok!(
            api,
            zeEventPoolCreate(handle, &raw const desc, 1, &raw mut device, &raw mut pool)
        );
        let [opens, done] = [0, 1].map(|index| {
            let desc = sys::ze_event_desc_t {
                stype: sys::ZE_STRUCTURE_TYPE_EVENT_DESC,
                index,
                wait: sys::ZE_EVENT_SCOPE_FLAG_HOST,
                ..Default::default()
            };
            let mut event = null_mut();
            ok!(api, zeEventCreate(pool, &raw const desc, &raw mut event));
            event
        });
        Self {
            api,
            list,
            pool,
            opens,
            done,
        }
    }

    /// Copies once the event is signalled.
    fn copy<T, P: Placement>(&mut self, target: *mut T, source: &ZeBuffer<T, P>) {
        let (target, from) = (target.cast(), source.device_ptr().cast());
        let bytes = source.size_in_bytes();
        ok!(
            self.api,
            zeCommandListAppendMemoryCopy(
                self.list,
                target,
                from,
                bytes,
                self.done,
                1,
                &raw mut self.opens
            )
        );
    }

    fn end(self) {
        // The memory is given back a little before the list is done with the copy.
        ok!(self.api, zeEventHostSynchronize(self.done, u64::MAX));
        ok!(self.api, zeCommandListDestroy(self.list));
        ok!(self.api, zeEventDestroy(self.opens));
        ok!(self.api, zeEventDestroy(self.done));
        ok!(self.api, zeEventPoolDestroy(self.pool));
    }
}

fn a_blocking_free_waits_for_work_that_was_enqueued_with_raw_handles(subject: &Subject) {
    if !subject.executes(Work::Other, "work that a blocking free waits for") {
        return;
    }
    let context = subject.context();
    let area = context.device_area(subject.device());
    let Ok(area) = area.free_policy(FreePolicy::Blocking) else {
        return subject.not_applicable("the driver has no blocking free");
    };
    let source = area.mmap_from_slice(&[5_u32; 1000]).unwrap();
    let mut target = context.host_area().mmap::<u32>(1000).unwrap();
    let mut gate = Gate::new(&context, subject.device());
    gate.copy(target.device_mut_ptr(), &source);
    let signal = Signal(gate.api, gate.opens);
    let sent = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(100));
            sent.store(true, Ordering::Release);
            signal.send();
        });
        drop(source);
        assert!(
            sent.load(Ordering::Acquire),
            "freed before the work was done"
        );
    });
    // The copy was the last to use the source, and so it is complete.
    assert_eq!(target, [5; 1000]);
    gate.end();
}
