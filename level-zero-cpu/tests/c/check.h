/* What the C programs of the tests share. */
#ifndef CHECK_H
#define CHECK_H

#include <dlfcn.h>
#include <level_zero/ze_api.h>
#include <level_zero_cpu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(holds)                                                                               \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #holds);                    \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#define IS(call, wanted)                                                                           \
    do {                                                                                           \
        ze_result_t is_ = (call);                                                                  \
        if (is_ != (wanted)) {                                                                     \
            fprintf(stderr, "%s:%d: %s is %#x, not %s\n", __FILE__, __LINE__, #call, is_, #wanted); \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#define OK(call) IS(call, ZE_RESULT_SUCCESS)

/* A driver with its first device, a context and a synchronous list. */
struct gpu {
    ze_driver_handle_t driver;
    ze_device_handle_t device;
    ze_context_handle_t context;
    ze_command_list_handle_t list;
    uint32_t devices;
};

static inline struct gpu open_driver(ze_driver_handle_t driver)
{
    struct gpu gpu = { .driver = driver };
    OK(zeDeviceGet(driver, &gpu.devices, NULL));
    CHECK(gpu.devices > 0);
    uint32_t one = 1;
    OK(zeDeviceGet(driver, &one, &gpu.device));
    ze_context_desc_t context = { .stype = ZE_STRUCTURE_TYPE_CONTEXT_DESC };
    OK(zeContextCreate(driver, &context, &gpu.context));
    ze_command_queue_desc_t queue = {
        .stype = ZE_STRUCTURE_TYPE_COMMAND_QUEUE_DESC,
        .mode = ZE_COMMAND_QUEUE_MODE_SYNCHRONOUS,
    };
    OK(zeCommandListCreateImmediate(gpu.context, gpu.device, &queue, &gpu.list));
    return gpu;
}

static inline struct gpu open_first(void)
{
    OK(zeInit(0));
    uint32_t count = 1;
    ze_driver_handle_t driver;
    OK(zeDriverGet(&count, &driver));
    CHECK(count == 1);
    return open_driver(driver);
}

static inline void close_gpu(struct gpu *gpu)
{
    OK(zeCommandListDestroy(gpu->list));
    OK(zeContextDestroy(gpu->context));
}

static inline void *alloc_device(struct gpu *gpu, size_t size)
{
    ze_device_mem_alloc_desc_t desc = { .stype = ZE_STRUCTURE_TYPE_DEVICE_MEM_ALLOC_DESC };
    void *memory = NULL;
    OK(zeMemAllocDevice(gpu->context, &desc, size, 64, gpu->device, &memory));
    return memory;
}

#define EXTENSION(gpu, name, type)                                                                 \
    type name##_call;                                                                              \
    OK(zeDriverGetExtensionFunctionAddress((gpu)->driver, #name, (void **)&name##_call))

#endif
