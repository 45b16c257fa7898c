/* A program that knows nothing of this driver but, for some of its parts, its extension functions.
 * Its first argument says which part to run. */
#include "check.h"
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

/* Memory of all kinds, contents through it, the ledger, errors. */
static void everything(void)
{
    struct gpu gpu = open_first();
    EXTENSION(&gpu, zecpuLedger, zecpu_pfnLedger_t);
    EXTENSION(&gpu, zecpuFail, zecpu_pfnFail_t);
    EXTENSION(&gpu, zecpuFailNth, zecpu_pfnFailNth_t);
    EXTENSION(&gpu, zecpuClearFaults, zecpu_pfnClearFaults_t);
    ze_device_mem_alloc_desc_t device = { .stype = ZE_STRUCTURE_TYPE_DEVICE_MEM_ALLOC_DESC };
    ze_host_mem_alloc_desc_t host = { .stype = ZE_STRUCTURE_TYPE_HOST_MEM_ALLOC_DESC };
    enum { SIZE = 100000 };
    void *d, *s, *h;
    OK(zeMemAllocDevice(gpu.context, &device, SIZE, 64, gpu.device, &d));
    OK(zeMemAllocShared(gpu.context, &device, &host, SIZE, 64, gpu.device, &s));
    OK(zeMemAllocHost(gpu.context, &host, SIZE, 64, &h));
    for (size_t i = 0; i < SIZE; i++)
        ((unsigned char *)h)[i] = (unsigned char)(i * 7);
    OK(zeCommandListAppendMemoryCopy(gpu.list, d, h, SIZE, NULL, 0, NULL));
    OK(zeCommandListAppendMemoryCopy(gpu.list, s, d, SIZE, NULL, 0, NULL));
    CHECK(memcmp(s, h, SIZE) == 0);

    zecpu_ledger_t ledger = { sizeof ledger };
    OK(zecpuLedger_call(gpu.driver, &ledger));
    CHECK(ledger.size == sizeof ledger);
    CHECK(ledger.allocations == 3 && ledger.orphaned == 0);
    CHECK(ledger.device_bytes == SIZE && ledger.shared_bytes == SIZE && ledger.host_bytes == SIZE);
    CHECK(ledger.contexts == 1 && ledger.command_lists == 1 && ledger.objects == 2);
    CHECK(ledger.reservations == 0);
    /* An older program knows less of the structure, and gets no more. */
    zecpu_ledger_t part = { 2 * sizeof(uint64_t) };
    part.orphaned = 77;
    OK(zecpuLedger_call(NULL, &part));
    CHECK(part.allocations == 3 && part.orphaned == 77 && part.size == 2 * sizeof(uint64_t));
    /* A newer one knows more. */
    struct { zecpu_ledger_t known; uint64_t more; } newer = { { sizeof newer }, 78 };
    OK(zecpuLedger_call(gpu.driver, &newer.known));
    CHECK(newer.known.size == sizeof ledger && newer.more == 78);
    part.size = 7;
    IS(zecpuLedger_call(gpu.driver, &part), ZE_RESULT_ERROR_INVALID_SIZE);
    IS(zecpuLedger_call(gpu.driver, NULL), ZE_RESULT_ERROR_INVALID_NULL_POINTER);
    IS(zecpuLedger_call((ze_driver_handle_t)gpu.context, &ledger), ZE_RESULT_ERROR_INVALID_ARGUMENT);

    OK(zecpuFail_call(gpu.driver, "zeMemFree", 2, ZE_RESULT_ERROR_DEVICE_LOST));
    OK(zeMemFree(gpu.context, d));
    IS(zeMemFree(gpu.context, s), ZE_RESULT_ERROR_DEVICE_LOST);
    OK(zeMemFree(gpu.context, s));
    OK(zecpuFailNth_call(gpu.driver, 1, ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY));
    IS(zeMemFree(gpu.context, h), ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY);
    OK(zecpuFailNth_call(NULL, 1, ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY));
    OK(zecpuClearFaults_call(gpu.driver));
    OK(zeMemFree(gpu.context, h));
    IS(zeMemFree(gpu.context, h), ZE_RESULT_ERROR_INVALID_ARGUMENT);
    IS(zecpuFail_call(gpu.driver, "zeMemFree", 1, ZE_RESULT_SUCCESS),
       ZE_RESULT_ERROR_INVALID_ARGUMENT);
    IS(zecpuFail_call(gpu.driver, "zeMemFre", 1, ZE_RESULT_ERROR_UNKNOWN),
       ZE_RESULT_ERROR_INVALID_ARGUMENT);
    IS(zecpuFail_call(gpu.driver, NULL, 1, ZE_RESULT_ERROR_UNKNOWN),
       ZE_RESULT_ERROR_INVALID_NULL_POINTER);
    IS(zecpuFailNth_call(gpu.driver, 1, ZE_RESULT_SUCCESS), ZE_RESULT_ERROR_INVALID_ARGUMENT);
    void *address;
    IS(zeDriverGetExtensionFunctionAddress(gpu.driver, "zecpuNothing", &address),
       ZE_RESULT_ERROR_INVALID_ARGUMENT);

    /* What is not there says so. */
    ze_image_desc_t image = { .stype = ZE_STRUCTURE_TYPE_IMAGE_DESC, .width = 1 };
    ze_image_handle_t handle;
    IS(zeImageCreate(gpu.context, gpu.device, &image, &handle), ZE_RESULT_ERROR_UNSUPPORTED_FEATURE);
    ze_device_image_properties_t images = { .stype = ZE_STRUCTURE_TYPE_DEVICE_IMAGE_PROPERTIES,
                                            .maxImageDims1D = 1,
                                            .maxSamplers = 1,
                                            .maxWriteImageArgs = 1 };
    OK(zeDeviceGetImageProperties(gpu.device, &images));
    CHECK(images.maxImageDims1D == 0 && images.maxSamplers == 0 && images.maxWriteImageArgs == 0);

    close_gpu(&gpu);
    IS(zeContextDestroy(gpu.context), ZE_RESULT_ERROR_INVALID_ARGUMENT);
    OK(zecpuLedger_call(gpu.driver, &ledger));
    CHECK(ledger.allocations == 0 && ledger.objects == 0);
}

/* All drivers at once. The first argument after the part is how many there are to be. */
static void all_drivers(const char *wanted)
{
    struct gpu gpus[4];
    void *memory[4];
    zecpu_pfnLedger_t ledger_of = NULL;
    ze_driver_handle_t cpu = NULL;
    uint32_t count = 0;
    OK(zeInit(0));
    OK(zeDriverGet(&count, NULL));
    CHECK(count == (uint32_t)atoi(wanted) && count <= 4);
    ze_driver_handle_t drivers[4];
    OK(zeDriverGet(&count, drivers));
    for (uint32_t i = 0; i < count; i++) {
        gpus[i] = open_driver(drivers[i]);
        ze_device_properties_t properties = { .stype = ZE_STRUCTURE_TYPE_DEVICE_PROPERTIES };
        OK(zeDeviceGetProperties(gpus[i].device, &properties));
        printf("%s: %u\n", properties.name, gpus[i].devices);
        memory[i] = alloc_device(&gpus[i], 4096);
        void *address;
        ze_result_t found =
            zeDriverGetExtensionFunctionAddress(drivers[i], "zecpuLedger", &address);
        if (found == ZE_RESULT_SUCCESS) {
            cpu = drivers[i];
            ledger_of = (zecpu_pfnLedger_t)address;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < count; j++) {
            ze_memory_allocation_properties_t of = {
                .stype = ZE_STRUCTURE_TYPE_MEMORY_ALLOCATION_PROPERTIES,
            };
            ze_device_handle_t device = NULL;
            OK(zeMemGetAllocProperties(gpus[i].context, memory[j], &of, &device));
            CHECK(of.type == (i == j ? ZE_MEMORY_TYPE_DEVICE : ZE_MEMORY_TYPE_UNKNOWN));
            CHECK(i != j || device == gpus[i].device);
        }
    }
    CHECK(ledger_of);
    zecpu_ledger_t ledger = { sizeof ledger };
    OK(ledger_of(NULL, &ledger));
    CHECK(ledger.allocations == 1 && ledger.contexts == 1);
    /* A loader that serves several drivers, or is told to look into calls, hands out handles of its
     * own. */
    int wrapped = count > 1 || getenv("ZE_ENABLE_LOADER_INTERCEPT");
    IS(ledger_of(cpu, &ledger), wrapped ? ZE_RESULT_ERROR_INVALID_ARGUMENT : ZE_RESULT_SUCCESS);
    for (uint32_t i = 0; i < count; i++) {
        OK(zeMemFree(gpus[i].context, memory[i]));
        close_gpu(&gpus[i]);
    }
    OK(ledger_of(NULL, &ledger));
    CHECK(ledger.allocations == 0 && ledger.objects == 0);
}

/* What the settings changed, as lines. */
static void settings(void)
{
    struct gpu gpu = open_first();
    ze_device_properties_t device = { .stype = ZE_STRUCTURE_TYPE_DEVICE_PROPERTIES };
    OK(zeDeviceGetProperties(gpu.device, &device));
    uint32_t parts = 0;
    OK(zeDeviceGetSubDevices(gpu.device, &parts, NULL));
    uint32_t one = 1;
    ze_device_memory_properties_t memory = { .stype = ZE_STRUCTURE_TYPE_DEVICE_MEMORY_PROPERTIES };
    OK(zeDeviceGetMemoryProperties(gpu.device, &one, &memory));
    uint32_t groups = 1;
    ze_command_queue_group_properties_t group = {
        .stype = ZE_STRUCTURE_TYPE_COMMAND_QUEUE_GROUP_PROPERTIES,
    };
    OK(zeDeviceGetCommandQueueGroupProperties(gpu.device, &groups, &group));
    ze_driver_memory_free_ext_properties_t policies = {
        .stype = ZE_STRUCTURE_TYPE_DRIVER_MEMORY_FREE_EXT_PROPERTIES,
    };
    ze_driver_properties_t driver = { ZE_STRUCTURE_TYPE_DRIVER_PROPERTIES, &policies };
    OK(zeDriverGetProperties(gpu.driver, &driver));
    ze_relaxed_allocation_limits_exp_desc_t relaxed = {
        .stype = ZE_STRUCTURE_TYPE_RELAXED_ALLOCATION_LIMITS_EXP_DESC,
        .flags = ZE_RELAXED_ALLOCATION_LIMITS_EXP_FLAG_MAX_SIZE,
    };
    ze_host_mem_alloc_desc_t host = { ZE_STRUCTURE_TYPE_HOST_MEM_ALLOC_DESC, &relaxed };
    void *big = NULL;
    ze_result_t beyond = zeMemAllocHost(gpu.context, &host, device.maxMemAllocSize + 4096, 0, &big);
    host.pNext = NULL;
    void *aligned;
    OK(zeMemAllocHost(gpu.context, &host, 1, 1 << 16, &aligned));
    printf("devices %u\nsub-devices %u\ndevice memory %llu\nmax allocation %llu\nfill pattern %zu\n"
           "free policies %u\nbeyond %#x\naligned %d\n",
           gpu.devices, parts, (unsigned long long)memory.totalSize,
           (unsigned long long)device.maxMemAllocSize, group.maxMemoryFillPatternSize,
           policies.freePolicies, beyond, ((uintptr_t)aligned & 0xffff) == 0);
    if (beyond == ZE_RESULT_SUCCESS)
        OK(zeMemFree(gpu.context, big));
    OK(zeMemFree(gpu.context, aligned));
    close_gpu(&gpu);
}

/* How zeInit answers. */
static void init(void)
{
    printf("%#x\n", zeInit(0));
    printf("%#x\n", zeInit(0));
}

/* The results of five allocations of device memory. */
static void allocate(void)
{
    struct gpu gpu = open_first();
    ze_device_mem_alloc_desc_t desc = { .stype = ZE_STRUCTURE_TYPE_DEVICE_MEM_ALLOC_DESC };
    for (int i = 0; i < 5; i++) {
        void *memory;
        ze_result_t result = zeMemAllocDevice(gpu.context, &desc, 4096, 0, gpu.device, &memory);
        printf("%#x\n", result);
        if (result == ZE_RESULT_SUCCESS)
            OK(zeMemFree(gpu.context, memory));
    }
    close_gpu(&gpu);
}

static struct gpu global;
static void *global_memory;

static void clean_up(void)
{
    OK(zeMemFree(global.context, global_memory));
    close_gpu(&global);
}

/* Leaves memory behind, or frees it when the process ends already. */
static void leave(int late)
{
    if (late)
        atexit(clean_up);
    global = open_first();
    global_memory = alloc_device(&global, 4321);
    IS(zeMemFree(global.context, NULL), ZE_RESULT_ERROR_INVALID_NULL_POINTER);
}

/* A child that was forked ends as well. */
static void fork_and_leave(void)
{
    leave(0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        exit(0);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

/* A loader may answer that it is gone. */
static void *allocate_forever(void *of)
{
    struct gpu *gpu = of;
    ze_device_mem_alloc_desc_t desc = { .stype = ZE_STRUCTURE_TYPE_DEVICE_MEM_ALLOC_DESC };
    for (;;) {
        void *memory;
        if (zeMemAllocDevice(gpu->context, &desc, 4096, 0, gpu->device, &memory) == 0)
            zeMemFree(gpu->context, memory);
    }
    return NULL;
}

/* Threads are in the driver while the process ends. */
static void busy_exit(void)
{
    global = open_first();
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, allocate_forever, &global) == 0);
    }
    usleep(20000);
    exit(0);
}

typedef ze_result_t (*getter_t)(ze_api_version_t, void *);

struct init_driver_type_desc {
    uint32_t stype;
    const void *next;
    uint32_t flags;
};

typedef ze_result_t (*init_drivers_t)(uint32_t *, ze_driver_handle_t *,
                                      struct init_driver_type_desc *);

/* zeInitDrivers, which older loaders do not know; and what was loaded outlives its handle. */
static void init_drivers(const char *path)
{
    void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
    CHECK(library);
    getter_t getter = (getter_t)dlsym(library, "zeGetGlobalProcAddrTable");
    CHECK(getter);
    void *global_table[2] = { NULL, NULL };
    OK(getter((ze_api_version_t)ZE_MAKE_VERSION(1, 9), global_table));
    CHECK(global_table[0] && !global_table[1]);
    OK(getter((ze_api_version_t)ZE_MAKE_VERSION(1, 10), global_table));
    init_drivers_t call = (init_drivers_t)global_table[1];
    CHECK(call);
    struct init_driver_type_desc desc = { 0x20021, NULL, 0 };
    uint32_t count = 0;
    IS(call(&count, NULL, &desc), ZE_RESULT_ERROR_INVALID_ENUMERATION);
    desc.flags = 1;
    OK(call(&count, NULL, &desc));
    CHECK(count == 1);
    ze_driver_handle_t driver = NULL;
    OK(call(&count, &driver, &desc));
    CHECK(driver);
    dlclose(library);
    ze_driver_handle_t again = NULL;
    desc.flags = UINT32_MAX;
    OK(call(&count, &again, &desc));
    CHECK(again == driver);
}

int main(int argc, char **argv)
{
    CHECK(argc >= 2);
    const char *part = argv[1];
    const char *argument = argc > 2 ? argv[2] : "";
    if (strcmp(part, "everything") == 0)
        everything();
    else if (strcmp(part, "all_drivers") == 0)
        all_drivers(argument);
    else if (strcmp(part, "settings") == 0)
        settings();
    else if (strcmp(part, "init") == 0)
        init();
    else if (strcmp(part, "allocate") == 0)
        allocate();
    else if (strcmp(part, "leave") == 0)
        leave(0);
    else if (strcmp(part, "leave_late") == 0)
        leave(1);
    else if (strcmp(part, "fork_and_leave") == 0)
        fork_and_leave();
    else if (strcmp(part, "busy_exit") == 0)
        busy_exit();
    else if (strcmp(part, "init_drivers") == 0)
        init_drivers(argument);
    else
        CHECK(!"a part of this program");
    return 0;
}
