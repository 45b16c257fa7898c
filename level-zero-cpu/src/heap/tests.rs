//! What copies and frees that meet do, and where memory ends.

use super::*;

fn request(size: usize) -> Request {
    Request {
        size,
        alignment: 1,
        context: 1,
        device: None,
        ordinal: 0,
        serial: 0,
    }
}

fn used(heap: &Heap) -> usize {
    lock(&heap.state).used
}

#[test]
fn what_a_copy_uses_is_not_freed() {
    let heap = Arc::new(Heap::new(Kind::Device, 1 << 20, &Config::new()).unwrap());
    let address = heap.allocate(&request(100)).unwrap();
    let pin = heap.pin(address + 10, 90, 1).unwrap();
    assert_eq!(
        heap.free(address, 1, FreePolicy::Refuse),
        Err(NotFreed::Busy)
    );
    drop(pin);
    assert_eq!(heap.free(address, 1, FreePolicy::Refuse), Ok(()));
    assert_eq!(used(&heap), 0);
}

#[test]
fn a_deferred_free_ends_with_the_last_copy() {
    let heap = Arc::new(Heap::new(Kind::Shared, 1 << 20, &Config::new()).unwrap());
    let address = heap.allocate(&request(100)).unwrap();
    let pins = [
        heap.pin(address, 1, 1).unwrap(),
        heap.pin(address, 2, 1).unwrap(),
    ];
    assert_eq!(heap.free(address, 1, FreePolicy::Defer), Ok(()));
    assert_eq!(
        heap.free(address, 1, FreePolicy::Defer),
        Err(NotFreed::Unknown)
    );
    assert!(heap.find(address).is_none());
    assert!(heap.live().is_empty());
    assert_ne!(used(&heap), 0);
    drop(pins);
    assert_eq!(used(&heap), 0);
}

#[test]
fn a_blocking_free_waits_for_the_copy() {
    let heap = Arc::new(Heap::new(Kind::Host, 1 << 20, &Config::new()).unwrap());
    let address = heap.allocate(&request(100)).unwrap();
    let pin = heap.pin(address, 100, 1).unwrap();
    std::thread::scope(|scope| {
        let free = scope.spawn(|| heap.free(address, 1, FreePolicy::Wait));
        std::thread::sleep(std::time::Duration::from_millis(10));
        assert!(!free.is_finished());
        drop(pin);
        assert_eq!(free.join().unwrap(), Ok(()));
    });
}

#[test]
fn a_pin_is_wholly_inside_one_allocation_of_the_context() {
    let heap = Arc::new(Heap::new(Kind::Device, 1 << 20, &Config::new()).unwrap());
    let address = heap.allocate(&request(100)).unwrap();
    assert!(heap.pin(address, 100, 1).is_some());
    assert!(heap.pin(address, 101, 1).is_none());
    assert!(heap.pin(address + 99, 1, 1).is_some());
    assert!(heap.pin(address + 100, 1, 1).is_none());
    assert!(heap.pin(address, 100, 2).is_none());
    assert!(heap.pin(address - 1, 2, 1).is_none());
}

#[test]
fn ranges_in_quarantine_are_used_again_when_nothing_else_is_left() {
    let heap = Arc::new(Heap::new(Kind::Device, 8192, &Config::new()).unwrap());
    let whole = heap.take(8192, 64).unwrap();
    let mut state = lock(&heap.state);
    state.used = 0;
    state.unclosed.push_back(whole);
    drop(state);
    assert!(heap.allocate(&request(8192)).is_ok());
    assert_eq!(heap.allocate(&request(1)), Err(Refusal::Exhausted));
}

#[test]
fn an_alignment_that_no_address_has_is_told_from_exhaustion() {
    let heap = Arc::new(Heap::new(Kind::Device, 1 << 20, &Config::new()).unwrap());
    let huge = Request {
        alignment: 1 << 62,
        ..request(1)
    };
    assert_eq!(heap.allocate(&huge), Err(Refusal::Alignment));
}

#[test]
fn a_blocking_free_ends_when_another_defers_it() {
    let heap = Arc::new(Heap::new(Kind::Host, 1 << 20, &Config::new()).unwrap());
    let address = heap.allocate(&request(100)).unwrap();
    let pin = heap.pin(address, 100, 1).unwrap();
    let waits = Arc::clone(&heap);
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(waits.free(address, 1, FreePolicy::Wait)));
    while lock(&heap.state).waiting == 0 {
        std::thread::yield_now();
    }
    assert_eq!(heap.free(address, 1, FreePolicy::Defer), Ok(()));
    let minute = std::time::Duration::from_secs(60);
    assert_eq!(receiver.recv_timeout(minute), Ok(Err(NotFreed::Unknown)));
    drop(pin);
    assert_eq!(used(&heap), 0);
}

#[test]
fn a_handle_opens_nothing_after_a_deferred_free() {
    let heap = Arc::new(Heap::new(Kind::Device, 1 << 20, &Config::new()).unwrap());
    let address = heap.allocate(&request(100)).unwrap();
    let ticket = heap.export(address, 1).unwrap();
    let opened = ticket.open().unwrap();
    let pin = heap.pin(address, 100, 1).unwrap();
    assert_eq!(heap.free(address, 1, FreePolicy::Defer), Ok(()));
    assert!(ticket.open().is_err());
    assert!(!heap.put(&ticket, 1));
    drop(pin);
    assert_ne!(used(&heap), 0);
    drop(opened);
    // The memory that came back counts as free for all that is asked for.
    assert!(heap.reserve(1 << 20));
    heap.unreserve(1 << 20);
    assert_eq!(used(&heap), 0);
}
