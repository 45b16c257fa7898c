//! A strict Level Zero driver on the CPU, used in the process.
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
//! # How strict it is
//!
//! Codes are those that the header of version 1.4 documents for a call. Where it documents none:
//!
//! - `INVALID_ARGUMENT` for a handle that is not alive or of another kind, a device that the
//!   context does not see, a memory ordinal or queue ordinal other than 0, a wrong `stype`, an
//!   extension structure of a descriptor that is not known, and a free of anything but the start
//!   of a live allocation of that context.
//! - `INVALID_ARGUMENT` for a transfer with an end that is neither wholly in one live allocation of
//!   the list's context nor wholly outside of all memory of this driver.
//! - `OVERLAPPING_REGIONS` also for plain copies.
//! - `INVALID_SIZE` for a fill whose pattern is no power of two, too large, or no divisor of the
//!   size.
//! - `HANDLE_OBJECT_IN_USE` for destroying a context with live command lists, and for `zeMemFree`
//!   while a copy runs on the memory. `zeMemFreeExt` waits for the copy, or frees after it.
//! - `UNSUPPORTED_ALIGNMENT` for a power of two that no address of the memory is a multiple of.
//! - Queries ignore extension structures that they do not know, for newer loaders add their own.
//! - `zeContextDestroy` frees no memory. What was not freed stays in the [`Ledger`].
//!
//! - `DEVICE_LOST` for every call in a child that was forked from a process with an instance. The
//!   child has a copy of host and shared memory, and none of the memory of devices.
//!
//! # Memory of other processes
//!
//! Device memory has IPC handles (`zeMemGetIpcHandle`). Opened memory stays as it is when it is freed
//! where it came from, or that process ends; freed memory that another process still has open is not
//! used again before that one closes it or ends. A handle opens nothing any more once it was put back
//! or the memory was freed. Memory is shared in whole pages: kernels of the other process reach what
//! lies in the same pages. With `ze_external_memory_export_desc_t` an allocation has a file of its
//! own, and a descriptor of it; files in memory that are sealed against shrinking can be imported.
//!
//! # Safety
//!
//! Calling a function of the table is as unsafe as any call into C: pointers to descriptors and
//! results must be valid. Handles and pointers to memory may be anything; handles are looked up and
//! never dereferenced, and pointers are compared with what was allocated. Copies from and to other
//! memory of the program trust the caller. The unsafe code of this crate is in the files of calls
//! (`arguments.rs` reads and writes for all), `system/`, which calls the operating system, and what
//! maps, fills and copies memory: `arena.rs`, `twin.rs`, `heap.rs`, `file_memory.rs`,
//! `virtual_memory.rs`, `pattern.rs` and `transfer.rs`.
#![deny(unsafe_code)]

mod arena;
mod arguments;
mod atomics;
mod command_list;
mod config;
mod context;
mod device;
mod doors;
mod driver;
mod entry;
mod faults;
mod file_memory;
mod fork;
mod free_list;
mod heap;
mod instance;
mod ipc;
mod ipc_calls;
mod ledger;
mod memory;
mod pattern;
mod pin;
mod regions;
mod registry;
mod signal;
mod spans;
mod stubs;
mod system;
mod table;
mod transfer;
mod twin;
mod virtual_calls;
mod virtual_memory;

pub use config::{Config, ConfigError};
pub use faults::CallRecord;
pub use instance::Instance;
pub use ledger::{Kind, Ledger, LiveAllocation, WriteAfterFree};
pub use table::api;

/// What fresh memory is filled with.
pub const FRESH_BYTE: u8 = 0xCB;
/// What freed memory is overwritten with, where it is still there.
pub const FREED_BYTE: u8 = 0xDE;
