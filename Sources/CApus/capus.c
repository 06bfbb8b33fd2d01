#define _GNU_SOURCE
#include "capus.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Thread_local void *current_loop;

void *apus_current_loop(void) { return current_loop; }

// Of the Swift runtime. With one pointer as its argument, Swift's calling convention is C's.
extern bool swift_task_isCancelled(void *task);

bool apus_task_is_cancelled(void) {
    void *task = swift_task_getCurrent();
    return task && swift_task_isCancelled(task);
}

struct serial_executor {
    void *identity;  // null: none
    uintptr_t implementation;
};
extern __attribute__((swiftcall)) struct serial_executor swift_task_getCurrentExecutor(void);

bool apus_runs_without_actor(void) { return !swift_task_getCurrentExecutor().identity; }

typedef __attribute__((swiftcall)) void (*cancellation_handler)(__attribute__((swift_context)) void *context);
extern __attribute__((swiftcall)) void *swift_task_addCancellationHandler(cancellation_handler handler, void *context);
extern __attribute__((swiftcall)) void swift_task_removeCancellationHandler(void *record);

// The runtime keeps one pointer, and that is the object: the function is the same for all.
static void (*_Atomic tell_cancelled)(void *object);

static __attribute__((swiftcall)) void task_cancelled(__attribute__((swift_context)) void *object) {
    atomic_load_explicit(&tell_cancelled, memory_order_relaxed)(object);
}

void *apus_task_add_cancellation_handler(void (*tell)(void *object), void *object) {
    atomic_store_explicit(&tell_cancelled, tell, memory_order_relaxed);
    return swift_task_addCancellationHandler(task_cancelled, object);
}

void apus_task_remove_cancellation_handler(void *record) { swift_task_removeCancellationHandler(record); }

static _Atomic uint32_t fork_epoch;
static _Atomic bool ignores_sigpipe;

static void set_sigpipe(void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    sigaction(SIGPIPE, &action, NULL);
}

static void forked_in_child(void) {
    // What the child executes expects the default: `yes | head` must end. A loop made in the child ignores it again.
    if (atomic_exchange_explicit(&ignores_sigpipe, false, memory_order_relaxed)) set_sigpipe(SIG_DFL);
    // The child has one thread, and none of the parent's loops runs in it: its epoll set is shared with the parent.
    current_loop = NULL;
    atomic_fetch_add_explicit(&fork_epoch, 1, memory_order_relaxed);
}

__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(NULL, NULL, forked_in_child); }

void apus_set_current_loop(void *loop) { current_loop = loop; }

uint32_t apus_fork_epoch(void) { return atomic_load_explicit(&fork_epoch, memory_order_relaxed); }

int64_t apus_monotonic_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int apus_whole_milliseconds(int64_t nanoseconds) {
    if (nanoseconds <= 0) return 0;
    int64_t milliseconds = (nanoseconds - 1) / 1000000 + 1;
    return milliseconds > 86400000 ? 86400000 : (int)milliseconds;
}

int apus_epoll_wait(
    int epoll, struct epoll_event *events, int capacity, int64_t timeout_nanoseconds, bool in_milliseconds) {
    static _Atomic bool lacks_pwait2;
    int count;
    if (timeout_nanoseconds <= 0) {
        count = epoll_wait(epoll, events, capacity, timeout_nanoseconds < 0 ? -1 : 0);
        return count < 0 ? -errno : count;
    }
#ifdef SYS_epoll_pwait2
    if (!in_milliseconds && !atomic_load_explicit(&lacks_pwait2, memory_order_relaxed)) {
        // By number: glibc has had the wrapper only since 2.35.
        struct timespec timeout = {
            .tv_sec = timeout_nanoseconds / 1000000000, .tv_nsec = timeout_nanoseconds % 1000000000};
        count = (int)syscall(SYS_epoll_pwait2, epoll, events, capacity, &timeout, NULL, (size_t)0);
        if (count >= 0) return count;
        // Container sandboxes answer EPERM for a call that they do not know.
        if (errno != ENOSYS && errno != EPERM) return -errno;
        atomic_store_explicit(&lacks_pwait2, true, memory_order_relaxed);
    }
#endif
    count = epoll_wait(epoll, events, capacity, apus_whole_milliseconds(timeout_nanoseconds));
    return count < 0 ? -errno : count;
}

void apus_spin_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

// Both leave errno as it was: locks are taken between a system call and the look at its error.
void apus_futex_wait(const void *word, uint32_t value) {
    int error = errno;
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
    errno = error;
}

void apus_futex_wake(const void *word) {
    int error = errno;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    errno = error;
}

int apus_accept(int fd, struct sockaddr *address, uint32_t *length) {
    return accept4(fd, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int apus_gettid(void) { return (int)syscall(SYS_gettid); }

void apus_set_thread_name(const char *name) { pthread_setname_np(pthread_self(), name); }

void apus_shed_dispatch_signal_mask(void) {
    static const int telling[] = {SIGHUP, SIGINT, SIGTERM, SIGCHLD, SIGUSR1, SIGUSR2, SIGWINCH};
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    // A mask with less than all of these is somebody's choice, and stays.
    for (size_t i = 0; i < sizeof telling / sizeof *telling; i++)
        if (!sigismember(&mask, telling[i])) return;
    char path[64], line[128];
    snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)getpid());
    FILE *status = fopen(path, "re");
    if (!status) return;
    unsigned long long blocked = 0;
    bool found = false;
    while (!found && fgets(line, sizeof line, status)) found = sscanf(line, "SigBlk: %llx", &blocked) == 1;
    fclose(status);
    if (!found) return;
    sigemptyset(&mask);
    for (int number = 1; number <= 64; number++)
        // Refused for the two that glibc keeps for itself, which is right.
        if (blocked >> (number - 1) & 1) sigaddset(&mask, number);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

int apus_available_cores(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

void apus_ignore_sigpipe(void) {
    struct sigaction old;
    if (atomic_load_explicit(&ignores_sigpipe, memory_order_relaxed)) return;
    if (sigaction(SIGPIPE, NULL, &old) == 0 && !(old.sa_flags & SA_SIGINFO) && old.sa_handler == SIG_DFL) {
        set_sigpipe(SIG_IGN);
        atomic_store_explicit(&ignores_sigpipe, true, memory_order_relaxed);
    }
}
