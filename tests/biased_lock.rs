//! The lock of a pool's thread caches, in every order that the memory model allows: Loom compiles the
//! library's file with atomics of its own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../src/raw/biased.rs"]
mod biased;

/// What the library has under this name.
mod raw {
    pub(crate) mod atomics {
        pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, fence};
        pub(crate) use loom::thread::yield_now;

        #[derive(Debug)]
        pub(crate) struct Shared<T>(loom::cell::UnsafeCell<T>);

        impl<T> Shared<T> {
            pub(crate) fn new(value: T) -> Self {
                Self(loom::cell::UnsafeCell::new(value))
            }

            /// Loom looks here whether all uses before are known to this thread.
            pub(crate) fn get(&self) -> *mut T {
                self.0.with_mut(|value| value)
            }
        }
    }

    /// Loom has no such barrier: both sides take their own.
    pub(crate) mod barrier {
        pub(crate) fn is_available() -> bool {
            false
        }

        pub(crate) fn on_all_threads() -> bool {
            unreachable!()
        }
    }
}

use biased::Biased;
use loom::sync::{Arc, Mutex};
use loom::thread;

/// What an owner does: on its own where it can, otherwise behind the lock that others take.
fn add_as_owner(counter: &Biased<u32>, others: &Mutex<()>) {
    // SAFETY: this is called by the owner's thread alone, and does not call itself.
    if let Some(mut inside) = unsafe { counter.enter() } {
        *inside += 1;
        return;
    }
    let _lock = others.lock().unwrap();
    // SAFETY: this is the owner, outside, and others seize it with the lock held.
    *unsafe { counter.by_force() } += 1;
}

fn add_as_other(counter: &Biased<u32>, others: &Mutex<()>) {
    let _lock = others.lock().unwrap();
    assert!(Biased::seize([counter].into_iter()));
    // SAFETY: it is seized.
    *unsafe { counter.by_force() } += 1;
    Biased::release([counter].into_iter());
}

fn total(counter: &Biased<u32>) -> u32 {
    // SAFETY: all other threads have ended.
    *unsafe { counter.by_force() }
}

#[test]
fn owner_and_others_have_the_value_one_at_a_time() {
    loom::model(|| {
        let counter = Arc::new((Biased::new(0), Mutex::new(())));
        let other = Arc::clone(&counter);
        let other = thread::spawn(move || add_as_other(&other.0, &other.1));
        add_as_owner(&counter.0, &counter.1);
        add_as_owner(&counter.0, &counter.1);
        other.join().unwrap();
        assert_eq!(total(&counter.0), 3);
    });
}

#[test]
fn two_others_and_the_owner_have_the_value_one_at_a_time() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let counter = Arc::new((Biased::new(0), Mutex::new(())));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let other = Arc::clone(&counter);
                thread::spawn(move || add_as_other(&other.0, &other.1))
            })
            .collect();
        add_as_owner(&counter.0, &counter.1);
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(total(&counter.0), 3);
    });
}

#[test]
fn several_are_seized_together() {
    loom::model(|| {
        let both = Arc::new((Biased::new(0), Biased::new(0), Mutex::new(())));
        let other = Arc::clone(&both);
        let other = thread::spawn(move || {
            let _lock = other.2.lock().unwrap();
            assert!(Biased::seize([&other.0, &other.1].into_iter()));
            // SAFETY: both are seized.
            *unsafe { other.0.by_force() } += 1;
            // SAFETY: as above.
            *unsafe { other.1.by_force() } += 1;
            Biased::release([&other.0, &other.1].into_iter());
        });
        add_as_owner(&both.0, &both.2);
        add_as_owner(&both.1, &both.2);
        other.join().unwrap();
        assert_eq!(total(&both.0) + total(&both.1), 4);
    });
}
