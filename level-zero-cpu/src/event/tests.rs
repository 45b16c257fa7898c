use super::*;
use crate::strand::Command;
use crate::{Config, Instance, api};
use std::ptr::{null, null_mut};

/// An event of an instance of its own, which the registry keeps.
fn event() -> Arc<Event> {
    let instance = Instance::new(Config::new()).unwrap();
    let desc = sys::ze_context_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_CONTEXT_DESC,
        pNext: null(),
        flags: 0,
    };
    let (driver, mut context) = (instance.driver_handle(), null_mut());
    // SAFETY: the descriptor and the place for the handle outlive the call, here and below.
    let made = unsafe { (api().zeContextCreate)(driver, &raw const desc, &raw mut context) };
    assert_eq!(made, sys::ZE_RESULT_SUCCESS);
    let desc = sys::ze_event_pool_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_EVENT_POOL_DESC,
        pNext: null(),
        flags: sys::ZE_EVENT_POOL_FLAG_HOST_VISIBLE,
        count: 1,
    };
    let create = api().zeEventPoolCreate;
    let mut pool = null_mut();
    // SAFETY: as above.
    let made = unsafe { create(context, &raw const desc, 0, null_mut(), &raw mut pool) };
    assert_eq!(made, sys::ZE_RESULT_SUCCESS);
    let desc = ze_event_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_EVENT_DESC,
        pNext: null(),
        index: 0,
        signal: 0,
        wait: 0,
    };
    let mut event = null_mut();
    // SAFETY: as above.
    let made = unsafe { (api().zeEventCreate)(pool, &raw const desc, &raw mut event) };
    assert_eq!(made, sys::ZE_RESULT_SUCCESS);
    find(event).unwrap()
}

#[test]
fn a_signal_that_is_taken_back_at_once_is_not_missed_by_who_waits() {
    let event = event();
    let strand = Strand::new(&Arc::default());
    for _ in 0..100 {
        let command = Command {
            waits: vec![EventUse::new(&event).unwrap()],
            ..Command::default()
        };
        strand.submit([command], true, false).unwrap();
        while event.state.lock().strands.is_empty() {
            std::thread::yield_now();
        }
        event.signal(0, 0);
        event.reset();
        assert_eq!(strand.synchronize(u64::MAX), Ok(()));
    }
    assert_eq!(event.state.lock().uses, 0);
}

#[test]
fn destroying_an_event_ends_the_waits_for_it() {
    let event = event();
    let waiting = Arc::clone(&event);
    let thread = std::thread::spawn(move || waiting.wait(u64::MAX));
    assert_eq!(event.end(), Ok(()));
    let destroyed = Err(sys::ZE_RESULT_ERROR_INVALID_SYNCHRONIZATION_OBJECT);
    assert_eq!(thread.join().unwrap(), destroyed);
    assert!(EventUse::new(&event).is_err());
}
