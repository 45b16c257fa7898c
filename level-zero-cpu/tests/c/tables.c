/* Every getter of the header's version: every entry is filled, what is behind stays as it was, and
 * every core call answers zero arguments with an error. Prints the number of entries of each table. */
#include "check.h"
#include <level_zero/ze_ddi.h>
#include <level_zero/zes_ddi.h>
#include <level_zero/zet_ddi.h>

typedef ze_result_t (*getter_t)(ze_api_version_t, void *);
typedef ze_result_t (*call_t)(uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t,
                              uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t);

enum { MOST = 128 };

static void *library;
static const uintptr_t GUARD = (uintptr_t)0x5afe5afe5afe5afe;

static void table(const char *name, size_t size)
{
    char symbol[128];
    snprintf(symbol, sizeof symbol, "%sProcAddrTable", name);
    getter_t getter = (getter_t)dlsym(library, symbol);
    if (!getter) {
        fprintf(stderr, "no %s\n", symbol);
        exit(1);
    }
    uintptr_t slots[MOST];
    for (size_t i = 0; i < MOST; i++)
        slots[i] = GUARD;
    size_t entries = size / sizeof slots[0];
    OK(getter(ZE_API_VERSION_CURRENT, slots));
    /* The tables of tools are filled as far as version 1.4 has them. */
    int core = name[2] == 'G';
    if (core || ZE_API_VERSION_CURRENT == ZE_MAKE_VERSION(1, 4))
        for (size_t i = 0; i < entries; i++)
            CHECK(slots[i] != 0 && slots[i] != GUARD);
    for (size_t i = entries; i < MOST; i++)
        CHECK(slots[i] == GUARD);
    for (size_t i = 0; i < entries && slots[i] != GUARD; i++) {
        /* zeInit takes flags, and zero is right. */
        if (strcmp(name, "zeGetGlobal") == 0 && i == 0)
            continue;
        /* zeDriverGetDefaultContext returns a handle. */
        if (strcmp(name, "zeGetDriver") == 0 && i == 8)
            continue;
        ze_result_t result = ((call_t)slots[i])(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        if (result == ZE_RESULT_SUCCESS || result == ZE_RESULT_ERROR_UNKNOWN) {
            fprintf(stderr, "%s entry %zu: %#x\n", name, i, result);
            exit(1);
        }
        if (!core)
            CHECK(result == ZE_RESULT_ERROR_UNSUPPORTED_FEATURE);
    }
    printf("%sProcAddrTable %zu\n", name, entries);
}

#define TABLE(name, type) table(#name, sizeof(type))

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    library = dlopen(argv[1], RTLD_LAZY | RTLD_LOCAL);
    CHECK(library);
    TABLE(zeGetGlobal, ze_global_dditable_t);
    TABLE(zeGetDriver, ze_driver_dditable_t);
    TABLE(zeGetDevice, ze_device_dditable_t);
    TABLE(zeGetDeviceExp, ze_device_exp_dditable_t);
    TABLE(zeGetContext, ze_context_dditable_t);
    TABLE(zeGetCommandQueue, ze_command_queue_dditable_t);
    TABLE(zeGetCommandList, ze_command_list_dditable_t);
    TABLE(zeGetImage, ze_image_dditable_t);
    TABLE(zeGetImageExp, ze_image_exp_dditable_t);
    TABLE(zeGetFence, ze_fence_dditable_t);
    TABLE(zeGetEventPool, ze_event_pool_dditable_t);
    TABLE(zeGetEvent, ze_event_dditable_t);
    TABLE(zeGetEventExp, ze_event_exp_dditable_t);
    TABLE(zeGetModule, ze_module_dditable_t);
    TABLE(zeGetModuleBuildLog, ze_module_build_log_dditable_t);
    TABLE(zeGetKernel, ze_kernel_dditable_t);
    TABLE(zeGetKernelExp, ze_kernel_exp_dditable_t);
    TABLE(zeGetSampler, ze_sampler_dditable_t);
    TABLE(zeGetPhysicalMem, ze_physical_mem_dditable_t);
    TABLE(zeGetMem, ze_mem_dditable_t);
    TABLE(zeGetVirtualMem, ze_virtual_mem_dditable_t);
    TABLE(zeGetFabricVertexExp, ze_fabric_vertex_exp_dditable_t);
    TABLE(zeGetFabricEdgeExp, ze_fabric_edge_exp_dditable_t);
    TABLE(zetGetDevice, zet_device_dditable_t);
    TABLE(zetGetContext, zet_context_dditable_t);
    TABLE(zetGetCommandList, zet_command_list_dditable_t);
    TABLE(zetGetModule, zet_module_dditable_t);
    TABLE(zetGetKernel, zet_kernel_dditable_t);
    TABLE(zetGetMetricGroup, zet_metric_group_dditable_t);
    TABLE(zetGetMetricGroupExp, zet_metric_group_exp_dditable_t);
    TABLE(zetGetMetric, zet_metric_dditable_t);
    TABLE(zetGetMetricStreamer, zet_metric_streamer_dditable_t);
    TABLE(zetGetMetricQueryPool, zet_metric_query_pool_dditable_t);
    TABLE(zetGetMetricQuery, zet_metric_query_dditable_t);
    TABLE(zetGetTracerExp, zet_tracer_exp_dditable_t);
    TABLE(zetGetDebug, zet_debug_dditable_t);
    TABLE(zesGetDriver, zes_driver_dditable_t);
    TABLE(zesGetDevice, zes_device_dditable_t);
    TABLE(zesGetScheduler, zes_scheduler_dditable_t);
    TABLE(zesGetPerformanceFactor, zes_performance_factor_dditable_t);
    TABLE(zesGetPower, zes_power_dditable_t);
    TABLE(zesGetFrequency, zes_frequency_dditable_t);
    TABLE(zesGetEngine, zes_engine_dditable_t);
    TABLE(zesGetStandby, zes_standby_dditable_t);
    TABLE(zesGetFirmware, zes_firmware_dditable_t);
    TABLE(zesGetMemory, zes_memory_dditable_t);
    TABLE(zesGetFabricPort, zes_fabric_port_dditable_t);
    TABLE(zesGetTemperature, zes_temperature_dditable_t);
    TABLE(zesGetPsu, zes_psu_dditable_t);
    TABLE(zesGetFan, zes_fan_dditable_t);
    TABLE(zesGetLed, zes_led_dditable_t);
    TABLE(zesGetRas, zes_ras_dditable_t);
    TABLE(zesGetDiagnostics, zes_diagnostics_dditable_t);
#if ZE_API_VERSION_CURRENT_M >= 0x10011
    TABLE(zeGetDriverExp, ze_driver_exp_dditable_t);
    TABLE(zeGetMemExp, ze_mem_exp_dditable_t);
    TABLE(zeGetCommandListExp, ze_command_list_exp_dditable_t);
    TABLE(zeGetGraph, ze_graph_dditable_t);
    TABLE(zeGetExecutableGraph, ze_executable_graph_dditable_t);
    TABLE(zeGetRTASBuilder, ze_rtas_builder_dditable_t);
    TABLE(zeGetRTASBuilderExp, ze_rtas_builder_exp_dditable_t);
    TABLE(zeGetRTASParallelOperation, ze_rtas_parallel_operation_dditable_t);
    TABLE(zeGetRTASParallelOperationExp, ze_rtas_parallel_operation_exp_dditable_t);
#endif
    return 0;
}
