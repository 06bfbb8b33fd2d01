/* count_allocations.so: preloaded into a program, says at its end how often it allocated, as "allocations=N bytes=B" on
   standard error. realloc counts where it makes or moves a block. Counting must not allocate: the next functions are
   looked up on first use, and a small arena serves what dlsym itself asks for meanwhile. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_ulong allocations, bytes;
static void *(*next_malloc)(size_t);
static void *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);
static void (*next_free)(void *);
static int (*next_posix_memalign)(void **, size_t, size_t);
static void *(*next_aligned_alloc)(size_t, size_t);

static _Alignas(16) char arena[65536];
static size_t arena_used;
static int in_arena(void *p) { return (char *)p >= arena && (char *)p < arena + sizeof arena; }
static void *from_arena(size_t n) {
  n = (n + 15) & ~(size_t)15;
  if (arena_used + n > sizeof arena) _exit(125);
  void *p = arena + arena_used;
  arena_used += n;
  return p;
}

static void look_up(void) {
  static _Thread_local int looking;
  if (next_aligned_alloc || looking) return;
  looking = 1;
  next_malloc = dlsym(RTLD_NEXT, "malloc");
  next_calloc = dlsym(RTLD_NEXT, "calloc");
  next_realloc = dlsym(RTLD_NEXT, "realloc");
  next_free = dlsym(RTLD_NEXT, "free");
  next_posix_memalign = dlsym(RTLD_NEXT, "posix_memalign");
  next_aligned_alloc = dlsym(RTLD_NEXT, "aligned_alloc");
  looking = 0;
}

static void count(size_t n) {
  atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&bytes, n, memory_order_relaxed);
}

void *malloc(size_t n) {
  look_up();
  if (!next_malloc) return from_arena(n);
  count(n);
  return next_malloc(n);
}
void *calloc(size_t n, size_t size) {
  look_up();
  if (!next_calloc) return from_arena(n * size); /* the arena is zero, and never used twice */
  count(n * size);
  return next_calloc(n, size);
}
void *realloc(void *p, size_t n) {
  look_up();
  if (in_arena(p)) {
    void *q = malloc(n);
    size_t rest = (size_t)(arena + sizeof arena - (char *)p);
    if (q) memcpy(q, p, n < rest ? n : rest);
    return q;
  }
  void *q = next_realloc(p, n);
  if (q != p) count(n);
  return q;
}
void free(void *p) {
  if (!p || in_arena(p)) return;
  look_up();
  next_free(p);
}
int posix_memalign(void **p, size_t alignment, size_t n) {
  look_up();
  count(n);
  return next_posix_memalign ? next_posix_memalign(p, alignment, n) : ENOMEM;
}
void *aligned_alloc(size_t alignment, size_t n) {
  look_up();
  count(n);
  return next_aligned_alloc ? next_aligned_alloc(alignment, n) : NULL;
}

__attribute__((destructor)) static void report(void) {
  char line[96];
  int n = snprintf(line, sizeof line, "allocations=%lu bytes=%lu\n", atomic_load(&allocations), atomic_load(&bytes));
  if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0) _exit(126);
}
