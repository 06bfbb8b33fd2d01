// File calls that Swift's Glibc module does not import: they are behind _GNU_SOURCE.
#define _GNU_SOURCE
#include "capus.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

bool apus_is_in_memory(int fd, int64_t offset) {
    char byte;
    struct iovec vector = {.iov_base = &byte, .iov_len = 1};
    return preadv2(fd, &vector, 1, (off_t)offset, RWF_NOWAIT) >= 0 || errno != EAGAIN;
}

void apus_bring_into_memory(int fd, int64_t offset, size_t count) {
    char byte;
    if (count == 0) return;
    readahead(fd, (off_t)offset, count);
    (void)!pread(fd, &byte, 1, (off_t)offset + (off_t)count - 1);
}

static bool was_open[3];

__attribute__((constructor)) static void look_at_standard_descriptors(void) {
    for (int fd = 0; fd < 3; fd++) was_open[fd] = fcntl(fd, F_GETFD) >= 0;
}

bool apus_was_open_at_start(int fd) { return fd >= 0 && fd < 3 && was_open[fd]; }

int apus_pipe(int descriptors[2]) { return pipe2(descriptors, O_NONBLOCK | O_CLOEXEC) == 0 ? 0 : errno; }

bool apus_is_packet_pipe(int fd) { return fcntl(fd, F_GETFL) & O_DIRECT; }

uint32_t apus_device_major(uint64_t device) { return major(device); }

uint32_t apus_device_minor(uint64_t device) { return minor(device); }
