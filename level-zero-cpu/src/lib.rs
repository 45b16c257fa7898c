//! A strict Level Zero driver on the CPU, in the process or as a shared library.
//!
//! Tests, examples and machines without a GPU run on it. It keeps to the
//! [specification](https://oneapi-src.github.io/level-zero-spec/) where hardware lets things pass:
//!
//! ```
//! use level_zero_cpu::{Config, Instance, api};
//! use level_zero_sys as sys;
//! use std::ptr::null_mut;
//!
//! let instance = Instance::new(Config::new().devices(2))?;
//! let desc = sys::ze_context_desc_t {
//!     stype: sys::ZE_STRUCTURE_TYPE_CONTEXT_DESC,
//!     pNext: null_mut(),
//!     flags: 0,
//! };
//! let mut context = null_mut();
//! // SAFETY: the descriptor and the place for the handle outlive the call.
//! let result = unsafe { (api().zeContextCreate)(instance.driver_handle(), &desc, &mut context) };
//! assert_eq!(result, sys::ZE_RESULT_SUCCESS);
//! assert_eq!(instance.ledger().contexts, 1);
//!
//! // SAFETY: a null pointer is refused.
//! let result = unsafe { (api().zeMemFree)(context, null_mut()) };
//! assert_eq!(result, sys::ZE_RESULT_ERROR_INVALID_NULL_POINTER);
//!
//! // SAFETY: the context is used no more.
//! let result = unsafe { (api().zeContextDestroy)(context) };
//! assert_eq!(result, sys::ZE_RESULT_SUCCESS);
//! assert!(instance.ledger().is_empty());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! | memory | the host | fresh | freed |
//! |---|---|---|---|
//! | device | has no access: reading traps | [`FRESH_BYTE`] | [`FREED_BYTE`], or given back |
//! | shared, host | reads and writes | [`FRESH_BYTE`] | [`FREED_BYTE`], and writes are found out |
//!
//! An allocation of more than 16 KiB ([`Config::fill_limit`]) has the pattern at both ends only.
//!
//! Freed shared and host memory is kept back for as long as 64 more frees of its kind or 64 MiB. A
//! write to it in that time is said on standard error and stays in the [`Ledger`]. With
//! [`Config::trap_freed`] any access to it traps instead, also later, and each allocation and free
//! costs microseconds. Where the process then has more than 8192 gaps between such allocations, each
//! of which costs the system two of its 65530 mappings, freed memory that would make one more stays
//! open.
//!
//! Freed memory goes back to the system when more than 256 MiB of it have gathered.
//!
//! # As a shared library
//!
//! `cargo build -p level-zero-cpu --release` makes `liblevel_zero_cpu.so`, which any Level Zero
//! program uses unchanged when `ZE_ENABLE_ALT_DRIVERS` names it by its whole path. It exports the
//! getters of the dispatch tables for loaders from API version 1.4 on, and fills every entry: calls
//! that the driver does not do return `UNSUPPORTED_FEATURE`. The feature `exports`, on by default, is
//! what exports them; a Rust program that has the driver built in needs none of it.
//!
//! The environment sets it up: [`Config::from_env`] has the variables, for limits, failures, a log of
//! calls, and a report at the end of the process.
//!
//! Beyond Level Zero, `zeDriverGetExtensionFunctionAddress` finds these, declared in
//! `include/level_zero_cpu.h`:
//!
//! | function | in Rust |
//! |---|---|
//! | `zecpuLedger(driver, ledger)` | [`Instance::ledger`], as numbers |
//! | `zecpuFail(driver, call, nth, result)` | [`Instance::fail`] |
//! | `zecpuFailNth(driver, nth, result)` | [`Instance::fail_nth`] |
//! | `zecpuClearFaults(driver)` | [`Instance::clear_faults`] |
//!
//! Their driver may be null for the one that `zeDriverGet` returns; it must be where the loader
//! serves several drivers, whose handles are the loader's own then.
//!
//! # How strict it is
//!
//! Codes are those that the header of version 1.4 documents for a call. Where it documents none:
//!
//! - `INVALID_ARGUMENT` for a handle that is not alive or of another kind, a device that the
//!   context does not see, a memory ordinal other than 0, an ordinal or index of a queue that is
//!   not there, a wrong `stype`, an extension structure of a descriptor that is not known, and a
//!   free of anything but the start of a live allocation of that context.
//! - `INVALID_ARGUMENT` for a transfer with an end that is neither wholly in one live allocation of
//!   the list's context nor wholly outside of all memory of this driver.
//! - `INVALID_ARGUMENT` for a command on a list that is closed, and for executing one that is not;
//!   `INVALID_COMMAND_LIST_TYPE` for closing or resetting an immediate list.
//! - `OVERLAPPING_REGIONS` also for plain copies, and where the two ends are one memory at two
//!   addresses: mapped twice, or opened in the process that it came from.
//! - `INVALID_SIZE` for a fill whose pattern is no power of two, too large, or no divisor of the
//!   size.
//! - `INVALID_SYNCHRONIZATION_OBJECT` for an event or fence that is not alive, of another context,
//!   device or queue, or without the flag of its pool that the call needs.
//! - `HANDLE_OBJECT_IN_USE` for destroying what has live children (a context with lists, queues or
//!   event pools; a queue with fences; a pool with events), for destroying or resetting what queued
//!   work uses, and for `zeMemFree` while queued work uses the memory. `zeMemFreeExt` waits for that
//!   work, or frees after it.
//! - `UNSUPPORTED_ALIGNMENT` for a power of two that no address of the memory is a multiple of.
//! - Queries ignore extension structures that they do not know, for newer loaders add their own.
//! - `zeContextDestroy` frees no memory. What was not freed stays in the [`Ledger`].
//! - `DEVICE_LOST` for every call in a child that was forked from a process with an instance. The
//!   child has a copy of host and shared memory, and none of the memory of devices.
//!
//! # Memory of other processes
//!
//! Device memory has IPC handles (`zeMemGetIpcHandle`). Opened memory stays as it is when it is freed
//! where it came from, or that process ends; freed memory that another process still has open is not
//! used again before that one closes it or ends. A handle opens nothing any more once it was put back
//! or the memory was freed. Memory is shared in whole pages: kernels of the other process reach what
//! lies in the same pages. Who got a handle puts it back: another context cannot. With
//! `ze_external_memory_export_desc_t` an allocation has a file of its
//! own, and a descriptor of it; files in memory that are sealed against shrinking can be imported, but for those of huge pages.
//!
//! # Work and time
//!
//! Commands are executed on threads of the driver, as many as the machine has cores and at least
//! two: those of one queue or immediate list in order, those of different ones at once. The default
//! mode is asynchronous: an append returns before its command runs, and a program that does not wait
//! reads what was there before, as on a device. On a synchronous list that is idle a command runs on
//! the thread that appends it.
//!
//! A command that waits for an event holds no thread. One that fails ends its queue: later ones do
//! not run, but signal their events and fences; and every synchronisation, append and execution from
//! then on returns the error.
//!
//! Devices have two groups of queues: ordinal 0 computes and copies, ordinal 1 copies only.
//!
//! The threads keep no process from ending, and keep a library that has the driver built in from
//! being unloaded.
//!
//! # Kernels
//!
//! SPIR-V runs through the OpenCL runtime of the machine's processor, PyPI's `intel-opencl-rt`, which
//! `scripts/install-opencl-cpu` of the repository installs. It is loaded with the first module: from
//! the path in `LEVEL_ZERO_CPU_OPENCL` (`libintelocl.so`, or a loader of OpenCL), from where the
//! script puts it, or through `libOpenCL.so.1`. Without it, `zeModuleCreate` is
//! `UNSUPPORTED_FEATURE`.
//!
//! - Pages of device memory are open while a kernel runs that was given a pointer to them, or has
//!   indirect access. Of virtual memory these are all pages that are mapped around the pointer, up
//!   to a gap. One that touches other device memory ends the process.
//! - `INVALID_ARGUMENT` for a launch with an argument that was not set, and for a pointer that is
//!   neither null nor in a live allocation, or variable of a module, of the list's context.
//! - `HANDLE_OBJECT_IN_USE` for destroying a kernel of which a launch runs or waits, and for freeing
//!   what it was given.
//! - SPIR-V is checked before the runtime sees it, as far as this driver reads it: types, functions,
//!   decorations, not the instructions of functions. The runtime may end the process over those.
//! - Images and samplers, pointers to functions, imported variables and modules of several sources
//!   are `UNSUPPORTED_FEATURE` or do not link.
//!
//! # Safety
//!
//! Calling a function of the table is as unsafe as any call into C: pointers to descriptors and
//! results must be valid. Handles and pointers to memory may be anything; handles are looked up and
//! never dereferenced, and pointers are compared with what was allocated. Copies from and to other
//! memory of the program trust the caller. The unsafe code of this crate is in the files of calls
//! (`arguments.rs` reads and writes for all), `system/`, which calls the operating system, what
//! maps, fills and copies memory: `arena.rs`, `twin.rs`, `heap.rs`, `file_memory.rs`,
//! `virtual_memory.rs`, `pattern.rs`, `transfer.rs` and `timestamps.rs`, `threads.rs`, for kernels
//! `opencl.rs`, `signals.rs` and `process_end.rs`, and for what C programs see `exports.rs`, `extension.rs` and `report.rs`.
#![deny(unsafe_code)]

mod append;
mod arena;
mod arguments;
mod atomics;
mod build_log;
mod call_log;
mod clock;
mod command_list;
mod command_queue;
mod config;
mod context;
mod device;
mod doors;
mod driver;
mod engine;
mod entry;
mod event;
mod event_pool;
#[cfg(feature = "exports")]
mod exports;
mod extension;
mod faults;
mod fence;
mod file_memory;
mod fork;
mod free_list;
mod heap;
mod instance;
mod ipc;
mod ipc_calls;
mod kernel;
mod launch;
mod ledger;
mod memory;
mod module;
mod native;
mod opencl;
mod overlap;
mod pattern;
mod pin;
mod process_end;
mod regions;
mod registry;
mod report;
mod results;
mod settings;
mod signal;
mod signals;
mod spans;
mod strand;
#[cfg(feature = "exports")]
mod stubs;
mod system;
mod table;
mod threads;
mod timestamps;
mod transfer;
mod twin;
mod virtual_calls;
mod virtual_memory;
mod wait;

pub use call_log::LogTo;
pub use config::{Config, ConfigError};
pub use faults::CallRecord;
pub use instance::Instance;
pub use ledger::{Kind, Ledger, LiveAllocation, WriteAfterFree};
pub use table::api;

/// What fresh memory is filled with.
pub const FRESH_BYTE: u8 = 0xCB;
/// What freed memory is overwritten with, where it is still there.
pub const FREED_BYTE: u8 = 0xDE;
