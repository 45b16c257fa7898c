use super::*;
use crate::{Config, Instance, registry};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;

/// A job that is a closure.
struct Act<F>(F);

impl<F: FnOnce() -> Outcome + Send> Job for Act<F> {
    fn run(self: Box<Self>) -> Outcome {
        (self.0)()
    }
}

fn command(act: impl FnOnce() -> Outcome + Send + 'static) -> Command {
    Command {
        job: Some(Box::new(Act(act))),
        ..Command::default()
    }
}

fn strand() -> Arc<Strand> {
    Strand::new(&Arc::default())
}

#[test]
fn commands_run_in_order_on_the_threads_of_the_driver() {
    let strand = strand();
    let seen = Arc::new(Mutex::new(Vec::new()));
    for index in 0..200 {
        let seen = Arc::clone(&seen);
        let act = move || {
            let name = thread::current().name().map(str::to_owned);
            registry::lock(&seen).push((index, name));
            Ok(())
        };
        strand.submit([command(act)], false, false).unwrap();
    }
    strand.synchronize(u64::MAX).unwrap();
    let seen = std::mem::take(&mut *registry::lock(&seen));
    assert!(seen.iter().map(|seen| seen.0).eq(0..200));
    let name = Some("level-zero-cpu".to_owned());
    assert!(seen.iter().all(|seen| seen.1 == name));
    assert_eq!(strand.pending.load(Ordering::Relaxed), 0);
}

#[test]
fn a_synchronous_command_of_an_idle_strand_runs_on_the_thread_of_the_caller() {
    let strand = strand();
    let caller = thread::current().id();
    let act = move || {
        assert_eq!(thread::current().id(), caller);
        Ok(())
    };
    strand.submit([command(act)], false, true).unwrap();
    strand.check_idle().unwrap();
}

#[test]
fn a_job_that_panics_is_an_error_of_its_strand_only() {
    let (one, other) = (strand(), strand());
    let panics = || std::panic::resume_unwind(Box::new("as a test"));
    one.submit([command(panics)], false, false).unwrap();
    let unknown = Err(sys::ZE_RESULT_ERROR_UNKNOWN);
    assert_eq!(one.synchronize(u64::MAX), unknown);
    assert_eq!(one.check(), unknown);
    let runs = || unreachable!();
    assert_eq!(one.submit([command(runs)], false, false), unknown);
    other.submit([command(|| Ok(()))], false, false).unwrap();
    assert_eq!(other.synchronize(u64::MAX), Ok(()));
    // Also on the thread of a caller.
    assert_eq!(other.submit([command(panics)], false, true), unknown);
}

#[test]
fn the_first_error_is_kept_and_what_follows_is_dropped_and_not_run() {
    let strand = strand();
    let kept = Arc::new(());
    let (open, gate) = channel();
    let lost = sys::ZE_RESULT_ERROR_DEVICE_LOST;
    let fails = move || {
        let _ = gate.recv();
        Err(lost)
    };
    strand.submit([command(fails)], false, false).unwrap();
    for _ in 0..3 {
        let kept = Arc::clone(&kept);
        let act = move || {
            drop(kept);
            Err(sys::ZE_RESULT_ERROR_UNKNOWN)
        };
        strand.submit([command(act)], false, false).unwrap();
    }
    open.send(()).unwrap();
    assert_eq!(strand.synchronize(u64::MAX), Err(lost));
    assert_eq!(Arc::strong_count(&kept), 1);
    strand.check_idle().unwrap();
}

#[test]
fn a_long_strand_lets_others_have_their_turn() {
    // More strands than there are threads, none of which ever has nothing to do.
    let busy: Vec<_> = (0..64).map(|_| strand()).collect();
    let stop = Arc::new(AtomicUsize::new(0));
    fn again(strand: &Arc<Strand>, stop: &Arc<AtomicUsize>) {
        let (this, stop) = (Arc::clone(strand), Arc::clone(stop));
        let act = move || {
            if stop.load(Ordering::Relaxed) == 0 {
                again(&this, &stop);
            }
            Ok(())
        };
        strand.submit([command(act)], false, false).unwrap();
    }
    for strand in &busy {
        again(strand, &stop);
    }
    let other = strand();
    other.submit([command(|| Ok(()))], false, false).unwrap();
    assert_eq!(other.synchronize(u64::MAX), Ok(()));
    stop.store(1, Ordering::Relaxed);
    for strand in &busy {
        // What a command adds was not there when the wait began.
        while strand.check_idle().is_err() {
            assert_eq!(strand.synchronize(u64::MAX), Ok(()));
        }
    }
}

#[test]
fn a_thread_may_be_the_last_owner_of_an_instance() {
    let instance = Instance::new(Config::new().sub_devices(1)).unwrap();
    let driver = instance.driver_handle();
    let strand = strand();
    let (open, gate) = channel();
    let act = move || {
        let _ = gate.recv();
        drop(instance);
        Ok(())
    };
    strand.submit([command(act)], false, false).unwrap();
    assert!(registry::driver(driver).is_ok());
    open.send(()).unwrap();
    assert_eq!(strand.synchronize(u64::MAX), Ok(()));
    assert!(registry::driver(driver).is_err());
}
