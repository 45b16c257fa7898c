//! What can go wrong, and of which kind it is.

mod code;
mod holder;
mod kind;
mod message;
mod returned;

pub use code::ResultCode;
pub use holder::{Holder, Holders, LimitOf};
pub use kind::ErrorKind;
pub use returned::{FreeError, Returned};

use crate::area::FreePolicy;
use crate::kernel::{Grid, GridProblem};
use crate::placement::PlacementKind;
use core::fmt;
use level_zero_sys as sys;
use message::{held, listed, named, to_align, without_compiler};
use std::path::Path;

/// The result of everything in this library that can fail.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// What went wrong.
///
/// A failed call of the driver keeps the C call's name and the raw code; a request that was refused
/// keeps what was asked and the limit that it met. [`Error::kind`] sorts them all into few kinds.
///
/// ```
/// # #[cfg(feature = "cpu")] {
/// use ze_area::{Context, Error, ErrorKind};
///
/// let context = Context::new()?;
/// let area = context.default_device_area()?;
/// let error = area.mmap::<u8>(usize::MAX / 4).unwrap_err();
/// match &error {
///     Error::TooLarge { limit, .. } => println!("at most {limit} bytes at once"),
///     other if other.kind() == ErrorKind::OutOfMemory => println!("free something: {other}"),
///     other => println!("{other}"),
/// }
/// # }
/// # Ok::<(), ze_area::Error>(())
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No driver was found.
    #[error(
        "no Level Zero driver: {}; install a GPU driver and the loader (Debian: `apt-get install \
         intel-opencl-icd libze1`), or name one with ZE_AREA_DRIVER{}",
        tried.join("; "),
        if cfg!(feature = "cpu") { "" } else { ", or build with the feature `cpu`" }
    )]
    NoDriver {
        /// What was tried, and how each failed.
        tried: Vec<String>,
    },
    /// The loader has no driver of that number.
    #[error("there is no driver {index}: {origin} has {count}")]
    NoSuchDriver {
        /// The number that was asked for, from 0.
        index: usize,
        /// How many there are.
        count: usize,
        /// Where they come from.
        origin: String,
    },
    /// A library could not be loaded.
    #[error(transparent)]
    Load(#[from] sys::LoadError),
    /// An environment variable has a value that means nothing.
    #[error("{variable}={value:?} does not work here: expected {expected}")]
    BadSetting {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The CPU driver could not be set up.
    #[error("the CPU driver could not be set up: {0}")]
    CpuDriver(String),
    /// A call of the driver failed.
    #[error("{call} failed: {code}{}", code.advice())]
    Call {
        /// The C call.
        call: &'static str,
        /// What it returned.
        code: ResultCode,
    },
    /// There is no memory left.
    #[error(
        "out of memory: {call} returned {code} for {requested} bytes of {placement} memory{}; \
         {live_bytes} bytes in {live_buffers} buffers of this context are live there: free some, \
         or ask for less",
        to_align(*padding)
    )]
    OutOfMemory {
        /// The C call.
        call: &'static str,
        /// What it returned.
        code: ResultCode,
        /// Where the memory was asked.
        placement: PlacementKind,
        /// How many bytes were asked.
        requested: usize,
        /// How many of them are there only so that the buffer can be aligned, where the driver
        /// does not align.
        padding: usize,
        /// Bytes of this context that are live in that placement.
        live_bytes: u64,
        /// Buffers of this context that are live in that placement.
        live_buffers: u64,
    },
    /// The context or pool may not have more memory at once.
    ///
    /// What the pool, or all pools of the context, kept for reuse was given back before, unless the request
    /// alone is above the limit.
    #[error(
        "the limit of {limit} bytes of {of} is reached: {requested} bytes of {placement} memory{}{} \
         were asked for, and {held_bytes} bytes are held{}: {}",
        to_align(*padding), of.takes(), held(holders), of.advice(*requested as u64 > *limit)
    )]
    LimitReached {
        /// What has the limit.
        of: Box<LimitOf>,
        /// The limit, in bytes.
        limit: u64,
        /// Where the memory was asked.
        placement: PlacementKind,
        /// How many bytes were asked.
        requested: usize,
        /// How many of them are there only so that the buffer can be aligned, where the driver
        /// does not align.
        padding: usize,
        /// Bytes that counted towards the limit when memory was asked for: all that buffers and pools
        /// hold, what other threads were asking for, and what drops could not free.
        held_bytes: u64,
        /// Who holds them: of a context pools by their names, and the buffers of areas by placement; of a
        /// pool its buffers by their size.
        holders: Holders,
    },
    /// One allocation is larger than the device allows.
    #[error(
        "{requested} bytes of {placement} memory are above the limit of {limit} bytes \
         (maxMemAllocSize) for one allocation: split the buffer, or use an area with \
         relaxed_limits(true)"
    )]
    TooLarge {
        /// Where the memory was asked.
        placement: PlacementKind,
        /// How many bytes were asked.
        requested: usize,
        /// The device's `maxMemAllocSize`.
        limit: u64,
    },
    /// A setting of a pool means nothing.
    #[error("a pool with {setting}({value}) cannot be built: it has to be {expected}")]
    BadPoolSetting {
        /// The method of [`PoolBuilder`](crate::PoolBuilder).
        setting: &'static str,
        /// What it was given.
        value: usize,
        /// What it may be.
        expected: &'static str,
    },
    /// A pool cannot be made of an area with that free policy.
    #[error(
        "no pool can be made of an area with FreePolicy::{policy:?}: its memory is used again without a call of \
         the driver, which could not wait; make it of one with FreePolicy::Immediate"
    )]
    PoolFreePolicy {
        /// The area's.
        policy: FreePolicy,
    },
    /// Buffers of a pool live, so that not all of its memory can be given back.
    #[error(
        "the pool{} has {live_buffers} live buffers of {live_bytes} bytes: drop them before `reset`, or \
         use `trim`, which gives back what is idle",
        named(name)
    )]
    PoolInUse {
        /// The pool's name; empty where it has none.
        name: String,
        /// Its buffers that live.
        live_buffers: u64,
        /// Their size in bytes.
        live_bytes: u64,
    },
    /// The driver refused the size.
    #[error(
        "{call} refused {requested} bytes of {placement} memory{}: {code}; maxMemAllocSize of the \
         device is {limit} bytes: split the buffer, or use an area with relaxed_limits(true) where \
         that is not enough",
        to_align(*padding)
    )]
    UnsupportedSize {
        /// The C call.
        call: &'static str,
        /// What it returned.
        code: ResultCode,
        /// Where the memory was asked.
        placement: PlacementKind,
        /// How many bytes were asked.
        requested: usize,
        /// How many of them are there only so that the buffer can be aligned, where the driver
        /// does not align.
        padding: usize,
        /// The smallest `maxMemAllocSize` of the devices concerned.
        limit: u64,
    },
    /// The size in bytes does not fit the address space.
    #[error("{len} elements of {element_size} bytes are more than isize::MAX bytes")]
    SizeOverflow {
        /// The number of elements.
        len: usize,
        /// The size of one element in bytes.
        element_size: usize,
    },
    /// The alignment is no power of two.
    #[error("alignment {align} is no power of two: ask for 1, 2, 4, ... bytes")]
    BadAlignment {
        /// The alignment that was asked for, in bytes.
        align: usize,
    },
    /// There is no device to work with.
    #[error("{origin} has no device: the example `devices` shows which driver has what")]
    NoDevice {
        /// The driver, or the list that was given.
        origin: String,
    },
    /// The device has no memory of that ordinal.
    #[error("{device} has no memory of ordinal {ordinal}: it has {count}, counted from 0")]
    BadOrdinal {
        /// The ordinal that was asked for.
        ordinal: u32,
        /// How many memories the device has.
        count: usize,
        /// The device's name.
        device: String,
    },
    /// The device belongs to another driver, or the context was made without it.
    #[error(
        "{device} is not in this context: take one of `context.devices()` or of their sub-devices"
    )]
    DeviceNotInContext {
        /// The device's name.
        device: String,
    },
    /// A buffer of one context was given to another.
    #[error(
        "the {what} of the {operation} belongs to another context: make all areas and queues that \
         work together from one `Context`"
    )]
    WrongContext {
        /// Which operation.
        operation: &'static str,
        /// Which end of it.
        what: &'static str,
    },
    /// A buffer or kernel is on another device than the queue.
    #[error(
        "the {what} of the {operation} is on {}, and the queue on {}: use a queue of that device, or \
         bring the elements over with queue.copy, which goes through the host",
        devices[0], devices[1]
    )]
    WrongDevice {
        /// Which operation.
        operation: &'static str,
        /// Which part of it.
        what: &'static str,
        /// The names of the device that it is on, and of the queue's.
        devices: Box<[String; 2]>,
    },
    /// A slice of a Shared or Host buffer was lent as plain memory of the host, while the driver has
    /// several devices.
    #[error(
        "the {what} of the {operation} is a slice of a Shared or Host buffer, lent as plain memory: \
         lend the buffer or a view of it, `q.lend(&buffer)`, `q.lend(buffer.slice(range)?)`"
    )]
    SliceOfBuffer {
        /// Which operation.
        operation: &'static str,
        /// Which end of it.
        what: &'static str,
    },
    /// The two ends of a copy differ in length.
    #[error(
        "the source has {source_len} elements and the target {target_len}: take a slice of the longer one (a Vec is not grown: queue.to_vec makes one)"
    )]
    LengthMismatch {
        /// The source's number of elements.
        source_len: usize,
        /// The target's number of elements.
        target_len: usize,
    },
    /// A range reaches beyond the buffer.
    #[error(
        "the range {start}..{end} {} a buffer of {len} elements",
        if start > end { "starts after its end, in" } else { "is not inside" }
    )]
    OutOfBounds {
        /// First element.
        start: usize,
        /// One beyond the last element.
        end: usize,
        /// The buffer's number of elements.
        len: usize,
    },
    /// A region does not fit an end of its copy.
    #[error(
        "the region does not fit the {end}: {}; make it smaller or correct the layout",
        bound.exceeded(*value, *limit)
    )]
    BadRegion {
        /// Which end.
        end: &'static str,
        /// What of the end the region is beyond.
        bound: RegionBound,
        /// Where the region ends; `usize::MAX` where that does not fit the address space.
        value: usize,
        /// Where it may end at most.
        limit: usize,
    },
    /// The device has no queue group of that ordinal, or one that cannot copy.
    #[error(
        "{device} has no queue group of ordinal {ordinal} that copies: it has {count} groups, \
         counted from 0; `ZeDevice::queue_groups` lists them"
    )]
    BadQueueGroup {
        /// The ordinal that was asked for.
        ordinal: u32,
        /// How many groups the device has.
        count: usize,
        /// The device's name.
        device: String,
    },
    /// The queue group has no queue of that index.
    #[error(
        "there is no queue of index {index} in queue group {ordinal}: it has {count}, counted from 0"
    )]
    BadQueueIndex {
        /// The index that was asked for.
        index: u32,
        /// The ordinal of the group.
        ordinal: u32,
        /// How many queues it has.
        count: u32,
    },
    /// The device has no queue that runs kernels.
    #[error(
        "{device} has no queue that runs kernels: take another device, or Engine::Any for queues \
         that copy"
    )]
    NoComputeQueue {
        /// The device's name.
        device: String,
    },
    /// A buffer cannot be seen as elements of another type.
    #[error(
        "{bytes} bytes at {address:#x} cannot be seen as elements of {element_size} bytes aligned \
         to {element_align}"
    )]
    Cast {
        /// The buffer's size in bytes.
        bytes: usize,
        /// The buffer's address.
        address: usize,
        /// The size of an element of the other type.
        element_size: usize,
        /// The alignment of the other type.
        element_align: usize,
    },
    /// A null handle was given.
    #[error("the handle of the {what} is null: give what the driver returned for it")]
    NullHandle {
        /// Of what it should be the handle.
        what: &'static str,
    },
    /// Memory that other code allocated is not what it was said to be.
    #[error("{bytes} bytes at {address:#x} are not {placement} memory of this context: {why}")]
    ForeignMemory {
        /// The address that was given.
        address: usize,
        /// How many bytes the elements have.
        bytes: usize,
        /// Which memory it should be.
        placement: PlacementKind,
        /// What is wrong with it.
        why: String,
    },
    /// The driver has no such way of freeing.
    #[error(
        "the driver cannot free {policy}: zeMemFreeExt {}; use FreePolicy::Immediate",
        match code { Some(code) => format!("returned {code}"), None => "is missing".to_owned() }
    )]
    FreePolicyUnsupported {
        /// What was asked for.
        policy: FreePolicy,
        /// What `zeMemFreeExt` returned, `None` where the driver does not have it.
        code: Option<ResultCode>,
    },
    /// The bytes are no SPIR-V module for kernels.
    #[error(
        "{} no SPIR-V module for kernels, at word {word}: {problem}; compile OpenCL C to it with \
         clang for the target spir64 and llvm-spirv",
        match path { Some(path) => format!("{} is", path.display()), None => "the bytes are".to_owned() }
    )]
    InvalidSpirv {
        /// The file that they come from.
        path: Option<Box<Path>>,
        /// The word of the module at which the instruction starts.
        word: usize,
        /// What is wrong there.
        problem: &'static str,
    },
    /// The file of a module could not be read.
    #[error("the module {} cannot be read: {error}", path.display())]
    ModuleFile {
        /// The file.
        path: Box<Path>,
        /// What the system said.
        #[source]
        error: std::io::Error,
    },
    /// The options of a build cannot be given to a compiler.
    #[error("the build options have a nul at byte {position}: leave it out")]
    BadOptions {
        /// Where, in bytes.
        position: usize,
    },
    /// The module has no such specialisation constant.
    #[error(
        "the module has no specialisation constant {id} of {size} bytes: it has {}",
        listed(available.iter().map(|(id, size)| format!("{id} of {size} bytes")))
    )]
    BadConstant {
        /// The number that was given.
        id: u32,
        /// The size of the value that was given, in bytes.
        size: usize,
        /// The constants of the module, with their sizes in bytes.
        available: Box<[(u32, u64)]>,
    },
    /// The driver could not make a module.
    #[error(
        "zeModuleCreate failed: {code}{}{}",
        if log.is_empty() { String::new() } else { format!(": {log}") },
        without_compiler(*code)
    )]
    BuildFailed {
        /// What it returned.
        code: ResultCode,
        /// What the driver's compiler said; empty where it said nothing.
        log: String,
    },
    /// The module has no kernel of that name.
    #[error(
        "the module has no kernel {name:?}: it has {}",
        listed(available.iter().cloned())
    )]
    NoKernel {
        /// The name that was asked for.
        name: Box<str>,
        /// The names of its kernels.
        available: Box<[String]>,
    },
    /// A kernel has another signature than it was given.
    #[error(
        "the kernel {kernel} has another signature: declared {declared}, found {found}; {}",
        match argument {
            Some(index) => format!("argument {index}, counted from 0, differs"),
            None => "the number of arguments differs".to_owned(),
        }
    )]
    SignatureMismatch {
        /// The kernel.
        kernel: Box<str>,
        /// The first argument that differs, from 0; `None` where only the number of them does.
        argument: Option<usize>,
        /// The signature that it was given.
        declared: Box<str>,
        /// The signature that it has.
        found: Box<str>,
    },
    /// The rule of a kernel refuses a launch.
    #[error(
        "the rule of the kernel {kernel} refuses to launch {}x{}x{} items in groups of \
         {}x{}x{} on {} (values are not shown): give it items, groups, lengths and values that the \
         rule in `kernel_where` allows",
        items[0], items[1], items[2], group[0], group[1], group[2],
        listed(lens.iter().enumerate().filter_map(|(index, len)| {
            len.map(|len| format!("argument {index} of {len} elements"))
        }))
    )]
    LaunchRefused {
        /// The kernel.
        kernel: Box<str>,
        /// How many items it would have had, by dimension.
        items: Box<[usize; 3]>,
        /// How many items a group would have had, by dimension.
        group: Box<[usize; 3]>,
        /// The number of elements of each argument that has elements.
        lens: Box<[Option<usize>]>,
    },
    /// A grid cannot be launched.
    #[error("{grid} of the kernel {kernel} cannot be launched: {problem}")]
    BadGrid {
        /// The kernel.
        kernel: Box<str>,
        /// What was asked for.
        grid: Box<Grid>,
        /// What is wrong with it.
        problem: GridProblem,
    },
    /// A launch asks for more local memory than the device has.
    #[error(
        "{requested} bytes of local memory for each group of the kernel {kernel} are above the \
         device's {limit}: choose smaller groups with less local memory"
    )]
    TooMuchLocalMemory {
        /// The kernel.
        kernel: Box<str>,
        /// Bytes of local memory, of the kernel itself and of its arguments.
        requested: usize,
        /// The most that a group can have.
        limit: u32,
    },
    /// A queue cannot run kernels.
    #[error(
        "the queue is in group {ordinal} of {device}, which runs no kernels: take \
         `context.queue(&device)?`, or Engine::Compute"
    )]
    NoCompute {
        /// The number of the queue's group.
        ordinal: u32,
        /// The device.
        device: Box<str>,
    },
    /// The driver lacks a call that came after version 1.0 of the specification.
    #[error("{call} is missing in {origin}: update the loader and the driver")]
    MissingCall {
        /// The C call.
        call: &'static str,
        /// The driver or loader.
        origin: String,
    },
    /// The process is ending: the driver is on its way out and must not be called any more.
    #[error("{call} was not called: the process is ending, and the driver with it")]
    Exiting {
        /// The C call.
        call: &'static str,
    },
    /// The driver broke the specification: it said success and gave something unusable.
    #[error("the driver broke the specification: {call} {what}; update the driver")]
    DriverFault {
        /// The C call.
        call: &'static str,
        /// What it did.
        what: String,
    },
}

/// What keeps a region inside an end of its copy; in [`Error::BadRegion`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RegionBound {
    /// Rows end at the row pitch, in elements.
    RowPitch,
    /// The layout has so many slices.
    Slices,
    /// The rows of a slice end at the slice pitch, in elements.
    SlicePitch,
    /// The end has so many elements.
    Len,
}

impl RegionBound {
    fn exceeded(self, value: usize, limit: usize) -> String {
        match self {
            Self::RowPitch => {
                format!("its rows end at element {value}, beyond the row pitch of {limit}")
            }
            Self::Slices => format!(
                "it needs {value} slices and the layout has {limit} (`Layout::slices` has as many \
                 as fit)"
            ),
            Self::SlicePitch => format!(
                "the rows of a slice end at element {value}, beyond the slice pitch of {limit}"
            ),
            Self::Len => format!("it needs {value} elements and there are {limit}"),
        }
    }
}

/// The message: it has all the fields, and is what `main` and `unwrap` print.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_code_has_its_name_in_the_message() {
        for &(name, raw) in ResultCode::LISTED {
            let code = ResultCode::from_raw(raw);
            assert_eq!(code.name(), Some(name));
            let error = Error::Call {
                call: "zeMemFree",
                code,
            };
            let text = error.to_string();
            assert!(text.contains(name) && text.contains("zeMemFree"), "{text}");
        }
        assert_eq!(ResultCode::LISTED.len(), 42);
    }

    #[test]
    fn a_code_that_nobody_lists_keeps_its_number() {
        let code = ResultCode::from_raw(0x7fff_0001);
        assert_eq!((code.name(), code.kind()), (None, ErrorKind::Failure));
        assert!(code.to_string().contains("0x7fff0001"));
    }

    #[test]
    fn an_error_is_small_enough_to_return_by_value() {
        assert!(size_of::<Error>() <= 64, "{}", size_of::<Error>());
    }
}
