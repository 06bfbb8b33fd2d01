#ifndef APUS_BACKTRACE_H
#define APUS_BACKTRACE_H

// What BlockMonitor (ApusRuntime/Diagnostics) needs and Swift cannot say: a signal handler, thread attributes, copying
// memory that may not be there, and the unwind tables' entry point. None of it is called while the monitor is off.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// The calling thread's kernel id.
int32_t apus_bt_gettid(void);

/// The calling thread's stack, `[low, high)`. 0, or an errno value.
int apus_bt_stack_bounds(uintptr_t *low, uintptr_t *high);

/// Installs the sampling signal's handler, once per process; lets the calling thread receive it (libdispatch's threads
/// and their children block all signals); and calls backtrace(3) once, which loads the unwinder now: that takes locks
/// and memory, which a handler may not. Returns the signal's number, or -1.
int apus_bt_prepare(void);

enum { APUS_BT_FRAMES = 72 };

/// What the handler leaves. backtrace(3) alone is not enough: it ends at the first function without unwind tables,
/// which in 6.3 is every seventh of libswiftCore's that call others, and every fourth of FoundationEssentials'. So the
/// registers and the top of the stack come with it, for a walk that can do without.
struct apus_bt_sample {
    int count;                          ///< of `frames`
    uintptr_t frames[APUS_BT_FRAMES];   ///< the interrupted program counter, then return addresses outwards
    uintptr_t pc, sp, fp, lr;           ///< the interrupted registers; `lr` is 0 on x86-64
    const uintptr_t *stack;             ///< a copy of what is at `sp`
    size_t stack_words;
};

enum apus_bt_result {
    APUS_BT_SAMPLED,
    APUS_BT_NOT_RUNNING,  ///< The thread has entered a system call meanwhile: nothing was sent.
    APUS_BT_NO_ANSWER,    ///< The signal was sent and not answered in time.
    APUS_BT_UNAVAILABLE,  ///< No signal to use, or an earlier sample is still being written.
};

/// Samples the *running* thread `tid` of this process, whose stack is `[stack_low, stack_high)`. `syscall_fd` is its
/// open /proc/self/task/TID/syscall, read once more right before the signal is sent: anything but "running" there sends
/// nothing. `*sample` is valid until the next call. One call at a time.
enum apus_bt_result apus_bt_sample_running(int32_t tid, int syscall_fd, uintptr_t stack_low, uintptr_t stack_high,
                                           int64_t timeout_ns, const struct apus_bt_sample **sample);

/// Copies `count` bytes of this process's memory; returns how many were readable. A bad address is not a crash.
size_t apus_bt_read_memory(uintptr_t from, void *to, size_t count);

/// The unwind table entry (FDE) that covers `pc`, or NULL, and the start of that function.
const void *apus_bt_find_fde(uintptr_t pc, uintptr_t *function);

/// The name of one of the system calls that block, or NULL.
const char *apus_bt_syscall_name(long number);

/// Starts a thread with every signal blocked. It is detached, or else waited for. 0, or an errno value.
int apus_bt_spawn(const char *name, void (*body)(void *), void *argument, bool wait);

/// The bounds, `[start, end)`, of the exported function that `pc` is in. False if it is in none.
bool apus_bt_function_bounds(uintptr_t pc, uintptr_t *start, uintptr_t *end);

/// dladdr(3): the file that `address` was loaded from and the nearest symbol below it. Either may be NULL.
void apus_bt_nearest_symbol(uintptr_t address, const char **image, const char **symbol);

/// The demangled form of a Swift symbol, to be freed, or NULL.
char *apus_bt_demangle(const char *symbol);

/// What the Swift runtime says to debuggers about how it lays out tasks.
struct apus_bt_task_runtime {
    int64_t layout_version;   ///< -1 if it does not say.
    size_t task_size;         ///< 0 if it does not say.
    uintptr_t task_metadata;  ///< what the first word of every task is; 0 if it does not say
    bool escalates;           ///< whether tasks note the thread that runs them, in place of a bit
};
struct apus_bt_task_runtime apus_bt_task_runtime(void);

/// The calls that led here: return addresses of the stack, and from its first asynchronous function on those that await it. Each is one
/// byte or more behind the instruction that it stands for. Returns how many.
size_t apus_bt_call_trace(uintptr_t *frames, size_t capacity);

/// Where the functions that await `context` go on, in the same form.
size_t apus_bt_async_trace(uintptr_t context, uintptr_t *frames, size_t capacity);
/// Whether `address` is in the program or in a library of it.
bool apus_bt_is_in_image(uintptr_t address);

/// A sleep that can be ended early, once and for all.
typedef struct apus_bt_gate apus_bt_gate;
apus_bt_gate *apus_bt_gate_make(void);
void apus_bt_gate_free(apus_bt_gate *gate);
/// Sleeps for `ns` nanoseconds. 1 if the gate is open, 0 if the time has passed.
int apus_bt_gate_wait(apus_bt_gate *gate, int64_t ns);
void apus_bt_gate_open(apus_bt_gate *gate);

#endif
