// What the watchdog needs of a thread, of the process's memory and of its unwind tables; see apus_backtrace.h.

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "apus_backtrace.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// --- The thread and its memory ----------------------------------------------------------------------------------

int32_t apus_bt_gettid(void) {
    return (int32_t)syscall(SYS_gettid);
}

int apus_bt_stack_bounds(uintptr_t *low, uintptr_t *high) {
    pthread_attr_t attributes;
    int error = pthread_getattr_np(pthread_self(), &attributes);
    if (error != 0) return error;
    void *base = NULL;
    size_t size = 0;
    error = pthread_attr_getstack(&attributes, &base, &size);
    pthread_attr_destroy(&attributes);
    *low = (uintptr_t)base;
    *high = (uintptr_t)base + size;
    return error;
}

size_t apus_bt_read_memory(uintptr_t from, void *to, size_t count) {
    struct iovec local = {to, count}, remote = {(void *)from, count};
    ssize_t got = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
    if (got >= 0) return (size_t)got;
    if (errno != ENOSYS && errno != EPERM) return 0;
    // Some container profiles forbid that call; the same memory as a file is as safe.
    int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    got = pread(fd, to, count, (off_t)from);
    close(fd);
    return got < 0 ? 0 : (size_t)got;
}

/// libgcc's and LLVM libunwind's lookup, as their own unwinder calls it.
struct dwarf_eh_bases { void *tbase, *dbase, *func; };
extern const void *_Unwind_Find_FDE(void *pc, struct dwarf_eh_bases *bases);

const void *apus_bt_find_fde(uintptr_t pc, uintptr_t *function) {
    struct dwarf_eh_bases bases = {0};
    const void *entry = _Unwind_Find_FDE((void *)pc, &bases);
    *function = (uintptr_t)bases.func;
    return entry;
}

bool apus_bt_function_bounds(uintptr_t pc, uintptr_t *start, uintptr_t *end) {
    Dl_info info;
    const ElfW(Sym) *symbol = NULL;
    if (dladdr1((void *)pc, &info, (void **)&symbol, RTLD_DL_SYMENT) == 0 || symbol == NULL) return false;
    *start = (uintptr_t)info.dli_saddr;
    *end = *start + symbol->st_size;
    return *start <= pc && pc < *end;
}

void apus_bt_nearest_symbol(uintptr_t address, const char **image, const char **symbol) {
    Dl_info info;
    *image = *symbol = NULL;
    if (dladdr((void *)address, &info) == 0) return;
    *image = info.dli_fname;
    *symbol = info.dli_sname;
}

extern char *swift_demangle(const char *name, size_t length, char *out, size_t *out_length, uint32_t flags);

char *apus_bt_demangle(const char *symbol) {
    return swift_demangle(symbol, strlen(symbol), NULL, NULL, 0);
}

// --- The watchdog's thread and its sleep ------------------------------------------------------------------------

struct start { void (*body)(void *); void *argument; char name[16]; };

static void *thread_main(void *raw) {
    struct start start = *(struct start *)raw;
    free(raw);
    pthread_setname_np(pthread_self(), start.name);
    start.body(start.argument);
    return NULL;
}

int apus_bt_spawn(const char *name, void (*body)(void *), void *argument, bool wait) {
    struct start *start = calloc(1, sizeof *start);
    if (start == NULL) return ENOMEM;
    start->body = body;
    start->argument = argument;
    strncpy(start->name, name, sizeof start->name - 1);
    // The new thread inherits the mask: the process's signals stay with the threads that expect them.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    int error = pthread_create(&thread, NULL, thread_main, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        free(start);
        return error;
    }
    return wait ? pthread_join(thread, NULL) : pthread_detach(thread);
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

struct apus_bt_gate { pthread_mutex_t lock; pthread_cond_t opened; int open; };

apus_bt_gate *apus_bt_gate_make(void) {
    apus_bt_gate *gate = calloc(1, sizeof *gate);
    if (gate == NULL) abort();
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&gate->lock, NULL);
    pthread_cond_init(&gate->opened, &attributes);
    pthread_condattr_destroy(&attributes);
    return gate;
}

void apus_bt_gate_free(apus_bt_gate *gate) {
    pthread_cond_destroy(&gate->opened);
    pthread_mutex_destroy(&gate->lock);
    free(gate);
}

int apus_bt_gate_wait(apus_bt_gate *gate, int64_t ns) {
    int64_t end = now_ns() + ns;
    struct timespec deadline = {.tv_sec = end / 1000000000, .tv_nsec = end % 1000000000};
    pthread_mutex_lock(&gate->lock);
    int error = 0;
    while (!gate->open && error == 0) error = pthread_cond_timedwait(&gate->opened, &gate->lock, &deadline);
    int open = gate->open;
    pthread_mutex_unlock(&gate->lock);
    return open;
}

void apus_bt_gate_open(apus_bt_gate *gate) {
    pthread_mutex_lock(&gate->lock);
    gate->open = 1;
    pthread_cond_broadcast(&gate->opened);
    pthread_mutex_unlock(&gate->lock);
}

// --- What the Swift runtime says about tasks ---------------------------------------------------------------------

// Weak: a runtime that no longer has them leaves NULL, in a statically linked program too.
extern const uint32_t _swift_concurrency_debug_internal_layout_version __attribute__((weak));
extern const size_t _swift_concurrency_debug_asyncTaskSize __attribute__((weak));
extern const void *const _swift_concurrency_debug_asyncTaskMetadata __attribute__((weak));
extern const bool _swift_concurrency_debug_supportsPriorityEscalation __attribute__((weak));

struct apus_bt_task_runtime apus_bt_task_runtime(void) {
    struct apus_bt_task_runtime found = {-1, 0, 0, true};
    if (&_swift_concurrency_debug_internal_layout_version != NULL)
        found.layout_version = _swift_concurrency_debug_internal_layout_version;
    if (&_swift_concurrency_debug_asyncTaskSize != NULL) found.task_size = _swift_concurrency_debug_asyncTaskSize;
    if (&_swift_concurrency_debug_asyncTaskMetadata != NULL)
        found.task_metadata = (uintptr_t)_swift_concurrency_debug_asyncTaskMetadata;
    if (&_swift_concurrency_debug_supportsPriorityEscalation != NULL)
        found.escalates = _swift_concurrency_debug_supportsPriorityEscalation;
    return found;
}

/// Where the file that `address` was loaded from begins in memory; 0 if it was loaded from none.
static uintptr_t image_of(uintptr_t address) {
    Dl_info info;
    return dladdr((void *)address, &info) == 0 ? 0 : (uintptr_t)info.dli_fbase;
}

bool apus_bt_is_in_image(uintptr_t address) { return image_of(address) != 0; }

extern void *swift_task_getCurrent(void);

size_t apus_bt_call_trace(uintptr_t *frames, size_t capacity) {
    // Asking for a thread's bounds reads a file on the main thread.
    static _Thread_local uintptr_t high;
    uintptr_t low;
    if (high == 0 && apus_bt_stack_bounds(&low, &high) != 0) return 0;
    const uintptr_t runtime = image_of((uintptr_t)&swift_task_getCurrent);
    const int knows_runtime = runtime != image_of((uintptr_t)&apus_bt_call_trace);
    size_t count = 0;
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    low = frame;
    while (count < capacity && frame >= low && frame <= high - 16 && frame % sizeof(uintptr_t) == 0) {
        const uintptr_t *words = (const uintptr_t *)frame;
        const uintptr_t image = image_of(words[1]);
        // A function that the runtime has called, or behind whose frame there is no return address (it has made room there for a call in
        // its place), is asynchronous. Who awaits it is not on the stack but in its context, which lies below the frame.
        if ((knows_runtime && image == runtime) || image == 0) {
            const size_t more = apus_bt_async_trace(words[-1], frames + count, capacity - count);
            if (more > 0) return count + more;
        }
        if (image != 0) frames[count++] = words[1];
        low = frame + 16;
        frame = words[0];
    }
    return count;
}

size_t apus_bt_async_trace(uintptr_t context, uintptr_t *frames, size_t capacity) {
    size_t count = 0;
    uintptr_t words[2];
    while (count < capacity && context != 0 && context % sizeof(uintptr_t) == 0) {
        if (apus_bt_read_memory(context, words, sizeof words) != sizeof words || image_of(words[1]) == 0) break;
        // A function to go on in begins here, where a return address would be behind a call: one more makes them alike.
        frames[count++] = words[1] + 1;
        if (words[0] == context) break;
        context = words[0];
    }
    return count;
}
