// A program from the specification: every call on memory and every transfer, with its content
// checked, from several threads at once. Prints "ok" in the end.
#include <level_zero/ze_api.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition)                                                                   \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                \
            exit(1);                                                                       \
        }                                                                                  \
    } while (0)
#define ZE(call) GIVES(ZE_RESULT_SUCCESS, call)
#define GIVES(expected, call)                                                              \
    do {                                                                                   \
        ze_result_t result_ = (call);                                                      \
        if (result_ != (expected)) {                                                       \
            fprintf(stderr, "%s:%d: %s: 0x%x\n", __FILE__, __LINE__, #call, result_);      \
            exit(1);                                                                       \
        }                                                                                  \
    } while (0)

enum { THREADS = 3, ROUNDS = 20, MANY = 16 };

static ze_driver_handle_t driver;
static ze_device_handle_t devices[MANY];
static uint32_t device_count = MANY;

// What a thread works with.
struct bench {
    ze_context_handle_t context, other;
    ze_device_handle_t device;
    ze_command_queue_handle_t queue;
    ze_command_list_handle_t regular, immediate, waiting;
    ze_event_pool_handle_t pool;
    ze_event_handle_t events[4];
    ze_fence_handle_t fence;
};

static void queries(void) {
    ze_api_version_t version;
    ZE(zeDriverGetApiVersion(driver, &version));
    CHECK(ZE_MAJOR_VERSION(version) == 1);
    ze_driver_memory_free_ext_properties_t policies = {
        .stype = ZE_STRUCTURE_TYPE_DRIVER_MEMORY_FREE_EXT_PROPERTIES};
    ze_driver_properties_t properties = {.stype = ZE_STRUCTURE_TYPE_DRIVER_PROPERTIES,
                                         .pNext = &policies};
    ZE(zeDriverGetProperties(driver, &properties));
    ze_driver_ipc_properties_t ipc = {.stype = ZE_STRUCTURE_TYPE_DRIVER_IPC_PROPERTIES};
    ZE(zeDriverGetIpcProperties(driver, &ipc));
    CHECK(ipc.flags & ZE_IPC_PROPERTY_FLAG_MEMORY);
    uint32_t count = 0;
    ZE(zeDriverGetExtensionProperties(driver, &count, NULL));
    ze_driver_extension_properties_t *extensions = calloc(count, sizeof *extensions);
    ZE(zeDriverGetExtensionProperties(driver, &count, extensions));
    free(extensions);

    for (uint32_t i = 0; i < device_count; i++) {
        ze_device_handle_t device = devices[i];
        ze_device_properties_t of_device = {.stype = ZE_STRUCTURE_TYPE_DEVICE_PROPERTIES};
        ZE(zeDeviceGetProperties(device, &of_device));
        CHECK(of_device.maxMemAllocSize > 0 && of_device.name[0] != 0);
        ze_device_compute_properties_t compute = {
            .stype = ZE_STRUCTURE_TYPE_DEVICE_COMPUTE_PROPERTIES};
        ZE(zeDeviceGetComputeProperties(device, &compute));
        ze_device_module_properties_t module = {
            .stype = ZE_STRUCTURE_TYPE_DEVICE_MODULE_PROPERTIES};
        ZE(zeDeviceGetModuleProperties(device, &module));
        uint32_t groups = 0;
        ZE(zeDeviceGetCommandQueueGroupProperties(device, &groups, NULL));
        CHECK(groups >= 1);
        ze_command_queue_group_properties_t *group = calloc(groups, sizeof *group);
        for (uint32_t g = 0; g < groups; g++)
            group[g].stype = ZE_STRUCTURE_TYPE_COMMAND_QUEUE_GROUP_PROPERTIES;
        ZE(zeDeviceGetCommandQueueGroupProperties(device, &groups, group));
        for (uint32_t g = 0; g < groups; g++)
            CHECK(group[g].numQueues > 0 && group[g].maxMemoryFillPatternSize > 0);
        free(group);
        uint32_t memories = 0;
        ZE(zeDeviceGetMemoryProperties(device, &memories, NULL));
        CHECK(memories >= 1);
        ze_device_memory_properties_t *memory = calloc(memories, sizeof *memory);
        for (uint32_t m = 0; m < memories; m++)
            memory[m].stype = ZE_STRUCTURE_TYPE_DEVICE_MEMORY_PROPERTIES;
        ZE(zeDeviceGetMemoryProperties(device, &memories, memory));
        CHECK(memory[0].totalSize > 0);
        free(memory);
        ze_device_memory_access_properties_t access = {
            .stype = ZE_STRUCTURE_TYPE_DEVICE_MEMORY_ACCESS_PROPERTIES};
        ZE(zeDeviceGetMemoryAccessProperties(device, &access));
        CHECK(access.deviceAllocCapabilities & ZE_MEMORY_ACCESS_CAP_FLAG_RW);
        ze_device_external_memory_properties_t external = {
            .stype = ZE_STRUCTURE_TYPE_DEVICE_EXTERNAL_MEMORY_PROPERTIES};
        ZE(zeDeviceGetExternalMemoryProperties(device, &external));
        CHECK(external.memoryAllocationExportTypes & ZE_EXTERNAL_MEMORY_TYPE_FLAG_OPAQUE_FD);
        CHECK(external.memoryAllocationImportTypes & ZE_EXTERNAL_MEMORY_TYPE_FLAG_OPAQUE_FD);
        uint32_t caches = 0;
        ZE(zeDeviceGetCacheProperties(device, &caches, NULL));
        ZE(zeDeviceGetStatus(device));
        uint64_t host_time, device_time;
        ZE(zeDeviceGetGlobalTimestamps(device, &host_time, &device_time));
        uint32_t parts = 0;
        ZE(zeDeviceGetSubDevices(device, &parts, NULL));
        for (uint32_t j = 0; j < device_count; j++) {
            ze_bool_t reaches;
            ZE(zeDeviceCanAccessPeer(device, devices[j], &reaches));
            ze_device_p2p_properties_t p2p = {.stype = ZE_STRUCTURE_TYPE_DEVICE_P2P_PROPERTIES};
            ZE(zeDeviceGetP2PProperties(device, devices[j], &p2p));
        }
    }
}

static void open_bench(struct bench *bench, ze_device_handle_t device) {
    bench->device = device;
    ze_context_desc_t context = {.stype = ZE_STRUCTURE_TYPE_CONTEXT_DESC};
    ZE(zeContextCreate(driver, &context, &bench->context));
    ZE(zeContextCreateEx(driver, &context, 1, &device, &bench->other));
    ZE(zeContextGetStatus(bench->context));
    ze_command_queue_desc_t queue = {.stype = ZE_STRUCTURE_TYPE_COMMAND_QUEUE_DESC,
                                     .mode = ZE_COMMAND_QUEUE_MODE_ASYNCHRONOUS};
    ZE(zeCommandQueueCreate(bench->context, device, &queue, &bench->queue));
    ZE(zeCommandListCreateImmediate(bench->context, device, &queue, &bench->immediate));
    queue.mode = ZE_COMMAND_QUEUE_MODE_SYNCHRONOUS;
    ZE(zeCommandListCreateImmediate(bench->context, device, &queue, &bench->waiting));
    ze_command_list_desc_t list = {.stype = ZE_STRUCTURE_TYPE_COMMAND_LIST_DESC};
    ZE(zeCommandListCreate(bench->context, device, &list, &bench->regular));
    ze_fence_desc_t fence = {.stype = ZE_STRUCTURE_TYPE_FENCE_DESC};
    ZE(zeFenceCreate(bench->queue, &fence, &bench->fence));
    ze_event_pool_desc_t pool = {
        .stype = ZE_STRUCTURE_TYPE_EVENT_POOL_DESC,
        .flags = ZE_EVENT_POOL_FLAG_HOST_VISIBLE | ZE_EVENT_POOL_FLAG_KERNEL_TIMESTAMP,
        .count = 4};
    ZE(zeEventPoolCreate(bench->context, &pool, 1, &device, &bench->pool));
    for (uint32_t i = 0; i < 4; i++) {
        ze_event_desc_t event = {.stype = ZE_STRUCTURE_TYPE_EVENT_DESC,
                                 .index = i,
                                 .signal = ZE_EVENT_SCOPE_FLAG_HOST,
                                 .wait = ZE_EVENT_SCOPE_FLAG_HOST};
        ZE(zeEventCreate(bench->pool, &event, &bench->events[i]));
    }
}

static void close_bench(struct bench *bench) {
    for (int i = 0; i < 4; i++)
        ZE(zeEventDestroy(bench->events[i]));
    ZE(zeEventPoolDestroy(bench->pool));
    ZE(zeFenceDestroy(bench->fence));
    ZE(zeCommandListDestroy(bench->regular));
    ZE(zeCommandListDestroy(bench->immediate));
    ZE(zeCommandListDestroy(bench->waiting));
    ZE(zeCommandQueueDestroy(bench->queue));
    ZE(zeContextDestroy(bench->other));
    ZE(zeContextDestroy(bench->context));
}

// Device, shared, host.
static void *allocate(ze_context_handle_t context, ze_device_handle_t device, int kind, size_t size,
                      size_t alignment) {
    ze_device_mem_alloc_desc_t device_desc = {.stype = ZE_STRUCTURE_TYPE_DEVICE_MEM_ALLOC_DESC};
    ze_host_mem_alloc_desc_t host_desc = {.stype = ZE_STRUCTURE_TYPE_HOST_MEM_ALLOC_DESC};
    void *pointer = NULL;
    if (kind == 0)
        ZE(zeMemAllocDevice(context, &device_desc, size, alignment, device, &pointer));
    else if (kind == 1)
        ZE(zeMemAllocShared(context, &device_desc, &host_desc, size, alignment, device, &pointer));
    else
        ZE(zeMemAllocHost(context, &host_desc, size, alignment, &pointer));
    CHECK(pointer != NULL);
    CHECK(alignment == 0 || (uintptr_t)pointer % alignment == 0);
    return pointer;
}

static void allocations(struct bench *bench, unsigned seed) {
    static const ze_memory_type_t types[] = {ZE_MEMORY_TYPE_DEVICE, ZE_MEMORY_TYPE_SHARED,
                                             ZE_MEMORY_TYPE_HOST};
    for (int kind = 0; kind < 3; kind++) {
        size_t size = 1 + (seed * 7919 + (unsigned)kind * 104729) % 100000;
        char *memory = allocate(bench->context, bench->device, kind, size, (size_t)1 << seed % 17);
        ze_memory_allocation_properties_t properties = {
            .stype = ZE_STRUCTURE_TYPE_MEMORY_ALLOCATION_PROPERTIES};
        ze_device_handle_t owner = NULL;
        ZE(zeMemGetAllocProperties(bench->context, memory + size - 1, &properties, &owner));
        CHECK(properties.type == types[kind] && properties.pageSize > 0);
        CHECK(kind == 2 ? owner == NULL : owner == bench->device);
        void *base;
        size_t whole;
        ZE(zeMemGetAddressRange(bench->context, memory + size / 2, &base, &whole));
        CHECK(base == memory && whole >= size);
        ZE(zeContextMakeMemoryResident(bench->context, bench->device, memory, size));
        ZE(zeCommandListAppendMemoryPrefetch(bench->waiting, memory, size));
        ZE(zeCommandListAppendMemAdvise(bench->waiting, bench->device, memory, size,
                                        ZE_MEMORY_ADVICE_SET_READ_MOSTLY));
        ZE(zeContextEvictMemory(bench->context, bench->device, memory, size));
        ZE(zeContextSystemBarrier(bench->context, bench->device));
        GIVES(ZE_RESULT_ERROR_INVALID_ARGUMENT, zeMemFree(bench->other, memory));
        if (size > 1)
            GIVES(ZE_RESULT_ERROR_INVALID_ARGUMENT, zeMemFree(bench->context, memory + 1));
        if (seed % 2) {
            ZE(zeMemFree(bench->context, memory));
        } else {
            ze_memory_free_ext_desc_t desc = {
                .stype = ZE_STRUCTURE_TYPE_MEMORY_FREE_EXT_DESC,
                .freePolicy = seed % 4 ? ZE_DRIVER_MEMORY_FREE_POLICY_EXT_FLAG_BLOCKING_FREE
                                       : ZE_DRIVER_MEMORY_FREE_POLICY_EXT_FLAG_DEFER_FREE};
            ZE(zeMemFreeExt(bench->context, &desc, memory));
        }
        GIVES(ZE_RESULT_ERROR_INVALID_ARGUMENT, zeMemFree(bench->context, memory));
    }
    ze_relaxed_allocation_limits_exp_desc_t relaxed = {
        .stype = ZE_STRUCTURE_TYPE_RELAXED_ALLOCATION_LIMITS_EXP_DESC,
        .flags = ZE_RELAXED_ALLOCATION_LIMITS_EXP_FLAG_MAX_SIZE};
    ze_device_properties_t limits = {.stype = ZE_STRUCTURE_TYPE_DEVICE_PROPERTIES};
    ZE(zeDeviceGetProperties(bench->device, &limits));
    ze_host_mem_alloc_desc_t desc = {.stype = ZE_STRUCTURE_TYPE_HOST_MEM_ALLOC_DESC};
    void *large;
    if (limits.maxMemAllocSize < (uint64_t)3 << 30) {
        GIVES(ZE_RESULT_ERROR_UNSUPPORTED_SIZE,
              zeMemAllocHost(bench->context, &desc, limits.maxMemAllocSize + 1, 0, &large));
        if (seed == 0) {
            desc.pNext = &relaxed;
            ZE(zeMemAllocHost(bench->context, &desc, limits.maxMemAllocSize + 1, 0, &large));
            ZE(zeMemFree(bench->context, large));
        }
    }
}

// Copies between all pairs of placements, with a list of each sort.
static void copies(struct bench *bench, unsigned seed) {
    enum { WORDS = 5000 };
    const size_t size = WORDS * sizeof(uint32_t);
    uint32_t *source = malloc(size), *seen = malloc(size);
    for (int from = 0; from < 3; from++)
        for (int to = 0; to < 3; to++) {
            uint32_t *first = allocate(bench->context, bench->device, from, size, 0);
            uint32_t *second = allocate(bench->context, bench->device, to, size, 0);
            for (uint32_t i = 0; i < WORDS; i++)
                source[i] = seed * 1000003 + i * 31 + (uint32_t)(from * 3 + to);
            memset(seen, 0, size);
            ze_command_list_handle_t list = seed % 2 ? bench->regular : bench->immediate;
            ZE(zeCommandListAppendMemoryCopy(list, first, source, size, bench->events[0], 0, NULL));
            ZE(zeCommandListAppendMemoryCopy(list, second, first, size, bench->events[1], 1,
                                             &bench->events[0]));
            ZE(zeCommandListAppendBarrier(list, NULL, 1, &bench->events[1]));
            size_t sizes[] = {size};
            const void *ranges[] = {second};
            ZE(zeCommandListAppendMemoryRangesBarrier(list, 1, sizes, ranges, NULL, 0, NULL));
            ZE(zeCommandListAppendMemoryCopy(list, seen, second, size, bench->events[2], 0, NULL));
            if (list == bench->regular) {
                ZE(zeCommandListClose(list));
                ZE(zeCommandQueueExecuteCommandLists(bench->queue, 1, &list, bench->fence));
                ZE(zeFenceHostSynchronize(bench->fence, UINT64_MAX));
                ZE(zeFenceQueryStatus(bench->fence));
                ZE(zeCommandQueueSynchronize(bench->queue, UINT64_MAX));
                ZE(zeFenceReset(bench->fence));
                GIVES(ZE_RESULT_NOT_READY, zeFenceQueryStatus(bench->fence));
                ZE(zeCommandListReset(list));
            }
            ZE(zeEventHostSynchronize(bench->events[2], UINT64_MAX));
            CHECK(memcmp(source, seen, size) == 0);
            ze_kernel_timestamp_result_t early, late;
            ZE(zeEventQueryKernelTimestamp(bench->events[0], &early));
            ZE(zeEventQueryKernelTimestamp(bench->events[2], &late));
            CHECK(early.global.kernelStart <= early.global.kernelEnd);
            CHECK(early.global.kernelEnd <= late.global.kernelEnd);
            for (int i = 0; i < 3; i++) {
                ZE(zeEventHostReset(bench->events[i]));
                GIVES(ZE_RESULT_NOT_READY, zeEventQueryStatus(bench->events[i]));
            }
            GIVES(ZE_RESULT_ERROR_INVALID_ARGUMENT,
                  zeCommandListAppendMemoryCopy(bench->waiting, second, first, size + (1 << 20), NULL,
                                                0, NULL));
            ZE(zeMemFree(bench->context, first));
            ZE(zeMemFree(bench->context, second));
        }
    // From a buffer of another context.
    uint32_t *foreign = allocate(bench->other, bench->device, 1, size, 0);
    uint32_t *own = allocate(bench->context, bench->device, 0, size, 0);
    memcpy(foreign, source, size);
    ZE(zeCommandListAppendMemoryCopyFromContext(bench->waiting, own, bench->other, foreign, size, NULL,
                                                0, NULL));
    memset(seen, 0, size);
    ZE(zeCommandListAppendMemoryCopy(bench->waiting, seen, own, size, NULL, 0, NULL));
    CHECK(memcmp(source, seen, size) == 0);
    ZE(zeMemFree(bench->context, own));
    ZE(zeMemFree(bench->other, foreign));
    free(source);
    free(seen);
}

static void fills(struct bench *bench, unsigned seed) {
    unsigned char pattern[128], *seen;
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (unsigned char)(seed * 37 + i * 11 + 1);
    for (int kind = 0; kind < 3; kind++)
        for (size_t width = 1; width <= sizeof pattern; width *= 2) {
            size_t size = width * 333;
            unsigned char *memory = allocate(bench->context, bench->device, kind, size, 0);
            seen = malloc(size);
            ZE(zeCommandListAppendMemoryFill(bench->immediate, memory, pattern, width, size,
                                             bench->events[0], 0, NULL));
            ZE(zeCommandListAppendMemoryCopy(bench->immediate, seen, memory, size, bench->events[1], 1,
                                             &bench->events[0]));
            ZE(zeEventHostSynchronize(bench->events[1], UINT64_MAX));
            for (size_t i = 0; i < size; i++)
                CHECK(seen[i] == pattern[i % width]);
            ZE(zeEventHostReset(bench->events[0]));
            ZE(zeEventHostReset(bench->events[1]));
            GIVES(ZE_RESULT_ERROR_INVALID_SIZE,
                  zeCommandListAppendMemoryFill(bench->waiting, memory, pattern, 3, size, NULL, 0,
                                                NULL));
            ZE(zeMemFree(bench->context, memory));
            free(seen);
        }
}

static void regions(struct bench *bench, unsigned seed) {
    enum { SIDE = 24, BYTES = SIDE * SIDE * SIDE };
    unsigned char *source = malloc(BYTES), *seen = malloc(BYTES), *expected = malloc(BYTES);
    for (int depth = 0; depth < 5; depth += 2)
        for (int kind = 0; kind < 3; kind++) {
            for (int i = 0; i < BYTES; i++)
                source[i] = (unsigned char)(i * 7 + (int)seed);
            memset(expected, 0xee, BYTES);
            unsigned char *memory = allocate(bench->context, bench->device, kind, BYTES, 0);
            ZE(zeCommandListAppendMemoryCopy(bench->waiting, memory, expected, BYTES, NULL, 0, NULL));
            uint32_t z = depth ? 1 : 0, slices = depth ? (uint32_t)depth : 1;
            ze_copy_region_t from = {3, 2, z, 9, 7, (uint32_t)depth};
            ze_copy_region_t to = {5, 4, depth ? 6 : 0, 9, 7, (uint32_t)depth};
            ZE(zeCommandListAppendMemoryCopyRegion(bench->immediate, memory, &to, SIDE, SIDE * SIDE,
                                                   source, &from, SIDE, SIDE * SIDE, bench->events[3],
                                                   0, NULL));
            ZE(zeEventHostSynchronize(bench->events[3], UINT64_MAX));
            ZE(zeEventHostReset(bench->events[3]));
            for (uint32_t k = 0; k < slices; k++)
                for (uint32_t j = 0; j < 7; j++)
                    memcpy(expected + ((to.originZ + k) * SIDE + 4 + j) * SIDE + 5,
                           source + ((z + k) * SIDE + 2 + j) * SIDE + 3, 9);
            ZE(zeCommandListAppendMemoryCopy(bench->waiting, seen, memory, BYTES, NULL, 0, NULL));
            CHECK(memcmp(seen, expected, BYTES) == 0);
            ZE(zeMemFree(bench->context, memory));
        }
    free(source);
    free(seen);
    free(expected);
}

// Events from the host, in and between lists; global timestamps.
static void events(struct bench *bench) {
    uint64_t *times = allocate(bench->context, bench->device, 2, 2 * sizeof *times, 0);
    uint32_t *word = allocate(bench->context, bench->device, 1, sizeof *word, 0);
    *word = 1;
    uint32_t two = 2;
    ZE(zeCommandListAppendWaitOnEvents(bench->immediate, 1, &bench->events[0]));
    ZE(zeCommandListAppendWriteGlobalTimestamp(bench->immediate, times, NULL, 0, NULL));
    ZE(zeCommandListAppendMemoryFill(bench->immediate, word, &two, sizeof two, sizeof two, NULL, 0,
                                     NULL));
    ZE(zeCommandListAppendWriteGlobalTimestamp(bench->immediate, times + 1, NULL, 0, NULL));
    ZE(zeCommandListAppendSignalEvent(bench->immediate, bench->events[1]));
    ZE(zeCommandListAppendEventReset(bench->immediate, bench->events[0]));
    ZE(zeCommandListAppendSignalEvent(bench->immediate, bench->events[2]));
    GIVES(ZE_RESULT_NOT_READY, zeEventHostSynchronize(bench->events[2], 1000 * 1000));
    CHECK(*word == 1);
    // What waits for the memory waits; what does not is refused.
    GIVES(ZE_RESULT_ERROR_HANDLE_OBJECT_IN_USE, zeMemFree(bench->context, word));
    ZE(zeEventHostSignal(bench->events[0]));
    ZE(zeEventHostSynchronize(bench->events[2], UINT64_MAX));
    CHECK(*word == 2 && times[0] != 0 && times[0] <= times[1]);
    GIVES(ZE_RESULT_NOT_READY, zeEventQueryStatus(bench->events[0]));
    ZE(zeEventQueryStatus(bench->events[1]));
    ZE(zeEventHostReset(bench->events[1]));
    ZE(zeEventHostReset(bench->events[2]));
    ze_memory_free_ext_desc_t wait = {
        .stype = ZE_STRUCTURE_TYPE_MEMORY_FREE_EXT_DESC,
        .freePolicy = ZE_DRIVER_MEMORY_FREE_POLICY_EXT_FLAG_BLOCKING_FREE};
    ZE(zeMemFreeExt(bench->context, &wait, word));
    ZE(zeMemFreeExt(bench->context, &wait, times));
}

static void virtual_memory(struct bench *bench, unsigned seed) {
    size_t page = 0;
    ZE(zeVirtualMemQueryPageSize(bench->context, bench->device, 1 << 20, &page));
    CHECK(page > 0 && (page & (page - 1)) == 0);
    // The validation layer of some loaders refuses a null start, which the specification allows.
    void *hint = (void *)(uintptr_t)0x600000000000, *start = NULL;
    ZE(zeVirtualMemReserve(bench->context, hint, 4 * page, &start));
    CHECK(start != NULL && (uintptr_t)start % page == 0);
    ze_physical_mem_desc_t desc = {.stype = ZE_STRUCTURE_TYPE_PHYSICAL_MEM_DESC, .size = 2 * page};
    ze_physical_mem_handle_t one, two;
    ZE(zePhysicalMemCreate(bench->context, bench->device, &desc, &one));
    ZE(zePhysicalMemCreate(bench->context, bench->device, &desc, &two));
    char *address = start;
    ZE(zeVirtualMemMap(bench->context, address, 2 * page, one, 0,
                       ZE_MEMORY_ACCESS_ATTRIBUTE_READWRITE));
    ZE(zeVirtualMemMap(bench->context, address + 2 * page, page, two, page,
                       ZE_MEMORY_ACCESS_ATTRIBUTE_READWRITE));
    ze_memory_access_attribute_t access;
    size_t size;
    ZE(zeVirtualMemGetAccessAttribute(bench->context, address, page, &access, &size));
    CHECK(access == ZE_MEMORY_ACCESS_ATTRIBUTE_READWRITE && size >= page);

    // Across the border of the two.
    unsigned char *source = malloc(3 * page), *seen = malloc(3 * page);
    for (size_t i = 0; i < 3 * page; i++)
        source[i] = (unsigned char)(i * 13 + seed);
    ZE(zeCommandListAppendMemoryCopy(bench->waiting, address, source, 3 * page, NULL, 0, NULL));
    ZE(zeCommandListAppendMemoryCopy(bench->waiting, seen, address, 3 * page, NULL, 0, NULL));
    CHECK(memcmp(source, seen, 3 * page) == 0);
    GIVES(ZE_RESULT_ERROR_INVALID_ARGUMENT,
          zeCommandListAppendMemoryCopy(bench->waiting, seen, address, 3 * page + 1, NULL, 0, NULL));
    ZE(zeVirtualMemSetAccessAttribute(bench->context, address, page,
                                      ZE_MEMORY_ACCESS_ATTRIBUTE_READONLY));
    ZE(zeCommandListAppendMemoryCopy(bench->waiting, seen, address, page, NULL, 0, NULL));
    GIVES(ZE_RESULT_ERROR_INVALID_ARGUMENT,
          zeCommandListAppendMemoryCopy(bench->waiting, address, source, page, NULL, 0, NULL));

    // Physical memory keeps its content and is seen wherever it is mapped.
    ZE(zeVirtualMemUnmap(bench->context, address, 2 * page));
    ZE(zeVirtualMemUnmap(bench->context, address + 2 * page, page));
    ZE(zeVirtualMemMap(bench->context, address + page, page, two, page,
                       ZE_MEMORY_ACCESS_ATTRIBUTE_READWRITE));
    ZE(zeCommandListAppendMemoryCopy(bench->waiting, seen, address + page, page, NULL, 0, NULL));
    CHECK(memcmp(source + 2 * page, seen, page) == 0);
    ZE(zeVirtualMemUnmap(bench->context, address + page, page));
    ZE(zePhysicalMemDestroy(bench->context, one));
    ZE(zePhysicalMemDestroy(bench->context, two));
    ZE(zeVirtualMemFree(bench->context, start, 4 * page));
    free(source);
    free(seen);
}

// Handles and descriptors, opened in this process too.
static void sharing(struct bench *bench, unsigned seed) {
    const size_t size = 3 * 4096 + 100;
    uint32_t value = 0xc0ffee00 + seed, seen = 0;
    char *memory = allocate(bench->context, bench->device, 0, size, 0);
    ZE(zeCommandListAppendMemoryFill(bench->waiting, memory, &value, 4, size / 4 * 4, NULL, 0, NULL));
    ze_ipc_mem_handle_t handle;
    ZE(zeMemGetIpcHandle(bench->context, memory, &handle));
    char *opened;
    ZE(zeMemOpenIpcHandle(bench->context, bench->device, handle, 0, (void **)&opened));
    CHECK(opened != memory);
    ZE(zeCommandListAppendMemoryCopy(bench->waiting, &seen, opened + 4096, 4, NULL, 0, NULL));
    CHECK(seen == value);
    GIVES(ZE_RESULT_ERROR_INVALID_ARGUMENT, zeMemFree(bench->context, opened));
    ZE(zeMemCloseIpcHandle(bench->context, opened));
    ZE(zeMemFree(bench->context, memory));

    ze_external_memory_export_desc_t export = {
        .stype = ZE_STRUCTURE_TYPE_EXTERNAL_MEMORY_EXPORT_DESC,
        .flags = ZE_EXTERNAL_MEMORY_TYPE_FLAG_OPAQUE_FD};
    ze_device_mem_alloc_desc_t desc = {.stype = ZE_STRUCTURE_TYPE_DEVICE_MEM_ALLOC_DESC,
                                       .pNext = &export};
    void *exported, *imported;
    ZE(zeMemAllocDevice(bench->context, &desc, size, 0, bench->device, &exported));
    ZE(zeCommandListAppendMemoryFill(bench->waiting, exported, &value, 4, size / 4 * 4, NULL, 0, NULL));
    ze_external_memory_export_fd_t fd = {.stype = ZE_STRUCTURE_TYPE_EXTERNAL_MEMORY_EXPORT_FD,
                                         .flags = ZE_EXTERNAL_MEMORY_TYPE_FLAG_OPAQUE_FD,
                                         .fd = -1};
    ze_memory_allocation_properties_t properties = {
        .stype = ZE_STRUCTURE_TYPE_MEMORY_ALLOCATION_PROPERTIES, .pNext = &fd};
    ZE(zeMemGetAllocProperties(bench->context, exported, &properties, NULL));
    CHECK(fd.fd >= 0);
    ze_external_memory_import_fd_t import = {.stype = ZE_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMPORT_FD,
                                             .flags = ZE_EXTERNAL_MEMORY_TYPE_FLAG_OPAQUE_FD,
                                             .fd = fd.fd};
    desc.pNext = &import;
    ZE(zeMemAllocDevice(bench->context, &desc, size, 0, bench->device, &imported));
    seen = 0;
    ZE(zeCommandListAppendMemoryCopy(bench->waiting, &seen, imported, 4, NULL, 0, NULL));
    CHECK(seen == value);
    ZE(zeMemFree(bench->context, exported));
    ZE(zeMemFree(bench->context, imported));
}

static void *work(void *argument) {
    unsigned number = (unsigned)(uintptr_t)argument;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct bench bench;
        unsigned seed = number * ROUNDS + round;
        open_bench(&bench, devices[seed % device_count]);
        allocations(&bench, seed);
        copies(&bench, seed);
        fills(&bench, seed);
        regions(&bench, seed);
        events(&bench);
        virtual_memory(&bench, seed);
        sharing(&bench, seed);
        close_bench(&bench);
    }
    return NULL;
}

int main(void) {
    uint32_t count = 1;
    ZE(zeInit(0));
    ZE(zeDriverGet(&count, &driver));
    CHECK(count == 1);
    ZE(zeDeviceGet(driver, &device_count, devices));
    queries();
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    puts("ok");
    return 0;
}
