// The C side of BlockMonitor; see apus_backtrace.h.

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "apus_backtrace.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

// --- Sampling a running thread ----------------------------------------------------------------------------------

enum { IDLE, REQUESTED, WRITING, DONE };

/// Written by the handler, read by the watchdog; `state` hands it over. A slot whose handler is late stays WRITING and is
/// not used again until it has said DONE, so a stray write can never meet a reader.
static struct {
    _Atomic(uint32_t) state;
    _Atomic(int32_t) tid;
    uintptr_t pc;
    int count;
    void *frames[APUS_BT_CAPACITY];
} slot;

static int sampling_signal = -1;

static uintptr_t interrupted_pc(const void *context) {
    const ucontext_t *uc = context;
#if defined(__x86_64__)
    return (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)uc->uc_mcontext.pc;
#else
    (void)uc;
    return 0;
#endif
}

/// Runs on the loop thread, between any two of its instructions, perhaps inside malloc: it may only do what takes no lock
/// and no memory. backtrace(3), once primed, is that (its table lookup is lock-free from glibc 2.35 on).
static void on_sample(int number, siginfo_t *info, void *context) {
    (void)number;
    int saved_errno = errno;
    uint32_t expected = REQUESTED;
    if (info->si_code == SI_TKILL && atomic_load(&slot.tid) == apus_bt_gettid()
        && atomic_compare_exchange_strong(&slot.state, &expected, WRITING)) {
        slot.pc = interrupted_pc(context);
        slot.count = backtrace(slot.frames, APUS_BT_CAPACITY);
        atomic_store_explicit(&slot.state, DONE, memory_order_release);
    }
    errno = saved_errno;
}

static void install(void) {
    // +6 leaves the numbers that profilers and language runtimes commonly take; any handler already there is respected.
    int span = SIGRTMAX - SIGRTMIN + 1;
    for (int i = 0; i < span; i++) {
        int number = SIGRTMIN + (6 + i) % span;
        struct sigaction current;
        if (sigaction(number, NULL, &current) != 0 || (current.sa_flags & SA_SIGINFO) || current.sa_handler != SIG_DFL)
            continue;
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_sigaction = on_sample;
        action.sa_flags = SA_RESTART | SA_SIGINFO | SA_ONSTACK;
        sigfillset(&action.sa_mask);
        if (sigaction(number, &action, NULL) == 0) {
            sampling_signal = number;
            return;
        }
    }
}

int apus_bt_prepare(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
    void *frames[4];
    backtrace(frames, 4);
    if (sampling_signal >= 0) {
        sigset_t ours;
        sigemptyset(&ours);
        sigaddset(&ours, sampling_signal);
        pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
    }
    return sampling_signal;
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int wait_until_done(int64_t timeout_ns) {
    int64_t end = now_ns() + timeout_ns;
    while (atomic_load_explicit(&slot.state, memory_order_acquire) != DONE) {
        if (now_ns() > end) return 0;
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    return 1;
}

int apus_bt_sample(int32_t tid, int syscall_fd, int64_t timeout_ns, uintptr_t frames[APUS_BT_CAPACITY]) {
    struct sigaction current;
    if (sampling_signal < 0 || sigaction(sampling_signal, NULL, &current) != 0 || current.sa_sigaction != on_sample)
        return APUS_BT_UNAVAILABLE;  // Somebody else's handler by now: not ours to call.
    uint32_t state = atomic_load_explicit(&slot.state, memory_order_acquire);
    if (state != IDLE && state != DONE) return APUS_BT_UNAVAILABLE;
    atomic_store(&slot.tid, tid);
    atomic_store(&slot.state, REQUESTED);

    // From here to tgkill the thread may still enter a system call, which the signal then ends early. The window is the
    // return of this read and the entry of the next call, about a microsecond; the kernel offers no atomic form.
    pid_t process = getpid();
    char text[16];
    ssize_t length = pread(syscall_fd, text, sizeof text, 0);
    int running = length >= 7 && memcmp(text, "running", 7) == 0;
    int sent = running && syscall(SYS_tgkill, process, tid, sampling_signal) == 0;

    if (!sent || !wait_until_done(timeout_ns)) {
        uint32_t expected = REQUESTED;
        if (atomic_compare_exchange_strong(&slot.state, &expected, IDLE)) {
            if (!running) return APUS_BT_NOT_RUNNING;
            return sent ? APUS_BT_NO_ANSWER : APUS_BT_UNAVAILABLE;
        }
        if (!wait_until_done(1000000000)) return APUS_BT_NO_ANSWER;  // It has begun: let it finish.
    }

    // The handler and the kernel's return trampoline come first. What was interrupted follows them; if the unwinder
    // did not get past the trampoline, the program counter alone is still right.
    int from = 0;
    while (from < slot.count && (uintptr_t)slot.frames[from] != slot.pc) from++;
    int count = 0;
    frames[count++] = slot.pc;
    for (int i = from + 1; i < slot.count; i++) frames[count++] = (uintptr_t)slot.frames[i];
    atomic_store(&slot.state, IDLE);
    return count;
}

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
