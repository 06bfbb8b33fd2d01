#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "capus.h"

// A seat's state.
enum { AWAKE, ASLEEP, CALLED };

void apus_seat_take(struct apus_seat *seat) {
    seat->job = NULL;
    __atomic_store_n(&seat->state, AWAKE, __ATOMIC_RELAXED);
}

bool apus_seat_is_called(const struct apus_seat *seat) { return __atomic_load_n(&seat->state, __ATOMIC_ACQUIRE) == CALLED; }

void apus_seat_call(struct apus_seat *seat, void *job) {
    seat->job = job;
    // From here on the seat may be gone, if its thread has seen it. A wake-up at its address is then one too many for whoever has a futex
    // there now, and those expect that.
    if (__atomic_exchange_n(&seat->state, CALLED, __ATOMIC_ACQ_REL) == ASLEEP)
        syscall(SYS_futex, &seat->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

bool apus_seat_sleep(struct apus_seat *seat, int64_t nanoseconds) {
    uint32_t expected = AWAKE;
    if (!__atomic_compare_exchange_n(&seat->state, &expected, ASLEEP, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return true;
    int64_t end = apus_monotonic_now() + nanoseconds;
    for (;;) {
        struct timespec time = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
        // Relative, and by CLOCK_MONOTONIC.
        syscall(SYS_futex, &seat->state, FUTEX_WAIT_PRIVATE, ASLEEP, &time, NULL, 0);
        if (apus_seat_is_called(seat)) return true;
        nanoseconds = end - apus_monotonic_now();
        if (nanoseconds <= 0) break;
    }
    expected = ASLEEP;
    return !__atomic_compare_exchange_n(&seat->state, &expected, AWAKE, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}
