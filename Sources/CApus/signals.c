// Signals as events: one handler for all, a list of who listens, and Ctrl-C. See capus.h.
#define _GNU_SOURCE
#include "capus.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { HIGHEST_SIGNAL = 64 };

// The handler walks the list without a lock: slots are added at its head, used again, and never freed.
struct apus_signal_slot {
    _Atomic int eventfd;
    _Atomic uint64_t wanted, pending;
    struct apus_signal_slot *next;
    bool in_use;  // guarded by `lock`
};

static struct apus_signal_slot *_Atomic slots;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int owners[HIGHEST_SIGNAL + 1];                 // guarded by `lock`
static struct sigaction previous[HIGHEST_SIGNAL + 1];  // guarded by `lock`; valid while there is an owner

// How many threads are in the handler: an eventfd may be closed only when none can still write to its number.
static _Atomic int handling;

static _Atomic int interrupt_eventfd = -1;
static _Atomic int interrupt_count;

static uint64_t bit_of(int number) { return (uint64_t)1 << (number - 1); }

static void ring(int fd) {
    uint64_t one = 1;
    if (fd >= 0 && write(fd, &one, sizeof one) < 0) { /* a full eventfd is already readable */ }
}

static void handle(int number) {
    int saved = errno;
    atomic_fetch_add(&handling, 1);
    bool is_taken = false;
    for (struct apus_signal_slot *slot = atomic_load(&slots); slot; slot = slot->next) {
        if (!(atomic_load(&slot->wanted) & bit_of(number))) continue;
        is_taken = true;
        atomic_fetch_or(&slot->pending, bit_of(number));
        ring(atomic_load(&slot->eventfd));
    }
    // Listeners take Ctrl-C over from the loop that runs on the main thread.
    if (!is_taken && number == SIGINT) {
        int fd = atomic_load(&interrupt_eventfd);
        if (fd >= 0) {
            if (atomic_fetch_add(&interrupt_count, 1) > 0) _exit(130);
            ring(fd);
        }
    }
    atomic_fetch_sub(&handling, 1);
    errno = saved;
}

// With `lock` held, like all below whose names do not begin with `apus_`.

static bool is_handled_here(int number) {
    struct sigaction current;
    return sigaction(number, NULL, &current) == 0 && !(current.sa_flags & SA_SIGINFO) && current.sa_handler == handle;
}

static int acquire(int number) {
    if (owners[number] == 0) {
        struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART | SA_ONSTACK};
        sigemptyset(&action.sa_mask);
        if (sigaction(number, &action, &previous[number]) != 0) return errno;
    }
    owners[number]++;
    return 0;
}

static void restore(int number) {
    // Only what is still ours: the program may have installed its own handler meanwhile.
    if (is_handled_here(number)) sigaction(number, &previous[number], NULL);
}

static void release(int number) {
    if (owners[number] > 0 && --owners[number] == 0) restore(number);
}

static void wait_for_handlers(void) {
    while (atomic_load(&handling) > 0) sched_yield();
}

struct apus_signal_slot *apus_signal_slot_make(int eventfd) {
    pthread_mutex_lock(&lock);
    struct apus_signal_slot *slot = atomic_load(&slots);
    while (slot && slot->in_use) slot = slot->next;
    if (!slot && (slot = calloc(1, sizeof *slot))) {
        slot->next = atomic_load(&slots);
        atomic_store(&slots, slot);
    }
    if (slot) {
        slot->in_use = true;
        atomic_store(&slot->pending, 0);
        atomic_store(&slot->eventfd, eventfd);
    }
    pthread_mutex_unlock(&lock);
    return slot;
}

int apus_signal_slot_add(struct apus_signal_slot *slot, int number) {
    if (number < 1 || number > HIGHEST_SIGNAL) return EINVAL;
    pthread_mutex_lock(&lock);
    int error = 0;
    if (!(atomic_load(&slot->wanted) & bit_of(number))) {
        // Wanted first: from the moment of the handler on no signal is lost.
        atomic_fetch_or(&slot->wanted, bit_of(number));
        error = acquire(number);
        if (error) atomic_fetch_and(&slot->wanted, ~bit_of(number));
    }
    pthread_mutex_unlock(&lock);
    return error;
}

void apus_signal_slot_unblock(struct apus_signal_slot *slot) {
    sigset_t set;
    sigemptyset(&set);
    uint64_t wanted = atomic_load(&slot->wanted);
    for (int number = 1; number <= HIGHEST_SIGNAL; number++)
        if (wanted & bit_of(number)) sigaddset(&set, number);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

uint64_t apus_signal_slot_take(struct apus_signal_slot *slot) { return atomic_exchange(&slot->pending, 0); }

void apus_signal_slot_free(struct apus_signal_slot *slot) {
    pthread_mutex_lock(&lock);
    uint64_t wanted = atomic_load(&slot->wanted);
    // The old disposition first, so that a signal which nobody takes any more does what it did before.
    for (int number = 1; number <= HIGHEST_SIGNAL; number++)
        if (wanted & bit_of(number)) release(number);
    atomic_store(&slot->wanted, 0);
    atomic_store(&slot->eventfd, -1);
    wait_for_handlers();
    slot->in_use = false;
    pthread_mutex_unlock(&lock);
}

bool apus_interrupt_install(int eventfd) {
    pthread_mutex_lock(&lock);
    struct sigaction old = previous[SIGINT];
    bool is_known = owners[SIGINT] > 0 || sigaction(SIGINT, NULL, &old) == 0;
    bool is_free = is_known && !(old.sa_flags & SA_SIGINFO) && old.sa_handler == SIG_DFL;
    if (is_free && acquire(SIGINT) == 0) {
        atomic_store(&interrupt_count, 0);
        atomic_store(&interrupt_eventfd, eventfd);
    } else {
        is_free = false;
    }
    pthread_mutex_unlock(&lock);
    return is_free;
}

void apus_interrupt_remove(void) {
    pthread_mutex_lock(&lock);
    if (atomic_load(&interrupt_eventfd) >= 0) release(SIGINT);
    atomic_store(&interrupt_eventfd, -1);
    wait_for_handlers();
    pthread_mutex_unlock(&lock);
}

static void before_fork(void) { pthread_mutex_lock(&lock); }

static void after_fork_in_parent(void) { pthread_mutex_unlock(&lock); }

// The handler and its eventfds are the parent's: a signal to the child would reach the parent, and not the child.
static void after_fork_in_child(void) {
    for (int number = 1; number <= HIGHEST_SIGNAL; number++) {
        if (owners[number] > 0) restore(number);
        owners[number] = 0;
    }
    for (struct apus_signal_slot *slot = atomic_load(&slots); slot; slot = slot->next) {
        atomic_store(&slot->wanted, 0);
        atomic_store(&slot->eventfd, -1);
    }
    atomic_store(&interrupt_eventfd, -1);
    // The threads that were in the handler are not here.
    atomic_store(&handling, 0);
    pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void watch_forks(void) {
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}
