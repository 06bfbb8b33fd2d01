// Whether Swift's pool has run a task. Whole-process mode replaces the pool's executor, which is safe only before.
#include "capus.h"

#include <stdatomic.h>

static _Atomic bool was_used;

bool apus_global_executor_was_used(void) { return atomic_load_explicit(&was_used, memory_order_relaxed); }

#ifdef APUS_WHOLE_PROCESS
// Of the Swift runtime: what it calls, if it is set, for a job of the pool's.
typedef __attribute__((swiftcall)) void (*enqueue_original)(void *job);
extern __attribute__((swiftcall)) void (*swift_task_enqueueGlobal_hook)(void *job, enqueue_original original);

// Once: it takes itself away, and nothing is slower afterwards.
static __attribute__((swiftcall)) void first_job(void *job, enqueue_original original) {
    atomic_store_explicit(&was_used, true, memory_order_relaxed);
    swift_task_enqueueGlobal_hook = NULL;
    original(job);
}

__attribute__((constructor)) static void watch_for_first_job(void) {
    if (!swift_task_enqueueGlobal_hook) swift_task_enqueueGlobal_hook = first_job;
}
#endif
