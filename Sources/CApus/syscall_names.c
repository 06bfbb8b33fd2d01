// The system calls in which a thread waits, by number: what BlockMonitor calls them. Numbers differ between
// architectures and some exist on one only, hence the guards.

#include "apus_backtrace.h"

#include <sys/syscall.h>

const char *apus_bt_syscall_name(long number) {
    switch (number) {
#define NAME(call) case SYS_##call: return #call;
    NAME(read) NAME(readv) NAME(pread64) NAME(preadv) NAME(write) NAME(writev) NAME(pwrite64) NAME(pwritev)
    NAME(sendfile) NAME(splice) NAME(copy_file_range) NAME(openat) NAME(close) NAME(ioctl) NAME(fcntl) NAME(flock)
    NAME(fsync) NAME(fdatasync) NAME(sync) NAME(syncfs) NAME(ftruncate) NAME(fallocate) NAME(getdents64)
    NAME(unlinkat) NAME(mkdirat) NAME(statx) NAME(newfstatat) NAME(fstat) NAME(msync) NAME(mmap) NAME(munmap)
    NAME(madvise) NAME(mprotect) NAME(brk)
    NAME(nanosleep) NAME(clock_nanosleep) NAME(futex) NAME(ppoll) NAME(pselect6) NAME(epoll_pwait)
    NAME(connect) NAME(accept) NAME(accept4) NAME(recvfrom) NAME(recvmsg) NAME(recvmmsg) NAME(sendto) NAME(sendmsg)
    NAME(sendmmsg) NAME(shutdown)
    NAME(wait4) NAME(waitid) NAME(rt_sigtimedwait) NAME(rt_sigsuspend) NAME(semtimedop) NAME(msgrcv) NAME(msgsnd)
    NAME(mq_timedreceive) NAME(mq_timedsend) NAME(getrandom) NAME(clone) NAME(execve) NAME(sched_yield)
    NAME(io_getevents)
#ifdef SYS_poll
    NAME(poll) NAME(select) NAME(epoll_wait) NAME(pause) NAME(open) NAME(stat) NAME(lstat) NAME(unlink) NAME(rename)
    NAME(vfork)
#endif
#ifdef SYS_semop
    NAME(semop)
#endif
#ifdef SYS_epoll_pwait2
    NAME(epoll_pwait2)
#endif
#ifdef SYS_io_uring_enter
    NAME(io_uring_enter)
#endif
#ifdef SYS_clone3
    NAME(clone3)
#endif
#undef NAME
    default: return NULL;
    }
}
