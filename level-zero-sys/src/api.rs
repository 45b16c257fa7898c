//! The table of function pointers.

use crate::bindings::*;
use crate::ext::*;
use crate::load::{LoadError, Symbols};

/// The function behind a `ze_pfn*_t`, which bindgen writes as an `Option`.
pub trait FunctionPointer: sealed::Sealed {
    /// The pointer, never null.
    type Function: Copy;
}

mod sealed {
    pub trait Sealed {}
    impl<F: Copy> Sealed for Option<F> {}
}

impl<F: Copy> FunctionPointer for Option<F> {
    type Function = F;
}

/// A call that every driver and loader has.
pub type Required<P> = <P as FunctionPointer>::Function;

macro_rules! field_type {
    (required $pfn:ty) => { Required<$pfn> };
    (optional $pfn:ty) => { $pfn };
}

macro_rules! finish {
    (required $symbols:ident $name:ident $found:expr) => {
        match $found {
            Some(function) => function,
            None => return Err($symbols.missing(stringify!($name))),
        }
    };
    (optional $symbols:ident $name:ident $found:expr) => {
        $found
    };
}

macro_rules! api {
    ($($group:ident: $table:ty, $getter:literal {
        $($kind:ident $name:ident: $pfn:ty = $field:ident,)*
    })*; later { $($(#[$doc:meta])* $later:ident: $later_pfn:ty,)* }) => {
        /// The Level Zero API: one function pointer a call, named as in C.
        ///
        /// Calls of version 1.0 of the specification are always there; later ones and extensions
        /// are `Option`s, `None` where the loader or driver has no such symbol.
        #[derive(Clone, Copy)]
        #[expect(non_snake_case, reason = "the names are those of the C API")]
        pub struct Api {
            $($(
                #[doc = concat!("`", stringify!($name), "`")]
                pub $name: field_type!($kind $pfn),
            )*)*
            $($(#[$doc])* pub $later: $later_pfn,)*
        }

        impl Api {
            /// The names of all calls that this table knows, in the order of its fields.
            pub const NAMES: &'static [&'static str] = &[
                $($(stringify!($name),)*)*
                $(stringify!($later),)*
            ];

            /// Fills the table from a library's symbols and, for what it exports no symbol of,
            /// from its dispatch tables.
            ///
            /// # Errors
            ///
            /// [`LoadError::Symbol`] names the first call of version 1.0 that is missing.
            ///
            /// # Safety
            ///
            /// The library must be a Level Zero loader or driver: symbols named like calls of the
            /// API must have their types.
            pub(crate) unsafe fn from_symbols(symbols: &Symbols) -> Result<Self, LoadError> {
                $(
                    let mut $group: Option<$table> = None;
                )*
                Ok(Self {
                    $($(
                        $name: {
                            // SAFETY: the caller vouches that the symbol of this name has the
                            // type that the API gives it.
                            let mut found: $pfn = unsafe { symbols.function(stringify!($name)) };
                            if found.is_none() {
                                // SAFETY: as above, for the getter; `$table` is the table that it
                                // fills at the version that `dispatch_table` asks for.
                                let table = $group.get_or_insert_with(|| unsafe {
                                    symbols.dispatch_table::<$table>($getter)
                                });
                                found = table.$field;
                            }
                            finish!($kind symbols $name found)
                        },
                    )*)*
                    $(
                        // SAFETY: as above.
                        $later: unsafe { symbols.function(stringify!($later)) },
                    )*
                })
            }
        }
    };
}

impl core::fmt::Debug for Api {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

api! {
    global: ze_global_dditable_t, "zeGetGlobalProcAddrTable" {
        required zeInit: ze_pfnInit_t = pfnInit,
    }
    driver: ze_driver_dditable_t, "zeGetDriverProcAddrTable" {
        required zeDriverGet: ze_pfnDriverGet_t = pfnGet,
        required zeDriverGetApiVersion: ze_pfnDriverGetApiVersion_t = pfnGetApiVersion,
        required zeDriverGetProperties: ze_pfnDriverGetProperties_t = pfnGetProperties,
        required zeDriverGetIpcProperties: ze_pfnDriverGetIpcProperties_t = pfnGetIpcProperties,
        required zeDriverGetExtensionProperties: ze_pfnDriverGetExtensionProperties_t = pfnGetExtensionProperties,
        optional zeDriverGetExtensionFunctionAddress: ze_pfnDriverGetExtensionFunctionAddress_t = pfnGetExtensionFunctionAddress,
    }
    device: ze_device_dditable_t, "zeGetDeviceProcAddrTable" {
        required zeDeviceGet: ze_pfnDeviceGet_t = pfnGet,
        required zeDeviceGetSubDevices: ze_pfnDeviceGetSubDevices_t = pfnGetSubDevices,
        required zeDeviceGetProperties: ze_pfnDeviceGetProperties_t = pfnGetProperties,
        required zeDeviceGetComputeProperties: ze_pfnDeviceGetComputeProperties_t = pfnGetComputeProperties,
        required zeDeviceGetModuleProperties: ze_pfnDeviceGetModuleProperties_t = pfnGetModuleProperties,
        required zeDeviceGetCommandQueueGroupProperties: ze_pfnDeviceGetCommandQueueGroupProperties_t = pfnGetCommandQueueGroupProperties,
        required zeDeviceGetMemoryProperties: ze_pfnDeviceGetMemoryProperties_t = pfnGetMemoryProperties,
        required zeDeviceGetMemoryAccessProperties: ze_pfnDeviceGetMemoryAccessProperties_t = pfnGetMemoryAccessProperties,
        required zeDeviceGetCacheProperties: ze_pfnDeviceGetCacheProperties_t = pfnGetCacheProperties,
        required zeDeviceGetImageProperties: ze_pfnDeviceGetImageProperties_t = pfnGetImageProperties,
        required zeDeviceGetExternalMemoryProperties: ze_pfnDeviceGetExternalMemoryProperties_t = pfnGetExternalMemoryProperties,
        required zeDeviceGetP2PProperties: ze_pfnDeviceGetP2PProperties_t = pfnGetP2PProperties,
        required zeDeviceCanAccessPeer: ze_pfnDeviceCanAccessPeer_t = pfnCanAccessPeer,
        required zeDeviceGetStatus: ze_pfnDeviceGetStatus_t = pfnGetStatus,
        optional zeDeviceGetGlobalTimestamps: ze_pfnDeviceGetGlobalTimestamps_t = pfnGetGlobalTimestamps,
        optional zeDeviceReserveCacheExt: ze_pfnDeviceReserveCacheExt_t = pfnReserveCacheExt,
        optional zeDeviceSetCacheAdviceExt: ze_pfnDeviceSetCacheAdviceExt_t = pfnSetCacheAdviceExt,
        optional zeDevicePciGetPropertiesExt: ze_pfnDevicePciGetPropertiesExt_t = pfnPciGetPropertiesExt,
    }
    context: ze_context_dditable_t, "zeGetContextProcAddrTable" {
        required zeContextCreate: ze_pfnContextCreate_t = pfnCreate,
        required zeContextDestroy: ze_pfnContextDestroy_t = pfnDestroy,
        required zeContextGetStatus: ze_pfnContextGetStatus_t = pfnGetStatus,
        required zeContextSystemBarrier: ze_pfnContextSystemBarrier_t = pfnSystemBarrier,
        required zeContextMakeMemoryResident: ze_pfnContextMakeMemoryResident_t = pfnMakeMemoryResident,
        required zeContextEvictMemory: ze_pfnContextEvictMemory_t = pfnEvictMemory,
        optional zeContextCreateEx: ze_pfnContextCreateEx_t = pfnCreateEx,
    }
    command_queue: ze_command_queue_dditable_t, "zeGetCommandQueueProcAddrTable" {
        required zeCommandQueueCreate: ze_pfnCommandQueueCreate_t = pfnCreate,
        required zeCommandQueueDestroy: ze_pfnCommandQueueDestroy_t = pfnDestroy,
        required zeCommandQueueExecuteCommandLists: ze_pfnCommandQueueExecuteCommandLists_t = pfnExecuteCommandLists,
        required zeCommandQueueSynchronize: ze_pfnCommandQueueSynchronize_t = pfnSynchronize,
    }
    command_list: ze_command_list_dditable_t, "zeGetCommandListProcAddrTable" {
        required zeCommandListCreate: ze_pfnCommandListCreate_t = pfnCreate,
        required zeCommandListCreateImmediate: ze_pfnCommandListCreateImmediate_t = pfnCreateImmediate,
        required zeCommandListDestroy: ze_pfnCommandListDestroy_t = pfnDestroy,
        required zeCommandListClose: ze_pfnCommandListClose_t = pfnClose,
        required zeCommandListReset: ze_pfnCommandListReset_t = pfnReset,
        required zeCommandListAppendWriteGlobalTimestamp: ze_pfnCommandListAppendWriteGlobalTimestamp_t = pfnAppendWriteGlobalTimestamp,
        required zeCommandListAppendBarrier: ze_pfnCommandListAppendBarrier_t = pfnAppendBarrier,
        required zeCommandListAppendMemoryRangesBarrier: ze_pfnCommandListAppendMemoryRangesBarrier_t = pfnAppendMemoryRangesBarrier,
        required zeCommandListAppendMemoryCopy: ze_pfnCommandListAppendMemoryCopy_t = pfnAppendMemoryCopy,
        required zeCommandListAppendMemoryFill: ze_pfnCommandListAppendMemoryFill_t = pfnAppendMemoryFill,
        required zeCommandListAppendMemoryCopyRegion: ze_pfnCommandListAppendMemoryCopyRegion_t = pfnAppendMemoryCopyRegion,
        required zeCommandListAppendMemoryCopyFromContext: ze_pfnCommandListAppendMemoryCopyFromContext_t = pfnAppendMemoryCopyFromContext,
        required zeCommandListAppendMemoryPrefetch: ze_pfnCommandListAppendMemoryPrefetch_t = pfnAppendMemoryPrefetch,
        required zeCommandListAppendMemAdvise: ze_pfnCommandListAppendMemAdvise_t = pfnAppendMemAdvise,
        required zeCommandListAppendSignalEvent: ze_pfnCommandListAppendSignalEvent_t = pfnAppendSignalEvent,
        required zeCommandListAppendWaitOnEvents: ze_pfnCommandListAppendWaitOnEvents_t = pfnAppendWaitOnEvents,
        required zeCommandListAppendEventReset: ze_pfnCommandListAppendEventReset_t = pfnAppendEventReset,
        required zeCommandListAppendQueryKernelTimestamps: ze_pfnCommandListAppendQueryKernelTimestamps_t = pfnAppendQueryKernelTimestamps,
        required zeCommandListAppendLaunchKernel: ze_pfnCommandListAppendLaunchKernel_t = pfnAppendLaunchKernel,
        required zeCommandListAppendLaunchCooperativeKernel: ze_pfnCommandListAppendLaunchCooperativeKernel_t = pfnAppendLaunchCooperativeKernel,
        required zeCommandListAppendLaunchKernelIndirect: ze_pfnCommandListAppendLaunchKernelIndirect_t = pfnAppendLaunchKernelIndirect,
        optional zeCommandListAppendLaunchMultipleKernelsIndirect: ze_pfnCommandListAppendLaunchMultipleKernelsIndirect_t = pfnAppendLaunchMultipleKernelsIndirect,
    }
    fence: ze_fence_dditable_t, "zeGetFenceProcAddrTable" {
        required zeFenceCreate: ze_pfnFenceCreate_t = pfnCreate,
        required zeFenceDestroy: ze_pfnFenceDestroy_t = pfnDestroy,
        required zeFenceHostSynchronize: ze_pfnFenceHostSynchronize_t = pfnHostSynchronize,
        required zeFenceQueryStatus: ze_pfnFenceQueryStatus_t = pfnQueryStatus,
        required zeFenceReset: ze_pfnFenceReset_t = pfnReset,
    }
    event_pool: ze_event_pool_dditable_t, "zeGetEventPoolProcAddrTable" {
        required zeEventPoolCreate: ze_pfnEventPoolCreate_t = pfnCreate,
        required zeEventPoolDestroy: ze_pfnEventPoolDestroy_t = pfnDestroy,
        required zeEventPoolGetIpcHandle: ze_pfnEventPoolGetIpcHandle_t = pfnGetIpcHandle,
        required zeEventPoolOpenIpcHandle: ze_pfnEventPoolOpenIpcHandle_t = pfnOpenIpcHandle,
        required zeEventPoolCloseIpcHandle: ze_pfnEventPoolCloseIpcHandle_t = pfnCloseIpcHandle,
    }
    event: ze_event_dditable_t, "zeGetEventProcAddrTable" {
        required zeEventCreate: ze_pfnEventCreate_t = pfnCreate,
        required zeEventDestroy: ze_pfnEventDestroy_t = pfnDestroy,
        required zeEventHostSignal: ze_pfnEventHostSignal_t = pfnHostSignal,
        required zeEventHostSynchronize: ze_pfnEventHostSynchronize_t = pfnHostSynchronize,
        required zeEventQueryStatus: ze_pfnEventQueryStatus_t = pfnQueryStatus,
        required zeEventHostReset: ze_pfnEventHostReset_t = pfnHostReset,
        required zeEventQueryKernelTimestamp: ze_pfnEventQueryKernelTimestamp_t = pfnQueryKernelTimestamp,
    }
    event_exp: ze_event_exp_dditable_t, "zeGetEventExpProcAddrTable" {
        optional zeEventQueryTimestampsExp: ze_pfnEventQueryTimestampsExp_t = pfnQueryTimestampsExp,
    }
    module: ze_module_dditable_t, "zeGetModuleProcAddrTable" {
        required zeModuleCreate: ze_pfnModuleCreate_t = pfnCreate,
        required zeModuleDestroy: ze_pfnModuleDestroy_t = pfnDestroy,
        required zeModuleDynamicLink: ze_pfnModuleDynamicLink_t = pfnDynamicLink,
        required zeModuleGetNativeBinary: ze_pfnModuleGetNativeBinary_t = pfnGetNativeBinary,
        required zeModuleGetGlobalPointer: ze_pfnModuleGetGlobalPointer_t = pfnGetGlobalPointer,
        required zeModuleGetKernelNames: ze_pfnModuleGetKernelNames_t = pfnGetKernelNames,
        required zeModuleGetProperties: ze_pfnModuleGetProperties_t = pfnGetProperties,
        required zeModuleGetFunctionPointer: ze_pfnModuleGetFunctionPointer_t = pfnGetFunctionPointer,
        optional zeModuleInspectLinkageExt: ze_pfnModuleInspectLinkageExt_t = pfnInspectLinkageExt,
    }
    module_build_log: ze_module_build_log_dditable_t, "zeGetModuleBuildLogProcAddrTable" {
        required zeModuleBuildLogDestroy: ze_pfnModuleBuildLogDestroy_t = pfnDestroy,
        required zeModuleBuildLogGetString: ze_pfnModuleBuildLogGetString_t = pfnGetString,
    }
    kernel: ze_kernel_dditable_t, "zeGetKernelProcAddrTable" {
        required zeKernelCreate: ze_pfnKernelCreate_t = pfnCreate,
        required zeKernelDestroy: ze_pfnKernelDestroy_t = pfnDestroy,
        required zeKernelSetCacheConfig: ze_pfnKernelSetCacheConfig_t = pfnSetCacheConfig,
        required zeKernelSetGroupSize: ze_pfnKernelSetGroupSize_t = pfnSetGroupSize,
        required zeKernelSuggestGroupSize: ze_pfnKernelSuggestGroupSize_t = pfnSuggestGroupSize,
        required zeKernelSuggestMaxCooperativeGroupCount: ze_pfnKernelSuggestMaxCooperativeGroupCount_t = pfnSuggestMaxCooperativeGroupCount,
        required zeKernelSetArgumentValue: ze_pfnKernelSetArgumentValue_t = pfnSetArgumentValue,
        required zeKernelSetIndirectAccess: ze_pfnKernelSetIndirectAccess_t = pfnSetIndirectAccess,
        required zeKernelGetIndirectAccess: ze_pfnKernelGetIndirectAccess_t = pfnGetIndirectAccess,
        optional zeKernelGetSourceAttributes: ze_pfnKernelGetSourceAttributes_t = pfnGetSourceAttributes,
        required zeKernelGetProperties: ze_pfnKernelGetProperties_t = pfnGetProperties,
        required zeKernelGetName: ze_pfnKernelGetName_t = pfnGetName,
    }
    kernel_exp: ze_kernel_exp_dditable_t, "zeGetKernelExpProcAddrTable" {
        optional zeKernelSetGlobalOffsetExp: ze_pfnKernelSetGlobalOffsetExp_t = pfnSetGlobalOffsetExp,
        optional zeKernelSchedulingHintExp: ze_pfnKernelSchedulingHintExp_t = pfnSchedulingHintExp,
    }
    physical_mem: ze_physical_mem_dditable_t, "zeGetPhysicalMemProcAddrTable" {
        required zePhysicalMemCreate: ze_pfnPhysicalMemCreate_t = pfnCreate,
        required zePhysicalMemDestroy: ze_pfnPhysicalMemDestroy_t = pfnDestroy,
    }
    mem: ze_mem_dditable_t, "zeGetMemProcAddrTable" {
        required zeMemAllocShared: ze_pfnMemAllocShared_t = pfnAllocShared,
        required zeMemAllocDevice: ze_pfnMemAllocDevice_t = pfnAllocDevice,
        required zeMemAllocHost: ze_pfnMemAllocHost_t = pfnAllocHost,
        required zeMemFree: ze_pfnMemFree_t = pfnFree,
        required zeMemGetAllocProperties: ze_pfnMemGetAllocProperties_t = pfnGetAllocProperties,
        required zeMemGetAddressRange: ze_pfnMemGetAddressRange_t = pfnGetAddressRange,
        required zeMemGetIpcHandle: ze_pfnMemGetIpcHandle_t = pfnGetIpcHandle,
        required zeMemOpenIpcHandle: ze_pfnMemOpenIpcHandle_t = pfnOpenIpcHandle,
        required zeMemCloseIpcHandle: ze_pfnMemCloseIpcHandle_t = pfnCloseIpcHandle,
        optional zeMemFreeExt: ze_pfnMemFreeExt_t = pfnFreeExt,
    }
    virtual_mem: ze_virtual_mem_dditable_t, "zeGetVirtualMemProcAddrTable" {
        required zeVirtualMemReserve: ze_pfnVirtualMemReserve_t = pfnReserve,
        required zeVirtualMemFree: ze_pfnVirtualMemFree_t = pfnFree,
        required zeVirtualMemQueryPageSize: ze_pfnVirtualMemQueryPageSize_t = pfnQueryPageSize,
        required zeVirtualMemMap: ze_pfnVirtualMemMap_t = pfnMap,
        required zeVirtualMemUnmap: ze_pfnVirtualMemUnmap_t = pfnUnmap,
        required zeVirtualMemSetAccessAttribute: ze_pfnVirtualMemSetAccessAttribute_t = pfnSetAccessAttribute,
        required zeVirtualMemGetAccessAttribute: ze_pfnVirtualMemGetAccessAttribute_t = pfnGetAccessAttribute,
    }
    ; later {
        /// `zeInitDrivers`, from 1.10
        zeInitDrivers: ze_pfnInitDrivers_t,
        /// `zeCommandListHostSynchronize`, from 1.6
        zeCommandListHostSynchronize: ze_pfnCommandListHostSynchronize_t,
        /// `zeMemPutIpcHandle`, from 1.6
        zeMemPutIpcHandle: ze_pfnMemPutIpcHandle_t,
        /// `zeMemGetIpcHandleFromFileDescriptorExp`, from 1.6
        zeMemGetIpcHandleFromFileDescriptorExp: ze_pfnMemGetIpcHandleFromFileDescriptorExp_t,
        /// `zeMemGetFileDescriptorFromIpcHandleExp`, from 1.6
        zeMemGetFileDescriptorFromIpcHandleExp: ze_pfnMemGetFileDescriptorFromIpcHandleExp_t,
        /// `zeMemSetAtomicAccessAttributeExp`, from 1.7
        zeMemSetAtomicAccessAttributeExp: ze_pfnMemSetAtomicAccessAttributeExp_t,
        /// `zeMemGetAtomicAccessAttributeExp`, from 1.7
        zeMemGetAtomicAccessAttributeExp: ze_pfnMemGetAtomicAccessAttributeExp_t,
        /// `zeDeviceGetRootDevice`, from 1.7
        zeDeviceGetRootDevice: ze_pfnDeviceGetRootDevice_t,
    }
}
