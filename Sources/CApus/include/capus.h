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

/// `withTaskCancellationHandler` in two halves: calls `tell(object)` when that task is cancelled, on whatever thread that happens, or now if
/// it was. `tell` has to be the same function at each call. The record is memory of the task, which is given back in the order of a stack.
void *_Nonnull apus_task_add_cancellation_handler(void (*_Nonnull tell)(void *_Nonnull object), void *_Nonnull object);
void apus_task_remove_cancellation_handler(void *_Nonnull record);

/// Whether the code that runs is isolated to no actor, as far as the runtime knows: a task that entered a default actor without a
/// change of threads is in it.
bool apus_runs_without_actor(void);
/// Whether Swift's pool has been given a job; false for ever without the trait WholeProcess.
bool apus_global_executor_was_used(void);

// --- Time and waiting ----------------------------------------------------------------------------
/// CLOCK_MONOTONIC in nanoseconds.
int64_t apus_monotonic_now(void);
/// `epoll_pwait2` where the kernel has it (5.11), else `epoll_wait` rounded up to the next millisecond.
/// A negative timeout waits for ever. Returns -errno on failure. `in_milliseconds` asks for the older call, as on an older kernel.
int apus_epoll_wait(int epoll, struct epoll_event *_Nonnull events, int capacity, int64_t timeout_nanoseconds, bool in_milliseconds);
/// What the older call waits for: rounded up, so that no wait ends before its time, and at most a day, after which the loop waits again.
int apus_whole_milliseconds(int64_t nanoseconds);
/// One pause instruction, for short spins.
void apus_spin_pause(void);

/// Sleeps while `*word` is `value`, or for no reason at all: futex(2), FUTEX_WAIT.
void apus_futex_wait(const void *_Nonnull word, uint32_t value);
/// Wakes one thread that sleeps at `word`; nobody, if the memory is gone.
void apus_futex_wake(const void *_Nonnull word);

// --- Seats -----------------------------------------------------------------------------------------
/// Where one thread waits until another gives it something: a futex of its own, so that exactly that thread wakes.
struct apus_seat {
    uint32_t state;
    void *_Nullable job;  ///< what it was given; NULL if it was only woken
};
/// Whoever waits there has been called: `job` may be read.
bool apus_seat_is_called(const struct apus_seat *_Nonnull seat);
/// Gives it something: one thread, once. Wakes who sleeps there; a system call only then.
void apus_seat_call(struct apus_seat *_Nonnull seat, void *_Nullable job);
/// Sleeps until it is called, or for so long. Returns whether it was called.
bool apus_seat_sleep(struct apus_seat *_Nonnull seat, int64_t nanoseconds);
/// Takes the seat anew, before anybody can call it.
void apus_seat_take(struct apus_seat *_Nonnull seat);

// --- Sockets ---------------------------------------------------------------------------------------
int apus_accept(int fd, struct sockaddr *_Nullable address, uint32_t *_Nullable length);
int apus_gettid(void);

// --- Datagrams -------------------------------------------------------------------------------------
/// The most datagrams of one call below.
enum { APUS_DATAGRAM_BATCH = 64 };
/// One datagram of a batch, without its bytes.
struct apus_datagram {
    struct sockaddr_storage address;
    uint32_t address_length;  ///< 0: no address
    uint32_t offset;          ///< where in the batch's memory it begins
    uint32_t length;          ///< bytes; of a received one those that fitted
    bool is_truncated;        ///< there were more
};
/// recvmmsg(2) without waiting: the datagram with number i goes to `memory + i * stride`. How many came, or -errno.
int apus_receive_datagrams(int fd, uint8_t *_Nonnull memory, uint32_t stride, struct apus_datagram *_Nonnull datagrams,
                           int count);
/// sendmmsg(2) without waiting: how many were sent, or -errno if not even the first was.
int apus_send_datagrams(int fd, const uint8_t *_Nonnull memory, const struct apus_datagram *_Nonnull datagrams,
                        int count);
/// An entry of a socket's error queue (ip(7), IP_RECVERR).
struct apus_delivery_error {
    struct sockaddr_storage destination, reporter;
    uint32_t destination_length, reporter_length;  ///< 0: not known
    int32_t code;    ///< an errno
    bool is_remote;  ///< an ICMP message, and not what send(2) has reported already
};
/// Takes the next error off the queue. 1, or 0 if there is none.
int apus_next_delivery_error(int fd, struct apus_delivery_error *_Nonnull error);
/// Joins a multicast group, or leaves it. 0, or an errno.
int apus_change_membership(int fd, bool join, const struct sockaddr *_Nonnull group, uint32_t length,
                           uint32_t interface);

// --- Files -----------------------------------------------------------------------------------------
/// Whether the byte at `offset` can be read without waiting for a disk (preadv2(2), RWF_NOWAIT); true also where the file system cannot tell.
bool apus_is_in_memory(int fd, int64_t offset);
/// Reads what can be read without waiting for a disk (preadv2(2), RWF_NOWAIT). Returns the number of bytes, or -1.
ssize_t apus_read_from_memory(int fd, void *_Nullable buffer, size_t count, int64_t offset);
/// Reads `count` bytes from `offset` on into the page cache: readahead(2), then a read of the last byte to await it. Blocks.
void apus_bring_into_memory(int fd, int64_t offset, size_t count);
/// Whether one of the descriptors 0 to 2 was open when the program began.
bool apus_was_open_at_start(int fd);
/// Two descriptors, non-blocking and close-on-exec: [0] reads what [1] writes. 0, or an errno.
int apus_pipe(int descriptors[_Nonnull 2]);
/// Whether each read of a pipe gets one write (O_DIRECT).
bool apus_is_packet_pipe(int fd);
/// The major and the minor number of a device, as `st_rdev` has it.
uint32_t apus_device_major(uint64_t device);
uint32_t apus_device_minor(uint64_t device);

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
/// Somebody who listens to signals: which, which have come, and the eventfd that is written to then.
struct apus_signal_slot;
/// NULL if there is no memory. Listens to nothing yet.
struct apus_signal_slot *_Nullable apus_signal_slot_make(int eventfd);
/// Listens to one more signal; the first listener of a signal installs the handler, with SA_RESTART. 0, or an errno value.
int apus_signal_slot_add(struct apus_signal_slot *_Nonnull slot, int number);
/// Lets this thread receive the signals that the slot listens to.
void apus_signal_slot_unblock(struct apus_signal_slot *_Nonnull slot);
/// The signals that have come since the last call, as bits: bit 0 is signal 1.
uint64_t apus_signal_slot_take(struct apus_signal_slot *_Nonnull slot);
/// Stops listening; the last listener of a signal puts back what was there before it. Afterwards nothing writes to the eventfd.
void apus_signal_slot_free(struct apus_signal_slot *_Nonnull slot);

/// Handles SIGINT if it is at its default (or was, before somebody listened to it): the first signal that no listener takes writes to
/// `eventfd`, the second ends the process with status 130. Returns false if somebody else handles or ignores SIGINT.
bool apus_interrupt_install(int eventfd);
/// Puts SIGINT's default action back. Afterwards nothing writes to the eventfd.
void apus_interrupt_remove(void);
/// Ignores SIGPIPE, once, and only if it is at its default.
void apus_ignore_sigpipe(void);

// --- libdispatch's main queue, as CoreFoundation serves it -------------------------------------------
int _dispatch_get_main_queue_handle_4CF(void);
void _dispatch_main_queue_callback_4CF(void *_Nullable message);

#endif
