/* life.c: opening and closing a loop, and its counts.
 * Invariant: a loop is either whole or not there; what open got, its ladder or close gives back.
 * Threading: open in any thread, the rest in the loop's. */
#include <eddy/arena.h>

#include "check.h"
#include "copy.h"
#include "handle.h"
#include "list.h"
#include "loop.h"
#include "observe.h"
#include "room.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

enum {
    LIFE_EVENTS_DEFAULT = 256,
    LIFE_EVENTS_MAX = INT_MAX / (int)sizeof(struct eddy_record), /* Linux takes no more at once */
    LIFE_TIMERS_DEFAULT = 256,                                   /* called in a turn */
    LIFE_COMPLETIONS_DEFAULT = 256,
    LIFE_POOL_THREADS_DEFAULT = 4,
    LIFE_POOL_THREADS_MAX = 1024,          /* more are a mistake in the caller's arithmetic */
    LIFE_POOL_STACK_BYTES_MIN = 16 * 1024, /* as a pool's: less is refused by every system */
    LIFE_READ_BUFFER_DEFAULT = 64 * 1024,
    LIFE_STREAM_BYTES_DEFAULT = 256 * 1024,
    LIFE_DESCRIPTORS_FIXED = 64, /* of a loop that is_fixed */
    LIFE_TIMERS_FIXED = 16,
};

void eddy_loop_set_data(eddy_loop *loop, void *data) {
    CHECK_THREAD(loop);
    loop->data = data;
}

void *eddy_loop_data(const eddy_loop *loop) {
    return loop->data;
}

const eddy_allocator *eddy_loop_allocator(const eddy_loop *loop) {
    return &loop->allocator;
}

void *eddy__resize(eddy_loop *loop, void *memory, size_t old_bytes, size_t new_bytes) {
    if (new_bytes > 0) loop->metrics.allocations++;
    return loop->allocator.resize(loop->allocator.context, memory, old_bytes, new_bytes);
}

/* The backend's way to the same memory; its context is the loop, so that it is counted. */
static void *life_resize_for_backend(void *context, void *memory, size_t old_bytes,
                                     size_t new_bytes) {
    return eddy__resize(context, memory, old_bytes, new_bytes);
}

/* --- Opening --- */

/* The heads of its lists, which are in place when nobody has linked who puts something there. */
static const uint16_t life_lists[] = {
    offsetof(eddy_loop, wakes),
    offsetof(eddy_loop, signals),
    offsetof(eddy_loop, deferred.queued),
    offsetof(eddy_loop, deferred.now),
    offsetof(eddy_loop, closing.queued),
    offsetof(eddy_loop, closing.now),
    offsetof(eddy_loop, hooks.lists[EDDY_HOOK_PREPARE]),
    offsetof(eddy_loop, hooks.lists[EDDY_HOOK_CHECK]),
    offsetof(eddy_loop, hooks.lists[EDDY_HOOK_IDLE]),
};
_Static_assert(sizeof(eddy_loop) <= UINT16_MAX, "the places of its lists fit");

static bool life_may_be_pool(eddy_loop_config *config) {
    if (config->pool_threads == 0) config->pool_threads = LIFE_POOL_THREADS_DEFAULT;
    if (config->pool_threads > LIFE_POOL_THREADS_MAX) return false;
    return config->pool_stack_bytes == 0 || config->pool_stack_bytes >= LIFE_POOL_STACK_BYTES_MIN;
}

static int life_check_queues(eddy_loop_config *config) {
    if (config->completions_per_turn == 0) config->completions_per_turn = LIFE_COMPLETIONS_DEFAULT;
    if (config->read_buffer_bytes == 0) config->read_buffer_bytes = LIFE_READ_BUFFER_DEFAULT;
    if (config->stream_bytes_per_turn == 0)
        config->stream_bytes_per_turn = LIFE_STREAM_BYTES_DEFAULT;
    if (config->read_buffer_bytes > SIZE_MAX / 2) return -EINVAL; /* a read must fit ssize_t */
    if ((unsigned)config->wakeup > EDDY_WAKEUP_EVENTFD) return -EINVAL;
    if ((unsigned)config->files > EDDY_FILES_URING) return -EINVAL;
    return 0;
}

static int life_check_config(eddy_loop_config *config) {
    if (config->events_per_turn == 0) config->events_per_turn = LIFE_EVENTS_DEFAULT;
    if (config->waits_per_turn == 0) config->waits_per_turn = 1;
    if (config->timers_per_turn == 0) config->timers_per_turn = LIFE_TIMERS_DEFAULT;
    if (config->is_fixed && config->descriptors == 0) config->descriptors = LIFE_DESCRIPTORS_FIXED;
    if (config->is_fixed && config->timers == 0) config->timers = LIFE_TIMERS_FIXED;
    if (config->events_per_turn > LIFE_EVENTS_MAX) return -EINVAL;
    if (HAS_POOL && !life_may_be_pool(config)) return -EINVAL;
    return HAS_QUEUES ? life_check_queues(config) : 0;
}

/* So many records are half of what can be counted, and the rest is little. */
_Static_assert(LIFE_EVENTS_MAX <= SIZE_MAX / 2 / sizeof(struct eddy_record), "a loop has a size");

static size_t life_loop_bytes(const eddy_loop_config *config, const struct eddy_backend *backend) {
    return sizeof(eddy_loop) + config->events_per_turn * sizeof(struct eddy_record) +
           backend->state_bytes;
}

/* All but the backend's state and the records, which a wait writes before anybody reads them. */
static void life_init(eddy_loop *loop, const eddy_loop_config *config, eddy_allocator allocator,
                      const struct eddy_backend *backend) {
    memset(loop, 0, sizeof *loop);
    loop->metrics.allocations = 1;
    loop->allocator = allocator;
    loop->config = *config;
    loop_set_backend(loop, backend);
    loop->full_count = config->waits_per_turn > 1 ? (int)config->events_per_turn : INT_MAX;
    loop->now_ns = eddy_os_clock_ns();
    if (backend->capabilities & BACKEND_CAN_SPLIT) loop->due = DUE_SPLIT;
    loop->turn = 1; /* a watcher's `born` is 0 before it is started */
    for (size_t i = 0; HAS_QUEUES && i < sizeof life_lists / sizeof *life_lists; i++)
        link_init((eddy_link *)(void *)((char *)loop + life_lists[i]));
    if (HAS_TRACE) {
        atomic_init(&loop->trace, NULL);
        atomic_init(&loop->trace_senders, 0);
    }
    atomic_init(&loop->wakeup.process, eddy_os_process_id());
    eddy__timer_open(&loop->timers);
}

/* Its state lies behind the records. */
static int life_open_backend(eddy_loop *loop) {
    loop->backend_allocator = (eddy_allocator){life_resize_for_backend, loop};
    loop->backend_state = loop->records + loop->config.events_per_turn;
    memset(loop->backend_state, 0, loop_backend(loop)->state_bytes);
    return loop_backend(loop)->open(loop->backend_state, &loop->backend_allocator,
                                    (int)loop->config.events_per_turn);
}

/* No more than the backend can watch. */
static unsigned life_descriptors(const struct eddy_backend *backend, unsigned descriptors) {
    unsigned most = (unsigned)backend->fd_max + 1;
    return descriptors < most ? descriptors : most;
}

static int life_reserve(eddy_loop *loop, unsigned descriptors, unsigned timers) {
    int err = eddy__io_reserve(loop, life_descriptors(loop_backend(loop), descriptors));
    return err == 0 ? eddy__timer_reserve(loop, timers) : err;
}

static int life_join_pool(eddy_loop *loop, eddy_pool *pool) {
    if (!HAS_POOL || pool == NULL) return 0;
    struct part_source *source = (void *)pool;
    return source->join(loop, source);
}

/* Where nothing of the program sends from elsewhere, there is neither pipe nor watcher of it. */
static int life_open_inbox(eddy_loop *loop) {
    if (!HAS_QUEUES || !IS_LINKED(eddy__wakeup_open)) return 0;
    eddy__inbox_open(loop);
    loop->was_marked = true;
    loop->own_handles = 1; /* the wake-up's watcher */
    return eddy__wakeup_open(loop);
}

static void life_close_inbox(eddy_loop *loop) {
    if (HAS_QUEUES && IS_LINKED(eddy__wakeup_close)) eddy__wakeup_close(loop);
}

/* What there is without inbox and parts. */
static void life_free(eddy_loop *loop) {
    loop_backend(loop)->close(loop->backend_state);
    eddy__io_close(loop);
    eddy__timer_close(loop);
    eddy_allocator allocator = loop->allocator;
    size_t bytes = life_loop_bytes(&loop->config, loop_backend(loop));
    allocator.resize(allocator.context, loop, bytes, 0);
}

static int life_open(eddy_loop **opened, const eddy_loop_config *config,
                     const struct eddy_backend *backend) {
    eddy_allocator allocator = {eddy_os_resize, NULL};
    if (config->allocator != NULL) allocator = *config->allocator;

    size_t bytes = life_loop_bytes(config, backend);
    eddy_loop *loop = allocator.resize(allocator.context, NULL, 0, bytes);
    if (loop == NULL) return -ENOMEM;
    life_init(loop, config, allocator, backend);
    int err = life_open_backend(loop);
    if (err < 0) {
        allocator.resize(allocator.context, loop, bytes, 0);
        return err;
    }
    err = life_reserve(loop, config->descriptors, config->timers);
    if (err == 0) err = life_open_inbox(loop);
    if (err == 0) {
        err = life_join_pool(loop, config->pool);
        if (err < 0) life_close_inbox(loop);
    }
    if (err < 0)
        life_free(loop);
    else
        *opened = loop;
    return err;
}

/* If it has that name, or none is asked for. */
static int life_open_with(eddy_loop **opened, const eddy_loop_config *config,
                          const struct eddy_backend *backend) {
    if (config->backend != NULL && strcmp(config->backend, backend->name) != 0) return -ENOENT;
    return life_open(opened, config, backend);
}

#ifndef EDDY_ONE_BACKEND
/* Whether a mechanism is not there, be it that the kernel was built without it or that a sandbox
 * refuses it; a shortage of descriptors or memory is no reason to take another one. */
static bool life_is_missing(int error) {
    return error == -ENOSYS || error == -EPERM || error == -EACCES || error == -ENOTSUP;
}

#endif

int eddy_loop_open(eddy_loop **opened, const eddy_loop_config *given) {
    eddy_loop_config config = {0};
    if (given != NULL) config = *given;
    int err = life_check_config(&config);
    if (err < 0) return err;
#ifdef EDDY_ONE_BACKEND
    return life_open_with(opened, &config, &EDDY_ONE_BACKEND);
#else
    err = -ENOENT;
    for (const struct eddy_backend *const *at = eddy_backend_table; *at != NULL; at++) {
        err = life_open_with(opened, &config, *at);
        if (config.backend != NULL ? err != -ENOENT : !life_is_missing(err)) break;
    }
    return err;
#endif
}

/* --- Room --- */

int eddy_loop_reserve(eddy_loop *loop, unsigned descriptors, unsigned timers) {
    CHECK_THREAD(loop);
    const struct io_table *table = &loop->io;
    descriptors = life_descriptors(loop_backend(loop), descriptors);
    if (loop->config.is_fixed)
        return descriptors <= table->slots_count && timers <= loop->timers.capacity ? 0 : -ENOMEM;
    return life_reserve(loop, descriptors, timers);
}

static uint64_t life_bytes_with(const eddy_loop_config *config,
                                const struct eddy_backend *backend) {
    uint64_t descriptors = life_descriptors(backend, config->descriptors);
    enum { LIFE_BLOCKS = 6 }; /* loop, two tables and the events of a backend, io, timers */
    return LIFE_BLOCKS * (ROOM_UNIT - 1) + life_loop_bytes(config, backend) +
           config->events_per_turn * (uint64_t)backend->record_bytes +
           descriptors * (IO_SLOT_BYTES + backend->descriptor_bytes) +
           eddy__timer_bytes(config->timers);
}

size_t eddy_loop_bytes(const eddy_loop_config *given) {
    eddy_loop_config config = {0};
    if (given != NULL) config = *given;
    config.is_fixed = true;
    if (life_check_config(&config) < 0) return 0;
    uint64_t bytes = 0;
    for (const struct eddy_backend *const *at = eddy_backend_table; *at != NULL; at++) {
        if (config.backend != NULL && strcmp(config.backend, (*at)->name) != 0) continue;
        uint64_t needed = life_bytes_with(&config, *at);
        if (needed > bytes) bytes = needed;
    }
    return bytes <= SIZE_MAX ? (size_t)bytes : 0;
}

/* --- Closing --- */

int eddy_loop_close(eddy_loop *loop) {
    CHECK_THREAD(loop);
    /* A child takes nothing out of what may be its parent's kernel object, and waits for no sender
     * or thread that is not there. */
    if (loop_is_parents(loop) && (!HAS_QUEUES || loop->wakeup.error == 0)) return -ECHILD;
    if (loop->running || eddy_loop_is_alive(loop)) return -EBUSY;
    if (loop->handles > loop->own_handles || loop->observers != NULL) return -EBUSY;
    int err = HAS_QUEUES && loop->parts != NULL ? eddy__part_close(loop) : 0;
    if (err < 0) return err;
    if (HAS_TRACE) eddy__observe_close(loop);
    life_close_inbox(loop);
    life_free(loop);
    return 0;
}

/* --- Counts --- */

void eddy_loop_read_metrics(const eddy_loop *loop, eddy_metrics *metrics, size_t size) {
    eddy_metrics now = loop->metrics;
    now.turns = loop->turn - 1;
    now.waits = now.turns - loop->turns_without_wait + loop->waits_again;
    now.active = loop->active;
    now.timers_active = loop->timers.count;
    copy_known(metrics, size, &now, sizeof now);
}
