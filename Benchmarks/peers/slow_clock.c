/* slow_clock.so: preloaded into a program that callgrind runs, lets its monotonic clock go 64 times slower, about as much slower as the
   program runs. The loop ends a slice after some time, and each end of one is a look at the descriptors: by the true clock there would be
   many more of them, and more on a slow machine than on a fast one, so that counts would not be alike. */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    long result = syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && clock == CLOCK_MONOTONIC) {
        long long nanoseconds = (time->tv_sec * 1000000000LL + time->tv_nsec) / 64;
        time->tv_sec = nanoseconds / 1000000000;
        time->tv_nsec = nanoseconds % 1000000000;
    }
    return (int)result;
}
