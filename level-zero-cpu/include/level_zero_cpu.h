/* What the CPU driver for Level Zero offers beyond the API: what is live, and calls that fail.
 *
 * Get the functions with zeDriverGetExtensionFunctionAddress, or with dlsym from the library itself:
 *
 *     zecpu_pfnLedger_t ledger_of;
 *     zeDriverGetExtensionFunctionAddress(driver, "zecpuLedger", (void **)&ledger_of);
 *     zecpu_ledger_t ledger = { sizeof ledger };
 *     assert(ledger_of(driver, &ledger) == ZE_RESULT_SUCCESS && ledger.allocations == 0);
 *
 * `driver` may be NULL for the driver that zeDriverGet returns. Where a loader serves several
 * drivers it must be: the loader's handles are its own then, and extension functions do not know
 * them. */
#ifndef LEVEL_ZERO_CPU_H
#define LEVEL_ZERO_CPU_H

#include <level_zero/ze_api.h>

#if defined(__cplusplus)
extern "C" {
#endif

/* What was made and not freed or destroyed. Later versions add fields at the end. */
typedef struct _zecpu_ledger_t {
    size_t size;            /* in: sizeof(zecpu_ledger_t); out: how many bytes were filled */
    uint64_t allocations;   /* live allocations of all kinds */
    uint64_t orphaned;      /* those among them whose context is gone */
    uint64_t device_bytes;  /* the sum of the sizes that were asked for */
    uint64_t shared_bytes;
    uint64_t host_bytes;
    uint64_t reservations;  /* of virtual addresses */
    uint64_t descriptors;   /* file descriptors that the driver keeps open for them */
    uint64_t ipc_opened;    /* memory of other processes */
    uint64_t pending;       /* commands that are not done */
    uint64_t written_after_free; /* freed host memory that was written to; never goes down */
    uint64_t objects;       /* everything that has a handle to be destroyed, of every kind */
    uint64_t contexts;
    uint64_t command_lists;
    uint64_t command_queues;
    uint64_t fences;
    uint64_t event_pools;
    uint64_t events;
    uint64_t physical_memories;
    uint64_t modules;
    uint64_t kernels;
    uint64_t build_logs;
} zecpu_ledger_t;

/* INVALID_NULL_POINTER for no ledger, INVALID_SIZE for a size below that of the field. */
ze_result_t ZE_APICALL zecpuLedger(ze_driver_handle_t driver, zecpu_ledger_t *ledger);

/* Makes the nth use from now of a call, 1 being the next, return `result` without doing anything.
 * INVALID_ARGUMENT for a name that no call has, and for ZE_RESULT_SUCCESS. */
ze_result_t ZE_APICALL zecpuFail(ze_driver_handle_t driver, const char *call, uint64_t nth,
                                 ze_result_t result);

/* As zecpuFail, counting calls of every name. */
ze_result_t ZE_APICALL zecpuFailNth(ze_driver_handle_t driver, uint64_t nth, ze_result_t result);

/* Takes back the failures that did not happen yet. */
ze_result_t ZE_APICALL zecpuClearFaults(ze_driver_handle_t driver);

typedef ze_result_t (ZE_APICALL *zecpu_pfnLedger_t)(ze_driver_handle_t, zecpu_ledger_t *);
typedef ze_result_t (ZE_APICALL *zecpu_pfnFail_t)(ze_driver_handle_t, const char *, uint64_t,
                                                  ze_result_t);
typedef ze_result_t (ZE_APICALL *zecpu_pfnFailNth_t)(ze_driver_handle_t, uint64_t, ze_result_t);
typedef ze_result_t (ZE_APICALL *zecpu_pfnClearFaults_t)(ze_driver_handle_t);

#if defined(__cplusplus)
}
#endif
#endif
