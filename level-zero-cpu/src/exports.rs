//! The dispatch tables, as a Level Zero loader asks a driver for them.
//!
//! A table is an array of function pointers that newer versions of the API make longer, never
//! different. A loader gives its version and room for the entries of that version: those are filled,
//! every one of them, and nothing behind them is touched.
#![allow(
    unsafe_code,
    non_snake_case,
    reason = "the getters of the C interface, exported by their names"
)]

use level_zero_sys::{self as sys, ze_api_version_t, ze_result_t};
use std::ffi::c_void;

use crate::arguments::{not_null, write};
use crate::entry::refused;
use crate::faults::Call;
use crate::stubs::Stub;
use crate::table::api;

/// The minor version of the API from which on an entry is there, and the function.
type Entry = (u32, *const c_void);

/// The oldest version that is served: that of the header which the calls are written from.
const OLDEST: u32 = sys::ZE_API_VERSION_1_4.0;

const fn major(version: u32) -> u32 {
    version >> 16
}

const fn minor(version: u32) -> u32 {
    version & 0xffff
}

/// Fills a table with the entries that are there at `version`.
///
/// `UNSUPPORTED_VERSION` for a version below 1.4 or of another major number, and for one at which
/// there is no such table.
///
/// # Safety
///
/// `table` is null or has room for the entries that the table has at `version`.
unsafe fn fill(version: ze_api_version_t, table: *mut c_void, entries: &[Entry]) -> ze_result_t {
    if not_null(table).is_err() {
        return sys::ZE_RESULT_ERROR_INVALID_NULL_POINTER;
    }
    if version.0 < OLDEST || major(version.0) != major(OLDEST) {
        return sys::ZE_RESULT_ERROR_UNSUPPORTED_VERSION;
    }
    let there = entries.partition_point(|(since, _)| *since <= minor(version.0));
    if there == 0 {
        return sys::ZE_RESULT_ERROR_UNSUPPORTED_VERSION;
    }
    let slots = table.cast::<*const c_void>();
    for (index, (_, function)) in entries[..there].iter().enumerate() {
        // SAFETY: the caller says that the table has room for this entry, whose type is a nullable
        // pointer to a function.
        let _ = unsafe { write(slots.wrapping_add(index), *function) };
    }
    sys::ZE_RESULT_SUCCESS
}

/// An entry's function.
macro_rules! function {
    (required $name:ident) => {
        api().$name as *const c_void
    };
    (optional $name:ident) => {{
        const CALL: usize = Call::named(stringify!($name)).index();
        api().$name.unwrap_or(<_ as Stub<CALL>>::STUB) as *const c_void
    }};
    (absent $name:ident) => {{
        /// Takes nothing: who calls it keeps its arguments where they are.
        extern "C" fn absent() -> ze_result_t {
            refused(stringify!($name), sys::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE)
        }
        absent as *const c_void
    }};
    (handle $name:ident) => {{
        /// As above, for a call that returns a handle.
        extern "C" fn absent() -> *const c_void {
            refused(stringify!($name), sys::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE);
            std::ptr::null()
        }
        absent as *const c_void
    }};
}

macro_rules! tables {
    ($($getter:ident { $($since:literal $kind:ident $name:ident,)* })*) => {
        $(
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $getter(
                version: ze_api_version_t,
                table: *mut c_void,
            ) -> ze_result_t {
                // SAFETY: the caller keeps the contract of the C call.
                unsafe { fill(version, table, &[$(($since, function!($kind $name)),)*]) }
            }
        )*

        /// Getter, entries as minor version, whether there is such a call, name.
        #[cfg(test)]
        const TABLES: &[(&str, &[(u32, &str, &str)])] = &[
            $((stringify!($getter), &[$(($since, stringify!($kind), stringify!($name)),)*]),)*
        ];
    };
}

// Since which version; whether the table of calls has it, always (required) or perhaps (optional),
// or not (absent; handle for one that returns a handle instead of a result); the call.
tables! {
    zeGetDriverProcAddrTable {
        0 required zeDriverGet,
        0 required zeDriverGetApiVersion,
        0 required zeDriverGetProperties,
        0 required zeDriverGetIpcProperties,
        0 required zeDriverGetExtensionProperties,
        1 optional zeDriverGetExtensionFunctionAddress,
        6 absent zeDriverGetLastErrorDescription,
        13 absent zeDriverRTASFormatCompatibilityCheckExt,
        14 handle zeDriverGetDefaultContext,
    }
    zeGetMemProcAddrTable {
        0 required zeMemAllocShared,
        0 required zeMemAllocDevice,
        0 required zeMemAllocHost,
        0 required zeMemFree,
        0 required zeMemGetAllocProperties,
        0 required zeMemGetAddressRange,
        0 required zeMemGetIpcHandle,
        0 required zeMemOpenIpcHandle,
        0 required zeMemCloseIpcHandle,
        3 optional zeMemFreeExt,
        6 optional zeMemPutIpcHandle,
        9 absent zeMemGetPitchFor2dImage,
        15 absent zeMemGetIpcHandleWithProperties,
    }
    zeGetContextProcAddrTable {
        0 required zeContextCreate,
        0 required zeContextDestroy,
        0 required zeContextGetStatus,
        0 required zeContextSystemBarrier,
        0 required zeContextMakeMemoryResident,
        0 required zeContextEvictMemory,
        0 absent zeContextMakeImageResident,
        0 absent zeContextEvictImage,
        1 optional zeContextCreateEx,
    }
    zeGetPhysicalMemProcAddrTable {
        0 required zePhysicalMemCreate,
        0 required zePhysicalMemDestroy,
        15 absent zePhysicalMemGetProperties,
    }
    zeGetVirtualMemProcAddrTable {
        0 required zeVirtualMemReserve,
        0 required zeVirtualMemFree,
        0 required zeVirtualMemQueryPageSize,
        0 required zeVirtualMemMap,
        0 required zeVirtualMemUnmap,
        0 required zeVirtualMemSetAccessAttribute,
        0 required zeVirtualMemGetAccessAttribute,
    }
    zeGetGlobalProcAddrTable {
        0 required zeInit,
        10 optional zeInitDrivers,
    }
    zeGetDeviceProcAddrTable {
        0 required zeDeviceGet,
        0 required zeDeviceGetSubDevices,
        0 required zeDeviceGetProperties,
        0 required zeDeviceGetComputeProperties,
        0 required zeDeviceGetModuleProperties,
        0 required zeDeviceGetCommandQueueGroupProperties,
        0 required zeDeviceGetMemoryProperties,
        0 required zeDeviceGetMemoryAccessProperties,
        0 required zeDeviceGetCacheProperties,
        0 required zeDeviceGetImageProperties,
        0 required zeDeviceGetExternalMemoryProperties,
        0 required zeDeviceGetP2PProperties,
        0 required zeDeviceCanAccessPeer,
        0 required zeDeviceGetStatus,
        1 optional zeDeviceGetGlobalTimestamps,
        2 optional zeDeviceReserveCacheExt,
        2 optional zeDeviceSetCacheAdviceExt,
        3 optional zeDevicePciGetPropertiesExt,
        7 optional zeDeviceGetRootDevice,
        12 absent zeDeviceImportExternalSemaphoreExt,
        12 absent zeDeviceReleaseExternalSemaphoreExt,
        13 absent zeDeviceGetVectorWidthPropertiesExt,
        14 absent zeDeviceSynchronize,
        15 absent zeDeviceGetAggregatedCopyOffloadIncrementValue,
        16 absent zeDeviceGetRuntimeRequirements,
        16 absent zeDeviceGetRuntimeRequirementsKey,
        16 absent zeDeviceValidateRuntimeRequirements,
        17 absent zeDeviceGetCounterBasedEventMaxValue,
    }
    zeGetDeviceExpProcAddrTable {
        4 absent zeDeviceGetFabricVertexExp,
    }
    zeGetCommandQueueProcAddrTable {
        0 required zeCommandQueueCreate,
        0 required zeCommandQueueDestroy,
        0 required zeCommandQueueExecuteCommandLists,
        0 required zeCommandQueueSynchronize,
        9 absent zeCommandQueueGetOrdinal,
        9 absent zeCommandQueueGetIndex,
        17 absent zeCommandQueueGetFlags,
        17 absent zeCommandQueueGetMode,
        17 absent zeCommandQueueGetPriority,
    }
    zeGetCommandListProcAddrTable {
        0 required zeCommandListCreate,
        0 required zeCommandListCreateImmediate,
        0 required zeCommandListDestroy,
        0 required zeCommandListClose,
        0 required zeCommandListReset,
        0 required zeCommandListAppendWriteGlobalTimestamp,
        0 required zeCommandListAppendBarrier,
        0 required zeCommandListAppendMemoryRangesBarrier,
        0 required zeCommandListAppendMemoryCopy,
        0 required zeCommandListAppendMemoryFill,
        0 required zeCommandListAppendMemoryCopyRegion,
        0 required zeCommandListAppendMemoryCopyFromContext,
        0 absent zeCommandListAppendImageCopy,
        0 absent zeCommandListAppendImageCopyRegion,
        0 absent zeCommandListAppendImageCopyToMemory,
        0 absent zeCommandListAppendImageCopyFromMemory,
        0 required zeCommandListAppendMemoryPrefetch,
        0 required zeCommandListAppendMemAdvise,
        0 required zeCommandListAppendSignalEvent,
        0 required zeCommandListAppendWaitOnEvents,
        0 required zeCommandListAppendEventReset,
        0 required zeCommandListAppendQueryKernelTimestamps,
        0 required zeCommandListAppendLaunchKernel,
        0 required zeCommandListAppendLaunchCooperativeKernel,
        0 required zeCommandListAppendLaunchKernelIndirect,
        0 optional zeCommandListAppendLaunchMultipleKernelsIndirect,
        3 absent zeCommandListAppendImageCopyToMemoryExt,
        3 absent zeCommandListAppendImageCopyFromMemoryExt,
        6 optional zeCommandListHostSynchronize,
        9 absent zeCommandListGetDeviceHandle,
        9 absent zeCommandListGetContextHandle,
        9 absent zeCommandListGetOrdinal,
        9 absent zeCommandListImmediateGetIndex,
        9 absent zeCommandListIsImmediate,
        12 absent zeCommandListAppendSignalExternalSemaphoreExt,
        12 absent zeCommandListAppendWaitExternalSemaphoreExt,
        14 absent zeCommandListAppendLaunchKernelWithParameters,
        14 absent zeCommandListAppendLaunchKernelWithArguments,
        16 absent zeCommandListAppendMemoryCopyWithParameters,
        16 absent zeCommandListAppendMemoryFillWithParameters,
        16 absent zeCommandListImmediateAppendCommandListsWithParameters,
        17 absent zeCommandListGetFlags,
        17 absent zeCommandListImmediateGetFlags,
        17 absent zeCommandListImmediateGetMode,
        17 absent zeCommandListImmediateGetPriority,
        17 absent zeCommandListBeginGraphCaptureExt,
        17 absent zeCommandListBeginCaptureIntoGraphExt,
        17 absent zeCommandListIsGraphCaptureEnabledExt,
        17 absent zeCommandListEndGraphCaptureExt,
        17 absent zeCommandListGetGraphExt,
        17 absent zeCommandListAppendGraphExt,
        17 absent zeCommandListAppendHostFunction,
    }
    zeGetCommandListExpProcAddrTable {
        9 absent zeCommandListCreateCloneExp,
        9 absent zeCommandListImmediateAppendCommandListsExp,
        9 absent zeCommandListGetNextCommandIdExp,
        9 absent zeCommandListUpdateMutableCommandsExp,
        9 absent zeCommandListUpdateMutableCommandSignalEventExp,
        9 absent zeCommandListUpdateMutableCommandWaitEventsExp,
        10 absent zeCommandListGetNextCommandIdWithKernelsExp,
        10 absent zeCommandListUpdateMutableCommandKernelsExp,
        17 absent zeCommandListIsMutableExp,
    }
    zeGetGraphProcAddrTable {
        17 absent zeGraphCreateExt,
        17 absent zeGraphGetPrimaryCommandListExt,
        17 absent zeGraphSetDestructionCallbackExt,
        17 absent zeGraphInstantiateExt,
        17 absent zeGraphIsEmptyExt,
        17 absent zeGraphDumpContentsExt,
        17 absent zeGraphDestroyExt,
    }
    zeGetExecutableGraphProcAddrTable {
        17 absent zeExecutableGraphGetSourceGraphExt,
        17 absent zeExecutableGraphDestroyExt,
    }
    zeGetFenceProcAddrTable {
        0 required zeFenceCreate,
        0 required zeFenceDestroy,
        0 required zeFenceHostSynchronize,
        0 required zeFenceQueryStatus,
        0 required zeFenceReset,
    }
    zeGetEventPoolProcAddrTable {
        0 required zeEventPoolCreate,
        0 required zeEventPoolDestroy,
        0 required zeEventPoolGetIpcHandle,
        0 required zeEventPoolOpenIpcHandle,
        0 required zeEventPoolCloseIpcHandle,
        6 absent zeEventPoolPutIpcHandle,
        9 absent zeEventPoolGetContextHandle,
        9 absent zeEventPoolGetFlags,
    }
    zeGetEventProcAddrTable {
        0 required zeEventCreate,
        0 required zeEventDestroy,
        0 required zeEventHostSignal,
        0 required zeEventHostSynchronize,
        0 required zeEventQueryStatus,
        0 required zeEventHostReset,
        0 required zeEventQueryKernelTimestamp,
        6 absent zeEventQueryKernelTimestampsExt,
        9 absent zeEventGetEventPool,
        9 absent zeEventGetSignalScope,
        9 absent zeEventGetWaitScope,
        15 absent zeEventCounterBasedCreate,
        15 absent zeEventCounterBasedGetIpcHandle,
        15 absent zeEventCounterBasedOpenIpcHandle,
        15 absent zeEventCounterBasedCloseIpcHandle,
        15 absent zeEventCounterBasedGetDeviceAddress,
        17 absent zeEventGetCounterBasedFlags,
    }
    zeGetEventExpProcAddrTable {
        2 optional zeEventQueryTimestampsExp,
    }
    zeGetImageProcAddrTable {
        0 absent zeImageGetProperties,
        0 absent zeImageCreate,
        0 absent zeImageDestroy,
        3 absent zeImageGetAllocPropertiesExt,
        5 absent zeImageViewCreateExt,
    }
    zeGetImageExpProcAddrTable {
        2 absent zeImageGetMemoryPropertiesExp,
        2 absent zeImageViewCreateExp,
        9 absent zeImageGetDeviceOffsetExp,
    }
    zeGetModuleProcAddrTable {
        0 required zeModuleCreate,
        0 required zeModuleDestroy,
        0 required zeModuleDynamicLink,
        0 required zeModuleGetNativeBinary,
        0 required zeModuleGetGlobalPointer,
        0 required zeModuleGetKernelNames,
        0 required zeModuleGetProperties,
        0 required zeModuleGetFunctionPointer,
        3 optional zeModuleInspectLinkageExt,
    }
    zeGetModuleBuildLogProcAddrTable {
        0 required zeModuleBuildLogDestroy,
        0 required zeModuleBuildLogGetString,
    }
    zeGetKernelProcAddrTable {
        0 required zeKernelCreate,
        0 required zeKernelDestroy,
        0 required zeKernelSetCacheConfig,
        0 required zeKernelSetGroupSize,
        0 required zeKernelSuggestGroupSize,
        0 required zeKernelSuggestMaxCooperativeGroupCount,
        0 required zeKernelSetArgumentValue,
        0 required zeKernelSetIndirectAccess,
        0 required zeKernelGetIndirectAccess,
        0 optional zeKernelGetSourceAttributes,
        0 required zeKernelGetProperties,
        0 required zeKernelGetName,
    }
    zeGetKernelExpProcAddrTable {
        1 optional zeKernelSetGlobalOffsetExp,
        2 optional zeKernelSchedulingHintExp,
        11 absent zeKernelGetBinaryExp,
        14 absent zeKernelGetAllocationPropertiesExp,
    }
    zeGetSamplerProcAddrTable {
        0 absent zeSamplerCreate,
        0 absent zeSamplerDestroy,
    }
    zeGetMemExpProcAddrTable {
        6 optional zeMemGetIpcHandleFromFileDescriptorExp,
        6 optional zeMemGetFileDescriptorFromIpcHandleExp,
        7 optional zeMemSetAtomicAccessAttributeExp,
        7 optional zeMemGetAtomicAccessAttributeExp,
    }
    zeGetFabricVertexExpProcAddrTable {
        4 absent zeFabricVertexGetExp,
        4 absent zeFabricVertexGetSubVerticesExp,
        4 absent zeFabricVertexGetPropertiesExp,
        4 absent zeFabricVertexGetDeviceExp,
    }
    zeGetFabricEdgeExpProcAddrTable {
        4 absent zeFabricEdgeGetExp,
        4 absent zeFabricEdgeGetVerticesExp,
        4 absent zeFabricEdgeGetPropertiesExp,
    }
    zeGetDriverExpProcAddrTable {
        7 absent zeDriverRTASFormatCompatibilityCheckExp,
    }
    zeGetRTASParallelOperationExpProcAddrTable {
        7 absent zeRTASParallelOperationCreateExp,
        7 absent zeRTASParallelOperationGetPropertiesExp,
        7 absent zeRTASParallelOperationJoinExp,
        7 absent zeRTASParallelOperationDestroyExp,
    }
    zeGetRTASBuilderExpProcAddrTable {
        7 absent zeRTASBuilderCreateExp,
        7 absent zeRTASBuilderGetBuildPropertiesExp,
        7 absent zeRTASBuilderBuildExp,
        7 absent zeRTASBuilderDestroyExp,
    }
    zeGetRTASBuilderProcAddrTable {
        13 absent zeRTASBuilderCreateExt,
        13 absent zeRTASBuilderGetBuildPropertiesExt,
        13 absent zeRTASBuilderBuildExt,
        13 absent zeRTASBuilderCommandListAppendCopyExt,
        13 absent zeRTASBuilderDestroyExt,
    }
    zeGetRTASParallelOperationProcAddrTable {
        13 absent zeRTASParallelOperationCreateExt,
        13 absent zeRTASParallelOperationGetPropertiesExt,
        13 absent zeRTASParallelOperationJoinExt,
        13 absent zeRTASParallelOperationDestroyExt,
    }
}

extern "C" fn no_tools() -> ze_result_t {
    refused("zet or zes", sys::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE)
}

/// The tables of tools and of system management, which this driver has none of: how many entries they
/// have at 1.4. Newer entries stay as they are, null, for which loaders answer themselves.
macro_rules! tools {
    ($($getter:ident $entries:literal,)*) => {
        $(
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $getter(
                version: ze_api_version_t,
                table: *mut c_void,
            ) -> ze_result_t {
                // SAFETY: the caller keeps the contract of the C call.
                unsafe { fill(version, table, &[(0, no_tools as *const c_void); $entries]) }
            }
        )*
    };
}

tools! {
    zetGetDeviceProcAddrTable 1,
    zetGetContextProcAddrTable 1,
    zetGetCommandListProcAddrTable 4,
    zetGetModuleProcAddrTable 1,
    zetGetKernelProcAddrTable 1,
    zetGetMetricGroupProcAddrTable 3,
    zetGetMetricGroupExpProcAddrTable 1,
    zetGetMetricProcAddrTable 2,
    zetGetMetricStreamerProcAddrTable 3,
    zetGetMetricQueryPoolProcAddrTable 2,
    zetGetMetricQueryProcAddrTable 4,
    zetGetTracerExpProcAddrTable 5,
    zetGetDebugProcAddrTable 11,
    zesGetDriverProcAddrTable 2,
    zesGetDeviceProcAddrTable 29,
    zesGetSchedulerProcAddrTable 8,
    zesGetPerformanceFactorProcAddrTable 3,
    zesGetPowerProcAddrTable 8,
    zesGetFrequencyProcAddrTable 17,
    zesGetEngineProcAddrTable 2,
    zesGetStandbyProcAddrTable 3,
    zesGetFirmwareProcAddrTable 2,
    zesGetMemoryProcAddrTable 3,
    zesGetFabricPortProcAddrTable 6,
    zesGetTemperatureProcAddrTable 4,
    zesGetPsuProcAddrTable 2,
    zesGetFanProcAddrTable 6,
    zesGetLedProcAddrTable 4,
    zesGetRasProcAddrTable 4,
    zesGetDiagnosticsProcAddrTable 3,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_of_the_table_is_in_a_dispatch_table() {
        let entries = || TABLES.iter().flat_map(|(_, entries)| entries.iter());
        for name in sys::Api::NAMES {
            let found: Vec<_> = entries().filter(|entry| entry.2 == *name).collect();
            assert_eq!(found.len(), 1, "{name}");
            assert!(["required", "optional"].contains(&found[0].1), "{name}");
        }
    }

    #[test]
    fn newer_entries_come_after_older_ones() {
        for (getter, entries) in TABLES {
            assert!(entries.is_sorted_by_key(|entry| entry.0), "{getter}");
        }
    }
}
