// What Swift cannot import from Linux, and nothing more: no logic lives here.
#ifndef CAPUS_H
#define CAPUS_H

#include <stdint.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/types.h>

#if __has_include("apus_backtrace.h")
#include "apus_backtrace.h"
#endif

// --- The loop of this thread -------------------------------------------------------------------
// An opaque call into another translation unit on purpose: a `_Thread_local` (or `pthread_self()`, which glibc marks
// `const`) read inline may be cached by the optimiser across a suspension point, where the thread changes.
void *_Nullable apus_current_loop(void);
void apus_set_current_loop(void *_Nullable loop);

/// The task that runs on this thread, if any: `swift_task_getCurrent` of the Swift runtime.
void *_Nullable swift_task_getCurrent(void);
/// Whether that task was cancelled; false if there is none.
bool apus_task_is_cancelled(void);

// --- Time and waiting ----------------------------------------------------------------------------
/// CLOCK_MONOTONIC in nanoseconds.
int64_t apus_monotonic_now(void);
/// `epoll_pwait2` where the kernel has it (5.11), else `epoll_wait` rounded up to the next millisecond.
/// A negative timeout waits for ever. Returns -errno on failure.
int apus_epoll_wait(int epoll, struct epoll_event *_Nonnull events, int capacity, int64_t timeout_nanoseconds);
/// One pause instruction, for short spins.
void apus_spin_pause(void);

// --- Sockets ---------------------------------------------------------------------------------------
int apus_accept(int fd, struct sockaddr *_Nullable address, uint32_t *_Nullable length);
int apus_gettid(void);

// --- Files -----------------------------------------------------------------------------------------
/// Whether the byte at `offset` can be read without waiting for a disk (preadv2(2), RWF_NOWAIT); true also where the file system cannot tell.
bool apus_is_in_memory(int fd, int64_t offset);
/// Reads what can be read without waiting for a disk (preadv2(2), RWF_NOWAIT). Returns the number of bytes, or -1.
ssize_t apus_read_from_memory(int fd, void *_Nullable buffer, size_t count, int64_t offset);
/// Reads `count` bytes from `offset` on into the page cache: readahead(2), then a read of the last byte to await it. Blocks.
void apus_bring_into_memory(int fd, int64_t offset, size_t count);

// --- Threads ---------------------------------------------------------------------------------------
void apus_set_thread_name(const char *_Nonnull name);
/// Gives this thread the main thread's signal mask, if it has inherited the one of a libdispatch worker.
///
/// Those block every signal, a thread that they start inherits that, and so does every program that the thread starts: it could not
/// be ended with Ctrl-C.
void apus_shed_dispatch_signal_mask(void);
/// The cores that this process may run on.
int apus_available_cores(void);

// --- fork ------------------------------------------------------------------------------------------
/// Changes in the child of every fork: a loop made under another epoch belongs to the parent process.
uint32_t apus_fork_epoch(void);

// --- Signals ---------------------------------------------------------------------------------------
/// Installs the SIGINT handler if SIGINT is at its default: the first signal writes to `eventfd`, the second ends the
/// process with status 130. Returns false if somebody else handles or ignores SIGINT.
bool apus_interrupt_install(int eventfd);
/// Puts SIGINT's default action back.
void apus_interrupt_remove(void);
/// Ignores SIGPIPE, once, and only if it is at its default.
void apus_ignore_sigpipe(void);

// --- libdispatch's main queue, as CoreFoundation serves it -------------------------------------------
int _dispatch_get_main_queue_handle_4CF(void);
void _dispatch_main_queue_callback_4CF(void *_Nullable message);

#endif
