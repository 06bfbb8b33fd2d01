// File calls that Swift's Glibc module does not import: they are behind _GNU_SOURCE.
#define _GNU_SOURCE
#include "capus.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

bool apus_is_in_memory(int fd, int64_t offset) {
    char byte;
    struct iovec vector = {.iov_base = &byte, .iov_len = 1};
    return preadv2(fd, &vector, 1, (off_t)offset, RWF_NOWAIT) >= 0 || errno != EAGAIN;
}

ssize_t apus_read_from_memory(int fd, void *buffer, size_t count, int64_t offset) {
    struct iovec vector = {.iov_base = buffer, .iov_len = count};
    return preadv2(fd, &vector, 1, (off_t)offset, RWF_NOWAIT);
}

void apus_bring_into_memory(int fd, int64_t offset, size_t count) {
    char byte;
    if (count == 0) return;
    readahead(fd, (off_t)offset, count);
    (void)!pread(fd, &byte, 1, (off_t)offset + (off_t)count - 1);
}
