//! The calls on kernels: what they take, and how they are to be launched.
#![allow(unsafe_code, reason = "calls of the C interface")]

use level_zero_spirv::{self as spirv, ArgumentKind};
use level_zero_sys::{
    self as sys, ze_cache_config_flags_t, ze_kernel_desc_t, ze_kernel_handle_t,
    ze_kernel_indirect_access_flags_t, ze_kernel_properties_t, ze_module_handle_t, ze_result_t,
    ze_scheduling_hint_exp_desc_t,
};
use std::ffi::{CString, c_char, c_void};
use std::fmt::Write as _;
use std::mem::offset_of;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::arguments::{
    Outcome, descriptor, flags, header, no_extensions, not_null, read, sized, string, walk, write,
};
use crate::entry::on;
use crate::faults::Call;
use crate::module::Module;
use crate::native::checksum;
use crate::opencl::{self, Runtime, Value};
use crate::registry::{self, lock};

/// The most items of a group. Runtimes take more; GPUs of today do not.
pub(crate) const MAX_GROUP_SIZE: u32 = 1024;
/// Bytes of local memory of a group, as on GPUs of today.
pub(crate) const MAX_LOCAL_MEMORY: u32 = 64 << 10;
/// What the runtime picks from, or kernels ask for.
pub(crate) const SUB_GROUP_SIZES: [u32; 5] = [4, 8, 16, 32, 64];

pub(crate) struct Kernel {
    pub(crate) module: Arc<Module>,
    handle: usize,
    pub(crate) compiled: Arc<opencl::Kernel>,
    pub(crate) source: spirv::Kernel,
    /// With the zero at its end, for callers.
    attributes: CString,
    max_group_size: u32,
    /// Local memory that a group has beside that of arguments.
    pub(crate) local_memory: u64,
    settings: Mutex<Settings>,
    /// Launches that were not executed to the end.
    launches: AtomicUsize,
}

/// What the next launch takes.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) group_size: [u32; 3],
    pub(crate) offset: [u32; 3],
    pub(crate) indirect: ze_kernel_indirect_access_flags_t,
    /// None as long as they are not set.
    pub(crate) arguments: Vec<Option<Value>>,
}

/// A launch that may still run.
pub(crate) struct InFlight(Arc<Kernel>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.launches.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Kernel {
    pub(crate) fn settings(&self) -> Settings {
        lock(&self.settings).clone()
    }

    /// Keeps the kernel from being destroyed.
    pub(crate) fn fly(self: &Arc<Self>) -> InFlight {
        self.launches.fetch_add(1, Ordering::AcqRel);
        InFlight(Arc::clone(self))
    }

    /// How many groups run at one time.
    pub(crate) fn max_groups_together(&self) -> u32 {
        Runtime::get().map_or(1, |runtime| runtime.compute_units)
    }
}

/// What a source would say in `__attribute__`.
fn attributes(kernel: &spirv::Kernel) -> String {
    let mut text = String::new();
    let mut tell = |name: &str, sizes: &[u32]| {
        let sizes: Vec<_> = sizes.iter().map(u32::to_string).collect();
        let space = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{space}{name}({})", sizes.join(","));
    };
    if let Some(size) = kernel.required_group_size {
        tell("reqd_work_group_size", &size);
    }
    if let Some(size) = kernel.group_size_hint {
        tell("work_group_size_hint", &size);
    }
    if let Some(size) = kernel.required_subgroup_size {
        tell("intel_reqd_sub_group_size", &[size]);
    }
    text
}

/// `zeKernelCreate`: a kernel that takes images or samplers is `UNSUPPORTED_FEATURE`.
pub(crate) unsafe extern "C" fn create(
    module: ze_module_handle_t,
    desc: *const ze_kernel_desc_t,
    kernel: *mut ze_kernel_handle_t,
) -> ze_result_t {
    on::<Module>(const { Call::named("zeKernelCreate") }, module, |module| {
        // SAFETY: the caller keeps the contract of the C call.
        let desc = unsafe { descriptor(desc, sys::ZE_STRUCTURE_TYPE_KERNEL_DESC) }?;
        // SAFETY: as above.
        let name = unsafe { string(desc.pKernelName) }?;
        not_null(kernel)?;
        let force = sys::ZE_KERNEL_FLAG_FORCE_RESIDENCY;
        let explicit = sys::ZE_KERNEL_FLAG_EXPLICIT_RESIDENCY;
        flags(desc.flags, force | explicit)?;
        no_extensions(desc.pNext)?;
        let program = module.program()?;
        let invalid = sys::ZE_RESULT_ERROR_INVALID_KERNEL_NAME;
        let name = String::from_utf8(name).map_err(|_| invalid)?;
        let source = module.source.spirv.kernel(&name).ok_or(invalid)?;
        let supported = |kind: ArgumentKind| match kind {
            ArgumentKind::Global
            | ArgumentKind::Constant
            | ArgumentKind::Local
            | ArgumentKind::Value => true,
            ArgumentKind::Image | ArgumentKind::Sampler | ArgumentKind::Other => false,
        };
        if !source.arguments.iter().all(|it| supported(it.kind)) {
            return Err(sys::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE);
        }
        let compiled = program.kernel(&name).map_err(|failure| {
            if failure.is_gone() {
                sys::ZE_RESULT_ERROR_DEVICE_LOST
            } else {
                invalid
            }
        })?;
        let most = u32::try_from(compiled.max_group_size()).unwrap_or(u32::MAX);
        let settings = Settings {
            group_size: source.required_group_size.unwrap_or([1; 3]),
            offset: [0; 3],
            // Residency that the program sees to itself is not told apart: all is resident.
            indirect: if desc.flags == 0 {
                0
            } else {
                sys::ZE_KERNEL_INDIRECT_ACCESS_FLAG_DEVICE
            },
            arguments: vec![None; source.arguments.len()],
        };
        let local_memory = compiled.local_memory();
        let made = |handle| Kernel {
            handle,
            local_memory,
            compiled: Arc::new(compiled),
            source: source.clone(),
            attributes: CString::new(attributes(source)).unwrap_or_default(),
            max_group_size: MAX_GROUP_SIZE.min(most),
            settings: Mutex::new(settings),
            launches: AtomicUsize::new(0),
            module: Arc::clone(module),
        };
        let handle = registry::add(made);
        // SAFETY: as above.
        unsafe { write(kernel, handle) }
    })
}

/// `zeKernelDestroy`: `HANDLE_OBJECT_IN_USE` while a launch of it runs or waits to run.
pub(crate) unsafe extern "C" fn destroy(kernel: ze_kernel_handle_t) -> ze_result_t {
    on::<Kernel>(const { Call::named("zeKernelDestroy") }, kernel, |kernel| {
        let idle = |kernel: &Kernel| {
            if kernel.launches.load(Ordering::Acquire) > 0 {
                Err(sys::ZE_RESULT_ERROR_HANDLE_OBJECT_IN_USE)
            } else {
                Ok(())
            }
        };
        registry::remove::<Kernel>(kernel.handle, idle).map(drop)
    })
}

/// `zeKernelSetCacheConfig`: a preference, which the cache of a processor does not know.
pub(crate) unsafe extern "C" fn set_cache_config(
    kernel: ze_kernel_handle_t,
    config: ze_cache_config_flags_t,
) -> ze_result_t {
    let large_slm = sys::ZE_CACHE_CONFIG_FLAG_LARGE_SLM;
    let large_data = sys::ZE_CACHE_CONFIG_FLAG_LARGE_DATA;
    on::<Kernel>(
        const { Call::named("zeKernelSetCacheConfig") },
        kernel,
        |_| flags(config, large_slm | large_data),
    )
}

/// `zeKernelSetGroupSize`: before it is called, groups have the size that the kernel requires, or
/// one item. A size of 0, above the limits of the device or other than required is
/// `INVALID_GROUP_SIZE_DIMENSION`.
pub(crate) unsafe extern "C" fn set_group_size(
    kernel: ze_kernel_handle_t,
    x: u32,
    y: u32,
    z: u32,
) -> ze_result_t {
    on::<Kernel>(
        const { Call::named("zeKernelSetGroupSize") },
        kernel,
        |kernel| {
            let size = [x, y, z];
            let items: u128 = size.into_iter().map(u128::from).product();
            let required = kernel.source.required_group_size;
            if items == 0
                || items > u128::from(kernel.max_group_size)
                || required.is_some_and(|required| required != size)
            {
                return Err(sys::ZE_RESULT_ERROR_INVALID_GROUP_SIZE_DIMENSION);
            }
            lock(&kernel.settings).group_size = size;
            Ok(())
        },
    )
}

/// Groups of at most `most` items that divide a grid evenly, as wide as possible.
fn suggest(grid: [u32; 3], most: u32) -> [u32; 3] {
    let mut left = most.max(1);
    grid.map(|width| {
        let fits = |size: &u32| width.is_multiple_of(*size);
        let size = (1..=left.min(width)).rev().find(fits).unwrap_or(1);
        left /= size;
        size
    })
}

/// `zeKernelSuggestGroupSize`: what the kernel requires, or a size that divides the global size
/// evenly; a global size of 0 is `INVALID_GLOBAL_WIDTH_DIMENSION`.
pub(crate) unsafe extern "C" fn suggest_group_size(
    kernel: ze_kernel_handle_t,
    global_x: u32,
    global_y: u32,
    global_z: u32,
    x: *mut u32,
    y: *mut u32,
    z: *mut u32,
) -> ze_result_t {
    on::<Kernel>(
        const { Call::named("zeKernelSuggestGroupSize") },
        kernel,
        |kernel| {
            let grid = [global_x, global_y, global_z];
            let places = [x, y, z];
            for place in places {
                not_null(place)?;
            }
            if grid.contains(&0) {
                return Err(sys::ZE_RESULT_ERROR_INVALID_GLOBAL_WIDTH_DIMENSION);
            }
            let required = kernel.source.required_group_size;
            let sizes = required.unwrap_or_else(|| suggest(grid, kernel.max_group_size));
            for (place, size) in places.into_iter().zip(sizes) {
                // SAFETY: the caller keeps the contract of the C call.
                unsafe { write(place, size) }?;
            }
            Ok(())
        },
    )
}

/// `zeKernelSuggestMaxCooperativeGroupCount`: one for each processor.
pub(crate) unsafe extern "C" fn suggest_max_cooperative_group_count(
    kernel: ze_kernel_handle_t,
    count: *mut u32,
) -> ze_result_t {
    on::<Kernel>(
        const { Call::named("zeKernelSuggestMaxCooperativeGroupCount") },
        kernel,
        |kernel| {
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { write(count, kernel.max_groups_together()) }
        },
    )
}

/// `zeKernelSetArgumentValue`: a size other than the argument's is `INVALID_KERNEL_ARGUMENT_SIZE`,
/// as is local memory of 0 bytes or more than the device has. A value where room for local memory
/// is described is `INVALID_ARGUMENT`. Null is a null pointer, or a value of zeros: the
/// specification has it "considered null". What a pointer points to is checked at the launch.
pub(crate) unsafe extern "C" fn set_argument_value(
    kernel: ze_kernel_handle_t,
    index: u32,
    size: usize,
    value: *const c_void,
) -> ze_result_t {
    on::<Kernel>(
        const { Call::named("zeKernelSetArgumentValue") },
        kernel,
        |kernel| {
            let argument = kernel.source.arguments.get(index as usize);
            let argument = argument.ok_or(sys::ZE_RESULT_ERROR_INVALID_KERNEL_ARGUMENT_INDEX)?;
            let is_local = argument.kind == ArgumentKind::Local;
            let fits = if is_local {
                size > 0 && size <= MAX_LOCAL_MEMORY as usize
            } else {
                size as u64 == argument.size
            };
            if !fits {
                return Err(sys::ZE_RESULT_ERROR_INVALID_KERNEL_ARGUMENT_SIZE);
            }
            let bytes = || -> Outcome<Box<[u8]>> {
                let end = kernel.module.context.end(value, size)?;
                // SAFETY: the caller has as many bytes as the size says.
                Ok(unsafe { end.to_vec(size) }?.into())
            };
            let set = match (argument.kind, value.is_null()) {
                (ArgumentKind::Local, true) => Value::Local(size),
                (ArgumentKind::Local, false) => return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT),
                (ArgumentKind::Global | ArgumentKind::Constant, true) => Value::Pointer(0),
                (ArgumentKind::Global | ArgumentKind::Constant, false) => {
                    let bytes = <[u8; size_of::<usize>()]>::try_from(&*bytes()?);
                    let bytes =
                        bytes.map_err(|_| sys::ZE_RESULT_ERROR_INVALID_KERNEL_ARGUMENT_SIZE)?;
                    Value::Pointer(usize::from_ne_bytes(bytes))
                }
                (_, true) => Value::Bytes(vec![0; size].into()),
                (_, false) => Value::Bytes(bytes()?),
            };
            let mut settings = lock(&kernel.settings);
            if let Some(place) = settings.arguments.get_mut(index as usize) {
                *place = Some(set);
            }
            Ok(())
        },
    )
}

/// `zeKernelSetIndirectAccess`
pub(crate) unsafe extern "C" fn set_indirect_access(
    kernel: ze_kernel_handle_t,
    access: ze_kernel_indirect_access_flags_t,
) -> ze_result_t {
    on::<Kernel>(
        const { Call::named("zeKernelSetIndirectAccess") },
        kernel,
        |kernel| {
            let host = sys::ZE_KERNEL_INDIRECT_ACCESS_FLAG_HOST;
            let device = sys::ZE_KERNEL_INDIRECT_ACCESS_FLAG_DEVICE;
            let shared = sys::ZE_KERNEL_INDIRECT_ACCESS_FLAG_SHARED;
            flags(access, host | device | shared)?;
            lock(&kernel.settings).indirect = access;
            Ok(())
        },
    )
}

/// `zeKernelGetIndirectAccess`
pub(crate) unsafe extern "C" fn get_indirect_access(
    kernel: ze_kernel_handle_t,
    access: *mut ze_kernel_indirect_access_flags_t,
) -> ze_result_t {
    on::<Kernel>(
        const { Call::named("zeKernelGetIndirectAccess") },
        kernel,
        |kernel| {
            let indirect = lock(&kernel.settings).indirect;
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { write(access, indirect) }
        },
    )
}

/// `zeKernelGetSourceAttributes`: the text lives as long as the kernel.
pub(crate) unsafe extern "C" fn get_source_attributes(
    kernel: ze_kernel_handle_t,
    size: *mut u32,
    text: *mut *mut c_char,
) -> ze_result_t {
    on::<Kernel>(
        const { Call::named("zeKernelGetSourceAttributes") },
        kernel,
        |kernel| {
            not_null(size)?;
            not_null(text)?;
            let len = kernel.attributes.as_bytes_with_nul().len();
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { write(size, u32::try_from(len).unwrap_or(u32::MAX)) }?;
            // SAFETY: as above.
            unsafe { write(text, kernel.attributes.as_ptr().cast_mut()) }
        },
    )
}

/// `zeKernelGetProperties`, with the preferred multiple where it is asked for in the chain.
pub(crate) unsafe extern "C" fn get_properties(
    kernel: ze_kernel_handle_t,
    properties: *mut ze_kernel_properties_t,
) -> ze_result_t {
    on::<Kernel>(
        const { Call::named("zeKernelGetProperties") },
        kernel,
        |kernel| {
            let stype = sys::ZE_STRUCTURE_TYPE_KERNEL_PROPERTIES;
            // SAFETY: the caller keeps the contract of the C call.
            let header = unsafe { header(properties, &[stype]) }?;
            let narrow = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
            let fill = |stype, structure: *const c_void| {
                if stype == sys::ZE_STRUCTURE_TYPE_KERNEL_PREFERRED_GROUP_SIZE_PROPERTIES {
                    let field = offset_of!(
                        sys::ze_kernel_preferred_group_size_properties_t,
                        preferredMultiple
                    );
                    let place = structure.cast_mut().wrapping_byte_add(field).cast::<u32>();
                    // SAFETY: the structure has the type that its `stype` says, and is there to be
                    // written: a chain of properties is in and out.
                    unsafe { write(place, narrow(kernel.compiled.preferred_multiple())) }?;
                }
                Ok(())
            };
            // SAFETY: as above.
            unsafe { walk(header.pNext, fill) }?;
            let [x, y, z] = kernel.source.required_group_size.unwrap_or([0; 3]);
            let largest = [kernel.max_group_size as usize, 1, 1];
            let compiled = &kernel.compiled;
            let mut kid = [0; 16];
            kid[..8].copy_from_slice(&checksum(kernel.source.name.as_bytes()).to_le_bytes());
            let filled = ze_kernel_properties_t {
                stype,
                pNext: header.pNext.cast_mut(),
                numKernelArgs: narrow(kernel.source.arguments.len()),
                requiredGroupSizeX: x,
                requiredGroupSizeY: y,
                requiredGroupSizeZ: z,
                requiredNumSubGroups: kernel.source.required_subgroups.unwrap_or(0),
                requiredSubgroupSize: kernel.source.required_subgroup_size.unwrap_or(0),
                maxSubgroupSize: narrow(compiled.sub_group_size(largest)),
                maxNumSubgroups: narrow(compiled.max_sub_groups()),
                localMemSize: u32::try_from(kernel.local_memory).unwrap_or(u32::MAX),
                privateMemSize: u32::try_from(compiled.private_memory()).unwrap_or(u32::MAX),
                spillMemSize: 0,
                uuid: sys::ze_kernel_uuid_t {
                    kid,
                    mid: kernel.module.uuid,
                },
            };
            // SAFETY: as above.
            unsafe { write(properties, filled) }
        },
    )
}

/// `zeKernelGetName`: room for less than the whole name is `INVALID_SIZE`.
pub(crate) unsafe extern "C" fn get_name(
    kernel: ze_kernel_handle_t,
    size: *mut usize,
    name: *mut c_char,
) -> ze_result_t {
    on::<Kernel>(const { Call::named("zeKernelGetName") }, kernel, |kernel| {
        let mut bytes = kernel.source.name.clone().into_bytes();
        bytes.push(0);
        // SAFETY: the caller keeps the contract of the C call, which is that of `sized`.
        unsafe { sized(size, name.cast(), &bytes) }
    })
}

/// `zeKernelSetGlobalOffsetExp`
pub(crate) unsafe extern "C" fn set_global_offset(
    kernel: ze_kernel_handle_t,
    x: u32,
    y: u32,
    z: u32,
) -> ze_result_t {
    on::<Kernel>(
        const { Call::named("zeKernelSetGlobalOffsetExp") },
        kernel,
        |kernel| {
            lock(&kernel.settings).offset = [x, y, z];
            Ok(())
        },
    )
}

/// `zeKernelSchedulingHintExp`: hints are checked and ignored.
pub(crate) unsafe extern "C" fn scheduling_hint(
    kernel: ze_kernel_handle_t,
    hint: *mut ze_scheduling_hint_exp_desc_t,
) -> ze_result_t {
    on::<Kernel>(
        const { Call::named("zeKernelSchedulingHintExp") },
        kernel,
        |_| {
            let stype = sys::ZE_STRUCTURE_TYPE_SCHEDULING_HINT_EXP_DESC;
            // SAFETY: the caller keeps the contract of the C call.
            unsafe { header(hint, &[stype]) }?;
            // SAFETY: as above; the type is the right one.
            let hint = unsafe { read(hint) }?;
            no_extensions(hint.pNext)?;
            let known = sys::ZE_SCHEDULING_HINT_EXP_FLAG_OLDEST_FIRST
                | sys::ZE_SCHEDULING_HINT_EXP_FLAG_ROUND_ROBIN
                | sys::ZE_SCHEDULING_HINT_EXP_FLAG_STALL_BASED_ROUND_ROBIN;
            flags(hint.flags, known)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggested_groups_divide_the_grid_and_keep_to_the_limit() {
        for grid in [[1, 1, 1], [1000, 3, 7], [64, 64, 64], [7919, 2, 1]] {
            let sizes = suggest(grid, 256);
            assert!(sizes.iter().product::<u32>() <= 256);
            for (width, size) in grid.into_iter().zip(sizes) {
                assert_eq!(width % size, 0);
            }
        }
        assert_eq!(suggest([512, 1, 1], 256), [256, 1, 1]);
        assert_eq!(suggest([16, 16, 4], 256), [16, 16, 1]);
    }
}
