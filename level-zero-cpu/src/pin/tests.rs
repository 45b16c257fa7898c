//! What is open to kernels, and for how long.
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    reason = "looks at memory as kernels do; a test that unwraps an error fails"
)]

use level_zero_sys as sys;
use std::ffi::c_void;
use std::ptr::with_exposed_provenance;

use super::*;
use crate::arena::page;
use crate::config::Config;
use crate::heap::{FreePolicy, Request};
use crate::instance::Instance;
use crate::ledger::Kind;

/// What the system says of the page of an address: `r`, `w` or `-`.
fn access(address: usize) -> (bool, bool) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    for line in maps.lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let number = |text| usize::from_str_radix(text, 16).unwrap();
        if (number(start)..number(end)).contains(&address) {
            return (rest.as_bytes()[0] == b'r', rest.as_bytes()[1] == b'w');
        }
    }
    (false, false)
}

const OPEN: (bool, bool) = (true, true);
const CLOSED: (bool, bool) = (false, false);

fn heap() -> Arc<Heap> {
    Arc::new(Heap::new(Kind::Device, 1 << 20, &Config::new()).unwrap())
}

fn allocate(heap: &Heap, size: usize) -> usize {
    let request = Request {
        size,
        alignment: page(),
        context: 1,
        device: None,
        ordinal: 0,
        serial: 0,
    };
    heap.allocate(&request).unwrap()
}

#[test]
fn pages_are_open_as_long_as_a_guard_lives() {
    let heap = heap();
    let first = allocate(&heap, 3 * page());
    let second = allocate(&heap, 100);
    assert_eq!(access(first), CLOSED);
    let pin = heap.pin(first + page(), 10, 1).unwrap();
    let opened = pin.open_for_kernels().unwrap();
    for at in 0..3 {
        assert_eq!(access(first + at * page()), OPEN);
    }
    assert_eq!(access(second), CLOSED);
    let number = std::ptr::with_exposed_provenance_mut::<u64>(first);
    // SAFETY: open, and this thread alone uses it.
    unsafe { number.write_volatile(77) };
    let own = heap.pin(first, 8, 1).unwrap();
    // SAFETY: the driver's address of the same memory.
    assert_eq!(unsafe { own.pointer().cast::<u64>().read_volatile() }, 77);
    // Opened twice, it closes with the second.
    let again = pin.open_for_kernels().unwrap();
    drop(opened);
    assert_eq!(access(first), OPEN);
    drop((pin, own));
    assert_eq!(access(first + 2 * page()), OPEN);
    drop(again);
    for at in 0..3 {
        assert_eq!(access(first + at * page()), CLOSED);
    }
    heap.free(first, 1, FreePolicy::Refuse).unwrap();
    heap.free(second, 1, FreePolicy::Refuse).unwrap();
}

#[test]
fn all_memory_is_open_around_what_is_open() {
    let instance = Instance::new(Config::new().devices(2).device_memory(1 << 20)).unwrap();
    let inner = instance.inner();
    let heaps: Vec<_> = inner
        .heaps()
        .filter(|heap| heap.kind == Kind::Device)
        .collect();
    let addresses = [allocate(heaps[0], 100), allocate(heaps[1], 100)];
    let pin = heaps[0].pin(addresses[0], 1, 1).unwrap();
    let one = pin.open_for_kernels().unwrap();
    let all = inner.open_all_for_kernels(Kind::Device).unwrap();
    assert_eq!(addresses.map(access), [OPEN; 2]);
    drop(all);
    assert_eq!(addresses.map(access), [OPEN, CLOSED]);
    let all = inner.open_all_for_kernels(Kind::Device).unwrap();
    drop(one);
    assert_eq!(addresses.map(access), [OPEN; 2]);
    drop(all);
    assert_eq!(addresses.map(access), [CLOSED; 2]);
    drop(inner.open_all_for_kernels(Kind::Host).unwrap());
}

fn file_memory() -> Arc<FileMemory> {
    use crate::device::DeviceId;
    use crate::file_memory::{Origin, Wish};
    use crate::pattern::Pattern;
    let wish = Wish {
        origin: Origin::Export,
        offset: 0,
        size: 5000,
        alignment: 1,
        context: 1,
        device: DeviceId { root: 0, sub: None },
        serial: 1,
    };
    let memory = FileMemory::allocate(&heap(), &wish, Pattern::new(64));
    Arc::new(memory.unwrap_or_else(|_| unreachable!()))
}

#[test]
fn a_blocking_free_of_memory_with_a_file_waits_for_the_pin() {
    let memory = file_memory();
    let pin = memory.pin(memory.address, 1).unwrap();
    std::thread::scope(|scope| {
        let end = scope.spawn(|| memory.end(FreePolicy::Wait));
        std::thread::sleep(std::time::Duration::from_millis(10));
        assert!(!end.is_finished());
        drop(pin);
        assert!(end.join().unwrap().is_ok());
    });
    assert!(memory.end(FreePolicy::Wait).is_err());
}

#[test]
fn a_deferred_free_of_memory_with_a_file_leaves_it_to_the_pin() {
    let memory = file_memory();
    let pin = memory.pin(memory.address, 1).unwrap();
    assert!(memory.end(FreePolicy::Defer).is_ok());
    assert!(memory.pin(memory.address, 1).is_none());
    drop(memory);
    // SAFETY: pinned.
    assert_eq!(unsafe { pin.pointer().read_volatile() }, crate::FRESH_BYTE);
}

#[test]
fn memory_with_a_file_opens_too() {
    let memory = file_memory();
    let pin = memory.pin(memory.address, 5000).unwrap();
    let opened = pin.open_for_kernels().unwrap();
    assert_eq!(access(memory.address + 4999), OPEN);
    assert!(memory.end(FreePolicy::Refuse).is_err());
    drop((pin, opened));
    assert_eq!(access(memory.address), CLOSED);
    assert!(memory.end(FreePolicy::Refuse).is_ok());
    assert!(memory.pin(memory.address, 1).is_none());
}

#[test]
fn virtual_memory_opens_as_its_attributes_say() {
    const PAGE: usize = crate::virtual_memory::PAGE;
    let instance = Instance::new(Config::new()).unwrap();
    let api = crate::api();
    let desc = sys::ze_context_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_CONTEXT_DESC,
        pNext: std::ptr::null(),
        flags: 0,
    };
    let mut handle = std::ptr::null_mut();
    let driver = instance.driver_handle();
    // SAFETY: descriptor and result are live.
    let result = unsafe { (api.zeContextCreate)(driver, &raw const desc, &raw mut handle) };
    assert_eq!(result, sys::ZE_RESULT_SUCCESS);
    let context = crate::registry::find::<crate::context::Context>(handle).unwrap();
    let device = crate::device::DeviceId { root: 0, sub: None };
    let heap = instance.inner().heap(Kind::Device, Some(device)).unwrap();
    let physical = crate::virtual_memory::PhysicalMemory::new(&context, heap, device, 3 * PAGE);
    let physical = Arc::new(physical.unwrap());
    let memory = VirtualMemory::new(0, 4 * PAGE, context.handle, 1);
    let memory = Arc::new(memory.unwrap());
    let start = memory.start();
    for (at, access) in [(0, Access::Write), (1, Access::Read), (2, Access::None)] {
        let range = (start + at * PAGE, PAGE);
        memory.map(range, &physical, at * PAGE, access).unwrap();
    }
    instance
        .inner()
        .regions
        .add(crate::regions::Region::Virtual(Arc::clone(&memory)));
    let pages = || [0, 1, 2, 3].map(|at| access(start + at * PAGE));
    let pointer = with_exposed_provenance::<c_void>(start);
    let pin = context.pin(pointer, 3 * PAGE).unwrap();
    let opened = pin.open_for_kernels().unwrap();
    let read_only = (true, false);
    assert_eq!(pages(), [OPEN, read_only, CLOSED, CLOSED]);
    assert!(memory.unmap(start + PAGE, PAGE).is_err());
    assert!(memory.set_access(start, PAGE, Access::Read).is_err());
    drop((opened, pin));
    assert_eq!(pages(), [CLOSED; 4]);
    let all = instance.inner().open_all_for_kernels(Kind::Device).unwrap();
    assert_eq!(pages(), [OPEN, read_only, CLOSED, CLOSED]);
    // What kernels may go to stays mapped.
    assert!(memory.unmap(start, PAGE).is_err());
    drop(all);
    assert_eq!(pages(), [CLOSED; 4]);
    memory.end().unwrap();
    let region = crate::regions::Region::Virtual(memory);
    instance.inner().regions.remove(&region);
    drop(physical);
    drop(context);
    // SAFETY: used no more.
    let result = unsafe { (api.zeContextDestroy)(handle) };
    assert_eq!(result, sys::ZE_RESULT_SUCCESS);
    assert!(instance.ledger().is_empty());
}
