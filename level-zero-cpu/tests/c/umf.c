// Intel's Unified Memory Framework as a client: its Level Zero provider with its disjoint pool
// allocates, frees, asks for what it has, and shares memory with another process.
//
//   umf            all of it; prints "ok" in the end
//   umf import     the other process: takes a handle from its standard input
#include <level_zero/ze_api.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <umf.h>
#include <umf/ipc.h>
#include <umf/pools/pool_disjoint.h>
#include <umf/providers/provider_level_zero.h>
#include <unistd.h>

#define CHECK(condition)                                                                   \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                \
            exit(1);                                                                       \
        }                                                                                  \
    } while (0)
#define ZE(call)                                                                           \
    do {                                                                                   \
        ze_result_t result_ = (call);                                                      \
        if (result_ != ZE_RESULT_SUCCESS) {                                                \
            fprintf(stderr, "%s:%d: %s: 0x%x\n", __FILE__, __LINE__, #call, result_);      \
            exit(1);                                                                       \
        }                                                                                  \
    } while (0)
#define UMF(call)                                                                          \
    do {                                                                                   \
        umf_result_t result_ = (call);                                                     \
        if (result_ != UMF_RESULT_SUCCESS) {                                               \
            fprintf(stderr, "%s:%d: %s: %d\n", __FILE__, __LINE__, #call, (int)result_);   \
            exit(1);                                                                       \
        }                                                                                  \
    } while (0)

enum { THREADS = 3, LIVE = 64, STEPS = 4000 };
static const size_t SHARED_BYTES = 300 * 1000;

static ze_driver_handle_t driver;
static ze_device_handle_t device;
static ze_context_handle_t context;

static void start(void) {
    uint32_t count = 1;
    ZE(zeInit(0));
    ZE(zeDriverGet(&count, &driver));
    CHECK(count == 1);
    ZE(zeDeviceGet(driver, &count, &device));
    CHECK(count == 1);
    ze_context_desc_t desc = {ZE_STRUCTURE_TYPE_CONTEXT_DESC, NULL, 0};
    ZE(zeContextCreate(driver, &desc, &context));
}

static ze_command_list_handle_t synchronous_list(void) {
    ze_command_queue_desc_t desc = {.stype = ZE_STRUCTURE_TYPE_COMMAND_QUEUE_DESC,
                                    .mode = ZE_COMMAND_QUEUE_MODE_SYNCHRONOUS};
    ze_command_list_handle_t list;
    ZE(zeCommandListCreateImmediate(context, device, &desc, &list));
    return list;
}

static umf_memory_pool_handle_t
make_pool(umf_usm_memory_type_t type, umf_level_zero_memory_provider_free_policy_t policy) {
    umf_level_zero_memory_provider_params_handle_t provider_params;
    UMF(umfLevelZeroMemoryProviderParamsCreate(&provider_params));
    UMF(umfLevelZeroMemoryProviderParamsSetContext(provider_params, context));
    UMF(umfLevelZeroMemoryProviderParamsSetMemoryType(provider_params, type));
    UMF(umfLevelZeroMemoryProviderParamsSetFreePolicy(provider_params, policy));
    if (type != UMF_MEMORY_TYPE_HOST) {
        UMF(umfLevelZeroMemoryProviderParamsSetDevice(provider_params, device));
        UMF(umfLevelZeroMemoryProviderParamsSetResidentDevices(provider_params, &device, 1));
    }
    umf_memory_provider_handle_t provider;
    UMF(umfMemoryProviderCreate(umfLevelZeroMemoryProviderOps(), provider_params, &provider));
    UMF(umfLevelZeroMemoryProviderParamsDestroy(provider_params));

    // Those of Intel's SYCL runtime for device memory.
    umf_disjoint_pool_params_handle_t pool_params;
    UMF(umfDisjointPoolParamsCreate(&pool_params));
    UMF(umfDisjointPoolParamsSetSlabMinSize(pool_params, 64 << 10));
    UMF(umfDisjointPoolParamsSetMaxPoolableSize(pool_params, 4 << 20));
    UMF(umfDisjointPoolParamsSetCapacity(pool_params, 4));
    UMF(umfDisjointPoolParamsSetMinBucketSize(pool_params, 512));
    umf_memory_pool_handle_t pool;
    UMF(umfPoolCreate(umfDisjointPoolOps(), provider, pool_params,
                      UMF_POOL_CREATE_FLAG_OWN_PROVIDER, &pool));
    UMF(umfDisjointPoolParamsDestroy(pool_params));
    return pool;
}

// What one thread holds of a pool; each buffer starts and ends with its number.
struct buffer {
    char *address;
    size_t size;
    uint64_t mark;
};

struct work {
    umf_memory_pool_handle_t pool;
    umf_usm_memory_type_t type;
    uint64_t seed;
};

static uint64_t next(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void put(ze_command_list_handle_t list, int is_device, void *to, const void *from) {
    if (is_device)
        ZE(zeCommandListAppendMemoryCopy(list, to, from, 8, NULL, 0, NULL));
    else
        memcpy(to, from, 8);
}

static void *churn(void *argument) {
    struct work *work = argument;
    struct buffer live[LIVE] = {0};
    int is_device = work->type == UMF_MEMORY_TYPE_DEVICE;
    ze_memory_type_t expected = is_device                              ? ZE_MEMORY_TYPE_DEVICE
                                : work->type == UMF_MEMORY_TYPE_SHARED ? ZE_MEMORY_TYPE_SHARED
                                                                       : ZE_MEMORY_TYPE_HOST;
    ze_command_list_handle_t list = synchronous_list();
    uint64_t state = work->seed;
    for (int step = 0; step < STEPS; step++) {
        struct buffer *slot = &live[next(&state) % LIVE];
        if (slot->address) {
            uint64_t first = 0, last = 0;
            put(list, is_device, &first, slot->address);
            put(list, is_device, &last, slot->address + slot->size - 8);
            CHECK(first == slot->mark && last == slot->mark);
            UMF(umfFree(slot->address));
            slot->address = NULL;
            continue;
        }
        // Mostly small, sometimes more than is pooled.
        size_t size = 16 + next(&state) % (step % 50 == 0 ? 6 << 20 : 20 << 10);
        size_t alignment = (size_t)8 << next(&state) % 10;
        slot->address = umfPoolAlignedMalloc(work->pool, size, alignment);
        CHECK(slot->address != NULL);
        CHECK((uintptr_t)slot->address % alignment == 0);
        slot->size = size;
        slot->mark = next(&state);
        put(list, is_device, slot->address, &slot->mark);
        put(list, is_device, slot->address + size - 8, &slot->mark);

        ze_memory_allocation_properties_t properties = {
            .stype = ZE_STRUCTURE_TYPE_MEMORY_ALLOCATION_PROPERTIES};
        ze_device_handle_t owner = NULL;
        ZE(zeMemGetAllocProperties(context, slot->address, &properties, &owner));
        CHECK(properties.type == expected);
        CHECK(is_device ? owner == device : 1);
        void *base;
        size_t whole;
        ZE(zeMemGetAddressRange(context, slot->address, &base, &whole));
        CHECK((char *)base <= slot->address && slot->address + size <= (char *)base + whole);
    }
    for (int i = 0; i < LIVE; i++)
        if (live[i].address)
            UMF(umfFree(live[i].address));
    ZE(zeCommandListDestroy(list));
    return NULL;
}

static void churn_all(void) {
    static const umf_usm_memory_type_t types[] = {UMF_MEMORY_TYPE_DEVICE, UMF_MEMORY_TYPE_SHARED,
                                                  UMF_MEMORY_TYPE_HOST};
    static const umf_level_zero_memory_provider_free_policy_t policies[] = {
        UMF_LEVEL_ZERO_MEMORY_PROVIDER_FREE_POLICY_DEFAULT,
        UMF_LEVEL_ZERO_MEMORY_PROVIDER_FREE_POLICY_BLOCKING_FREE,
        UMF_LEVEL_ZERO_MEMORY_PROVIDER_FREE_POLICY_DEFER_FREE,
    };
    for (int t = 0; t < 3; t++)
        for (int p = 0; p < 3; p++) {
            umf_memory_pool_handle_t pool = make_pool(types[t], policies[p]);
            pthread_t threads[THREADS];
            struct work work[THREADS];
            for (int i = 0; i < THREADS; i++) {
                work[i] = (struct work){pool, types[t], 0x9e3779b97f4a7c15u * (uint64_t)(i + 1)};
                CHECK(pthread_create(&threads[i], NULL, churn, &work[i]) == 0);
            }
            for (int i = 0; i < THREADS; i++)
                CHECK(pthread_join(threads[i], NULL) == 0);
            UMF(umfPoolDestroy(pool));
        }
}

static void out_of_memory(void) {
    umf_memory_pool_handle_t pool =
        make_pool(UMF_MEMORY_TYPE_DEVICE, UMF_LEVEL_ZERO_MEMORY_PROVIDER_FREE_POLICY_DEFAULT);
    CHECK(umfPoolMalloc(pool, (size_t)1 << 40) == NULL);
    void *pointer = umfPoolMalloc(pool, 100);
    CHECK(pointer != NULL);
    UMF(umfFree(pointer));
    UMF(umfPoolDestroy(pool));
}

static void fill(ze_command_list_handle_t list, void *target, uint32_t value) {
    ZE(zeCommandListAppendMemoryFill(list, target, &value, sizeof value, SHARED_BYTES, NULL, 0, NULL));
}

static void expect(ze_command_list_handle_t list, const void *source, uint32_t value) {
    uint32_t *seen = malloc(SHARED_BYTES);
    ZE(zeCommandListAppendMemoryCopy(list, seen, source, SHARED_BYTES, NULL, 0, NULL));
    for (size_t i = 0; i < SHARED_BYTES / 4; i++)
        CHECK(seen[i] == value);
    free(seen);
}

static int import(void) {
    size_t size;
    char handle[1024];
    CHECK(read(0, &size, sizeof size) == sizeof size && size <= sizeof handle);
    CHECK(read(0, handle, size) == (ssize_t)size);
    start();
    ze_command_list_handle_t list = synchronous_list();
    umf_memory_pool_handle_t pool =
        make_pool(UMF_MEMORY_TYPE_DEVICE, UMF_LEVEL_ZERO_MEMORY_PROVIDER_FREE_POLICY_DEFAULT);
    umf_ipc_handler_handle_t handler;
    UMF(umfPoolGetIPCHandler(pool, &handler));
    void *memory;
    UMF(umfOpenIPCHandle(handler, (umf_ipc_handle_t)handle, &memory));
    expect(list, memory, 0x01020304);
    fill(list, memory, 0x0a0b0c0d);
    UMF(umfCloseIPCHandle(memory));
    UMF(umfPoolDestroy(pool));
    ZE(zeCommandListDestroy(list));
    ZE(zeContextDestroy(context));
    return 0;
}

static void share(const char *self) {
    // Lets the other process fetch the descriptor where the system restricts that to parents.
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    ze_command_list_handle_t list = synchronous_list();
    umf_memory_pool_handle_t pool =
        make_pool(UMF_MEMORY_TYPE_DEVICE, UMF_LEVEL_ZERO_MEMORY_PROVIDER_FREE_POLICY_DEFAULT);
    // A neighbour in the same slab must not change.
    char *neighbour = umfPoolMalloc(pool, SHARED_BYTES);
    char *memory = umfPoolMalloc(pool, SHARED_BYTES);
    CHECK(memory && neighbour);
    fill(list, neighbour, 0x55555555);
    for (int round = 0; round < 3; round++) {
        fill(list, memory, 0x01020304);
        umf_ipc_handle_t handle;
        size_t size;
        UMF(umfGetIPCHandle(memory, &handle, &size));
        int ends[2];
        CHECK(pipe(ends) == 0);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            dup2(ends[0], 0);
            close(ends[1]);
            execl(self, self, "import", NULL);
            _exit(127);
        }
        close(ends[0]);
        CHECK(write(ends[1], &size, sizeof size) == sizeof size);
        CHECK(write(ends[1], handle, size) == (ssize_t)size);
        close(ends[1]);
        int status;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        expect(list, memory, 0x0a0b0c0d);
        expect(list, neighbour, 0x55555555);
        UMF(umfPutIPCHandle(handle));
    }
    UMF(umfFree(memory));
    UMF(umfFree(neighbour));
    UMF(umfPoolDestroy(pool));
    ZE(zeCommandListDestroy(list));
}

int main(int count, char **arguments) {
    if (count > 1 && strcmp(arguments[1], "import") == 0)
        return import();
    start();
    churn_all();
    out_of_memory();
    share(arguments[0]);
    ZE(zeContextDestroy(context));
    puts("ok");
    return 0;
}
