// Sampling a running thread with a signal, for BlockMonitor; see apus_backtrace.h.

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "apus_backtrace.h"

#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { IDLE, REQUESTED, WRITING, DONE };
enum { STACK_WORDS = 64 * 1024 / sizeof(uintptr_t) };

/// Written by the handler, read by the watchdog; `state` hands it over. A slot whose handler is late stays WRITING and
/// is not used again until it has said DONE, so a stray write can never meet a reader. All zeroes: it takes no memory
/// before its first use.
static struct {
    _Atomic(uint32_t) state;
    _Atomic(int32_t) tid;
    uintptr_t stack_low, stack_high;
    int raw_count;
    void *raw[APUS_BT_FRAMES];
    struct apus_bt_sample sample;
    uintptr_t stack[STACK_WORDS];
} slot;

static int sampling_signal = -1;

static void save_registers(const ucontext_t *context) {
    struct apus_bt_sample *sample = &slot.sample;
#if defined(__x86_64__)
    sample->pc = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
    sample->sp = (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
    sample->fp = (uintptr_t)context->uc_mcontext.gregs[REG_RBP];
#elif defined(__aarch64__)
    sample->pc = (uintptr_t)context->uc_mcontext.pc;
    sample->sp = (uintptr_t)context->uc_mcontext.sp;
    sample->fp = (uintptr_t)context->uc_mcontext.regs[29];
    sample->lr = (uintptr_t)context->uc_mcontext.regs[30];
#else
    (void)context;
    (void)sample;
#endif
}

/// Runs on the loop thread, between any two of its instructions, perhaps inside malloc: it may only do what takes no
/// lock and no memory. backtrace(3), once primed, is that (its table lookup is lock-free from glibc 2.35 on).
static void on_sample(int number, siginfo_t *info, void *context) {
    (void)number;
    int saved_errno = errno;
    uint32_t expected = REQUESTED;
    if (info->si_code == SI_TKILL && atomic_load(&slot.tid) == apus_bt_gettid()
        && atomic_compare_exchange_strong(&slot.state, &expected, WRITING)) {
        slot.raw_count = backtrace(slot.raw, APUS_BT_FRAMES);
        save_registers(context);
        uintptr_t sp = slot.sample.sp;
        size_t words = 0;
        if (sp >= slot.stack_low && sp < slot.stack_high && sp % sizeof(uintptr_t) == 0) {
            words = (slot.stack_high - sp) / sizeof(uintptr_t);
            if (words > STACK_WORDS) words = STACK_WORDS;
            memcpy(slot.stack, (const void *)sp, words * sizeof(uintptr_t));
        }
        slot.sample.stack = slot.stack;
        slot.sample.stack_words = words;
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

enum apus_bt_result apus_bt_sample_running(int32_t tid, int syscall_fd, uintptr_t stack_low, uintptr_t stack_high,
                                           int64_t timeout_ns, const struct apus_bt_sample **sample) {
    struct sigaction current;
    if (sampling_signal < 0 || sigaction(sampling_signal, NULL, &current) != 0 || current.sa_sigaction != on_sample)
        return APUS_BT_UNAVAILABLE;  // Somebody else's handler by now: not ours to call.
    uint32_t state = atomic_load_explicit(&slot.state, memory_order_acquire);
    if (state != IDLE && state != DONE) return APUS_BT_UNAVAILABLE;
    slot.stack_low = stack_low;
    slot.stack_high = stack_high;
    atomic_store(&slot.tid, tid);
    atomic_store(&slot.state, REQUESTED);

    // From here until the signal arrives the thread may still enter a system call, which the signal then ends early.
    // The window is two system calls and one interrupt to another CPU, microseconds to some tens of them; the kernel
    // offers no atomic form.
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
    struct apus_bt_sample *result = &slot.sample;
    int from = 0;
    while (from < slot.raw_count && (uintptr_t)slot.raw[from] != result->pc) from++;
    result->count = 0;
    result->frames[result->count++] = result->pc;
    for (int i = from + 1; i < slot.raw_count; i++) result->frames[result->count++] = (uintptr_t)slot.raw[i];
    atomic_store(&slot.state, IDLE);
    *sample = result;
    return APUS_BT_SAMPLED;
}
