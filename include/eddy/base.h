/* base.h: the few things that every other header needs.
 * Errors everywhere are 0 or a negative errno, to be compared with the names of <errno.h>, which
 * comes along. Every descriptor that the library opens or accepts is close-on-exec. Times are int64
 * nanoseconds, monotonic. Pointers may be NULL only where it says so. For a callback that may not,
 * NULL is -EINVAL, before anything else is looked at, and nothing has happened; of the two
 * functions that return nothing (eddy_loop_post, eddy_loop_walk) it ends the program.
 * @since 0.1 */
#ifndef EDDY_BASE_H
#define EDDY_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Before each function of the library. Whoever compiles it into something of his own may define it
 * otherwise first: hidden, say. */
#ifndef EDDY_API
#if defined(__GNUC__) || defined(__clang__)
#define EDDY_API __attribute__((visibility("default")))
#else
#define EDDY_API
#endif
#endif

/* Fields that other threads touch. C++ has no _Atomic; the layout is the same. */
#ifdef __cplusplus
#define EDDY_ATOMIC(type) type
#else
#define EDDY_ATOMIC(type) _Atomic(type)
#endif

/* The struct that embeds a handle or request: `eddy_container_of(timer, struct client, timer)`. */
#define eddy_container_of(pointer, type, member) \
    ((type *)(void *)((uintptr_t)(pointer)-offsetof(type, member)))

#define EDDY_NS_PER_US INT64_C(1000)
#define EDDY_NS_PER_MS INT64_C(1000000)
#define EDDY_NS_PER_S  INT64_C(1000000000)

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eddy_loop eddy_loop;
typedef struct eddy_pool eddy_pool;

/* Where a loop or pool takes its memory. `resize` behaves as realloc: `memory` NULL allocates,
 * `new_bytes` 0 frees and returns NULL, NULL otherwise means no memory and the old block stays.
 * `old_bytes` is the size that was asked for. Memory must be aligned for any type. */
typedef struct eddy_allocator {
    void *(*resize)(void *context, void *memory, size_t old_bytes, size_t new_bytes);
    void *context;
} eddy_allocator;

/* Private: a place in a doubly linked list. */
typedef struct eddy_link {
    struct eddy_link *prev, *next;
} eddy_link;

/* What every watcher, stream and listener starts with. All fields are private. The loop knows a
 * handle by its address: from start until it is yours again it must not be moved, so none belongs
 * into an array that grows. The same goes for requests under way. */
typedef struct eddy_handle {
    eddy_loop *loop;
    uint16_t flags;
    uint16_t mark;  /* the same number in each, from init on */
    uint32_t place; /* an io's descriptor, a timer's place among all, a closing's in its handle */
} eddy_handle;

/* A handle that is active keeps its loop running, unless it is unreferenced. Both calls are
 * idempotent, may come before or after start, and hold until the other one is made.
 * `eddy_unref(&timer.handle)`, after eddy_timer_init. Loop thread only. */
EDDY_API void eddy_ref(eddy_handle *handle);
EDDY_API void eddy_unref(eddy_handle *handle);

/* Whether the handle is started. Loop thread only. */
EDDY_API bool eddy_is_active(const eddy_handle *handle);

/* The loop that it was initialised for. Any thread. */
EDDY_API eddy_loop *eddy_handle_loop(const eddy_handle *handle);

/* Called where a program has broken a promise (docs/03-handles.md has which of them are seen), and
 * going on would corrupt memory: with what must hold and where in the library's sources, or, in a
 * library that was built with -Dnames=false, with "", "" and 0. In whatever thread it happened, a
 * signal handler included. When it returns, as without one, the library writes a line to standard
 * error, with write(2), and aborts; it may leave by longjmp, and then must not use that loop again.
 */
typedef void eddy_assert_fn(const char *condition, const char *file, int line);

/* Sets that function for the whole process, in place of any before; NULL: none. Any thread. */
EDDY_API void eddy_assert_set_handler(eddy_assert_fn *fn);

/* The text for a result of this library, as strerror_r gives it; `error` may be of either sign.
 * Writes at most `size` bytes, always ended, and returns `text`. Any thread. */
EDDY_API const char *eddy_strerror(int error, char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
