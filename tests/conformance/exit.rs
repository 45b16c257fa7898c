//! How a process ends: whatever its threads do at that time, it ends well.

use crate::drivers::{Config, Subject};
use crate::{process, promises, raw_queues, scenarios};
use std::cell::RefCell;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;
use ze_area::{Context, Device, DeviceArea, Error, ErrorKind, Host, Pending, Queue, ZeBuffer};

promises![
    a_process_ends_well_while_threads_allocate_and_free,
    a_process_ends_well_while_threads_open_the_driver,
    a_process_ends_well_with_buffers_in_its_statics,
    a_process_ends_well_with_buffers_in_its_thread_locals,
    a_call_at_the_end_of_the_process_is_an_error,
    a_process_ends_well_with_operations_pending,
];

scenarios![
    ends_while_threads_allocate_and_free,
    ends_while_threads_open_the_driver,
    ends_with_buffers_in_statics,
    ends_with_buffers_in_thread_locals,
    calls_when_the_driver_is_gone,
    ends_with_operations_pending,
];

fn again(subject: &Subject, scenario: &str, says: &str) {
    let output = process::again(subject.config, scenario, &[]);
    if let Err(text) = output.clean() {
        panic!("{scenario}: {text}");
    }
    assert_eq!(output.stdout, says, "{scenario}");
}

fn a_process_ends_well_while_threads_allocate_and_free(subject: &Subject) {
    for _ in 0..10 {
        again(subject, "ends_while_threads_allocate_and_free", "");
    }
}

/// Works until the process ends.
fn busy(context: &Context, kind: usize) {
    let device = &context.devices()[0];
    let area = context.device_area(device);
    let queue = context.queue(device);
    let mut data = vec![0_u8; 4096];
    let error = loop {
        let done = match kind % 4 {
            0 => area.mmap_uninit::<u8>(4096).map(drop),
            1 => area.shared().mmap_uninit::<u8>(4096).map(drop),
            2 => context.host_area().mmap::<u8>(4096).map(drop),
            _ => match (&queue, area.mmap_from_slice(&data)) {
                (Ok(queue), Ok(buffer)) => queue.copy(&buffer, &mut data),
                (_, Err(error)) => Err(error),
                (Err(_), _) => return,
            },
        };
        if let Err(error) = done {
            break error;
        }
    };
    // Whoever comes this far is told why, and waits for the end.
    if !matches!(error, Error::Exiting { .. }) {
        eprintln!("{error}");
    }
    loop {
        std::thread::park();
    }
}

fn ends_while_threads_allocate_and_free(config: &'static Config) {
    let subject = config.open().unwrap();
    let context = Context::builder().driver(subject.driver()).build().unwrap();
    for kind in 0..6 {
        let context = context.clone();
        std::thread::spawn(move || busy(&context, kind));
    }
    std::thread::sleep(Duration::from_millis(20));
}

const DELAY: &str = "ZE_AREA_TEST_DELAY";

fn a_process_ends_well_while_threads_open_the_driver(subject: &Subject) {
    for delay in ["0", "300", "1000", "3000", "5000", "8000", "12000", "20000"] {
        let scenario = "ends_while_threads_open_the_driver";
        let output = process::again(subject.config, scenario, &[(DELAY, delay)]);
        if let Err(text) = output.clean() {
            panic!("after {delay} us: {text}");
        }
    }
}

fn ends_while_threads_open_the_driver(config: &'static Config) {
    for _ in 0..2 {
        std::thread::spawn(|| {
            let opened = config.open();
            while let Ok(subject) = &opened {
                let context = Context::builder().driver(subject.driver()).build();
                if context.is_ok_and(|context| context.host_area().mmap::<u8>(64).is_err()) {
                    break;
                }
            }
            loop {
                std::thread::park();
            }
        });
    }
    let delay = std::env::var(DELAY).unwrap().parse().unwrap();
    std::thread::sleep(Duration::from_micros(delay));
}

/// Something to be freed, of both sides.
type Buffers = (ZeBuffer<u8, Host>, ZeBuffer<u8, Device>);

fn a_process_ends_well_with_buffers_in_its_statics(subject: &Subject) {
    again(subject, "ends_with_buffers_in_statics", "");
}

fn ends_with_buffers_in_statics(config: &'static Config) {
    static KEPT: OnceLock<(Buffers, Context)> = OnceLock::new();
    let subject = config.open().unwrap();
    let context = Context::builder().driver(subject.driver()).build().unwrap();
    let host = context.host_area().mmap(64).unwrap();
    let device = context.device_area(subject.device()).mmap(64).unwrap();
    assert!(KEPT.set(((host, device), context)).is_ok());
}

fn a_process_ends_well_with_buffers_in_its_thread_locals(subject: &Subject) {
    again(subject, "ends_with_buffers_in_thread_locals", "");
}

thread_local! {
    static LOCAL: RefCell<Option<Buffers>> =
        const { RefCell::new(None) };
}

fn ends_with_buffers_in_thread_locals(config: &'static Config) {
    let subject = config.open().unwrap();
    let context = Context::builder().driver(subject.driver()).build().unwrap();
    let keep = |context: &Context| {
        let host = context.host_area().mmap(64).unwrap();
        let device = context.device_area(&context.devices()[0]).mmap(64).unwrap();
        LOCAL.set(Some((host, device)));
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| keep(&context));
        }
    });
    // A thread is done with the scope before its destructors are done.
    let begin = std::time::Instant::now();
    while context.memory().live_buffers() > 0 {
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "{:?}",
            context.memory()
        );
        std::thread::yield_now();
    }
    keep(&context);
}

fn a_call_at_the_end_of_the_process_is_an_error(subject: &Subject) {
    if !cfg!(unix) {
        return subject.not_applicable("calls at the end of the process: Unix only");
    }
    again(subject, "calls_when_the_driver_is_gone", "Exiting\n");
}

type Kept = (Context, DeviceArea, [Queue; 2], ZeBuffer<u8, Device>);

static LAST: Mutex<Option<Kept>> = Mutex::new(None);

/// Runs after all that the driver has registered, since it was registered before.
#[cfg(unix)]
extern "C" fn last() {
    let Some((context, area, [queue, raw], mut buffer)) = LAST.lock().unwrap().take() else {
        std::process::abort();
    };
    let error = area.mmap_uninit::<u8>(64).unwrap_err();
    let exiting = matches!(
        error,
        Error::Exiting {
            call: "zeMemAllocDevice"
        }
    ) && error.kind() == ErrorKind::Failure
        && error.call() == Some("zeMemAllocDevice")
        && error.to_string().contains("the process is ending");
    let refused = context.queue(&context.devices()[0]).is_err()
        && context.describe(buffer.device_ptr()).is_err();
    let scope = queue.scope(|q| q.fill(&mut q.lend_mut(&mut buffer), 1));
    let refused = refused && matches!(scope, Err(Error::Exiting { .. }));
    let copied = raw.fill(&mut buffer, 1).and_then(|()| raw.barrier());
    let refused = refused && matches!(copied, Err(Error::Exiting { .. }));
    let waited = queue.barrier().and_then(|()| raw.barrier());
    let refused = refused && matches!(waited, Err(Error::Exiting { .. }));
    let returned = buffer.free().unwrap_err();
    drop(returned);
    drop((context, area, queue, raw));
    if exiting && refused {
        println!("Exiting");
    }
}

fn calls_when_the_driver_is_gone(config: &'static Config) {
    #[cfg(unix)]
    {
        // SAFETY: the handler is a function of this program.
        unsafe { libc::atexit(last) };
    }
    let subject = config.open().unwrap();
    let context = Context::builder().driver(subject.driver()).build().unwrap();
    let area = context.device_area(subject.device());
    let mut buffer = area.mmap(64).unwrap();
    let queue = context.queue(subject.device()).unwrap();
    // All that a scope needs is there already.
    queue
        .scope(|q| q.fill(&mut q.lend_mut(&mut buffer), 1))
        .unwrap();
    // A queue that waits by events, which are there too.
    let raw = raw_queues::asynchronous(&context, subject.device());
    raw.fill(&mut buffer, 1).unwrap();
    *LAST.lock().unwrap() = Some((context, area, [queue, raw], buffer));
}

type Copy = Pending<(ZeBuffer<u8, Device>, ZeBuffer<u8, Host>)>;

thread_local! {
    static PENDING: RefCell<Option<Copy>> = const { RefCell::new(None) };
}

fn a_process_ends_well_with_operations_pending(subject: &Subject) {
    for _ in 0..5 {
        again(subject, "ends_with_operations_pending", "");
    }
}

/// In a static, in thread-locals of the main thread and of others, and in threads that start, await and
/// drop some until the end.
fn ends_with_operations_pending(config: &'static Config) {
    static KEPT: OnceLock<Copy> = OnceLock::new();
    let subject = config.open().unwrap();
    let context = Context::builder().driver(subject.driver()).build().unwrap();
    let queue = context.queue(subject.device()).unwrap();
    let area = context.device_area(subject.device());
    let start = {
        let (context, queue) = (context.clone(), queue.clone());
        move || {
            let target = context.host_area().mmap(100_000)?;
            queue
                .start_copy(area.mmap(100_000)?, target)
                .map_err(Error::from)
        }
    };
    for kind in 0..3 {
        let start = start.clone();
        std::thread::spawn(move || {
            PENDING.set(start().ok());
            let error = loop {
                let done = start().and_then(|copy: Copy| match kind {
                    0 => {
                        drop(copy);
                        Ok(())
                    }
                    1 => Ok(copy.wait().map(drop)?),
                    _ => Ok(pollster::block_on(copy).map(drop)?),
                });
                if let Err(error) = done {
                    break error;
                }
            };
            if !matches!(error, Error::Exiting { .. }) {
                eprintln!("{error}");
            }
            if kind > 0 {
                loop {
                    std::thread::park();
                }
            }
            // This one ends, with a pending operation in its thread-local.
        });
    }
    std::thread::sleep(Duration::from_millis(20));
    assert!(KEPT.set(start().unwrap()).is_ok());
    PENDING.set(Some(start().unwrap()));
}
