/* open.c: opening and closing a loop, and the counts it kept.
 * Invariant: a loop is either whole or not there; what open got, its ladder or close gives back.
 * Threading: open in any thread, the rest in the loop's. */
#include "loop.h"

#include <errno.h>
#include <string.h>

enum {
    EVENTS_DEFAULT = BACKEND_RECORDS_MAX,
    COMPLETIONS_DEFAULT = 256,
    POOL_THREADS_DEFAULT = 4,
    POOL_THREADS_MAX = 1024, /* more threads than that are a mistake in the caller's arithmetic */
    READ_BUFFER_DEFAULT = 64 * 1024,
    STREAM_BYTES_DEFAULT = 256 * 1024,
    /* Only the loop's pipe. */
    HANDLES_OF_ITS_OWN = 1,
};

_Static_assert(EDDY_CAN_EDGE == (int)BACKEND_CAN_EDGE, "public capabilities are the backend's");
_Static_assert(EDDY_CAN_ONESHOT == (int)BACKEND_CAN_ONESHOT, "public capabilities");
_Static_assert(EDDY_CAN_NEST == (int)BACKEND_CAN_NEST, "public capabilities");
_Static_assert(EDDY_CAN_BATCH == (int)BACKEND_CAN_BATCH, "public capabilities");

void *eddy__resize(eddy_loop *loop, void *memory, size_t old_bytes, size_t new_bytes) {
    if (new_bytes > 0) loop->metrics.allocations++;
    return loop->allocator.resize(loop->allocator.context, memory, old_bytes, new_bytes);
}

/* The backend's way to the same memory; its context is the loop, so that it is counted. */
static void *resize_for_backend(void *context, void *memory, size_t old_bytes, size_t new_bytes) {
    return eddy__resize(context, memory, old_bytes, new_bytes);
}

/* --- Backends --- */

static eddy_backend_info info_of(const struct eddy_backend *backend) {
    return (eddy_backend_info){
        .name = backend->name,
        .capabilities = backend->capabilities &
                        (EDDY_CAN_EDGE | EDDY_CAN_ONESHOT | EDDY_CAN_NEST | EDDY_CAN_BATCH),
        .fd_max = backend->fd_max,
    };
}

int eddy_backend_at(size_t index, eddy_backend_info *info) {
    const struct eddy_backend *const *backend = eddy_backend_table;
    for (; *backend != NULL; backend++) {
        if (index-- > 0) continue;
        *info = info_of(*backend);
        return 0;
    }
    return -ENOENT;
}

static const struct eddy_backend *find_backend(const char *name) {
    const struct eddy_backend *const *backend = eddy_backend_table;
    while (name != NULL && *backend != NULL && strcmp((*backend)->name, name) != 0) backend++;
    return *backend;
}

const eddy_backend_info *eddy_loop_backend(const eddy_loop *loop) {
    return &loop->backend_info;
}

int eddy_loop_backend_fd(const eddy_loop *loop) {
    if (!(loop->backend->capabilities & BACKEND_CAN_NEST)) return -ENOTSUP;
    return loop->backend->descriptor(loop->backend_state);
}

/* --- Opening --- */

static int check_config(eddy_loop_config *config) {
    if (config->events_per_turn == 0) config->events_per_turn = EVENTS_DEFAULT;
    if (config->completions_per_turn == 0) config->completions_per_turn = COMPLETIONS_DEFAULT;
    if (config->pool_threads == 0) config->pool_threads = POOL_THREADS_DEFAULT;
    if (config->read_buffer_bytes == 0) config->read_buffer_bytes = READ_BUFFER_DEFAULT;
    if (config->stream_bytes_per_turn == 0) config->stream_bytes_per_turn = STREAM_BYTES_DEFAULT;
    if (config->events_per_turn > BACKEND_RECORDS_MAX) return -EINVAL;
    if (config->pool_threads > POOL_THREADS_MAX) return -EINVAL;
    if (config->read_buffer_bytes > SIZE_MAX / 2) return -EINVAL; /* a read must fit ssize_t */
    return 0;
}

static int open_backend(eddy_loop *loop) {
    loop->memory = (struct eddy_memory){resize_for_backend, loop};
    size_t bytes = loop->backend->state_bytes;
    loop->backend_state = eddy__resize(loop, NULL, 0, bytes);
    if (loop->backend_state == NULL) return -ENOMEM;
    memset(loop->backend_state, 0, bytes);
    int err = loop->backend->open(loop->backend_state, &loop->memory);
    if (err < 0) eddy__resize(loop, loop->backend_state, bytes, 0);
    return err;
}

static void close_backend(eddy_loop *loop) {
    loop->backend->close(loop->backend_state);
    eddy__resize(loop, loop->backend_state, loop->backend->state_bytes, 0);
}

static void join_pool(eddy_loop *loop, eddy_pool *pool) {
    link_init(&loop->work_queue);
    loop->pool = pool;
    if (pool == NULL) return;
    loop->work = ((const struct pool_base *)(const void *)pool)->calls;
    loop->work->enter(loop);
}

int eddy_loop_open(eddy_loop **opened, const eddy_loop_config *wished) {
    eddy_loop_config config = {0};
    if (wished != NULL) config = *wished;
    int err = check_config(&config);
    if (err < 0) return err;
    const struct eddy_backend *backend = find_backend(config.backend);
    if (backend == NULL) return -ENOENT;
    eddy_allocator allocator = {eddy_os_resize, NULL};
    if (config.allocator != NULL) allocator = *config.allocator;

    eddy_loop *loop = allocator.resize(allocator.context, NULL, 0, sizeof *loop);
    if (loop == NULL) return -ENOMEM;
    memset(loop, 0, sizeof *loop);
    loop->metrics.allocations = 1;
    loop->allocator = allocator;
    loop->config = config;
    loop->backend = backend;
    loop->backend_info = info_of(backend);
    loop->now_ns = eddy_os_clock_ns();
    loop->turn = 1; /* a watcher's `born` is 0 before it is started */
    eddy__hook_open(loop);
    eddy__defer_open(loop);
    join_pool(loop, config.pool);
    eddy__net_open(loop);

    err = open_backend(loop);
    if (err < 0) goto free_loop;
    err = eddy__inbox_open(loop);
    if (err < 0) goto close_backend;
    *opened = loop;
    return 0;

close_backend:
    close_backend(loop);
    eddy__io_close(loop);
free_loop:
    if (loop->work != NULL) (void)loop->work->close(loop);
    allocator.resize(allocator.context, loop, sizeof *loop, 0);
    return err;
}

int eddy_loop_close(eddy_loop *loop) {
    if (loop->running || eddy_loop_is_alive(loop)) return -EBUSY;
    if (loop->handles > HANDLES_OF_ITS_OWN) return -EBUSY;
    int err = loop->work != NULL ? loop->work->close(loop) : 0;
    if (err < 0) return err;
    eddy__inbox_close(loop);
    eddy__net_close(loop);
    close_backend(loop);
    eddy__io_close(loop);
    eddy__timer_close(loop);
    eddy_allocator allocator = loop->allocator;
    allocator.resize(allocator.context, loop, sizeof *loop, 0);
    return 0;
}

/* Every part lets go of what is the parent's, whatever becomes of the others: after an error the
 * loop can still be closed without disturbing the parent. */
int eddy_loop_after_fork(eddy_loop *loop) {
    if (loop->running) return -EBUSY;
    eddy__signal_after_fork();
    if (loop->work != NULL) loop->work->forget_pool(loop);
    int err = eddy__io_rebuild(loop);
    int inbox_err = eddy__inbox_reopen(loop);
    if (err == 0) err = inbox_err;
    if (err < 0 || loop->work == NULL) return err;
    return loop->work->after_fork(loop);
}

/* --- Counts --- */

void eddy_loop_read_metrics(const eddy_loop *loop, eddy_metrics *metrics) {
    *metrics = loop->metrics;
    metrics->turns = loop->turn - 1;
    metrics->active = loop->active;
    metrics->timers_active = loop->timers_count;
}
