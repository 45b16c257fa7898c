//! Typed memory for kernels on Intel GPUs, through Level Zero.
//!
//! A [`Context`] hands out [areas](Area); an area's `mmap` returns a [`ZeBuffer<T, P>`](ZeBuffer),
//! which has in its type where its memory lives and frees it when dropped. What the placement
//! forbids does not compile.
//!
//! ```
//! # #[cfg(feature = "cpu")] {
//! use ze_area::{Context, Device, Host, ZeBuffer};
//!
//! let context = Context::new()?;
//! let gpu = &context.devices()[0];
//! let queue = context.queue(gpu)?;
//!
//! let x: ZeBuffer<f32, Device> = context.device_area(gpu).mmap_from_slice(&[1.0, 2.0])?;
//! let mut y: ZeBuffer<f32, Host> = context.host_area().mmap(2)?;
//! queue.copy(&x, &mut y)?;
//! assert_eq!(y[1], 2.0);
//! // x[1] does not compile: the host cannot touch device memory.
//! # }
//! # Ok::<(), ze_area::Error>(())
//! ```
//!
//! | placement | made by | lives | the host |
//! |---|---|---|---|
//! | [`Device`] | `context.device_area(&gpu)` | on the device | cannot touch it; [`Queue::copy`] |
//! | [`Shared`] | `context.device_area(&gpu).shared()` | moves between both | `&[T]`, `&mut [T]` |
//! | [`Host`] | `context.host_area()` | on the host, in reach of devices | `&[T]`, `&mut [T]` |
//!
//! # Work
//!
//! A [`Queue`] copies, fills and launches kernels in three ways:
//!
//! | | waits | works on |
//! |---|---|---|
//! | [`queue.copy(&x, &mut y)`](Queue::copy), [`queue.launch`](Queue::launch) | before it returns | what is borrowed for the call |
//! | [`queue.scope(\|q\| …)`](Queue::scope) | at the scope's end | what is lent to the scope |
//! | [`queue.start_copy(x, y)`](Queue::start_copy), [`queue.start_launch`](Queue::start_launch) | in [`Pending::wait`] or `.await` | what it owns meanwhile |
//!
//! A [`Kernel`] comes from SPIR-V, [`Context::module`], and is given its signature once:
//!
//! ```
//! # #[cfg(feature = "cpu")] {
//! use ze_area::{Context, In, InOut};
//!
//! let context = Context::new()?;
//! let gpu = context.first_device()?;
//! # let module = context.module(gpu).file("tests/kernels/kernels.spv");
//! # if matches!(&module, Err(error) if error.to_string().contains("install-opencl-cpu")) { return Ok(()); }
//! let module = context.module(gpu).file("tests/kernels/kernels.spv")?;
//! // SAFETY: that is its signature; each item touches its own element of x and y, which the rule sees to.
//! let saxpy = unsafe {
//!     module.kernel_where::<(In<f32>, InOut<f32>, f32)>("saxpy", |l| l.is_line_within(&[0, 1]))
//! }?;
//!
//! let area = context.device_area(gpu);
//! let x = area.mmap_from_slice(&[1.0_f32; 1000])?;
//! let mut y = area.mmap_from_slice(&[10.0_f32; 1000])?;
//! let mut result = vec![0.0; 1000];
//! context.queue(gpu)?.scope(|q| {
//!     let (x, mut y, mut result) = (q.lend(&x), q.lend_mut(&mut y), q.lend_mut(&mut result));
//!     q.launch(&saxpy, 1000, (&x, &mut y, 2.0))?; // checked: types, placement, mutability, borrows
//!     q.launch(&saxpy, 1000, (&x, &mut y, 0.5))?; // after the one above, since both write y
//!     q.copy(&y, &mut result)
//! })?; // here all is complete
//! assert_eq!(result[999], 12.5);
//! # }
//! # Ok::<(), ze_area::Error>(())
//! ```
//!
//! # Drivers
//!
//! [`Context::new`] takes the machine's Level Zero driver, loaded at run time. With the feature
//! `cpu` there is a driver on the CPU for machines without a GPU, `Driver::cpu`; see
//! [`Driver::find`] for the choice.
//!
//! # Pools
//!
//! [`DeviceArea::pool`] and [`HostArea::pool`] make a [`Pool`]: an area that keeps memory for reuse, so that
//! allocating takes nanoseconds, not a call of the driver.
//!
//! # Safety
//!
//! Safe code cannot misuse memory: buffers are freed once, after everything that borrows them;
//! elements are types for which every pattern of bytes is a value; memory nobody wrote is
//! `MaybeUninit`; alignment, ordinal, context and bounds are checked here, since drivers do not; no
//! operation outlives what it works on. The signature of a kernel is vouched for, where it is made.
//! What is believed of a driver is that the memory it hands out is its to give, for the size asked.
#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod area;
#[allow(unsafe_code, reason = "gives the host access to memory of the driver")]
mod buffer;
#[allow(unsafe_code, reason = "queries of addresses")]
mod context;
#[allow(unsafe_code, reason = "queries of properties")]
mod device;
#[allow(unsafe_code, reason = "loads libraries")]
mod driver;
mod error;
#[allow(unsafe_code, reason = "makes kernels, and hands them borrowed memory")]
mod kernel;
#[allow(unsafe_code, reason = "owns what the driver works on")]
mod pending;
mod placement;
#[allow(unsafe_code, reason = "hands out parts of memory that it owns")]
mod pool;
#[allow(unsafe_code, reason = "hands borrowed memory to the driver")]
mod queue;
#[allow(unsafe_code, reason = "calls the driver")]
mod raw;

#[allow(unsafe_code, reason = "hands lent memory to the driver")]
mod scope;

pub use area::{
    Align, Alignment, Area, DeviceArea, DeviceMemFlags, FreePolicy, HostArea, HostMemFlags,
    RuntimeAlign,
};
pub use buffer::{
    AtomicElement, AtomicSlice, Element, RawParts, Upload, ZeBuffer, ZeSlice, ZeSliceMut,
};
pub use context::{Context, ContextBuilder, MemoryReport, Ownership, PointerInfo};
pub use device::{
    AccessCaps, ComputeLimits, DeviceKind, Memory, MemoryAccess, Properties, QueueGroup,
    QueueGroupFlags, ZeDevice,
};
pub use driver::{Driver, Extension, Version};
pub use error::{
    Error, ErrorKind, FreeError, Holder, Holders, LimitOf, RegionBound, Result, ResultCode,
    Returned,
};
pub use kernel::{
    Arg, Args, Atomic, Dimensions, Grid, GridProblem, In, InOut, Kernel, KernelProperties, Launch,
    Local, LocalMemory, Module, ModuleBuilder, Now, Nullable, Out, Parameter, Signature, local,
};
pub use pending::{Awaited, Owned, OwnedSource, OwnedTarget, Pending};
pub use placement::{Device, Host, HostAccess, Placement, PlacementKind, Shared};
pub use pool::{
    DevicePool, HostPool, Pool, PoolBuilder, PoolMap, PoolSettings, PoolSlot, PoolStats, Poolable,
    SharedPool, SlabMap, SlotState, SpareMap,
};
pub use queue::{
    Advice, DriverMemory, Engine, Extent, Layout, Origin, Priority, Queue, QueueBuilder, QueueMode,
    SharedMemory, Source, Target,
};
pub use raw::context::MemoryUse;
pub use scope::{
    HostReach, InScope, Lend, LendMut, Lent, LentBuffer, LentMut, LentPlace, LentShared, LentSlice,
    LentSliceMut, LentSource, LentTarget, Operation, Profile, Scope, ScopeQueue, System,
};

pub use level_zero_sys as sys;

/// The CPU driver's own interface: settings, ledger, faults.
#[cfg(feature = "cpu")]
pub use level_zero_cpu as cpu;

/// Runs the examples of the README and of the guide to pools with the others.
#[cfg(all(doctest, feature = "cpu"))]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../docs/pools.md")]
struct Readme;
