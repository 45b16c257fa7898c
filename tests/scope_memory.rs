//! What a scope keeps for its operations is given back when they were waited for.
#![cfg(feature = "cpu")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails, as it should"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use ze_area::{Context, Driver, InOut};

/// Counts the bytes that are allocated.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller vouches.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller vouches.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn context() -> Context {
    let driver = Driver::cpu().unwrap();
    Context::builder().driver(&driver).build().unwrap()
}

#[test]
fn waiting_in_a_scope_gives_back_what_its_fills_kept() {
    let context = context();
    let queue = context.queue(context.first_device().unwrap()).unwrap();
    let mut x = context.host_area().mmap::<[u8; 3]>(1 << 15).unwrap();
    queue
        .scope(|q| {
            let mut x = q.lend_mut(&mut x);
            q.fill(&mut x, [1, 2, 3])?;
            q.wait()?;
            let before = LIVE.load(Ordering::Relaxed);
            for round in 0..200 {
                q.fill(&mut x, [round, 2, 3])?;
                q.wait()?;
                assert_eq!(x.read()?[32767], [round, 2, 3]);
            }
            // They kept 64 KiB each.
            let kept = LIVE.load(Ordering::Relaxed).saturating_sub(before);
            assert!(kept < 4 << 20, "{kept} bytes");
            Ok(())
        })
        .unwrap();
}

#[test]
fn waiting_in_a_scope_gives_back_its_kernels() {
    let context = context();
    let gpu = context.first_device().unwrap();
    let module = context
        .module(gpu)
        .spirv(include_bytes!("kernels/twice.spv"));
    let Ok(module) = module else {
        let required = std::env::var("ZE_AREA_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|word| word == "opencl"));
        eprintln!("skipped: no OpenCL runtime for processors");
        return;
    };
    let captured = Arc::new(());
    let seen: Weak<()> = Arc::downgrade(&captured);
    let rule = move |launch: &ze_area::Launch<'_>| {
        let _ = &captured;
        Some(launch.items()) <= launch.len(0)
    };
    // SAFETY: that is its signature, and the rule keeps it in bounds.
    let twice = unsafe { module.kernel_where::<(InOut<u32>,)>("twice", rule) }.unwrap();
    let mut x = context.host_area().mmap_from_slice(&[1_u32; 64]).unwrap();
    let queue = context.queue(gpu).unwrap();
    queue
        .scope(|q| {
            let mut x = q.lend_mut(&mut x);
            q.launch(&twice, 64, (&mut x,))?;
            drop(twice);
            assert!(seen.upgrade().is_some(), "the launch needs it");
            q.wait()?;
            assert!(seen.upgrade().is_none(), "nothing needs it");
            Ok(())
        })
        .unwrap();
    assert_eq!(x, [2; 64]);
}
